using System.Text.Json;
using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>One line of evals.jsonl: what the policy (or the adapter) answers greedily on validation problems.</summary>
/// <param name="Step">Updates so far.</param>
/// <param name="Rollouts">Rollouts so far.</param>
/// <param name="Greedy">Share of validation problems that greedy answers solve.</param>
/// <param name="Malformed">Share of these answers that are malformed.</param>
public sealed record RlEvaluation(int Step, long Rollouts, double Greedy, double Malformed);

/// <summary>
/// An RL run in a folder: metrics.jsonl, evals.jsonl, checkpoints, <c>best</c> (the OLLM of the best evaluation) and the OLLM
/// as it is. It can be interrupted between any two updates and goes on as if it had not been.
/// </summary>
public sealed class RlRun
{
    /// <summary>One line for each update.</summary>
    public const string MetricsFile = "metrics.jsonl";

    /// <summary>One line for each evaluation.</summary>
    public const string EvaluationsFile = "evals.jsonl";

    /// <summary>The OLLM of the best evaluation.</summary>
    public const string BestFolder = "best";

    private readonly AnswerRl _rl;
    private readonly string _folder;
    private readonly AnswerSampler? _sampler;
    private readonly IReadOnlyList<AnswerProblem> _validation;
    private readonly List<RlEvaluation> _evaluations = [];

    /// <summary>Prepares a run; nothing is written yet.</summary>
    /// <param name="rl">What learns.</param>
    /// <param name="folder">Where files go.</param>
    /// <param name="sampler">Answers validation problems; null where there are none.</param>
    /// <param name="validation">Problems to evaluate on while the run goes on.</param>
    public RlRun(AnswerRl rl, string folder, AnswerSampler? sampler = null, IReadOnlyList<AnswerProblem>? validation = null)
    {
        ArgumentNullException.ThrowIfNull(rl);
        ArgumentException.ThrowIfNullOrEmpty(folder);
        if (sampler is null != validation is null) throw new ArgumentException("validation needs a sampler and problems");
        (_rl, _folder, _sampler, _validation) = (rl, folder, sampler, validation ?? []);
    }

    /// <summary>Evaluations so far.</summary>
    public IReadOnlyList<RlEvaluation> Evaluations => _evaluations;

    /// <summary>The first of the best evaluations; null when there was none.</summary>
    public RlEvaluation? Best => _evaluations.MaxBy(evaluation => evaluation.Greedy);

    private string Metrics => Path.Combine(_folder, MetricsFile);

    private string EvaluationLines => Path.Combine(_folder, EvaluationsFile);

    /// <summary>Continues from the newest whole checkpoint of the folder. Returns false when it has none.</summary>
    /// <param name="warn">Takes a line about a damaged checkpoint that was passed over, or about missing lines of metrics.jsonl.</param>
    /// <exception cref="OllmException">All checkpoints are damaged, or belong to a run with other settings.</exception>
    public bool TryResume(Action<string>? warn = null)
    {
        TrainingCheckpoint? checkpoint = TrainingCheckpoint.Newest(_folder, warn);
        if (checkpoint is null) return false;
        _rl.Restore(checkpoint);
        // Evaluations of updates after the checkpoint will be made again.
        _evaluations.AddRange(ReadEvaluations(_folder).Where(evaluation => evaluation.Step <= checkpoint.State.Step));
        if (!_rl.Group.IsFirst) return true;
        JsonLines.CutToCheckpoint(Metrics, checkpoint.State.MetricsLength, warn);
        File.Delete(EvaluationLines);
        foreach (RlEvaluation evaluation in _evaluations) Write(evaluation);
        return true;
    }

    /// <summary>Runs to the last update. When cancelled, writes a checkpoint and throws <see cref="OperationCanceledException"/>.</summary>
    /// <exception cref="OllmException">The gradient is not a number; the last checkpoint stays.</exception>
    public void Run(Action<RlMetrics>? onStep = null, Action<RlEvaluation>? onEvaluation = null, CancellationToken cancellation = default)
    {
        using JsonLines? metrics = _rl.Group.IsFirst ? JsonLines.OfRun(Metrics, _rl.StepsDone) : null;
        // Several processes stop after the same update; one alone may stop within it.
        CancellationToken inner = _rl.Group.IsDistributed ? default : cancellation;
        try
        {
            Evaluate(onEvaluation, inner);
            while (_rl.StepsDone < _rl.Options.Steps)
            {
                if (_rl.Group.Any(cancellation.IsCancellationRequested)) throw new OperationCanceledException(cancellation);
                RlMetrics line = _rl.Step(inner);
                if (metrics is not null) Write(metrics, line);
                onStep?.Invoke(line);
                Evaluate(onEvaluation, inner);
                int every = _rl.Options.CheckpointEvery;
                if (every > 0 && line.Step % every == 0 && line.Step < _rl.Options.Steps) Save(metrics);
            }
        }
        catch (OperationCanceledException)
        {
            Save(metrics);
            _rl.Group.Barrier(); // The process that writes must not be ended by another one's leaving.
            throw;
        }
        Save(metrics);
    }

