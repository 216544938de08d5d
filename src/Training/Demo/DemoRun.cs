using System.Diagnostics;
using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>Sizes of the demo. The defaults are what the README shows.</summary>
public sealed record DemoOptions
{
    /// <summary>Rows that OLLM and the baseline are trained on.</summary>
    public int TrainingRows { get; init; } = 8000;

    /// <summary>Held-out problems that everything is evaluated on.</summary>
    public int EvaluationProblems { get; init; } = 300;

    /// <summary>N of pass@N and of the sampled means.</summary>
    public int Samples { get; init; } = 8;

    /// <summary>Optimizer steps of each supervised run.</summary>
    public int TrainSteps { get; init; } = 500;

    /// <summary>Rows of each step.</summary>
    public int RowsPerStep { get; init; } = 64;

    /// <summary>Options of the OLLM; the baseline has one.</summary>
    public int Options { get; init; } = 10;

    /// <summary>Updates of latent RL.</summary>
    public int RlSteps { get; init; } = 250;

    /// <summary>Problems of an update of latent RL.</summary>
    public int RlProblems { get; init; } = new LatentRlOptions().Problems;

    /// <summary>Problems whose options are shown token by token.</summary>
    public int ShownProblems { get; init; } = 2;

    /// <summary>Seed of everything.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>As little of everything as goes through the whole method; its figures mean nothing.</summary>
    public static DemoOptions Small { get; } = new()
    {
        TrainingRows = 40, EvaluationProblems = 1, Samples = 2, TrainSteps = 1, RowsPerStep = 2, Options = 4, RlSteps = 1, RlProblems = 1, ShownProblems = 1,
    };
}

/// <summary>What the demo measured.</summary>
/// <param name="TokenAccuracy">Under teacher forcing, on held-out rows.</param>
/// <param name="Backbone">Answers of the backbone alone.</param>
/// <param name="BeforeRl">Answers of the OLLM before latent RL.</param>
/// <param name="AfterRl">Answers after it.</param>
/// <param name="Baseline">Answers of the adapter with one option.</param>
/// <param name="Training">Metrics of the OLLM's supervised training.</param>
/// <param name="BaselineTraining">Metrics of the baseline's.</param>
/// <param name="Rl">Metrics of latent RL.</param>
/// <param name="Traces">Sample options, token by token.</param>
/// <param name="Seconds">Wall time.</param>
public sealed record DemoResult(
    TokenAccuracy TokenAccuracy, AnswerAccuracy Backbone, AnswerAccuracy BeforeRl, AnswerAccuracy AfterRl, AnswerAccuracy Baseline,
    IReadOnlyList<TrainMetrics> Training, IReadOnlyList<TrainMetrics> BaselineTraining, IReadOnlyList<RlMetrics> Rl,
    IReadOnlyList<DemoTrace> Traces, double Seconds);

/// <summary>One generated answer with the options of each token.</summary>
/// <param name="Problem">The problem's text.</param>
/// <param name="Expected">Its right answer.</param>
/// <param name="Text">The answer that the trained policy wrote.</param>
/// <param name="Steps">The options of each step.</param>
public sealed record DemoTrace(string Problem, string Expected, string Text, IReadOnlyList<OptionStep> Steps);

/// <summary>
/// The whole method on the tiny world: make data, train an OLLM and the baseline with one option, evaluate, run latent RL,
/// evaluate again, trace some answers.
/// </summary>
public sealed class DemoRun(QwenBackbone backbone, Tokenizer tokenizer, DemoOptions options, string folder)
{
    /// <summary>Called with the stage's name, the work done and the work in all, and a note.</summary>
    public Action<string, long, long, string>? OnProgress { get; init; }

