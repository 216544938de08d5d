using System.CommandLine;
using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Cli.Commands;

/// <summary><c>ollm options-report</c>: what the options of a trained OLLM mean, over a data set.</summary>
internal static class OptionsReportCommand
{
    public static Command Create(Output ui)
    {
        var command = new Command("options-report", "Do the options mean something? Usage, mutual information with the token, distinct tokens, signs of a collapse.");
        var model = new ModelOptions(command, ollmRequired: true);
        var data = new DataOptions(command, withLimit: true);
        Option<double> ambiguous = CommonOptions.Number("--ambiguous", "Positions from this backbone entropy on, in nats, count as ambiguous.", 0.1, 0.0, 100.0);
        Option<string?> output = CommonOptions.OptionalPath("--out", "A folder for report.html; without it nothing is written.", "DIR");
        command.Add(ambiguous);
        command.Add(output);

        command.SetAction(parsed =>
        {
            using ModelSession session = model.Open(parsed);
            DataSource source = data.Open(parsed, session, ui);
            using TokenRowStore rows = source.ReadTokenRows();
            if (rows.Count == 0) throw new OllmException($"{source.Path}: no row has a target, expected completions after the prompts (see --max-length)");
            OptionFacts facts = Measure(session, rows, ui);
            OptionReport report = OptionReport.From(facts, parsed.GetValue(ambiguous));
            string? folder = parsed.GetValue(output);
            if (folder is not null) WritePage(parsed, report, facts, folder);
            Print(report, rows.Count, source.Skipped, folder, ui);
        });
        return command;
    }

    private static OptionFacts Measure(ModelSession session, TokenRowStore rows, Output ui)
    {
        using var probe = new OptionProbe(session.Backbone, session.Ollm!, rows.Longest);
        using Progress bar = ui.Progress("options-report", rows.Count);
        return probe.Measure(rows, done => bar.Report(done), ui.Cancellation);
    }

    private static void WritePage(ParseResult parsed, OptionReport report, OptionFacts facts, string folder)
    {
        Files.PrepareFolder("--out", folder);
        ReportPage page = OptionReportPage.Page(report, facts.Positions);
        page.AddHeading("Options");
        page.AddKeyValues(RunSettings.Of(parsed));
        page.Save(Path.Combine(folder, "report.html"));
    }

    private static void Print(OptionReport report, int rows, int skipped, string? folder, Output ui)
    {
        ui.Table(OptionReportPage.FigureHeaders, OptionReportPage.Figures(report), 1);
        ui.Table(OptionReportPage.BucketHeaders, OptionReportPage.BucketRows(report), 1, 2, 3, 4, 5, 6);
        ui.Table(OptionReportPage.UsageHeaders, OptionReportPage.UsageRows(report), 0, 1, 2, 3);
        foreach (string warning in report.Warnings) ui.Line($"warning: {warning}");
        if (folder is not null) ui.Line($"report.html is in {folder}");
        ui.Result(new
        {
            rows,
            skipped_rows = skipped,
            options = report.Options,
            positions = report.Positions,
            usage_entropy = new { encoder = report.EncoderUsageEntropy, policy = report.PolicyUsageEntropy, maximum = Math.Log(report.Options) },
            effective_options = report.EffectiveOptions,
            usage = new { encoder = report.EncoderUsage, policy = report.PolicyUsage, likeliest = report.Chosen },
            mutual_information = new
            {
                encoder = report.All.EncoderInformation,
                encoder_upper_bound = report.UpperBound,
                covered_mass = report.CoveredMass,
                decoder = report.All.DecoderInformation,
            },
            all = Bucket(report.All),
            ambiguous_from = report.AmbiguousFrom,
            ambiguous = Bucket(report.Ambiguous),
            by_backbone_entropy = report.Buckets.Select(Bucket).ToArray(),
            warnings = report.Warnings,
            @out = folder,
        });
    }

    /// <summary>The open end of the last bucket becomes null.</summary>
    private static object Bucket(OptionBucket bucket) => new
    {
        from = bucket.From,
        to = bucket.To,
        positions = bucket.Positions,
        backbone_entropy = bucket.BackboneEntropy,
        distinct_tokens = bucket.DistinctTokens,
        encoder_entropy = bucket.EncoderEntropy,
        policy_entropy = bucket.PolicyEntropy,
        encoder_information = bucket.EncoderInformation,
        decoder_information = bucket.DecoderInformation,
    };
}
