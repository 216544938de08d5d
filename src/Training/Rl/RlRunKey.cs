using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>
/// What must agree between an RL run and its continuation, as <c>name=value</c> pairs, so that a refusal can name the option
/// that differs. Learning rate and entropy bonus follow a schedule over all steps; another number of steps would be another run.
/// </summary>
internal static class RlRunKey
{
    public static string Of(QwenBackbone backbone, OllmModel ollm, IReadOnlyList<AnswerProblem> problems, LatentRlOptions o, string module)
    {
        (string Name, object Value)[] pairs =
        [
            ("trained-module", module), ("model", backbone.Fingerprint), ("ollm", Digest(hash => hash.AppendData(MemoryMarshal.AsBytes<float>(ollm.Parameters.All.ToArray())))),
            ("data", Digest(hash => Append(hash, problems))), ("--steps", o.Steps), ("--batch-size", o.Problems), ("--rollouts", o.Rollouts), ("--max-tokens", o.MaxTokens),
            ("--lr", o.LearningRate), ("--final-lr", o.FinalLearningRate), ("--entropy", o.Entropy), ("--clip-ratio", o.ClipRatio), ("--rl-epochs", o.Epochs),
            ("--clip", o.Clip), ("--credit", o.Credit.ToString().ToLowerInvariant()), ("--seed", o.Seed),
        ];
        return string.Join(' ', pairs.Select(pair => string.Create(CultureInfo.InvariantCulture, $"{pair.Name}={pair.Value}")));
    }

    /// <summary>Refuses a continuation with other settings.</summary>
    /// <exception cref="OllmException">Names the first pair that differs.</exception>
    public static void Require(string written, string now, string place)
    {
        string[] before = written.Split(' '), after = now.Split(' ');
        for (int i = 0; i < after.Length; i++)
        {
            string there = i < before.Length ? before[i] : "nothing";
            if (there == after[i]) continue;
            int at = after[i].IndexOf('=', StringComparison.Ordinal);
            string name = after[i][..at], value = there.StartsWith(name + "=", StringComparison.Ordinal) ? there[(at + 1)..] : "unknown";
            string what = name switch
            {
                "model" => "--model: the run was made with another backbone",
                "ollm" => "--ollm: the run began with another OLLM",
                "data" => "--data: the run was made with other problems",
                "trained-module" => $"--method: the run trains {value}.*",
                _ => $"{name} {after[i][(at + 1)..]}: the run was made with {value}",
            };
            throw new OllmException($"{what}; {place} cannot go on with other settings (give the same options, or another --out)");
        }
    }

    private static void Append(IncrementalHash hash, IReadOnlyList<AnswerProblem> problems)
    {
        foreach (AnswerProblem problem in problems)
        {
            hash.AppendData(MemoryMarshal.AsBytes<int>(problem.Prompt));
            hash.AppendData(Encoding.UTF8.GetBytes(problem.ExpectedAnswer + "\n"));
        }
    }

    private static string Digest(Action<IncrementalHash> fill)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        fill(hash);
        return Convert.ToHexStringLower(hash.GetHashAndReset())[..16];
    }
}
