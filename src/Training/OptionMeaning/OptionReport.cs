using System.Globalization;

namespace OllmNative.Training;

/// <summary>Means over the positions whose backbone entropy lies in [<paramref name="From"/>, <paramref name="To"/>); NaN where there is none.</summary>
/// <param name="From">Lower end, nats.</param>
/// <param name="To">Upper end, nats.</param>
/// <param name="Positions">Positions in the bucket.</param>
/// <param name="BackboneEntropy">Mean entropy of the backbone.</param>
/// <param name="DistinctTokens">Mean number of different argmax tokens among the K options.</param>
/// <param name="EncoderEntropy">Mean H(q).</param>
/// <param name="PolicyEntropy">Mean H(pi).</param>
/// <param name="EncoderInformation">Mean I(z; y | h) of the encoder.</param>
/// <param name="DecoderInformation">Mean I(z; token | h) of policy and decoder.</param>
public sealed record OptionBucket(
    double From, double To, int Positions, double BackboneEntropy, double DistinctTokens, double EncoderEntropy, double PolicyEntropy,
    double EncoderInformation, double DecoderInformation);

/// <summary>Do the options of an OLLM mean something? The figures of docs/latent-rl.md's section on options.</summary>
public sealed record OptionReport
{
    /// <summary>Ends of the buckets of backbone entropy, nats.</summary>
    public static readonly IReadOnlyList<double> Edges = [0, 0.01, 0.1, 0.5, 1, 2, double.PositiveInfinity];

    /// <summary>K.</summary>
    public required int Options { get; init; }

    /// <summary>Target positions measured.</summary>
    public required int Positions { get; init; }

    /// <summary>Positions from this backbone entropy on are ambiguous, nats.</summary>
    public required double AmbiguousFrom { get; init; }

    /// <summary>Mean of q by option, [K].</summary>
    public required IReadOnlyList<double> EncoderUsage { get; init; }

    /// <summary>Mean of pi by option, [K].</summary>
    public required IReadOnlyList<double> PolicyUsage { get; init; }

    /// <summary>Share of positions where the option is the encoder's likeliest, [K].</summary>
    public required IReadOnlyList<double> Chosen { get; init; }

    /// <summary>Over all positions.</summary>
    public required OptionBucket All { get; init; }

    /// <summary>Over the ambiguous positions.</summary>
    public required OptionBucket Ambiguous { get; init; }

    /// <summary>By backbone entropy.</summary>
    public required IReadOnlyList<OptionBucket> Buckets { get; init; }

    /// <summary>Mean KL(q || pi) at the true token: an upper bound of I(z; y | h), and the policy's distance from the encoder.</summary>
    public required double UpperBound { get; init; }

    /// <summary>Mean probability of the tokens that the encoder's information counts; what is missing from 1 is its truncation.</summary>
    public required double CoveredMass { get; init; }

    /// <summary>H of the mean of q, nats: ln K when all options are used alike.</summary>
    public double EncoderUsageEntropy => EntropyOf(EncoderUsage);

    /// <summary>H of the mean of pi, nats.</summary>
    public double PolicyUsageEntropy => EntropyOf(PolicyUsage);

    /// <summary>exp of <see cref="EncoderUsageEntropy"/>: so many options, used alike, would have this entropy.</summary>
    public double EffectiveOptions => Math.Exp(EncoderUsageEntropy);

    /// <summary>Signs of a collapse, one sentence each; empty when there is none.</summary>
    public IReadOnlyList<string> Warnings => [.. OptionWarnings.Of(this)];

    /// <summary>Sums up what was measured.</summary>
    /// <param name="facts">The measurement.</param>
    /// <param name="ambiguousFrom">Backbone entropy from which a position is ambiguous, nats.</param>
    public static OptionReport From(OptionFacts facts, double ambiguousFrom = 0.1)
    {
        ArgumentNullException.ThrowIfNull(facts);
        IReadOnlyList<OptionPosition> all = facts.Positions;
        var chosen = new double[facts.EncoderUsage.Length];
        foreach (OptionPosition position in all) chosen[position.Choice] += 1.0 / all.Count;
        return new OptionReport
        {
            Options = facts.EncoderUsage.Length, Positions = all.Count, AmbiguousFrom = ambiguousFrom,
            EncoderUsage = facts.EncoderUsage, PolicyUsage = facts.PolicyUsage, Chosen = chosen,
            All = Bucket(all, 0, double.PositiveInfinity), Ambiguous = Bucket(all, ambiguousFrom, double.PositiveInfinity),
            Buckets = [.. Edges.Zip(Edges.Skip(1), (from, to) => Bucket(all, from, to))],
            UpperBound = Mean(all, p => p.UpperBound), CoveredMass = Mean(all, p => p.CoveredMass),
        };
    }

    /// <summary>A bucket's range as text.</summary>
    public static string Range(OptionBucket bucket)
    {
        ArgumentNullException.ThrowIfNull(bucket);
        return double.IsPositiveInfinity(bucket.To)
            ? string.Create(CultureInfo.InvariantCulture, $"{bucket.From} and more")
            : string.Create(CultureInfo.InvariantCulture, $"{bucket.From} to {bucket.To}");
    }

    private static OptionBucket Bucket(IReadOnlyList<OptionPosition> all, double from, double to)
    {
        OptionPosition[] part = [.. all.Where(p => p.BackboneEntropy >= from && p.BackboneEntropy < to)];
        return new OptionBucket(
            from, to, part.Length, Mean(part, p => p.BackboneEntropy), Mean(part, p => p.DistinctTokens), Mean(part, p => p.EncoderEntropy),
            Mean(part, p => p.PolicyEntropy), Mean(part, p => p.EncoderInformation), Mean(part, p => p.DecoderInformation));
    }

    private static double Mean(IReadOnlyCollection<OptionPosition> positions, Func<OptionPosition, double> value) =>
        positions.Count == 0 ? double.NaN : positions.Average(value);

    private static double EntropyOf(IReadOnlyList<double> p) => p.Sum(x => x > 0 ? -x * Math.Log(x) : 0);
}
