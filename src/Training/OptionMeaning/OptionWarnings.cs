using System.Globalization;

namespace OllmNative.Training;

/// <summary>Signs that options have collapsed. Each limit is far from what a healthy OLLM shows, so a warning deserves a look.</summary>
internal static class OptionWarnings
{
    // An option that gets less than this share of an even split is hardly used.
    private const double UnusedShare = 0.1;

    // At ambiguous positions options that mean something say at least this many different tokens.
    private const double FewTokens = 1.5;

    // The encoder's choice should carry this part of the token's entropy at ambiguous positions.
    private const double LittleInformation = 0.25;

    // A policy this far below ln K, where the backbone is undecided, has stopped choosing.
    private const double HardPolicy = 0.02;

    public static IEnumerable<string> Of(OptionReport report)
    {
        int k = report.Options;
        if (k == 1) yield break;
        int[] unused = [.. Enumerable.Range(0, k).Where(option => report.EncoderUsage[option] < UnusedShare / k)];
        if (unused.Length > 0) yield return $"options that the encoder hardly uses (below a tenth of an even share): {string.Join(", ", unused)}";
        if (report.EffectiveOptions < k / 2.0)
            yield return Text($"the encoder uses the options very unevenly: as if there were {report.EffectiveOptions:F1} of {k}");
        OptionBucket open = report.Ambiguous;
        if (open.Positions == 0) yield break;
        if (open.DistinctTokens < FewTokens)
            yield return Text($"at ambiguous positions the {k} options say only {open.DistinctTokens:F2} different tokens on average: they mean the same");
        if (open.EncoderInformation < LittleInformation * open.BackboneEntropy)
            yield return Text($"the option says little about the token: {open.EncoderInformation:F3} of {open.BackboneEntropy:F3} nats at ambiguous positions");
        if (open.PolicyEntropy < HardPolicy * Math.Log(k))
            yield return Text($"the policy is deterministic where the backbone is not ({open.PolicyEntropy:F3} nats): expected after latent RL, a collapse before it");
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
