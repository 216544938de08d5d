namespace OllmNative.Cli;

/// <summary>The middle of measurements.</summary>
internal static class Median
{
    /// <summary>Of an even number of them the mean of the two in the middle.</summary>
    /// <param name="sorted">At least one, in order.</param>
    public static double OfSorted(ReadOnlySpan<double> sorted) => (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
}
