using System.Globalization;

namespace OllmNative.Training;

/// <summary>What supervised runs of the studies differ in.</summary>
/// <param name="Options">K.</param>
/// <param name="KlTarget">Wanted KL, nats.</param>
/// <param name="Beta">Weight of the KL term at the start.</param>
/// <param name="LatentWidth">m; null for the default.</param>
public sealed record TrainSetup(int Options, double KlTarget = 0.2, double Beta = 0.2, int? LatentWidth = null)
{
    /// <summary>For example <c>k10-kl0.2-beta0.2</c>.</summary>
    public string Name =>
        string.Create(CultureInfo.InvariantCulture, $"k{Options}-kl{KlTarget}-beta{Beta}{(LatentWidth is { } width ? $"-m{width}" : "")}");
}
