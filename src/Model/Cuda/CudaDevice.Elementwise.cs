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
}
