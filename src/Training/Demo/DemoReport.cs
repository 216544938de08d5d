using System.Globalization;

namespace OllmNative.Training;

/// <summary>The demo's figures as the JSON line and as a page.</summary>
public static class DemoReport
{
    /// <summary>The object of the last output line; rates are fractions.</summary>
    public static Dictionary<string, object> Json(DemoResult result, int samples)
    {
        ArgumentNullException.ThrowIfNull(result);
        TokenAccuracy t = result.TokenAccuracy;
        return new Dictionary<string, object>
        {
            ["token_accuracy"] = new Dictionary<string, double> { ["backbone"] = t.Backbone, ["policy"] = t.Policy, ["encoder"] = t.Encoder, ["oracle"] = t.Oracle },
            ["before_rl"] = new Dictionary<string, double>
            {
                ["backbone_greedy"] = result.Backbone.Greedy, ["backbone_sampled"] = result.Backbone.Sampled, [$"backbone_pass@{samples}"] = result.Backbone.PassAtN,
                ["policy_greedy"] = result.BeforeRl.Greedy, ["policy_sampled"] = result.BeforeRl.Sampled, [$"policy_pass@{samples}"] = result.BeforeRl.PassAtN,
            },
            ["after_rl"] = new Dictionary<string, double>
            {
                ["policy_greedy"] = result.AfterRl.Greedy, ["policy_sampled"] = result.AfterRl.Sampled, [$"policy_pass@{samples}"] = result.AfterRl.PassAtN,
            },
            ["k1"] = new Dictionary<string, double> { ["policy_greedy"] = result.Baseline.Greedy, ["policy_sampled"] = result.Baseline.Sampled },
            ["seconds"] = Math.Round(result.Seconds, 1),
        };
    }

    /// <summary>Rows of the table of answer accuracies: name, greedy, sampled, pass@N, malformed.</summary>
    public static IEnumerable<string[]> AnswerRows(DemoResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        yield return Row("backbone", result.Backbone);
        yield return Row("one option (K = 1), trained", result.Baseline);
        yield return Row("OLLM, trained", result.BeforeRl);
        yield return Row("OLLM, after latent RL", result.AfterRl);
    }

    /// <summary>Headers of <see cref="AnswerRows"/>.</summary>
    public static string[] AnswerHeaders(int samples) => ["right answers", "greedy", "sampled", $"pass@{samples}", "no answer"];

    /// <summary>The page: figures, curves, sample options.</summary>
    public static ReportPage Page(DemoResult result, DemoOptions options)
    {
        ArgumentNullException.ThrowIfNull(result);
        ArgumentNullException.ThrowIfNull(options);
        var page = new ReportPage("OLLM on the tiny world");
        page.AddText(
            $"A frozen Qwen2 backbone knows two ways to work out a problem like 3 + 4 * 5 and follows the right one about half of the time. An OLLM with "
            + $"{options.Options} options was trained on its own kind of text, then its policy learned from rewards alone which options lead to right answers. "
            + $"Everything below is measured on {options.EvaluationProblems} problems that no training row contains.");
        page.AddTable(AnswerHeaders(options.Samples), AnswerRows(result));
        TokenAccuracy t = result.TokenAccuracy;
        page.AddTable(
            ["next token right (teacher forcing)", "share"],
            [["backbone", Percent(t.Backbone)], ["policy's option", Percent(t.Policy)], ["encoder's option", Percent(t.Encoder)], ["any option", Percent(t.Oracle)]]);
        page.AddLineChart("Token cross-entropy in training", "step", "nats",
            [Curve($"K = {options.Options}", result.Training, m => m.Ce), Curve("K = 1", result.BaselineTraining, m => m.Ce)]);
        page.AddLineChart("KL of the encoder's choice against uniform", "step", "nats", [Curve($"K = {options.Options}", result.Training, m => m.Kl)]);
        page.AddLineChart("Latent RL: share of right answers in the rollouts", "update", "reward",
            [new ChartSeries("reward", [.. result.Rl.Select(m => ((double)m.Step, m.Reward))])]);
        page.AddLineChart("Latent RL: uncertainty of the policy", "update", "nats per token",
            [new ChartSeries("-log pi", [.. result.Rl.Select(m => ((double)m.Step, m.Entropy))])]);
        foreach (DemoTrace trace in result.Traces)
            page.AddOptionSteps($"{trace.Problem} (right: {trace.Expected}): {trace.Text}", trace.Steps);
        page.AddText($"{result.Seconds.ToString("F0", CultureInfo.InvariantCulture)} seconds in all.");
        return page;
    }

    /// <summary>A fraction as it is shown: 93.3 %.</summary>
    public static string Percent(double share) => (100 * share).ToString("F1", CultureInfo.InvariantCulture) + " %";

    private static string[] Row(string name, AnswerAccuracy a) => [name, Percent(a.Greedy), Percent(a.Sampled), Percent(a.PassAtN), Percent(a.Malformed)];

    private static ChartSeries Curve(string name, IReadOnlyList<TrainMetrics> metrics, Func<TrainMetrics, double> value) =>
        new(name, [.. metrics.Select(m => ((double)m.Step, value(m)))]);
}
