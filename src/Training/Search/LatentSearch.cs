using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>One way to find an answer with N sequences per problem, and what it reached.</summary>
/// <param name="Method">For example <c>policy_majority</c>.</param>
/// <param name="N">Sequences per problem: samples, or the width of the beam.</param>
/// <param name="Accuracy">Share of problems solved.</param>
/// <param name="BackbonePasses">Mean tokens per problem that the backbone was run for, the prompt's aside.</param>
/// <param name="HeadRows">Mean rows per problem that went through the output head.</param>
public sealed record SearchFigure(string Method, int N, double Accuracy, double BackbonePasses, double HeadRows);

/// <summary>
/// Search at inference, options beside tokens, at the same number of backbone passes: the mean of N samples, the majority's
/// answer, the sample that the model holds likeliest (per token), any right one (pass@N, which needs to know the answer), and
/// a beam over options of width N.
/// </summary>
public sealed class LatentSearch(QwenBackbone backbone, OllmModel ollm, Tokenizer tokenizer, IReadOnlyList<int> stopTokens, int maxTokens)
{
    /// <summary>Called with the stage, the problems done and the problems in all.</summary>
    public Action<string, int, int>? OnProgress { get; init; }

    /// <summary>Measures all methods for N = 1, 2, 4 .. up to <paramref name="samples"/>, the smaller ones on the first of the same samples.</summary>
    public IReadOnlyList<SearchFigure> Measure(IReadOnlyList<AnswerProblem> problems, int samples, ulong seed, float temperature = 1, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(problems);
        if (samples < 1) throw new OllmException($"--samples {samples}: expected at least 1");
        int capacity = problems.Max(problem => problem.Prompt.Length) + maxTokens;
        var figures = new List<SearchFigure>();
        using (var generator = new Generator(backbone, null, Slots(problems.Count * samples, capacity), capacity, tokenizer.VocabularySize))
            Sampled("backbone", new AnswerSampler(generator, tokenizer, stopTokens, maxTokens), AnswerDraw.BackboneTokens, problems, samples, seed, temperature, figures, cancellation);
        // With one option there is nothing to draw but tokens.
        AnswerDraw draw = ollm.Shape.Options > 1 ? AnswerDraw.Options : AnswerDraw.PolicyTokens;
        using (var generator = new Generator(backbone, ollm, Slots(problems.Count * samples, capacity), capacity, tokenizer.VocabularySize))
            Sampled("policy", new AnswerSampler(generator, tokenizer, stopTokens, maxTokens), draw, problems, samples, seed, temperature, figures, cancellation);
        foreach (int width in Sizes(samples)) figures.Add(Beam(problems, width, capacity, cancellation));
        return figures;
    }

    /// <summary>1, 2, 4 .. and the number itself.</summary>
    public static IEnumerable<int> Sizes(int samples)
    {
        for (int n = 1; n < samples; n *= 2) yield return n;
        yield return samples;
    }

    private int Slots(int sequences, int capacity) => Math.Min(sequences, Generator.SlotsFor(backbone, capacity));

    private void Sampled(
        string who, AnswerSampler sampler, AnswerDraw draw, IReadOnlyList<AnswerProblem> problems, int samples, ulong seed, float temperature,
        List<SearchFigure> figures, CancellationToken cancellation)
    {
        IReadOnlyList<DrawnAnswer> greedy = sampler.Greedy(problems, draw, done => OnProgress?.Invoke(who + " greedy", done, problems.Count), cancellation);
        Add("greedy", 1, greedy.Average(Right), greedy.Average(answer => (double)answer.Tokens));
        IReadOnlyList<DrawnAnswer[]> drawn = sampler.Draw(problems, draw, samples, seed, temperature, done => OnProgress?.Invoke(who + " samples", done, problems.Count), cancellation);
        foreach (int n in Sizes(samples))
        {
            double passes = drawn.Average(answers => answers.Take(n).Sum(answer => (double)answer.Tokens));
            Add("sampled", n, drawn.Average(answers => answers.Take(n).Average(Right)), passes);
            Add("majority", n, drawn.Average(answers => MajorityVote.Of(answers[..n]) is { Right: true } ? 1.0 : 0), passes);
            Add("best", n, drawn.Average(answers => Right(answers.Take(n).MaxBy(answer => answer.LogProbabilityPerToken)!)), passes);
            Add("pass", n, drawn.Average(answers => answers.Take(n).Any(answer => answer.Right) ? 1.0 : 0), passes);
        }

        void Add(string method, int n, double accuracy, double passes) => figures.Add(new SearchFigure($"{who}_{method}", n, accuracy, passes, passes));
    }

    private SearchFigure Beam(IReadOnlyList<AnswerProblem> problems, int width, int capacity, CancellationToken cancellation)
    {
        int together = Math.Clamp(Generator.SlotsFor(backbone, capacity) / (width * ollm.Shape.Options), 1, 32);
        using var beam = new OptionBeam(backbone, ollm, width, together, capacity, tokenizer.VocabularySize);
        int right = 0, done = 0;
        foreach (AnswerProblem[] block in problems.Chunk(together))
        {
            IReadOnlyList<IReadOnlyList<BeamSequence>> found = beam.Run([.. block.Select(problem => problem.Prompt)], maxTokens, stopTokens, cancellation);
            for (int i = 0; i < block.Length; i++) right += block[i].IsRight(tokenizer.Decode(found[i][0].Completion), out _) ? 1 : 0;
            OnProgress?.Invoke($"beam of {width}", done += block.Length, problems.Count);
        }
        double n = problems.Count;
        return new SearchFigure("policy_beam", width, right / n, beam.BackbonePasses / n, beam.HeadRows / n);
    }

    private static double Right(DrawnAnswer answer) => answer.Right ? 1 : 0;
}
