using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Tests;

/// <summary>What options mean, on OLLMs where that is known.</summary>
public sealed class OptionReportTests : IDisposable
{
    private const int Width = 16;
    private readonly TinyBackbone _tiny = new(vocabulary: 303);

    public void Dispose() => _tiny.Dispose();

    [Fact]
    public void Measure_OptionsThatForceDigits_DistinctTokensAndFullInformation()
    {
        using OllmModel ollm = DigitOptions.NewOllm(_tiny, 4, Width);
        OptionFacts facts = Measure(ollm);
        Assert.All(facts.Positions, p => Assert.Equal(4, p.DistinctTokens));
        // Each option leaves one token, so the token tells the option: I(z; token | h) = H(pi).
        Assert.All(facts.Positions, p => Assert.Equal(p.PolicyEntropy, p.DecoderInformation, 2e-2));
        Assert.Equal(1, facts.EncoderUsage.Sum(), 1e-4);
        Assert.Equal(1, facts.PolicyUsage.Sum(), 1e-4);
        OptionReport report = OptionReport.From(facts, ambiguousFrom: 0);
        Assert.InRange(report.EffectiveOptions, 1, 4.0001);
        Assert.DoesNotContain(report.Warnings, warning => warning.Contains("mean the same", StringComparison.Ordinal));
    }

    [Fact]
    public void Measure_FreshOllm_OptionsSayTheSame()
    {
        using OllmModel ollm = OllmModel.Create(_tiny.Model, 5, Width, 2);
        OptionFacts facts = Measure(ollm);
        Assert.All(facts.Positions, p => Assert.Equal((1, 0f), (p.DistinctTokens, MathF.Round(p.DecoderInformation, 4))));
        Assert.Contains(OptionReport.From(facts, ambiguousFrom: 0).Warnings, warning => warning.Contains("mean the same", StringComparison.Ordinal));
    }

    [Fact]
    public void Measure_OneOption_HasNothingToSay()
    {
        using OllmModel ollm = OllmModel.Create(_tiny.Model, 1, Width, 2);
        OptionReport report = OptionReport.From(Measure(ollm));
        Assert.Equal((0, 1), (report.EncoderUsageEntropy, report.EffectiveOptions));
        Assert.Equal(0, report.All.EncoderInformation, 1e-6);
        Assert.Empty(report.Warnings);
    }

    [Fact]
    public void Measure_BackboneEntropy_IsThatOfTheDiagnosis()
    {
        using OllmModel ollm = _tiny.NewOllm(3, Width);
        TokenRow[] rows = Rows();
        using var diagnosis = new EntropyDiagnosis(_tiny.Model, 12);
        Reference.Near(
            [.. Measure(ollm).Positions.Select(p => p.BackboneEntropy)], [.. diagnosis.Measure(rows).Select(p => p.Entropy)], 1e-4, "entropy");
    }

    [Fact]
    public void Information_KnownDistributions_IsExact()
    {
        // Two tokens of the same probability, each with an option of its own: one bit. The third token is not counted.
        float[] p = [0.4f, 0.2f, 0.4f];
        Assert.Equal(Math.Log(2), OptionProbe.Information(p, [0, 2], [1, 0, 0, 1], 2, out double mass), 1e-6);
        Assert.Equal(0.8, mass, 1e-6);
        Assert.Equal(0, OptionProbe.Information(p, [0, 2], [0.3f, 0.7f, 0.3f, 0.7f], 2, out _), 1e-6);
        // Unequal tokens: H(1/3) of the choice.
        double third = -(Math.Log(1 / 3.0) / 3 + 2 * Math.Log(2 / 3.0) / 3);
        Assert.Equal(third, OptionProbe.Information(p, [0, 1], [1, 0, 0, 1], 2, out _), 1e-6);
    }

    [Fact]
    public void Warnings_UnusedOptionsAndHardPolicy_AreNamed()
    {
        OptionPosition position = new(1, 0.1f, 0, 4, 0.9f, 1, 0.9f, 1, 0);
        IReadOnlyList<string> warnings = OptionReport.From(new OptionFacts([position], [0.97, 0.01, 0.01, 0.01], [1, 0, 0, 0])).Warnings;
        Assert.Contains(warnings, warning => warning.EndsWith("1, 2, 3", StringComparison.Ordinal));
        Assert.Contains(warnings, warning => warning.Contains("as if there were 1.2 of 4", StringComparison.Ordinal));
        Assert.Contains(warnings, warning => warning.Contains("deterministic", StringComparison.Ordinal));
    }

    [Fact]
    public void OptionsReport_Command_PrintsFiguresAndWritesAPage()
    {
        var model = new CliTextModel();
        string ollm = model.NewOllm(), folder = model.At("report");
        string[] args = ["options-report", "--model", model.Folder, "--ollm", ollm, "--data", model.WriteRows(5), "--out", folder];
        System.Text.Json.JsonElement json = CliRun.Of([.. args, "--json"]).Json;
        Assert.Equal(3, json.GetProperty("options").GetInt32());
        Assert.Equal(
            json.GetProperty("positions").GetInt32(), json.GetProperty("by_backbone_entropy").EnumerateArray().Sum(bucket => bucket.GetProperty("positions").GetInt32()));
        Assert.Equal(1, json.GetProperty("usage").GetProperty("encoder").EnumerateArray().Sum(share => share.GetDouble()), 1e-4);
        Assert.InRange(json.GetProperty("usage_entropy").GetProperty("encoder").GetDouble(), 0, Math.Log(3) + 1e-6);
        Assert.Contains("upper bound", File.ReadAllText(Path.Combine(folder, "report.html")), StringComparison.Ordinal);
        Assert.Contains("distinct tokens", CliRun.Of(args).Out, StringComparison.Ordinal);
    }

    private OptionFacts Measure(OllmModel ollm)
    {
        using var probe = new OptionProbe(_tiny.Model, ollm, 12);
        return probe.Measure(Rows());
    }

    private static TokenRow[] Rows() => [.. Enumerable.Range(0, 7).Select(i => new TokenRow([.. Enumerable.Range(0, 5 + i).Select(t => (i * 31 + t * 7) % 303)], 2, i + 1))];
}
