using System.CommandLine;
using System.Globalization;
using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Cli.Commands;

/// <summary><c>ollm search</c>: what search over options finds, beside sampled tokens, at equal cost.</summary>
internal static class SearchCommand
{
    public static Command Create(Output ui)
    {
        var command = new Command("search", "Search at inference: best of N, majority vote and beam over options, beside sampled tokens, at equal backbone passes.");
        var model = new ModelOptions(command, ollmRequired: true);
        var data = new DataOptions(command, withLimit: true);
        Option<int> samples = CommonOptions.Number("--samples", "N, sequences for each problem; 1, 2, 4 .. are measured too.", 8, 1, 1 << 12);
        Option<float> temperature = CommonOptions.Number("--temperature", "Temperature of sampled tokens.", 1f, 0.01f, 100f);
        temperature.Aliases.Add("--temp");
        Option<int?> maxTokens = Answers.MaxTokensOption();
        Option<ulong> seed = CommonOptions.Seed("Names the samples.");
        Option<string?> output = CommonOptions.OptionalPath("--out", "A folder for report.html; without it nothing is written.", "DIR");
        foreach (Option option in (Option[])[samples, temperature, maxTokens, seed, output]) command.Add(option);

        command.SetAction(parsed =>
        {
            using ModelSession session = model.Open(parsed);
            DataSource source = data.Open(parsed, session, ui);
            List<AnswerProblem> problems = source.ReadProblems(ProcessGroup.Single);
            if (problems.Count == 0) throw new OllmException($"{source.Path}: no row has an expected answer; expected expected_answer, answer or a GSM8K solution");
            int limit = Answers.MaxTokens(session.Config, problems, parsed.GetValue(maxTokens));
            using var stages = new Stages(ui);
            var search = new LatentSearch(session.Backbone, session.Ollm!, source.Tokenizer, source.Encoder.StopTokens, limit)
            {
                OnProgress = (stage, done, total) => stages.Report(stage, done, total),
            };
            IReadOnlyList<SearchFigure> figures = search.Measure(problems, parsed.GetValue(samples), parsed.GetValue(seed), parsed.GetValue(temperature), ui.Cancellation);
            stages.Dispose();
            string? folder = parsed.GetValue(output);
            if (folder is not null) WritePage(parsed, figures, problems.Count, folder);
            Print(figures, problems.Count, source.Skipped, folder, ui);
        });
        return command;
    }

    private static void WritePage(ParseResult parsed, IReadOnlyList<SearchFigure> figures, int problems, string folder)
    {
        Files.PrepareFolder("--out", folder);
        var page = new ReportPage("Search over options");
        page.AddText($"{problems} problems. A backbone pass is one token of one sequence; the output head runs once for each, K times in a beam over options.");
        page.AddTable(Headers, Rows(figures));
        page.AddLineChart("Share of problems solved by cost", "backbone passes per problem", "share", [.. SearchCurves(figures)]);
        page.AddHeading("Options");
        page.AddKeyValues(RunSettings.Of(parsed));
        page.Save(Path.Combine(folder, "report.html"));
    }

    private static readonly string[] Headers = ["method", "N", "right", "backbone passes", "head rows"];

    private static IEnumerable<string[]> Rows(IEnumerable<SearchFigure> figures) => figures.Select(f => (string[])
    [
        f.Method, f.N.ToString(CultureInfo.InvariantCulture), Format.Percent(f.Accuracy), f.BackbonePasses.ToString("F1", CultureInfo.InvariantCulture),
        f.HeadRows.ToString("F1", CultureInfo.InvariantCulture),
    ]);

    private static IEnumerable<ChartSeries> SearchCurves(IReadOnlyList<SearchFigure> figures) => figures
        .Where(f => !f.Method.EndsWith("_greedy", StringComparison.Ordinal) && !f.Method.EndsWith("_sampled", StringComparison.Ordinal))
        .GroupBy(f => f.Method).Select(group => new ChartSeries(group.Key, [.. group.Select(f => (f.BackbonePasses, f.Accuracy))]));

    private static void Print(IReadOnlyList<SearchFigure> figures, int problems, int skipped, string? folder, Output ui)
    {
        ui.Table(Headers, Rows(figures), 1, 2, 3, 4);
        if (folder is not null) ui.Line($"report.html is in {folder}");
        ui.Result(new
        {
            problems,
            skipped_rows = skipped,
            figures = figures.Select(f => new { method = f.Method, n = f.N, accuracy = f.Accuracy, backbone_passes = f.BackbonePasses, head_rows = f.HeadRows }).ToArray(),
            @out = folder,
        });
    }
}
