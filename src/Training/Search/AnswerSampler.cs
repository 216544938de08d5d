using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>What is drawn at random when several answers to one problem are wanted.</summary>
public enum AnswerDraw
{
    /// <summary>Tokens of the backbone alone.</summary>
    BackboneTokens,

    /// <summary>Tokens under the option that the policy holds likeliest; with K = 1 those of the plain adapter.</summary>
    PolicyTokens,

    /// <summary>The option of each token, from the policy; tokens are the argmax.</summary>
    Options,
}

/// <summary>One generated and graded answer.</summary>
/// <param name="Text">The completion.</param>
/// <param name="Answer">The final answer found in it; null when there is none.</param>
/// <param name="Right">Whether it equals the expected one.</param>
/// <param name="LogProbability">Sum of log p over its tokens or of log pi over its options, whichever was drawn.</param>
/// <param name="Tokens">Generated tokens, the end token included.</param>
public sealed record DrawnAnswer(string Text, string? Answer, bool Right, double LogProbability, int Tokens)
{
    /// <summary>Mean over the tokens, by which answers of different lengths compare.</summary>
    public double LogProbabilityPerToken => LogProbability / Math.Max(1, Tokens);
}

/// <summary>Draws answers to problems and grades them, many sequences together.</summary>
public sealed class AnswerSampler(Generator generator, Tokenizer tokenizer, IReadOnlyList<int> stopTokens, int maxTokens)
{
    /// <summary>The likeliest answer to each problem: argmax tokens, under the policy's likeliest option when <paramref name="draw"/> has one.</summary>
    public IReadOnlyList<DrawnAnswer> Greedy(
        IReadOnlyList<AnswerProblem> problems, AnswerDraw draw, Action<int>? onProblems = null, CancellationToken cancellation = default) =>
        [.. Run(problems, 1, (problem, _) => Request(problem, draw == AnswerDraw.BackboneTokens ? LatentChoice.Backbone : LatentChoice.Policy, 0, 0), onProblems, cancellation)
            .Select(answers => answers[0])];

    /// <summary>N answers to each problem. Draws of a sample follow from the seed, the problem's place and the sample's number.</summary>
    public IReadOnlyList<DrawnAnswer[]> Draw(
        IReadOnlyList<AnswerProblem> problems, AnswerDraw draw, int samples, ulong seed, float temperature = 1,
        Action<int>? onProblems = null, CancellationToken cancellation = default)
    {
        (LatentChoice latent, float tokens) = draw switch
        {
            AnswerDraw.BackboneTokens => (LatentChoice.Backbone, temperature),
            AnswerDraw.PolicyTokens => (LatentChoice.Policy, temperature),
            _ => (LatentChoice.Sample, 0),
        };
        return Run(problems, samples, (problem, at) => Request(problem, latent, tokens, Counter.Key(Counter.Key(seed, (ulong)(at / samples)), (ulong)(at % samples))), onProblems, cancellation);
    }

    private List<DrawnAnswer[]> Run(
        IReadOnlyList<AnswerProblem> problems, int samples, Func<AnswerProblem, int, GenerationRequest> make, Action<int>? onProblems, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(problems);
        var answers = new List<DrawnAnswer[]>(problems.Count);
        // Enough problems at a time to keep every slot busy, few enough to report progress.
        int perBlock = Math.Max(1, 2 * generator.Slots / samples);
        for (int first = 0; first < problems.Count; first += perBlock)
        {
            int count = Math.Min(perBlock, problems.Count - first);
            GenerationRequest[] requests = [.. Enumerable.Range(first * samples, count * samples).Select(at => make(problems[at / samples], at))];
            generator.Run(requests, cancellation);
            for (int i = 0; i < count; i++) answers.Add([.. requests.Skip(i * samples).Take(samples).Select(request => Grade(problems[first + i], request))]);
            onProblems?.Invoke(answers.Count);
        }
        return answers;
    }

    private GenerationRequest Request(AnswerProblem problem, LatentChoice latent, float temperature, ulong seed) => new()
    {
        Prompt = problem.Prompt, MaxTokens = maxTokens, StopTokens = stopTokens, Latent = latent, Seed = seed,
        Sampler = new SamplerOptions { Temperature = temperature },
        TopScores = latent == LatentChoice.Sample ? null : 0, // Drawn options have log-probabilities of their own.
    };

    private DrawnAnswer Grade(AnswerProblem problem, GenerationRequest request)
    {
        string text = tokenizer.Decode(request.Completion);
        bool right = problem.IsRight(text, out string? answer);
        double log = request.Latent == LatentChoice.Sample ? request.LogProbabilities.Sum(p => (double)p) : request.Scores.Sum(score => (double)score.LogProbability);
        return new DrawnAnswer(text, answer, right, log, request.Generated.Count);
    }
}
