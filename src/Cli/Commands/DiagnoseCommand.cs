using System.CommandLine;
using System.Globalization;
using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Cli.Commands;

/// <summary><c>ollm diagnose</c>: how open the next token is for the backbone, over a data set.</summary>
internal static class DiagnoseCommand
{
    private const double BinWidth = 0.1;

    /// <summary>The figures over all positions; means over no position are NaN.</summary>
    private sealed record Summary(
        int Positions, double MeanEntropy, double Deterministic, double Ambiguous, double TopTwo, double TopTwoAmbiguous, int[] Histogram);

    public static Command Create(Output ui)
    {
        var command = new Command("diagnose", "Entropy of the backbone's next-token distribution over the completions of a data set.");
        var model = new ModelOptions(command, withOllm: false);
        var data = new DataOptions(command, withLimit: true);
        Option<double> deterministic = CommonOptions.Number("--deterministic", "Positions below this entropy, in nats, count as deterministic, the others as ambiguous.", 0.1, 0.0, 100.0);
        Option<string?> output = CommonOptions.OptionalPath("--out", "A folder for report.html; without it nothing is written.", "DIR");
        command.Add(deterministic);
        command.Add(output);

        command.SetAction(parsed =>
        {
            using ModelSession session = model.Open(parsed);
            DataSource source = data.Open(parsed, session, ui);
            using TokenRowStore rows = source.ReadTokenRows();
            IReadOnlyList<PositionEntropy> positions = Measure(session, rows, ui);
            if (positions.Count == 0) throw new OllmException($"{source.Path}: no row has a target, expected completions after the prompts (see --max-length)");
            double limit = parsed.GetValue(deterministic);
            Summary summary = Summarize(positions, limit);
            string? folder = parsed.GetValue(output);
            if (folder is not null) WriteReport(parsed, summary, positions, limit, folder);
            Print(summary, limit, rows.Count, source.Skipped, folder, ui);
        });
        return command;
    }

    private static IReadOnlyList<PositionEntropy> Measure(ModelSession session, TokenRowStore rows, Output ui)
    {
        using var diagnosis = new EntropyDiagnosis(session.Backbone, rows.Longest);
        using Progress bar = ui.Progress("diagnose", rows.Count);
        return diagnosis.Measure(rows, done => bar.Report(done), ui.Cancellation);
    }

    private static Summary Summarize(IReadOnlyList<PositionEntropy> positions, double limit)
    {
        PositionEntropy[] ambiguous = [.. positions.Where(position => position.Entropy >= limit)];
        var histogram = new int[(int)(positions.Max(position => position.Entropy) / BinWidth) + 1];
        foreach (PositionEntropy position in positions) histogram[(int)(position.Entropy / BinWidth)]++;
        double share = (double)ambiguous.Length / positions.Count;
        return new Summary(
            positions.Count, positions.Average(position => position.Entropy), 1 - share, share, positions.Average(position => position.TopTwo),
            ambiguous.Length == 0 ? double.NaN : ambiguous.Average(position => position.TopTwo), histogram);
    }

    private static void WriteReport(ParseResult parsed, Summary summary, IReadOnlyList<PositionEntropy> positions, double limit, string folder)
    {
        Files.PrepareFolder("--out", folder);
        var page = new ReportPage("How open the next token is");
        page.AddTable(["figure", "value"], Figures(summary, limit));
        page.AddHistogram("Entropy of the next token", "nats", [.. positions.Select(position => (double)position.Entropy)], 40);
        page.AddHistogram($"The same without positions below {limit.ToString(CultureInfo.InvariantCulture)} nats", "nats",
            [.. positions.Where(position => position.Entropy >= limit).Select(position => (double)position.Entropy)], 40);
        page.AddHistogram("Probability of the two likeliest tokens at ambiguous positions", "probability",
            [.. positions.Where(position => position.Entropy >= limit).Select(position => (double)position.TopTwo)], 40);
        page.AddHeading("Options");
        page.AddKeyValues(RunSettings.Of(parsed));
        page.Save(Path.Combine(folder, "report.html"));
    }

    private static IEnumerable<string[]> Figures(Summary summary, double limit)
    {
        string below = limit.ToString(CultureInfo.InvariantCulture);
        yield return ["positions", Format.Grouped(summary.Positions)];
        yield return ["mean entropy, nats", summary.MeanEntropy.ToString("F4", CultureInfo.InvariantCulture)];
        yield return [$"deterministic (below {below} nats)", Format.Percent(summary.Deterministic)];
        yield return ["ambiguous (the others)", Format.Percent(summary.Ambiguous)];
        yield return ["top-2 mass, all positions", Format.Percent(summary.TopTwo)];
        yield return ["top-2 mass, ambiguous positions", Format.Percent(summary.TopTwoAmbiguous)];
    }

    private static void Print(Summary summary, double limit, int rows, int skipped, string? folder, Output ui)
    {
        ui.Table(["figure", "value"], Figures(summary, limit), 1);
        int widest = summary.Histogram.Max();
        ui.Table(["nats", "positions", ""], summary.Histogram.Select((count, bin) => new[]
        {
            FormattableString.Invariant($"{bin * BinWidth:F1}"), Format.Grouped(count), new string('#', (int)Math.Ceiling(40.0 * count / widest)),
        }), 0, 1);
        if (folder is not null) ui.Line($"report.html is in {folder}");
        ui.Result(new
        {
            rows,
            skipped_rows = skipped,
            positions = summary.Positions,
            mean_entropy = summary.MeanEntropy,
            deterministic_below = limit,
            deterministic = summary.Deterministic,
            ambiguous = summary.Ambiguous,
            top2_mass = summary.TopTwo,
            top2_mass_ambiguous = summary.TopTwoAmbiguous,
            histogram = new { bin_width = BinWidth, counts = summary.Histogram },
            @out = folder,
        });
    }
}
