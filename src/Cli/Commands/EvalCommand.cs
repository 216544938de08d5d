using System.CommandLine;
using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Cli.Commands;

/// <summary><c>ollm eval</c>: token accuracy on completions and answer accuracy on problems.</summary>
internal static class EvalCommand
{
    public static Command Create(Output ui)
    {
        var command = new Command("eval", "Measure token accuracy and answer accuracy; with --ollm also the policy's, encoder's and oracle's.");
        var model = new ModelOptions(command, withQuantize: true);
        var data = new DataOptions(command, withLimit: true);
        Option<int> samples = CommonOptions.Number("--samples", "N, the sampled answers per problem; 0 leaves them out.", 8, 0, 1 << 16);
        Option<int?> maxTokens = Answers.MaxTokensOption();
        Option<float> temperature = CommonOptions.Number("--temp", "Temperature of the backbone's samples; the policy's samples draw options instead.", 1f, 0f, 1000f);
        Option<ulong> seed = CommonOptions.Seed("Names the samples.");
        Option<string?> output = CommonOptions.OptionalPath("--out", "A folder for results.jsonl and report.html; without it nothing is written.", "DIR");
        Option<bool> force = CommonOptions.Force();
        foreach (Option option in (Option[])[samples, maxTokens, temperature, seed, output, force]) command.Add(option);

        command.SetAction(parsed =>
        {
            string? folder = parsed.GetValue(output);
            if (folder is not null) Files.RefuseExisting("--out", folder, parsed.GetValue(force), "results.jsonl");
            using ModelSession session = model.Open(parsed);
            DataSource source = data.Open(parsed, session, ui);
            List<EvalRow> rows = source.Read(row => new EvalRow(
                row.Line, row.Completion is null && row.Tokens is null ? null : source.Encoder.Encode(row, source.Path), Answers.Problem(row, source)));
            var settings = new EvalSettings(parsed.GetValue(samples), parsed.GetValue(maxTokens), parsed.GetValue(temperature), parsed.GetValue(seed));
            var run = new EvalRun(session, source, rows, settings, ui);
            run.Run();
            if (folder is not null) WriteFiles(parsed, run, folder);
            Print(run, rows.Count, source.Skipped, folder, ui);
        });
        return command;
    }

    private static void WriteFiles(ParseResult parsed, EvalRun run, string folder)
    {
        Files.PrepareFolder("--out", folder);
        string results = Path.Combine(folder, "results.jsonl");
        File.Delete(results);
        run.WriteRows(results);
        var page = new ReportPage("OLLM evaluation");
        if (run.TokenAccuracy is { } tokens) AddFigures(page, $"Token accuracy (teacher forcing, {Format.Grouped(run.Targets)} targets)", tokens);
        if (run.AnswerAccuracy is { } answers) AddFigures(page, $"Answer accuracy ({Format.Grouped(run.Problems)} problems)", answers);
        if (run.Malformed is { } malformed) AddFigures(page, "Outputs without an answer", malformed);
        page.AddHeading("Options");
        page.AddKeyValues(RunSettings.Of(parsed));
        page.Save(Path.Combine(folder, "report.html"));
    }

    private static void AddFigures(ReportPage page, string title, Dictionary<string, double> figures)
    {
        page.AddHeading(title);
        page.AddTable(["name", "share"], figures.Select(figure => new[] { figure.Key, Format.Percent(figure.Value) }));
        page.AddBarChart(title, "", "share", [.. figures.Select(figure => (figure.Key, figure.Value))]);
    }

    private static void Print(EvalRun run, int rows, int skipped, string? folder, Output ui)
    {
        if (run.TokenAccuracy is { } tokens) ui.Table([$"token accuracy ({Format.Grouped(run.Targets)} targets)", "share"], tokens.Select(Cells), 1);
        if (run.AnswerAccuracy is { } answers) ui.Table([$"answer accuracy ({Format.Grouped(run.Problems)} problems)", "share"], answers.Select(Cells), 1);
        if (run.Malformed is { } malformed) ui.Line($"without an answer: {string.Join(", ", malformed.Select(figure => $"{figure.Key} {Format.Percent(figure.Value)}"))}");
        if (folder is not null) ui.Line($"results.jsonl and report.html are in {folder}");
        ui.Result(new
        {
            rows,
            skipped_rows = skipped,
            token_accuracy = run.TokenAccuracy,
            targets = run.Targets,
            answer_accuracy = run.AnswerAccuracy,
            problems = run.Problems,
            malformed = run.Malformed,
            @out = folder,
        });
    }

    private static string[] Cells(KeyValuePair<string, double> figure) => [figure.Key, Format.Percent(figure.Value)];
}
