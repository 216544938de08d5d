using BenchmarkDotNet.Attributes;
using OllmNative.Model;

namespace OllmNative.Bench;

/// <summary>The operations of a forward pass on Qwen2.5-0.5B's sizes; <see cref="Rows"/> 1 is decoding, 256 a prompt.</summary>
public class OperationBenchmarks
{
    private const int Hidden = 896, Middle = 4864, Heads = 14, KvHeads = 2, HeadSize = 64;

    private Operands _o = null!;
    private DeviceMatrix _up = null!, _down = null!;
    private DeviceView<float> _x, _middle, _other, _gain, _q, _keys, _output, _rope;
    private DeviceView<int> _positions;
    private SequenceSpan[] _sequences = [];

    /// <summary>N.</summary>
    [Params(1, 256, 1024)]
    public int Rows { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _o = new Operands();
        (_up, _down) = (_o.Weights(Middle, Hidden, out _), _o.Weights(Hidden, Middle, out _));
        (_x, _middle, _other) = (_o.Floats((long)Rows * Hidden), _o.Floats((long)Rows * Middle), _o.Floats((long)Rows * Middle));
        (_gain, _q, _output) = (_o.Floats(Hidden), _o.Floats((long)Rows * Heads * HeadSize), _o.Floats((long)Rows * Heads * HeadSize));
        // One row attends to 1,024 positions before it, many rows to themselves.
        int past = Rows == 1 ? 1023 : 0;
        _keys = _o.Floats((long)(past + Rows) * KvHeads * HeadSize);
        _rope = _o.Floats((long)(past + Rows) * HeadSize);
        _positions = _o.Upload([.. Enumerable.Range(past, Rows)]);
        _sequences = [new SequenceSpan(0, Rows, past, 0)];
    }

    [GlobalCleanup]
    public void Cleanup() => _o.Dispose();

    [Benchmark]
    public void MatMulUp() => _o.Device.MatMul(_x, _up, default, _middle);

    [Benchmark]
    public void MatMulDown() => _o.Device.MatMul(_middle, _down, default, _x);

    [Benchmark]
    public void Attention() => _o.Device.Attention(_q, _keys, _keys, _sequences, _output, Heads, KvHeads, HeadSize);

    [Benchmark]
    public void RmsNorm() => _o.Device.RmsNorm(_x, _gain, _output, 1e-6f);

    [Benchmark]
    public void SwiGlu() => _o.Device.SwiGlu(_middle, _other, _middle);

    [Benchmark]
    public void Rope() => _o.Device.Rope(_q, _positions, _rope, HeadSize);
}
