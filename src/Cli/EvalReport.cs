using System.CommandLine;
using System.Globalization;
using OllmNative.Training;

namespace OllmNative.Cli;

/// <summary>The figures of an evaluation as tables, as one JSON object and as a page.</summary>
internal sealed class EvalReport(EvalRun run, EvalSummary summary, IReadOnlyList<(string Column, IReadOnlyList<ProblemGroup> Groups)> groups, JudgeComparison? judge, int resamples)
{
    private const int ShownOutputs = 12, OutputLength = 1500;

    private readonly List<(string Column, List<(ProblemGroup Group, IReadOnlyDictionary<string, Estimate> Figures)> Rows)> _tables =
        [.. groups.Select(table => (table.Column, table.Groups.Select(group => (group, summary.AnswersOf(group.Rows))).ToList()))];

    private static string Interval => string.Create(CultureInfo.InvariantCulture, $"{100 * Bootstrap.Level:0} % interval");

    /// <summary>Tables on the terminal.</summary>
    public void Print(Output ui)
    {
        foreach ((string title, IReadOnlyDictionary<string, Estimate> figures) in Sections())
            ui.Table([title, "share", Interval], figures.Select(Cells), 1, 2);
        foreach ((string column, var rows) in _tables)
            ui.Table([column, "problems", .. summary.AnswerNames.Select(name => name.Name)], rows.Select(row => GroupCells(row.Group, row.Figures)), [.. Enumerable.Range(1, 1 + summary.AnswerNames.Count)]);
        if (summary.Malformed is { } malformed) ui.Line($"without an answer: {string.Join(", ", malformed.Select(figure => $"{figure.Key} {Format.Percent(figure.Value)}"))}");
        if (judge is null) return;
        ui.Table(JudgeHeaders, JudgeRows(), 1, 2, 3);
        ui.Line(JudgeText());
    }

    /// <summary>The result for --json.</summary>
    public object Json(int rows, int skipped, string? folder) => new
    {
        rows,
        skipped_rows = skipped,
        kept_rows = run.Kept,
        token_accuracy = Values(summary.TokenAccuracy),
        targets = summary.Targets,
        answer_accuracy = Values(summary.AnswerAccuracy),
        problems = summary.Problems,
        malformed = summary.Malformed,
        confidence = new
        {
            method = "percentile bootstrap over problems",
            level = Bootstrap.Level,
            resamples,
            token_accuracy = Intervals(summary.TokenAccuracy),
            answer_accuracy = Intervals(summary.AnswerAccuracy),
            policy_minus_backbone = summary.Differences?.ToDictionary(pair => pair.Key, pair => (double[])[pair.Value.Value, pair.Value.Low, pair.Value.High]),
        },
        pass_at_k = summary.PassAtK,
        groups = _tables.ToDictionary(table => table.Column, table => table.Rows.Select(row => new
        {
            value = row.Group.Value, problems = row.Group.Rows.Count, answer_accuracy = Values(row.Figures), confidence = Intervals(row.Figures),
        })),
        judge = judge is null ? null : new
        {
            outputs = judge.Outputs,
            unknown_verdicts = judge.Unknown,
            agreement = judge.Agreement,
            both_right = judge.BothRight,
            both_wrong = judge.BothWrong,
            only_checker = judge.OnlyChecker,
            only_judge = judge.OnlyJudge,
            accuracy = judge.Accuracy.ToDictionary(pair => pair.Key, pair => new { problems = pair.Value.Problems, checker = pair.Value.Checker, judge = pair.Value.Judge }),
        },
        @out = folder,
    };

    /// <summary>Writes the page.</summary>
    public void Save(string path, ParseResult parsed)
    {
        var page = new ReportPage("OLLM evaluation");
        page.AddText(string.Create(CultureInfo.InvariantCulture,
            $"Intervals: percentile bootstrap over problems, {resamples} resamples, {100 * Bootstrap.Level:0} %. The figures of samples are means over N = {run.Settings.Samples}; pass@N asks whether any of the N is right."));
        foreach ((string title, IReadOnlyDictionary<string, Estimate> figures) in Sections()) AddFigures(page, title, figures);
        if (summary.PassAtK is { } curves)
        {
            page.AddLineChart("Chance that one of k samples is right", "k", "share of problems",
                [.. curves.Select(curve => new ChartSeries($"{curve.Key}_pass@k", [.. curve.Value.Select((value, k) => (k + 1.0, value))]))]);
        }
        foreach ((string column, var rows) in _tables) AddTable(page, column, rows);
        if (summary.Malformed is { } malformed) page.AddTable(["outputs without an answer", "share"], malformed.Select(figure => new[] { figure.Key, Format.Percent(figure.Value) }));
        if (judge is not null)
        {
            page.AddHeading("Judge");
            page.AddTable(JudgeHeaders, JudgeRows());
            page.AddText(JudgeText());
        }
        AddOutputs(page);
        page.AddHeading("Options");
        page.AddKeyValues(RunSettings.Of(parsed));
        page.Save(path);
    }

    private static readonly string[] JudgeHeaders = ["judged", "problems", "answer checker", "judge"];

