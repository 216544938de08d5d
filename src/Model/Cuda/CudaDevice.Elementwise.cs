#if ILGPU
using ILGPU.Runtime;
#else
using OllmNative.Runtime.Language;
#endif

namespace OllmNative.Model.Cuda;

public sealed partial class CudaDevice
{
    private Action<Queue, Launch, Floats, Floats, Floats, int>? _swiGlu, _add, _siluBackward;
    private Action<Queue, Launch, Floats, Floats, int>? _silu;
    private Action<Queue, Launch, Floats, float, int>? _scale;
    private Action<Queue, Launch, Floats, Floats, Floats, Floats, Kernels.AdamWFactors, int>? _adamW;
    private Action<Queue, Launch, Floats, Doubles, int>? _squaredNorm;
    private CudaBuffer<double>? _normParts;
    private double[] _hostParts = [];

    /// <inheritdoc/>
    public override void SwiGlu(DeviceView<float> gate, DeviceView<float> up, DeviceView<float> output)
    {
        Expect(gate.Length == up.Length && gate.Length == output.Length, "SwiGlu: equal lengths");
        if (gate.Length == 0) return;
        (_swiGlu ??= _accelerator.LoadKernel<Floats, Floats, Floats, int>(Kernels.SwiGlu.Forward))(
            _queue, Each(gate.Length), In(gate), In(up), Out(output), checked((int)gate.Length));
    }

    /// <inheritdoc/>
    public override void Add(DeviceView<float> a, DeviceView<float> b, DeviceView<float> output)
    {
        Expect(a.Length == b.Length && a.Length == output.Length, "Add: equal lengths");
        if (a.Length == 0) return;
        (_add ??= _accelerator.LoadKernel<Floats, Floats, Floats, int>(Kernels.ResidualAdd.Forward))(
            _queue, Each(a.Length), In(a), In(b), Out(output), checked((int)a.Length));
    }

    /// <inheritdoc/>
    public override void Silu(DeviceView<float> x, DeviceView<float> output)
    {
        Expect(x.Length == output.Length, "Silu: equal lengths");
        if (x.Length == 0) return;
        (_silu ??= _accelerator.LoadKernel<Floats, Floats, int>(Kernels.SwiGlu.Silu))(_queue, Each(x.Length), In(x), Out(output), checked((int)x.Length));
    }

    /// <inheritdoc/>
    public override void SiluBackward(DeviceView<float> x, DeviceView<float> dy, DeviceView<float> dx)
    {
        Expect(x.Length == dy.Length && x.Length == dx.Length, "SiluBackward: equal lengths");
        if (x.Length == 0) return;
        (_siluBackward ??= _accelerator.LoadKernel<Floats, Floats, Floats, int>(Kernels.SwiGlu.SiluBackward))(
            _queue, Each(x.Length), In(x), In(dy), Out(dx), checked((int)x.Length));
    }

    /// <inheritdoc/>
    public override void Scale(DeviceView<float> x, float scale)
    {
        if (x.Length == 0) return;
        (_scale ??= _accelerator.LoadKernel<Floats, float, int>(Kernels.Scale.Forward))(_queue, Each(x.Length), Out(x), scale, checked((int)x.Length));
    }

    /// <inheritdoc/>
    public override void AdamW(
        DeviceView<float> parameters, DeviceView<float> gradients, DeviceView<float> firstMoment, DeviceView<float> secondMoment, in AdamWStep step)
    {
        long count = parameters.Length;
        Expect(gradients.Length == count && firstMoment.Length == count && secondMoment.Length == count, "AdamW: four buffers of equal length");
        if (count == 0) return;
        var factors = new Kernels.AdamWFactors
        {
            Beta1 = step.Beta1, Beta2 = step.Beta2, Epsilon = step.Epsilon, GradientScale = step.GradientScale,
            Shrink = 1 - step.LearningRate * step.WeightDecay,
            Rate = step.LearningRate / (float)(1 - Math.Pow(step.Beta1, step.Step)),
            Root = 1 / MathF.Sqrt((float)(1 - Math.Pow(step.Beta2, step.Step))),
        };
        (_adamW ??= _accelerator.LoadKernel<Floats, Floats, Floats, Floats, Kernels.AdamWFactors, int>(Kernels.AdamW.Step))(
            _queue, Each(count), Out(parameters), In(gradients), Out(firstMoment), Out(secondMoment), factors, checked((int)count));
    }

    /// <inheritdoc/>
    public override double SquaredNorm(DeviceView<float> x)
    {
        if (x.Length == 0) return 0;
        int parts = checked((int)((x.Length + Kernels.SquaredNorm.Block - 1) / Kernels.SquaredNorm.Block));
        CudaBuffer<double> partial = Scratch(ref _normParts, parts);
        if (_hostParts.Length < parts) _hostParts = new double[parts];
        (_squaredNorm ??= _accelerator.LoadKernel<Floats, Doubles, int>(Kernels.SquaredNorm.Partial))(
            _queue, new Launch(parts, _options.Plain ? 32 : Threads), In(x), partial.Write(0, parts), checked((int)x.Length));
        partial.Download(0, _hostParts.AsSpan(0, parts));
        double total = 0;
        for (int i = 0; i < parts; i++) total += _hostParts[i];
        return total;
    }
}
