using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>Answer accuracy of one way of decoding.</summary>
/// <param name="Greedy">Share of problems that the greedy answer solves.</param>
/// <param name="Sampled">Mean over the samples of the share that they solve.</param>
/// <param name="PassAtN">Share of problems that any of the N samples solves.</param>
/// <param name="Malformed">Share of all outputs without a recognisable answer.</param>
public sealed record AnswerAccuracy(double Greedy, double Sampled, double PassAtN, double Malformed);

/// <summary>What each problem got: for per-row results.</summary>
/// <param name="Problem">The problem.</param>
/// <param name="Greedy">The greedy completion.</param>
/// <param name="GreedyRight">Whether its answer is right.</param>
/// <param name="Samples">The sampled completions.</param>
/// <param name="SamplesRight">Whether each sample's answer is right.</param>
public sealed record AnswerRow(AnswerProblem Problem, string Greedy, bool GreedyRight, IReadOnlyList<string> Samples, IReadOnlyList<bool> SamplesRight);

/// <summary>
/// Generates one greedy and N sampled answers per problem, all rows decoded together, and grades them. Backbone: samples
/// draw tokens at temperature 1. Policy: samples draw the option of each token from the policy, tokens are the argmax.
/// </summary>
public sealed class AnswerEvaluator(Generator generator, Tokenizer tokenizer, IReadOnlyList<int> stopTokens, int maxTokens)
{
    /// <summary>Measures over problems with <paramref name="samples"/> samples each.</summary>
    public (AnswerAccuracy Accuracy, IReadOnlyList<AnswerRow> Rows) Measure(
        IReadOnlyList<AnswerProblem> problems, bool withPolicy, int samples, ulong seed, float temperature = 1,
        Action<int>? onProblems = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(problems);
        var rows = new List<AnswerRow>(problems.Count);
        long malformed = 0;
        // Enough problems at a time to keep every slot busy, few enough to report progress.
        int perBlock = Math.Max(1, 2 * generator.Slots / (samples + 1));
        for (int first = 0; first < problems.Count; first += perBlock)
        {
            AnswerProblem[] block = [.. problems.Skip(first).Take(perBlock)];
            GenerationRequest[] requests = [.. block.SelectMany((p, i) => Requests(p, withPolicy, samples, Counter.Key(seed, (ulong)(first + i)), temperature, stopTokens, maxTokens))];
            generator.Run(requests, cancellation);
            for (int i = 0; i < block.Length; i++)
            {
                string[] texts = [.. requests.Skip(i * (samples + 1)).Take(samples + 1).Select(r => tokenizer.Decode(r.Completion))];
                var right = new bool[texts.Length];
                for (int s = 0; s < texts.Length; s++)
                {
                    right[s] = block[i].IsRight(texts[s], out string? answer);
                    malformed += answer is null ? 1 : 0;
                }
                rows.Add(new AnswerRow(block[i], texts[0], right[0], texts[1..], right[1..]));
            }
            onProblems?.Invoke(rows.Count);
        }
        double n = rows.Count;
        return (new AnswerAccuracy(
            rows.Count(r => r.GreedyRight) / n,
            samples == 0 ? 0 : rows.Sum(r => r.SamplesRight.Count(right => right) / (double)samples) / n,
            rows.Count(r => r.SamplesRight.Any(right => right)) / n,
            malformed / (n * (samples + 1))), rows);
    }

    /// <summary>The requests of one problem: the greedy answer first, then the samples.</summary>
    internal static IEnumerable<GenerationRequest> Requests(
        AnswerProblem problem, bool withPolicy, int samples, ulong seed, float temperature, IReadOnlyList<int> stopTokens, int maxTokens)
    {
        for (int s = 0; s <= samples; s++)
        {
            bool greedy = s == 0;
            yield return new GenerationRequest
            {
                Prompt = problem.Prompt,
                MaxTokens = maxTokens,
                StopTokens = stopTokens,
                Seed = Counter.Key(seed, (ulong)s),
                Latent = !withPolicy ? LatentChoice.Backbone : greedy ? LatentChoice.Policy : LatentChoice.Sample,
                Sampler = new SamplerOptions { Temperature = withPolicy || greedy ? 0 : temperature },
            };
        }
    }
}
