namespace OllmNative.Training;

/// <summary>The figures of an evaluation by their names, each with its bootstrap interval.</summary>
public sealed class EvalSummary
{
    private readonly IReadOnlyList<EvalResult> _results;
    private readonly Bootstrap _bootstrap;

    /// <summary>Computes all figures.</summary>
    /// <param name="results">The rows.</param>
    /// <param name="withOllm">Whether there are figures beside the backbone's.</param>
    /// <param name="samples">N of the sampled answers.</param>
    /// <param name="bootstrap">Gives the intervals.</param>
    public EvalSummary(IReadOnlyList<EvalResult> results, bool withOllm, int samples, Bootstrap bootstrap)
    {
        ArgumentNullException.ThrowIfNull(results);
        (_results, _bootstrap) = (results, bootstrap);
        Problems = results.Count(result => result.Backbone is not null);
        Targets = results.Sum(result => (long)(result.Tokens?.Targets ?? 0));
        AnswerNames = Names(withOllm, samples);
        if (Targets > 0) TokenAccuracy = Tokens(withOllm);
        if (Problems == 0) return;
        AnswerAccuracy = AnswersOf(results);
        Malformed = Methods(withOllm).ToDictionary(method => method.Name, method => Mean(method.Of, answers => answers.Malformed / (double)(1 + answers.Samples.Count)).Value);
        if (samples > 0) PassAtK = Methods(withOllm).ToDictionary(method => method.Name, method => PassCurve(method.Of, samples));
        if (withOllm) Differences = PolicyMinusBackbone(samples);
    }

    /// <summary>Rows with answers.</summary>
    public int Problems { get; }

    /// <summary>Targets of the token accuracy.</summary>
    public long Targets { get; }

    /// <summary>Names of the answer accuracies, and what each takes from a row.</summary>
    public IReadOnlyList<(string Name, Func<EvalResult, double> Of)> AnswerNames { get; }

    /// <summary>backbone and, with an OLLM, policy, encoder and oracle; null when no row has a target.</summary>
    public IReadOnlyDictionary<string, Estimate>? TokenAccuracy { get; }

    /// <summary>backbone_greedy, backbone_sampled, backbone_pass@N, the same of policy; null when no row has an expected answer.</summary>
    public IReadOnlyDictionary<string, Estimate>? AnswerAccuracy { get; }

    /// <summary>Policy minus backbone for greedy, sampled and pass@N, problem by problem; null without an OLLM.</summary>
    public IReadOnlyDictionary<string, Estimate>? Differences { get; }

    /// <summary>Share of outputs without a recognisable answer; null when no row has an expected answer.</summary>
    public IReadOnlyDictionary<string, double>? Malformed { get; }

    /// <summary>For each method the chance that one of k samples is right, k = 1..N; null without samples.</summary>
    public IReadOnlyDictionary<string, double[]>? PassAtK { get; }

    /// <summary>The answer accuracies over some rows.</summary>
    public IReadOnlyDictionary<string, Estimate> AnswersOf(IEnumerable<EvalResult> results)
    {
        EvalResult[] problems = [.. results.Where(result => result.Backbone is not null)];
        return AnswerNames.ToDictionary(name => name.Name, name => _bootstrap.Of([.. problems.Select(result => (name.Of(result), 1.0))]));
    }

    private static IEnumerable<(string Name, Func<EvalResult, MethodAnswers> Of)> Methods(bool withOllm)
    {
        yield return ("backbone", result => result.Backbone!);
        if (withOllm) yield return ("policy", result => result.Policy!);
    }

    private static List<(string, Func<EvalResult, double>)> Names(bool withOllm, int samples)
    {
        var names = new List<(string, Func<EvalResult, double>)>();
        foreach ((string name, Func<EvalResult, MethodAnswers> of) in Methods(withOllm))
        {
            names.Add(($"{name}_greedy", result => of(result).GreedyRight ? 1 : 0));
            if (samples == 0) continue;
            names.Add(($"{name}_sampled", result => of(result).Right / (double)samples));
            names.Add(($"{name}_pass@{samples}", result => of(result).Right > 0 ? 1 : 0));
        }
        return names;
    }

    private Dictionary<string, Estimate> Tokens(bool withOllm)
    {
        TokenHits[] rows = [.. _results.Where(result => result.Tokens is not null).Select(result => result.Tokens!.Value)];
        var names = new List<(string Name, Func<TokenHits, int> Right)> { ("backbone", row => row.Backbone) };
        if (withOllm) names.AddRange([("policy", row => row.Policy), ("encoder", row => row.Encoder), ("oracle", row => row.Oracle)]);
        return names.ToDictionary(name => name.Name, name => _bootstrap.Of([.. rows.Select(row => ((double)name.Right(row), (double)row.Targets))]));
    }

    private Dictionary<string, Estimate> PolicyMinusBackbone(int samples)
    {
        var differences = new Dictionary<string, Estimate>();
        foreach (string measure in samples > 0 ? (string[])["greedy", "sampled", $"pass@{samples}"] : ["greedy"])
        {
            Func<EvalResult, double> Named(string method) => AnswerNames.First(name => name.Name == $"{method}_{measure}").Of;
            (Func<EvalResult, double> policy, Func<EvalResult, double> backbone) = (Named("policy"), Named("backbone"));
            differences[measure] = _bootstrap.Of([.. _results.Where(result => result.Backbone is not null).Select(result => (policy(result) - backbone(result), 1.0))]);
        }
        return differences;
    }

    private Estimate Mean(Func<EvalResult, MethodAnswers> of, Func<MethodAnswers, double> value) =>
        new Bootstrap(0, 0).Of([.. _results.Where(result => result.Backbone is not null).Select(result => (value(of(result)), 1.0))]);

    private double[] PassCurve(Func<EvalResult, MethodAnswers> of, int samples) =>
        [.. Enumerable.Range(1, samples).Select(k => Mean(of, answers => answers.PassAt(k)).Value)];
}
