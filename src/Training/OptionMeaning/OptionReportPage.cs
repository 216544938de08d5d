using System.Globalization;

namespace OllmNative.Training;

/// <summary>An option report as tables and as a page.</summary>
public static class OptionReportPage
{
    /// <summary>Headers of <see cref="Figures"/>.</summary>
    public static readonly IReadOnlyList<string> FigureHeaders = ["figure", "value"];

    /// <summary>Headers of <see cref="BucketRows"/>.</summary>
    public static readonly IReadOnlyList<string> BucketHeaders =
        ["backbone entropy, nats", "positions", "distinct tokens", "I(z;y|h) encoder", "I(z;token|h) policy", "H(q)", "H(pi)"];

    /// <summary>Headers of <see cref="UsageRows"/>.</summary>
    public static readonly IReadOnlyList<string> UsageHeaders = ["option", "encoder", "likeliest", "policy"];

    /// <summary>The figures over all positions.</summary>
    public static IEnumerable<string[]> Figures(OptionReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        yield return ["options", report.Options.ToString(CultureInfo.InvariantCulture)];
        yield return ["positions", report.Positions.ToString("N0", CultureInfo.InvariantCulture)];
        yield return ["usage entropy of z, encoder (at most ln K)", Nats(report.EncoderUsageEntropy)];
        yield return ["usage entropy of z, policy", Nats(report.PolicyUsageEntropy)];
        yield return ["ln K", Nats(Math.Log(report.Options))];
        yield return ["options in effect (exp of the encoder's)", report.EffectiveOptions.ToString("F2", CultureInfo.InvariantCulture)];
        yield return ["I(z; y | h), encoder", Nats(report.All.EncoderInformation)];
        yield return ["its upper bound, mean KL(q || pi)", Nats(report.UpperBound)];
        yield return ["probability that the estimate covers", report.CoveredMass.ToString("F4", CultureInfo.InvariantCulture)];
        yield return ["I(z; token | h), policy and decoder", Nats(report.All.DecoderInformation)];
        yield return ["entropy of the backbone", Nats(report.All.BackboneEntropy)];
        yield return ["H(q), after seeing the token", Nats(report.All.EncoderEntropy)];
        yield return ["H(pi)", Nats(report.All.PolicyEntropy)];
    }

    /// <summary>One row for each bucket of backbone entropy.</summary>
    public static IEnumerable<string[]> BucketRows(OptionReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        return report.Buckets.Select(b => (string[])
        [
            OptionReport.Range(b), b.Positions.ToString("N0", CultureInfo.InvariantCulture), Number(b.DistinctTokens, "F2"), Nats(b.EncoderInformation),
            Nats(b.DecoderInformation), Nats(b.EncoderEntropy), Nats(b.PolicyEntropy),
        ]);
    }

    /// <summary>One row for each option.</summary>
    public static IEnumerable<string[]> UsageRows(OptionReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        return Enumerable.Range(0, report.Options).Select(k => (string[])
        [
            k.ToString(CultureInfo.InvariantCulture), DemoReport.Percent(report.EncoderUsage[k]), DemoReport.Percent(report.Chosen[k]), DemoReport.Percent(report.PolicyUsage[k]),
        ]);
    }

    /// <summary>The whole report.</summary>
    /// <param name="report">The figures.</param>
    /// <param name="positions">The positions, for histograms.</param>
    public static ReportPage Page(OptionReport report, IReadOnlyList<OptionPosition> positions)
    {
        ArgumentNullException.ThrowIfNull(report);
        var page = new ReportPage("Do the options mean something?");
        page.AddText(report.Warnings.Count == 0 ? "No sign of a collapse." : "Signs of a collapse: " + string.Join("; ", report.Warnings) + ".");
        page.AddTable(FigureHeaders, Figures(report));
        page.AddTable(BucketHeaders, BucketRows(report), "Means over positions by the backbone's entropy");
        page.AddBarChart("Different tokens that the options say, by the backbone's entropy", "nats", "tokens",
            [.. report.Buckets.Select(b => (OptionReport.Range(b), b.DistinctTokens))]);
        page.AddBarChart("How often the encoder uses each option", "option", "share", [.. report.EncoderUsage.Select(Bar)]);
        page.AddBarChart("How often the policy uses each option", "option", "share", [.. report.PolicyUsage.Select(Bar)]);
        page.AddHistogram("Uncertainty of the policy at ambiguous positions", "nats",
            [.. positions.Where(p => p.BackboneEntropy >= report.AmbiguousFrom).Select(p => (double)p.PolicyEntropy)], 30);
        page.AddText(
            "I(z; y | h) of the encoder takes y from the backbone's likeliest tokens at each position and z from the encoder, without sampling. It leaves the other "
            + "tokens out, and the backbone's distribution stands for the data's. KL(q || pi) at the true token needs no such assumption and is an upper bound in "
            + "expectation: it is I(z; y | h) plus the policy's distance from the encoder's mean choice. I(z; token | h) is what the policy's choice decides about "
            + "the next token: the entropy of the mixture over options less the mean entropy under each, exact.");
        return page;

        static (string, double) Bar(double share, int option) => (option.ToString(CultureInfo.InvariantCulture), share);
    }

    private static string Nats(double value) => Number(value, "F4");

    private static string Number(double value, string format) => double.IsNaN(value) ? "" : value.ToString(format, CultureInfo.InvariantCulture);
}
