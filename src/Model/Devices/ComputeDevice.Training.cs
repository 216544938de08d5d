using System.Runtime.InteropServices;
using OllmNative.Kernels;

namespace OllmNative.Model;

/// <summary>
/// What a training step needs so that the host waits for nothing inside of it: losses, norm, clipping and beta stay on the device, in a
/// buffer of <see cref="StepState"/>, and copies in either direction run beside the work.
/// </summary>
public abstract partial class ComputeDevice
{
    /// <summary>
    /// Whether operations return before they are done: a host gains by asking for the next step before it reads about the last, and steps that
    /// need nothing of the host are best left to the device whole.
    /// </summary>
    public virtual bool RunsAhead => false;

    /// <summary>Rows that a pass of the backbone or the loss should have at least to keep the device busy.</summary>
    public virtual int RowsPerPass => 2048;

    /// <summary>
    /// totals[0..2] += the sums of loss, kl and policy [N]; totals[3] += how many predictions are right: prediction and targets [N], or
    /// [N, K] where q [N, K] is given, then those of the first largest q count.
    /// </summary>
    public abstract void AddLosses(
        DeviceView<float> loss, DeviceView<float> kl, DeviceView<float> policy, DeviceView<int> prediction, DeviceView<int> targets, DeviceView<float> q,
        DeviceView<double> totals);

    /// <summary>result[0] = the sum of squares of x, in f64 and a fixed order.</summary>
    public virtual void SquaredNorm(DeviceView<float> x, DeviceView<double> result) => result.Upload([SquaredNorm(x)]);

    /// <summary>Ends a step: report, clipping factor and the next beta from the sums and the norm in <paramref name="state"/>, whose sums the next step clears.</summary>
    /// <param name="state">A buffer of <see cref="StepState.Length"/>.</param>
    /// <param name="rule">What the numbers follow from.</param>
    public virtual void EndStep(DeviceView<double> state, in StepRule rule)
    {
        Span<StepNumbers> numbers = stackalloc StepNumbers[1];
        Span<double> values = MemoryMarshal.Cast<StepNumbers, double>(numbers);
        state.Download(values);
        numbers[0] = StepControl.Next(numbers[0], rule.Factors);
        state.Upload(values);
    }

    /// <summary>One AdamW step with the clipping factor that <see cref="EndStep"/> has left in <paramref name="state"/>; nothing when that step failed.</summary>
    public virtual void AdamW(
        DeviceView<float> parameters, DeviceView<float> gradients, DeviceView<float> firstMoment, DeviceView<float> secondMoment, in AdamWStep step,
        DeviceView<double> state)
    {
        Span<double> values = stackalloc double[StepState.Length];
        state.Download(values);
        if (StepState.Report(values[StepState.ReportAt..]).Failed) return;
        AdamW(parameters, gradients, firstMoment, secondMoment, step with { GradientScale = (float)values[StepControl.ScaleAt] });
    }

    /// <summary>
    /// The gradients behind the second layer of a module, <c>output = W silu(pre) + bias</c>, where the device makes them in one go; otherwise does nothing and
    /// returns false: those of W and its bias are added, dPre = silu'(pre) (dOutput W), and its column sums are added to the bias before SiLU.
    /// </summary>
    /// <param name="pre">[N, M].</param>
    /// <param name="dOutput">[N, O].</param>
    /// <param name="w">[O, M].</param>
    /// <param name="dW">[O, M].</param>
    /// <param name="dBias">[O].</param>
    /// <param name="dPre">Result [N, M].</param>
    /// <param name="dPreBias">[M].</param>
    public virtual bool AdapterBackward(
        DeviceView<float> pre, DeviceView<float> dOutput, DeviceMatrix w, DeviceMatrix dW, DeviceView<float> dBias, DeviceView<float> dPre, DeviceView<float> dPreBias) => false;

    /// <summary>x = bf16(x), and the bits of it to <paramref name="words"/>: round to nearest, ties to even.</summary>
    public abstract void RoundRows(DeviceView<float> x, DeviceView<ushort> words);

    /// <summary>x = the values of bf16 bits.</summary>
    public abstract void WidenRows(DeviceView<ushort> words, DeviceView<float> x);

    /// <summary>Host memory that takes copies from this device.</summary>
    /// <param name="capacity">Most elements of one copy.</param>
    /// <param name="places">Copies that it holds.</param>
    /// <param name="beside">Later work may run beside a copy; otherwise copies are operations in the order of all others, and may be repeated with them.</param>
    public virtual HostPlaces<T> NewHostPlaces<T>(long capacity, int places, bool beside) where T : unmanaged => new HostArrays<T>(capacity, places);

    /// <summary>Copies to the host that run beside later work.</summary>
    /// <param name="capacity">Most elements of one copy.</param>
    /// <param name="slots">Copies that may be under way.</param>
    public ReadBack<T> NewReadBack<T>(long capacity, int slots) where T : unmanaged => new(NewHostPlaces<T>(capacity, slots, beside: true), slots);

    /// <summary>Copies from the host that run beside earlier work.</summary>
    /// <param name="capacity">Most elements of one copy.</param>
    public virtual Feed<T> NewFeed<T>(long capacity) where T : unmanaged => new HostFeed<T>(this, capacity);
}

/// <summary>What the end of a step follows from.</summary>
/// <param name="Targets">Targets of the step, the denominator of the means.</param>
/// <param name="Clip">Largest global norm; 0 does not clip.</param>
/// <param name="KlTarget">Wanted KL, nats.</param>
/// <param name="Adaptation">How beta follows it: one of <see cref="StepControl"/>'s rules.</param>
public readonly record struct StepRule(double Targets, double Clip, double KlTarget, int Adaptation)
{
    internal StepFactors Factors => new() { Targets = Targets, Clip = Clip, KlTarget = KlTarget, Rule = Adaptation };
}

/// <summary>What a step says of itself.</summary>
/// <param name="Ce">Mean token cross-entropy, nats.</param>
/// <param name="Kl">Mean KL, nats.</param>
/// <param name="Policy">Mean cross-entropy of the policy, nats.</param>
/// <param name="Hits">Share of targets that were predicted.</param>
/// <param name="SquaredNorm">Of the gradient, before clipping.</param>
/// <param name="Beta">As the step used it.</param>
/// <param name="Failed">A loss or the norm of this step or one before was not finite, and parameters stay as they were.</param>
/// <param name="NextBeta">beta after the step.</param>
public readonly record struct StepReport(double Ce, double Kl, double Policy, double Hits, double SquaredNorm, double Beta, bool Failed, double NextBeta);

/// <summary>Where the numbers of a step stand in its buffer of f64 (<see cref="StepNumbers"/>).</summary>
public static class StepState
{
    /// <summary>Numbers in all.</summary>
    public const int Length = StepControl.Length;

    /// <summary>Sums of losses and hits: the first four.</summary>
    public const int Totals = 4;

    /// <summary>The squared norm of the gradient.</summary>
    public const int SquaredNormAt = StepControl.SquaredNormAt;

    /// <summary>beta.</summary>
    public const int BetaAt = StepControl.BetaAt;

    /// <summary>The report on the last step, up to the end.</summary>
    public const int ReportAt = StepControl.ReportAt;

    /// <summary>Reads a whole state.</summary>
    public static StepReport Of(ReadOnlySpan<double> state) => Report(state[ReportAt..]) with { NextBeta = state[BetaAt] };

    internal static StepReport Report(ReadOnlySpan<double> r) => new(r[0], r[1], r[2], r[3], r[4], r[5], r[6] != 0, double.NaN);
}