    private IEnumerable<(string Title, IReadOnlyDictionary<string, Estimate> Figures)> Sections()
    {
        if (summary.TokenAccuracy is { } tokens) yield return ($"token accuracy ({Format.Grouped(summary.Targets)} targets)", tokens);
        if (summary.AnswerAccuracy is { } answers) yield return ($"answer accuracy ({Format.Grouped(summary.Problems)} problems)", answers);
        if (summary.Differences is { } differences) yield return ("policy minus backbone", differences);
    }

    private static void AddFigures(ReportPage page, string title, IReadOnlyDictionary<string, Estimate> figures)
    {
        page.AddHeading(char.ToUpperInvariant(title[0]) + title[1..]);
        page.AddTable(["name", "share", Interval], figures.Select(Cells));
        string[] measures = [.. figures.Keys.Select(MeasureOf).Distinct()], methods = [.. figures.Keys.Select(name => name[..^MeasureOf(name).Length].TrimEnd('_')).Distinct()];
        page.AddGroupedBars(title, "", "share", measures, [.. methods.Select(method => new BarSeries(method.Length == 0 ? "share" : method, [.. measures.Select(measure => figures[method.Length == 0 ? measure : $"{method}_{measure}"])]))]);
    }

    /// <summary>backbone_greedy is the greedy figure of the backbone; names without a method are measures alone.</summary>
    private static string MeasureOf(string name) => name[(name.IndexOf('_', StringComparison.Ordinal) + 1)..];

    private void AddTable(ReportPage page, string column, List<(ProblemGroup Group, IReadOnlyDictionary<string, Estimate> Figures)> rows)
    {
        page.AddHeading($"By {column}");
        page.AddTable([column, "problems", .. summary.AnswerNames.Select(name => name.Name)], rows.Select(row => GroupCells(row.Group, row.Figures)));
        string[] shown = [.. summary.AnswerNames.Select(name => name.Name).Where(name => !name.EndsWith("_sampled", StringComparison.Ordinal))];
        page.AddGroupedBars($"Answer accuracy by {column}", column, "share", [.. rows.Select(row => row.Group.Value)],
            [.. shown.Select(name => new BarSeries(name, [.. rows.Select(row => row.Figures[name])]))]);
    }

    private void AddOutputs(ReportPage page)
    {
        if (summary.Problems == 0) return;
        page.AddHeading("Outputs of the first problems");
        foreach ((EvalResult result, DataRow row) in run.Problems.Take(ShownOutputs))
        {
            page.AddText($"Row {result.Row}: {Cut(JudgeFile.ProblemOf(row))}");
            page.AddTable(["method", "right", "greedy output"], [.. Methods(result).Select(method => new[] { method.Name, method.Answers.GreedyRight ? "yes" : "no", Cut(method.Answers.Greedy) })],
                $"Expected answer: {result.ExpectedAnswer}");
        }
    }

    private static IEnumerable<(string Name, MethodAnswers Answers)> Methods(EvalResult result)
    {
        yield return ("backbone", result.Backbone!);
        if (result.Policy is { } policy) yield return ("policy", policy);
    }

    private static string Cut(string text) => text.Length <= OutputLength ? text : text[..OutputLength] + " …";

    private IEnumerable<string[]> JudgeRows() => judge!.Accuracy.Select(pair => new[]
    {
        pair.Key, Format.Grouped(pair.Value.Problems), Format.Percent(pair.Value.Checker), Format.Percent(pair.Value.Judge),
    });

    private string JudgeText() => $"answer checker and judge agree on {Format.Percent(judge!.Agreement)} of {Format.Grouped(judge.Outputs)} judged outputs: both right {judge.BothRight}, "
        + $"both wrong {judge.BothWrong}, only the checker {judge.OnlyChecker}, only the judge {judge.OnlyJudge}"
        + (judge.Unknown > 0 ? $"; {judge.Unknown} verdicts are about other outputs" : "");

    private static string[] Cells(KeyValuePair<string, Estimate> figure) => [figure.Key, Format.Percent(figure.Value.Value), Range(figure.Value)];

    private string[] GroupCells(ProblemGroup group, IReadOnlyDictionary<string, Estimate> figures) =>
        [group.Value, Format.Grouped(group.Rows.Count), .. summary.AnswerNames.Select(name => $"{Format.Percent(figures[name.Name].Value)}{Bracketed(figures[name.Name])}")];

    private static string Bracketed(Estimate figure) => double.IsFinite(figure.Low) ? $" [{Range(figure)}]" : "";

    private static string Range(Estimate figure) =>
        double.IsFinite(figure.Low) ? string.Create(CultureInfo.InvariantCulture, $"{100 * figure.Low:0.0} to {100 * figure.High:0.0} %") : "-";

    private static Dictionary<string, double>? Values(IReadOnlyDictionary<string, Estimate>? figures) => figures?.ToDictionary(pair => pair.Key, pair => pair.Value.Value);

    private static Dictionary<string, double[]>? Intervals(IReadOnlyDictionary<string, Estimate>? figures) =>
        figures?.ToDictionary(pair => pair.Key, pair => (double[])[pair.Value.Low, pair.Value.High]);
}
