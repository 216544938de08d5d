using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>One RL run of a study: answers before, the run with its evaluations, answers after, rollouts needed.</summary>
internal sealed class RlStudyRun(TinyLab lab, OllmModel ollm, LatentRlOptions settings, int samples, string folder)
{
    // The level whose first reaching is counted in rollouts.
    private const double Level = 0.8;

    // Rewards of single updates jump; their mean over this many counts.
    private const int Window = 10;

    public Action<string, long, long>? OnProgress { get; init; }

    public StudyResult Run(string name, IReadOnlyDictionary<string, string> keys, CancellationToken cancellation)
    {
        bool tokens = ollm.Shape.Options == 1;
        AnswerDraw draw = tokens ? AnswerDraw.PolicyTokens : AnswerDraw.Options;
        var figures = new Dictionary<string, double>();
        using Generator generator = lab.NewGenerator(ollm);
        var sampler = new AnswerSampler(generator, lab.Tokenizer, lab.StopTokens, TinyLab.MaxTokens);
        OnProgress?.Invoke("answers before", 0, 1);
        TrainedFigures.Answers(sampler, lab, draw, samples, "before", figures, cancellation);

        Func<AnswerProblem, string, string?, bool> offLanguage = (problem, text, _) => TrainedFigures.IsOffLanguage(problem, text);
        using AnswerRl rl = tokens
            ? new TokenRl(lab.Backbone, ollm, lab.Tokenizer, lab.RlProblems, lab.StopTokens, settings) { IsMalformed = offLanguage }
            : new LatentRl(lab.Backbone, ollm, lab.Tokenizer, lab.RlProblems, lab.StopTokens, settings) { IsMalformed = offLanguage };
        var run = new RlRun(rl, folder, sampler, lab.HeldOutProblems);
        run.TryResume();
        run.Run(line => OnProgress?.Invoke("rl", line.Step, settings.Steps), cancellation: cancellation);
        OnProgress?.Invoke("answers after", 0, 1);
        TrainedFigures.Answers(sampler, lab, draw, samples, "after", figures, cancellation);

        RlMetrics[] metrics = [.. RlRun.ReadMetrics(folder)];
        figures["trained_parameters"] = rl.TrainedParameters;
        figures["rollouts"] = metrics[^1].Rollouts;
        figures["best_greedy"] = run.Best!.Greedy;
        figures["rollouts_to_80_greedy"] = run.Evaluations.FirstOrDefault(e => e.Greedy >= Level)?.Rollouts ?? double.NaN;
        double[][] reward = Smooth(metrics, m => m.Reward), malformed = Smooth(metrics, m => m.Malformed);
        figures["rollouts_to_80_sampled"] = reward.FirstOrDefault(p => p[1] >= Level)?[0] ?? double.NaN;
        figures["malformed_in_training"] = metrics.Average(m => m.Malformed);
        figures["malformed_at_worst"] = malformed.Max(p => p[1]);
        return new StudyResult
        {
            Name = name, Settings = keys, Figures = figures,
            Curves = new Dictionary<string, double[][]>
            {
                ["greedy"] = [.. run.Evaluations.Select(e => (double[])[e.Rollouts, e.Greedy])],
                ["reward"] = reward, ["malformed"] = malformed, ["entropy"] = Smooth(metrics, m => m.Entropy),
            },
        };
    }

    /// <summary>Means over the last updates, by rollouts; the first points have fewer behind them and are left out.</summary>
    private static double[][] Smooth(RlMetrics[] metrics, Func<RlMetrics, double> value)
    {
        int window = Math.Min(Window, metrics.Length);
        return [.. Enumerable.Range(window - 1, metrics.Length - window + 1)
            .Select(i => (double[])[metrics[i].Rollouts, metrics.Skip(i - window + 1).Take(window).Average(value)])];
    }
}
