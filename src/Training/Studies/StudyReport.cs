using System.Globalization;

namespace OllmNative.Training;

/// <summary>Studies as tables, as JSON and as a page.</summary>
public sealed class StudyReport(int samples)
{
    private enum Form
    {
        Share,
        Number,
        Count,
    }

    /// <summary>A study's title.</summary>
    public static string Title(StudyKind kind) => kind switch
    {
        StudyKind.Options => "Number of options",
        StudyKind.Kl => "KL target (K = 10)",
        StudyKind.Beta => "Start of beta (K = 10, KL target 0.2)",
        _ => "RL on options against RL on tokens",
    };

    /// <summary>Column titles of <see cref="Rows"/>.</summary>
    public string[] Headers(StudyKind kind) => ["case", "seeds", .. Columns(kind).Select(column => column.Title)];

    /// <summary>One row for each case: means over the seeds, with the smallest and the largest where they differ.</summary>
    public IEnumerable<string[]> Rows(StudyTable table)
    {
        ArgumentNullException.ThrowIfNull(table);
        return table.Cases.Where(c => c.Results.Count > 0).Select(c => (string[])
            [c.Label, c.Results.Count.ToString(CultureInfo.InvariantCulture), .. Columns(table.Kind).Select(column => Cell(c, column.Figure, column.Form))]);
    }

    /// <summary>All figures of all cases: mean, smallest, largest, and the value of every seed.</summary>
    public static object Json(IReadOnlyList<StudyTable> tables) => tables.ToDictionary(
        table => table.Kind.ToString().ToLowerInvariant(),
        table => table.Cases.Where(c => c.Results.Count > 0).Select(c => new Dictionary<string, object>
        {
            ["case"] = c.Label,
            ["seeds"] = c.Results.Select(result => result.Settings["seed"]).ToArray(),
            ["figures"] = c.Results[0].Figures.Keys.ToDictionary(name => name, name => (object)new { mean = c.Mean(name), seeds = c.Values(name) }),
        }).ToArray());

    /// <summary>The page with tables and plots.</summary>
    public ReportPage Page(IReadOnlyList<StudyTable> tables)
    {
        ArgumentNullException.ThrowIfNull(tables);
        var page = new ReportPage("Studies on the tiny world");
        page.AddText(
            "Every case is trained and evaluated with each seed, which names its data, its noise and its rollouts. Shown: the mean over the seeds, in brackets the "
            + "smallest and the largest. Answers are to held-out problems that no training row contains.");
        foreach (StudyTable table in tables)
        {
            page.AddHeading(Title(table.Kind));
            page.AddTable(Headers(table.Kind), Rows(table));
            if (table.Kind == StudyKind.Rl) RlCharts(page, table);
            else TrainCharts(page, table);
        }
        return page;
    }

    private IEnumerable<(string Title, string Figure, Form Form)> Columns(StudyKind kind) => kind == StudyKind.Rl
        ?
        [
            ("trained numbers", "trained_parameters", Form.Count), ("greedy before", "before_greedy", Form.Share), ("greedy after", "after_greedy", Form.Share),
            ("best", "best_greedy", Form.Share), ("sampled after", "after_sampled", Form.Share), ($"pass@{samples} before", $"before_pass@{samples}", Form.Share),
            ($"pass@{samples} after", $"after_pass@{samples}", Form.Share), ("texts before", "before_texts", Form.Number), ("texts after", "after_texts", Form.Number),
            ("rollouts to 80 % greedy", "rollouts_to_80_greedy", Form.Count), ("to 80 % sampled", "rollouts_to_80_sampled", Form.Count),
            ("malformed in training", "malformed_in_training", Form.Share), ("at worst", "malformed_at_worst", Form.Share), ("after", "after_malformed", Form.Share),
        ]
        :
        [
            ("ce", "train_ce", Form.Number), ("kl", "train_kl", Form.Number), ("beta", "train_beta", Form.Number), ("token acc. policy", "token_policy", Form.Share),
            ("encoder", "token_encoder", Form.Share), ("oracle", "token_oracle", Form.Share), ("greedy", "policy_greedy", Form.Share),
            ("sampled", "policy_sampled", Form.Share), ($"pass@{samples}", $"policy_pass@{samples}", Form.Share), ("options in effect", "effective_options", Form.Number),
            ("distinct tokens", "distinct_tokens", Form.Number), ("I(z;y|h)", "information", Form.Number), ("warnings", "warnings", Form.Number),
        ];

    private void TrainCharts(ReportPage page, StudyTable table)
    {
        StudyCase[] done = [.. table.Cases.Where(c => c.Results.Count > 0)];
        page.AddBarChart($"Problems that one of {samples} option samples solves", "", "share", [.. done.Select(c => (c.Label, c.Mean($"policy_pass@{samples}")))]);
        page.AddBarChart("Next token right under the encoder's option", "", "share", [.. done.Select(c => (c.Label, c.Mean("token_encoder")))]);
        page.AddLineChart("Token cross-entropy in training (first seed)", "step", "nats", [.. done.Select(c => new ChartSeries(c.Label, c.Results[0].Curve("ce")))]);
    }

    private static void RlCharts(ReportPage page, StudyTable table)
    {
        foreach ((string title, string label, string curve) in (ReadOnlySpan<(string, string, string)>)
        [
            ("Greedy answers to held-out problems", "share right", "greedy"), ("Right rollouts (mean of 10 updates)", "share right", "reward"),
            ("Rollouts that leave the language of the task", "share", "malformed"), ("Uncertainty of the choices", "nats per choice", "entropy"),
        ])
            page.AddLineChart(title, "rollouts", label, [.. table.Cases.SelectMany(c => c.Results.Select(r => new ChartSeries($"{c.Label}, seed {r.Settings["seed"]}", r.Curve(curve))))]);
    }

    private static string Cell(StudyCase one, string figure, Form form)
    {
        double[] values = one.Values(figure), finite = [.. values.Where(double.IsFinite)];
        if (finite.Length == 0) return form == Form.Count ? "never" : "";
        string text = Text(finite.Average(), form);
        if (finite.Length < values.Length) return $"{text} ({finite.Length} of {values.Length} seeds)";
        string low = Text(finite.Min(), form), high = Text(finite.Max(), form);
        return low == high ? text : $"{text} ({low.TrimEnd('%', ' ')}-{high.TrimEnd('%', ' ')})";
    }

    private static string Text(double value, Form form) => form switch
    {
        Form.Share => DemoReport.Percent(value),
        Form.Count => value.ToString("N0", CultureInfo.InvariantCulture),
        _ => value.ToString(Math.Abs(value) >= 1 || value == 0 ? "0.##" : "0.####", CultureInfo.InvariantCulture),
    };
}