    /// <summary>Runs everything; files are written into the folder.</summary>
    public DemoResult Run(CancellationToken cancellation = default)
    {
        long start = Stopwatch.GetTimestamp();
        var lab = new TinyLab(backbone, tokenizer, options.Seed, options.TrainingRows, options.EvaluationProblems, folder);

        using OllmModel ollm = OllmModel.Create(backbone, options.Options, null, options.Seed);
        using OllmModel baseline = OllmModel.Create(backbone, 1, null, options.Seed);
        List<TrainMetrics> training = Train(ollm, lab, "ollm", cancellation), baselineTraining = Train(baseline, lab, "baseline", cancellation);

        using var accuracy = new TokenAccuracyEvaluator(backbone, ollm, lab.HeldOutRows.Max(r => r.Tokens.Length));
        TokenAccuracy tokenAccuracy = accuracy.Measure(lab.HeldOutRows, cancellation);
        AnswerAccuracy plain = Answers(null, lab, "evaluate the backbone", cancellation);
        AnswerAccuracy one = Answers(baseline, lab, "evaluate the baseline", cancellation);
        AnswerAccuracy before = Answers(ollm, lab, "evaluate the OLLM", cancellation);
        List<RlMetrics> rl = Reinforce(ollm, lab, cancellation);
        AnswerAccuracy after = Answers(ollm, lab, "evaluate after latent RL", cancellation);
        ollm.Save(Path.Combine(folder, "ollm-rl"));
        return new DemoResult(
            tokenAccuracy, plain, before, after, one, training, baselineTraining, rl, Trace(ollm, lab), Stopwatch.GetElapsedTime(start).TotalSeconds);
    }

    private List<TrainMetrics> Train(OllmModel model, TinyLab lab, string name, CancellationToken cancellation)
    {
        var metrics = new List<TrainMetrics>();
        using var trainer = new Trainer(backbone, model, lab.TrainingRows, lab.Training(options.TrainSteps, options.RowsPerStep));
        string stage = $"train K = {model.Shape.Options}";
        trainer.Run(Path.Combine(folder, name), line =>
        {
            metrics.Add(line);
            OnProgress?.Invoke(stage, line.Step, options.TrainSteps, $"ce {line.Ce:F3}  kl {line.Kl:F2}");
        }, cancellation);
        return metrics;
    }

    private AnswerAccuracy Answers(OllmModel? model, TinyLab lab, string stage, CancellationToken cancellation)
    {
        using Generator generator = lab.NewGenerator(model);
        var evaluator = new AnswerEvaluator(generator, tokenizer, lab.StopTokens, TinyLab.MaxTokens);
        IReadOnlyList<AnswerProblem> problems = lab.HeldOutProblems;
        return evaluator.Measure(
            problems, model is not null, options.Samples, options.Seed,
            onProblems: done => OnProgress?.Invoke(stage, done, problems.Count, ""), cancellation: cancellation).Accuracy;
    }

    private List<RlMetrics> Reinforce(OllmModel model, TinyLab lab, CancellationToken cancellation)
    {
        var metrics = new List<RlMetrics>();
        string output = Path.Combine(folder, "ollm-rl"), lines = Path.Combine(output, RlRun.MetricsFile);
        Directory.CreateDirectory(output);
        JsonLines.CutTo(lines, 0);
        using var log = new JsonLines(lines);
        using var rl = new LatentRl(backbone, model, tokenizer, lab.RlProblems, lab.StopTokens, lab.Rl(options.RlSteps) with { Credit = RlCredit.Token, Problems = options.RlProblems });
        rl.Run(line =>
        {
            metrics.Add(line);
            RlRun.Write(log, line);
            OnProgress?.Invoke("latent RL", line.Step, options.RlSteps, $"reward {line.Reward:F2}");
        }, cancellation);
        return metrics;
    }

    private List<DemoTrace> Trace(OllmModel model, TinyLab lab)
    {
        var traces = new List<DemoTrace>();
        foreach (AnswerProblem problem in lab.HeldOutProblems.Where(p => p.Row.Extra.GetValueOrDefault("conflict") is "true" or "True").Take(options.ShownProblems))
        {
            using var explorer = new OptionExplorer(backbone, model, lab.Capacity, tokenizer.VocabularySize);
            var steps = new List<OptionStep>();
            var tokens = new List<int>();
            foreach (ExploredStep step in explorer.Run(problem.Prompt, TinyLab.MaxTokens, lab.StopTokens))
            {
                steps.Add(new OptionStep(
                    tokenizer.TokenText(step.Token),
                    [.. step.Options.Select(o => new OptionChoice(tokenizer.TokenText(o.Token), o.Probability, o.PolicyProbability))], step.Chosen));
                tokens.Add(step.Token);
            }
            traces.Add(new DemoTrace(problem.Row.Problem!, problem.ExpectedAnswer, tokenizer.Decode([.. tokens], skipSpecial: true), steps));
        }
        return traces;
    }
}
