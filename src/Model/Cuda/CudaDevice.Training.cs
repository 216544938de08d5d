#if ILGPU
using ILGPU.Runtime;
#else
using OllmNative.Runtime.Language;
#endif
using OllmNative.Kernels;

namespace OllmNative.Model.Cuda;

/// <summary>The end of a training step, all on the device: sums of losses, global norm, clipping, beta, optimizer.</summary>
public sealed partial class CudaDevice
{
    private Action<Queue, Launch, Floats, Floats, Floats, Floats, Doubles, AdamWFactors, int>? _adamW;
    private Action<Queue, Launch, Floats, Doubles, Ints, Doubles, int>? _squaredNorm;
    private Action<Queue, Launch, Floats, Floats, Floats, Ints, Ints, Floats, Doubles, int, int>? _lossTotals;
    private Action<Queue, Launch, Doubles, StepFactors>? _stepControl;
    private Action<Queue, Launch, Floats, Words, int>? _roundRows;
    private Action<Queue, Launch, Words, Floats, int>? _widenRows;
    private CudaBuffer<double>? _normParts, _norm;
    private CudaBuffer<int>? _normCounter;

    /// <inheritdoc/>
    public override bool RunsAhead => _options.RunsAhead;

    /// <inheritdoc/>
    public override int RowsPerPass => _options.RunsAhead ? 4096 : base.RowsPerPass;

    /// <inheritdoc/>
    public override void AdamW(
        DeviceView<float> parameters, DeviceView<float> gradients, DeviceView<float> firstMoment, DeviceView<float> secondMoment, in AdamWStep step) =>
        AdamW(parameters, gradients, firstMoment, secondMoment, step, default);

    /// <inheritdoc/>
    public override void AdamW(
        DeviceView<float> parameters, DeviceView<float> gradients, DeviceView<float> firstMoment, DeviceView<float> secondMoment, in AdamWStep step,
        DeviceView<double> state)
    {
        long count = parameters.Length;
        Expect(gradients.Length == count && firstMoment.Length == count && secondMoment.Length == count, "AdamW: four buffers of equal length");
        if (count == 0) return;
        var factors = new AdamWFactors
        {
            Beta1 = step.Beta1, Beta2 = step.Beta2, Epsilon = step.Epsilon, GradientScale = state.IsEmpty ? step.GradientScale : 1,
            Shrink = 1 - step.LearningRate * step.WeightDecay,
            Rate = step.LearningRate / (float)(1 - Math.Pow(step.Beta1, step.Step)),
            Root = 1 / MathF.Sqrt((float)(1 - Math.Pow(step.Beta2, step.Step))),
        };
        (_adamW ??= _accelerator.LoadKernel<Floats, Floats, Floats, Floats, Doubles, AdamWFactors, int>(Kernels.AdamW.Step))(
            _queue, Each(count), Out(parameters), In(gradients), Out(firstMoment), Out(secondMoment), In(state), factors, checked((int)count));
    }

    /// <inheritdoc/>
    public override double SquaredNorm(DeviceView<float> x)
    {
        if (x.Length == 0) return 0;
        CudaBuffer<double> norm = Scratch(ref _norm, 1);
        SquaredNorm(x, norm.View);
        Span<double> result = stackalloc double[1];
        norm.Download(0, result);
        return result[0];
    }

    /// <inheritdoc/>
    public override void SquaredNorm(DeviceView<float> x, DeviceView<double> result)
    {
        Expect(result.Length == 1, "SquaredNorm: one result");
        int parts = checked((int)Math.Max(1, (x.Length + Kernels.SquaredNorm.Block - 1) / Kernels.SquaredNorm.Block));
        Doubles partial = Scratch(ref _normParts, parts).Write(0, parts);
        (_squaredNorm ??= _accelerator.LoadKernel<Floats, Doubles, Ints, Doubles, int>(Kernels.SquaredNorm.Sum))(
            _queue, new Launch(parts, _options.Plain ? 32 : Threads), In(x), partial, Scratch(ref _normCounter, 1).Write(0, 1), Out(result), checked((int)x.Length));
    }

    /// <inheritdoc/>
    public override void AddLosses(
        DeviceView<float> loss, DeviceView<float> kl, DeviceView<float> policy, DeviceView<int> prediction, DeviceView<int> targets, DeviceView<float> q,
        DeviceView<double> totals)
    {
        int rows = checked((int)loss.Length);
        if (rows == 0) return;
        int columns = checked((int)(prediction.Length / rows));
        Expect(kl.Length == rows && policy.Length == rows && prediction.Length == (long)rows * columns && targets.Length == prediction.Length && (q.IsEmpty ? columns == 1 : q.Length == prediction.Length),
            "AddLosses: loss, kl, policy [N], prediction, targets, q [N, K]");
        (_lossTotals ??= _accelerator.LoadKernel<Floats, Floats, Floats, Ints, Ints, Floats, Doubles, int, int>(LossTotals.Add))(
            _queue, new Launch(1, _options.Plain ? 32 : Threads), In(loss), In(kl), In(policy), In(prediction), In(targets), In(q), Out(totals), rows, columns);
    }

    /// <inheritdoc/>
    public override void EndStep(DeviceView<double> state, in StepRule rule)
    {
        Expect(state.Length == StepState.Length, "EndStep: a whole state");
        (_stepControl ??= _accelerator.LoadKernel<Doubles, StepFactors>(StepControl.Run))(_queue, new Launch(1, 1), Out(state), rule.Factors);
    }

    /// <inheritdoc/>
    public override void RoundRows(DeviceView<float> x, DeviceView<ushort> words)
    {
        Expect(x.Length == words.Length, "RoundRows: equal lengths");
        if (x.Length == 0) return;
        (_roundRows ??= _accelerator.LoadKernel<Floats, Words, int>(Kernels.RoundRows.Round))(_queue, Each(x.Length), Out(x), Out(words), checked((int)x.Length));
    }

    /// <inheritdoc/>
    public override void WidenRows(DeviceView<ushort> words, DeviceView<float> x)
    {
        Expect(x.Length == words.Length, "WidenRows: equal lengths");
        if (x.Length == 0) return;
        (_widenRows ??= _accelerator.LoadKernel<Words, Floats, int>(Kernels.RoundRows.Widen))(_queue, Each(x.Length), In(words), Out(x), checked((int)x.Length));
    }
}
