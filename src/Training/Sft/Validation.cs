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
internal sealed class Validation(TrainStep step, ITokenRows rows, ulong key)
{
    private const int RowsAtATime = 64;

    /// <summary>The means; null when cancelled.</summary>
    public ValidationMetrics? Measure(double beta, CancellationToken cancellation)
    {
        LossSums sums = default;
        for (int first = 0; first < rows.Count; first += RowsAtATime)
        {
            if (cancellation.IsCancellationRequested) return null; // The caller saves a checkpoint and stops.
            TokenRow[] part = [.. Enumerable.Range(first, Math.Min(RowsAtATime, rows.Count - first)).Select(i => rows[i])];
            sums += step.Accumulate(part, first, beta, 1, key);
        }
        double n = sums.Targets;
        return new ValidationMetrics((sums.Ce + beta * sums.Kl + sums.Policy) / n, sums.Ce / n, sums.Kl / n, sums.Policy / n, sums.Hits / n);
    }
}
