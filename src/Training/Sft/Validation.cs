using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>Mean losses over the validation rows.</summary>
/// <param name="Loss">ce + beta * kl + policy_ce, with the beta of the next step.</param>
/// <param name="Ce">Mean token cross-entropy, nats.</param>
/// <param name="Kl">Mean KL(q || uniform), nats.</param>
/// <param name="PolicyCe">Mean cross-entropy of the policy against q, nats.</param>
/// <param name="TokenAccuracy">Share of targets that were the argmax under the z of training.</param>
public sealed record ValidationMetrics(double Loss, double Ce, double Kl, double PolicyCe, double TokenAccuracy);

/// <summary>
/// The training objective on rows that are not learned, between two optimizer steps. The noise of z is the same in every
/// measurement, so that only the parameters move the figures. What the pass adds to the gradients is cleared by the next step.
/// </summary>
/// <param name="step">The forward and backward pass of the run.</param>
/// <param name="rows">Validation rows.</param>
/// <param name="key">Random key of z.</param>
/// <param name="group">The processes that share the rows.</param>
internal sealed class Validation(TrainStep step, ITokenRows rows, ulong key, ProcessGroup group)
{
    private const int RowsAtATime = 64;

    /// <summary>The means, on every process; null when one process alone was cancelled. Several end what they have begun, or sums would not match.</summary>
    public ValidationMetrics? Measure(double beta, CancellationToken cancellation)
    {
        LossSums own = default;
        (int begin, int count) = group.ShareOf(rows.Count);
        for (int first = begin; first < begin + count; first += RowsAtATime)
        {
            if (cancellation.IsCancellationRequested && !group.IsDistributed) return null; // The caller saves a checkpoint and stops.
            TokenRow[] part = [.. Enumerable.Range(first, Math.Min(RowsAtATime, begin + count - first)).Select(i => rows[i])];
            own += step.Accumulate(part, first, beta, 1, key, cancellation: CancellationToken.None); // What has begun is ended: its step must get its line.
        }
        Span<double> sums = [own.Ce, own.Kl, own.Policy, own.Hits, own.Targets];
        group.Sum(sums);
        double ce = sums[0], kl = sums[1], policy = sums[2], n = sums[4];
        return new ValidationMetrics((ce + beta * kl + policy) / n, ce / n, kl / n, policy / n, sums[3] / n);
    }
}
