using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>One accuracy as the answer checker and as the judge see it, over the problems whose outputs are all judged.</summary>
/// <param name="Problems">Those problems.</param>
/// <param name="Checker">The accuracy by the answer checker.</param>
/// <param name="Judge">The accuracy by the judge.</param>
public sealed record JudgedAccuracy(int Problems, double Checker, double Judge);

/// <summary>A judge's verdicts beside those of the answer checker.</summary>
public sealed class JudgeComparison
{
    /// <summary>Compares.</summary>
    /// <param name="path">Where the verdicts come from, for messages.</param>
    /// <param name="verdicts">By problem and output.</param>
    /// <param name="problems">Results and the rows that they belong to.</param>
    /// <param name="names">Names of the answer accuracies, and what each takes from a row.</param>
    /// <exception cref="OllmException">No verdict is about an output of this evaluation.</exception>
    public JudgeComparison(
        string path, IReadOnlyDictionary<(string Problem, string Output), bool> verdicts, IReadOnlyList<(EvalResult Result, DataRow Row)> problems,
        IReadOnlyList<(string Name, Func<EvalResult, double> Of)> names)
    {
        ArgumentNullException.ThrowIfNull(verdicts);
        var judged = new Dictionary<string, List<(EvalResult Checker, EvalResult Judge)>>();
        var matched = new HashSet<(string, string)>();
        foreach ((EvalResult result, DataRow row) in problems)
        {
            string problem = JudgeFile.ProblemOf(row);
            bool? Verdict(string output)
            {
                if (!verdicts.TryGetValue((problem, output), out bool right)) return null;
                matched.Add((problem, output));
                return right;
            }
            Count(result, Verdict);
            EvalResult byJudge = result with { Backbone = Regrade(result.Backbone, Verdict), Policy = Regrade(result.Policy, Verdict) };
            foreach ((string name, _) in names)
            {
                MethodAnswers? answers = name.StartsWith("policy", StringComparison.Ordinal) ? result.Policy : result.Backbone;
                if (answers is null || !NeededOutputs(name, answers).All(output => Verdict(output) is not null)) continue;
                if (!judged.TryGetValue(name, out List<(EvalResult, EvalResult)>? pairs)) judged.Add(name, pairs = []);
                pairs.Add((result, byJudge));
            }
        }
        if (Outputs == 0)
            throw new OllmException($"{path}: none of its {verdicts.Count} verdicts is about an output of this evaluation; expected rows of --judge-export of the same run");
        Unknown = verdicts.Count - matched.Count;
        Accuracy = names.Where(name => judged.ContainsKey(name.Name)).ToDictionary(
            name => name.Name,
            name => new JudgedAccuracy(judged[name.Name].Count, judged[name.Name].Average(pair => name.Of(pair.Checker)), judged[name.Name].Average(pair => name.Of(pair.Judge))));
    }

    /// <summary>Different outputs with a verdict.</summary>
    public int Outputs { get; private set; }

    /// <summary>Verdicts about outputs that this evaluation does not have.</summary>
    public int Unknown { get; }

    /// <summary>Outputs that both call right.</summary>
    public int BothRight { get; private set; }

    /// <summary>Outputs that both call wrong.</summary>
    public int BothWrong { get; private set; }

    /// <summary>Outputs that only the answer checker calls right.</summary>
    public int OnlyChecker { get; private set; }

    /// <summary>Outputs that only the judge calls right.</summary>
    public int OnlyJudge { get; private set; }

    /// <summary>Share of judged outputs on which both agree.</summary>
    public double Agreement => (BothRight + BothWrong) / (double)Outputs;

    /// <summary>Accuracies by name, those that have judged problems.</summary>
    public IReadOnlyDictionary<string, JudgedAccuracy> Accuracy { get; }

    private static IEnumerable<string> NeededOutputs(string name, MethodAnswers answers) => name.EndsWith("_greedy", StringComparison.Ordinal) ? [answers.Greedy] : answers.Samples;

    private static MethodAnswers? Regrade(MethodAnswers? answers, Func<string, bool?> verdict) => answers is null
        ? null
        : answers with { GreedyRight = verdict(answers.Greedy) ?? false, SamplesRight = [.. answers.Samples.Select(sample => verdict(sample) ?? false)] };

    private void Count(EvalResult result, Func<string, bool?> verdict)
    {
        IEnumerable<(string Text, bool Right)> outputs = [.. result.Backbone?.Outputs ?? [], .. result.Policy?.Outputs ?? []];
        foreach ((string text, bool checker) in outputs.DistinctBy(output => output.Text))
        {
            if (verdict(text) is not { } judge) continue;
            Outputs++;
            if (checker && judge) BothRight++;
            else if (checker) OnlyChecker++;
            else if (judge) OnlyJudge++;
            else BothWrong++;
        }
    }
}
