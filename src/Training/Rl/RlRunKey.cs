using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>
/// What must agree between an RL run and its continuation, in the form of <see cref="RunAgreement"/>. Learning rate and entropy bonus
/// follow a schedule over all steps; another number of steps would be another run.
/// </summary>
internal static class RlRunKey
{
    public static string Of(QwenBackbone backbone, OllmModel ollm, IReadOnlyList<AnswerProblem> problems, LatentRlOptions o, string module)
    {
        (string Name, object Value)[] pairs =
        [
            ("trained module", module), ("backbone", backbone.Fingerprint[..16]), ("ollm", Digest(hash => hash.AppendData(MemoryMarshal.AsBytes<float>(ollm.Parameters.All.ToArray())))),
            ("data", Digest(hash => Append(hash, problems))), ("--steps", o.Steps), ("--batch-size", o.Problems), ("--rollouts", o.Rollouts), ("--max-tokens", o.MaxTokens),
            ("--lr", o.LearningRate), ("--final-lr", o.FinalLearningRate), ("--entropy", o.Entropy), ("--clip-ratio", o.ClipRatio), ("--rl-epochs", o.Epochs),
            ("--clip", o.Clip), ("--credit", o.Credit.ToString().ToLowerInvariant()), ("--seed", o.Seed),
        ];
        return RunAgreement.Join(pairs);
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