    /// <summary>The metrics in a run's folder.</summary>
    public static IEnumerable<RlMetrics> ReadMetrics(string folder)
    {
        foreach (string line in File.ReadLines(Path.Combine(folder, MetricsFile)))
        {
            using JsonDocument json = JsonDocument.Parse(line);
            JsonElement at = json.RootElement;
            double Number(string name) => at.GetProperty(name) is { ValueKind: JsonValueKind.Number } value ? value.GetDouble() : double.NaN;
            yield return new RlMetrics(
                at.GetProperty("step").GetInt32(), Number("reward"), Number("active_groups"), Number("malformed"), Number("entropy"), Number("loss"), Number("grad_norm"),
                Number("lr"), at.GetProperty("rollouts").GetInt64(), Number("tokens_per_second"));
        }
    }

    /// <summary>The evaluations in a run's folder.</summary>
    public static IReadOnlyList<RlEvaluation> ReadEvaluations(string folder)
    {
        string path = Path.Combine(folder, EvaluationsFile);
        if (!File.Exists(path)) return [];
        var lines = new List<RlEvaluation>();
        foreach (string line in File.ReadLines(path))
        {
            try
            {
                using JsonDocument json = JsonDocument.Parse(line);
                JsonElement at = json.RootElement;
                lines.Add(new RlEvaluation(
                    at.GetProperty("step").GetInt32(), at.GetProperty("rollouts").GetInt64(), at.GetProperty("greedy").GetDouble(), at.GetProperty("malformed").GetDouble()));
            }
            catch (JsonException)
            {
                // Half a line of a run that was killed; the evaluation is made again.
            }
        }
        return lines;
    }

    private void Save(JsonLines? metrics)
    {
        if (metrics is null) return;
        _rl.Save(_folder, metrics.Flush());
        _rl.Ollm.Save(_folder);
    }

    /// <summary>Evaluates when it is time to, and keeps the OLLM when it is the best so far.</summary>
    private void Evaluate(Action<RlEvaluation>? onEvaluation, CancellationToken cancellation)
    {
        int step = _rl.StepsDone;
        bool due = step % _rl.Options.EvaluateEvery == 0 || step == _rl.Options.Steps;
        if (_sampler is null || !due || _evaluations.Exists(evaluation => evaluation.Step == step)) return;
        AnswerDraw draw = _rl is LatentRl ? AnswerDraw.Options : AnswerDraw.PolicyTokens;
        IReadOnlyList<DrawnAnswer> answers = _sampler.Greedy(_validation, draw, cancellation: cancellation);
        var evaluation = new RlEvaluation(
            step, (long)step * _rl.Options.Problems * _rl.Options.Rollouts, answers.Average(answer => answer.Right ? 1.0 : 0),
            answers.Zip(_validation).Average(pair => _rl.IsMalformed(pair.Second, pair.First.Text, pair.First.Answer) ? 1.0 : 0));
        bool best = Best is not { } before || evaluation.Greedy > before.Greedy;
        _evaluations.Add(evaluation);
        if (best && _rl.Group.IsFirst) _rl.Ollm.Save(Path.Combine(_folder, BestFolder));
        if (_rl.Group.IsFirst) Write(evaluation);
        onEvaluation?.Invoke(evaluation);
    }

    /// <summary>Appends an update's line to metrics.jsonl.</summary>
    internal static void Write(JsonLines metrics, RlMetrics line) => metrics.Write(
        ("step", line.Step), ("reward", line.Reward), ("active_groups", line.ActiveGroups), ("malformed", line.Malformed), ("entropy", line.Entropy),
        ("loss", line.Loss), ("grad_norm", line.GradNorm), ("lr", line.LearningRate), ("rollouts", line.Rollouts), ("tokens_per_second", line.TokensPerSecond));

    private void Write(RlEvaluation evaluation)
    {
        using var lines = new JsonLines(EvaluationLines);
        lines.Write(("step", evaluation.Step), ("rollouts", evaluation.Rollouts), ("greedy", evaluation.Greedy), ("malformed", evaluation.Malformed));
    }
}
