using BenchmarkDotNet.Attributes;
using OllmNative.Model;

namespace OllmNative.Bench;

/// <summary>What a training step adds to the forward pass: weight gradients and the optimizer, on Qwen2.5-0.5B's default modules.</summary>
public class TrainingBenchmarks
{
    private const int Hidden = 896, Width = 2112, Parameters = 9_500_000;

    private Operands _o = null!;
    private DeviceView<float> _dy, _x, _dx, _parameters, _gradients, _first, _second;
    private DeviceMatrix _w = null!, _dW = null!;

    /// <summary>N.</summary>
    [Params(256, 1024)]
    public int Rows { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _o = new Operands();
        (_dy, _x, _dx) = (_o.Floats((long)Rows * Width), _o.Floats((long)Rows * Hidden), _o.Floats((long)Rows * Hidden));
        (_w, _dW) = (_o.Device.Matrix(_o.Floats((long)Width * Hidden), Width, Hidden), _o.Device.Matrix(_o.Floats((long)Width * Hidden), Width, Hidden));
        (_parameters, _gradients) = (_o.Floats(Parameters), _o.Floats(Parameters));
        (_first, _second) = (_o.Upload(new float[Parameters]), _o.Upload(new float[Parameters]));
    }

    [GlobalCleanup]
    public void Cleanup() => _o.Dispose();

    [Benchmark]
    public void MatMulBackwardWeight() => _o.Device.MatMulBackwardWeight(_dy, _x, _dW, default);

    [Benchmark]
    public void MatMulBackwardInput() => _o.Device.MatMulBackwardInput(_dy, _w, _dx);

    [Benchmark]
    public void AdamW() => _o.Device.AdamW(_parameters, _gradients, _first, _second, new AdamWStep(1, 1e-3f, 0.9f, 0.999f, 1e-8f, 0, 1));

    [Benchmark]
    public double SquaredNorm() => _o.Device.SquaredNorm(_gradients);
}
