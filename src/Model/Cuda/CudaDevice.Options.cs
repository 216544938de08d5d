#if ILGPU
using ILGPU.Runtime;
#else
using OllmNative.Runtime.Language;
#endif

namespace OllmNative.Model.Cuda;

/// <summary>Operations on rows of K options: one thread a row, as they are small beside the products.</summary>
public sealed partial class CudaDevice
{
    /// <summary>Softmax of rows up to this length is done by one thread a row.</summary>
    private const int ShortRow = 64;

    private Action<Queue, Launch, Floats, Floats, int, int>? _shortSoftmax;
    private Action<Queue, Launch, Floats, Floats, int>? _longSoftmax;
    private Action<Queue, Launch, Floats, Floats, Floats, int, int, float, int>? _softmaxBackward;
    private Action<Queue, Launch, Floats, Keys, Floats, Floats, float, int, int>? _gumbel;
    private Action<Queue, Launch, Floats, Floats, Floats, Doubles, int, int, float, float>? _uniformKl;
    private Action<Queue, Launch, Floats, Floats, Floats, Floats, int, int, float>? _policyCe;
    private Action<Queue, Launch, Floats, Floats, Floats, Floats, Floats, int, int, float>? _marginal;
    private Action<Queue, Launch, Floats, Ints, Floats, Floats, Floats, Floats, Floats, int, int, float, float, float>? _policyGradient;

    /// <inheritdoc/>
    public override void Softmax(DeviceView<float> x, DeviceView<float> p, int columns)
    {
        Expect(x.Length == p.Length && x.Length % columns == 0, "Softmax: x and p [N, columns]");
        int rows = checked((int)(x.Length / columns));
        if (rows == 0) return;
        if (columns <= ShortRow || _options.Plain)
            (_shortSoftmax ??= _accelerator.LoadKernel<Floats, Floats, int, int>(Kernels.OptionSoftmax.Forward))(_queue, EachRow(rows), In(x), Out(p), rows, columns);
        else
        {
            (_longSoftmax ??= _accelerator.LoadKernel<Floats, Floats, int>(Kernels.Softmax.Forward))(
                _queue, new Launch(rows, Kernels.GroupReduce.GroupSize), In(x), Out(p), columns);
        }
    }

    /// <inheritdoc/>
    public override void SoftmaxBackward(DeviceView<float> p, DeviceView<float> dp, DeviceView<float> dx, int columns, float scale, bool accumulate)
    {
        Expect(p.Length == dp.Length && p.Length == dx.Length, "SoftmaxBackward: p, dp and dx [N, columns]");
        int rows = checked((int)(p.Length / columns));
        if (rows == 0) return;
        (_softmaxBackward ??= _accelerator.LoadKernel<Floats, Floats, Floats, int, int, float, int>(Kernels.OptionSoftmax.Backward))(
            _queue, EachRow(rows), In(p), In(dp), Out(dx), rows, columns, scale, accumulate ? 1 : 0);
    }

    /// <inheritdoc/>
    public override void GumbelSoftmax(
        DeviceView<float> logits, DeviceView<ulong> keys, float temperature, DeviceView<float> soft, DeviceView<float> hard, int columns)
    {
        Expect(logits.Length == keys.Length * columns && soft.Length == logits.Length && hard.Length == logits.Length, "GumbelSoftmax: logits, soft, hard [N, K], keys [N]");
        if (keys.Length == 0) return;
        (_gumbel ??= _accelerator.LoadKernel<Floats, Keys, Floats, Floats, float, int, int>(Kernels.GumbelSoftmax.Forward))(
            _queue, EachRow(keys.Length), In(logits), In(keys), Out(soft), Out(hard), temperature, checked((int)keys.Length), columns);
    }

    /// <inheritdoc/>
    public override void UniformKl(DeviceView<float> q, DeviceView<float> kl, DeviceView<float> dLogits, int columns, float scale, DeviceView<double> factor = default)
    {
        Expect(q.Length == kl.Length * columns && dLogits.Length == q.Length, "UniformKl: q and dLogits [N, K], kl [N]");
        if (kl.Length == 0) return;
        (_uniformKl ??= _accelerator.LoadKernel<Floats, Floats, Floats, Doubles, int, int, float, float>(Kernels.UniformKl.Forward))(
            _queue, EachRow(kl.Length), In(q), Out(kl), Out(dLogits), In(factor), checked((int)kl.Length), columns, MathF.Log(columns), scale);
    }

    /// <inheritdoc/>
    public override void PolicyCrossEntropy(DeviceView<float> logits, DeviceView<float> q, DeviceView<float> loss, DeviceView<float> dLogits, int columns, float scale)
    {
        Expect(logits.Length == loss.Length * columns && q.Length == logits.Length && dLogits.Length == logits.Length, "PolicyCrossEntropy: logits, q, dLogits [N, K], loss [N]");
        if (loss.Length == 0) return;
        (_policyCe ??= _accelerator.LoadKernel<Floats, Floats, Floats, Floats, int, int, float>(Kernels.PolicyCrossEntropy.Forward))(
            _queue, EachRow(loss.Length), In(logits), In(q), Out(loss), Out(dLogits), checked((int)loss.Length), columns, scale);
    }

    /// <inheritdoc/>
    public override void MarginalLoss(
        DeviceView<float> q, DeviceView<float> ce, DeviceView<float> loss, DeviceView<float> dq, DeviceView<float> share, int columns, float scale)
    {
        Expect(q.Length == loss.Length * columns && ce.Length == q.Length && dq.Length == q.Length && share.Length == q.Length, "MarginalLoss: q, ce, dq, share [N, K], loss [N]");
        if (loss.Length == 0) return;
        (_marginal ??= _accelerator.LoadKernel<Floats, Floats, Floats, Floats, Floats, int, int, float>(Kernels.MarginalLoss.Forward))(
            _queue, EachRow(loss.Length), In(q), In(ce), Out(loss), Out(dq), Out(share), checked((int)loss.Length), columns, scale);
    }

    /// <inheritdoc/>
    public override void PolicyGradient(
        DeviceView<float> logits, DeviceView<int> options, DeviceView<float> advantage, DeviceView<float> oldLogProbability,
        float clip, float entropyBonus, DeviceView<float> loss, DeviceView<float> logProbability, DeviceView<float> dLogits, int columns, float scale)
    {
        Expect(logits.Length == options.Length * columns && dLogits.Length == logits.Length, "PolicyGradient: logits, dLogits [N, K], options [N]");
        if (options.Length == 0) return;
        (_policyGradient ??= _accelerator.LoadKernel<Floats, Ints, Floats, Floats, Floats, Floats, Floats, int, int, float, float, float>(Kernels.PolicyGradient.Forward))(
            _queue, EachRow(options.Length), In(logits), In(options), In(advantage), In(oldLogProbability), Out(loss), Out(logProbability), Out(dLogits),
            checked((int)options.Length), columns, clip, entropyBonus, scale);
    }

    /// <summary>One thread for each row, in groups of a warp: the rows are few and their threads slow, so they are spread.</summary>
    private static Launch EachRow(long rows) => new(checked((int)((rows + 31) / 32)), 32);
}
