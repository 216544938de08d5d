namespace OllmNative.Training;

/// <summary>A figure and the interval in which it lies with the stated confidence.</summary>
/// <param name="Value">The figure itself.</param>
/// <param name="Low">Lower end; NaN without resampling.</param>
/// <param name="High">Upper end; NaN without resampling.</param>
public readonly record struct Estimate(double Value, double Low, double High);

/// <summary>
/// Percentile bootstrap (Efron 1979) over problems: problems are drawn with replacement, the figure is computed again, and the
/// interval reaches from the 2.5th to the 97.5th percentile of the figures. It says how much the figure would move with other
/// problems of the same kind; problems, not samples, are what is drawn. The same seed gives the same interval.
/// </summary>
/// <param name="resamples">How often problems are drawn; 0 gives no interval.</param>
/// <param name="seed">Names the draws, which are the same for every figure over the same problems.</param>
public sealed class Bootstrap(int resamples, ulong seed)
{
    /// <summary>Share of the resampled figures that the interval covers.</summary>
    public const double Level = 0.95;

    /// <summary>Sum of numerators over sum of denominators, with its interval.</summary>
    /// <param name="parts">What each problem gives: (right, 1) for an accuracy, (right tokens, targets) for a token accuracy.</param>
    public Estimate Of(IReadOnlyList<(double Numerator, double Denominator)> parts)
    {
        ArgumentNullException.ThrowIfNull(parts);
        double value = Ratio(parts.Sum(part => part.Numerator), parts.Sum(part => part.Denominator));
        if (resamples == 0 || parts.Count == 0) return new Estimate(value, double.NaN, double.NaN);
        var figures = new double[resamples];
        for (int b = 0; b < resamples; b++)
        {
            var random = new CounterRandom(seed, (ulong)b);
            double numerator = 0, denominator = 0;
            for (int i = 0; i < parts.Count; i++)
            {
                (double n, double d) = parts[random.NextIndex(parts.Count)];
                numerator += n;
                denominator += d;
            }
            figures[b] = Ratio(numerator, denominator);
        }
        Array.Sort(figures);
        return new Estimate(value, Percentile(figures, (1 - Level) / 2), Percentile(figures, (1 + Level) / 2));
    }

    /// <summary>Linear interpolation between the two nearest of sorted values.</summary>
    private static double Percentile(double[] sorted, double share)
    {
        double at = share * (sorted.Length - 1);
        int below = (int)at;
        return below + 1 < sorted.Length ? sorted[below] + (at - below) * (sorted[below + 1] - sorted[below]) : sorted[below];
    }

    private static double Ratio(double numerator, double denominator) => denominator == 0 ? double.NaN : numerator / denominator;
}
