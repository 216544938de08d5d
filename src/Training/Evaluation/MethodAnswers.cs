namespace OllmNative.Training;

/// <summary>What one way of decoding made of a problem.</summary>
/// <param name="Greedy">The greedy completion.</param>
/// <param name="GreedyRight">Whether its answer is right.</param>
/// <param name="Samples">The sampled completions.</param>
/// <param name="SamplesRight">Whether each sample's answer is right.</param>
/// <param name="Malformed">How many of all completions have no recognisable answer.</param>
public sealed record MethodAnswers(string Greedy, bool GreedyRight, IReadOnlyList<string> Samples, IReadOnlyList<bool> SamplesRight, int Malformed)
{
    /// <summary>Samples that are right.</summary>
    public int Right => SamplesRight.Count(right => right);

    /// <summary>All completions with their verdicts, the greedy one first.</summary>
    public IEnumerable<(string Text, bool Right)> Outputs => Samples.Zip(SamplesRight).Prepend((Greedy, GreedyRight));

    /// <summary>Grades completions, the greedy one first.</summary>
    public static MethodAnswers Grade(AnswerProblem problem, IReadOnlyList<string> texts)
    {
        ArgumentNullException.ThrowIfNull(problem);
        ArgumentNullException.ThrowIfNull(texts);
        var right = new bool[texts.Count];
        int malformed = 0;
        for (int i = 0; i < texts.Count; i++)
        {
            right[i] = problem.IsRight(texts[i], out string? answer);
            malformed += answer is null ? 1 : 0;
        }
        return new MethodAnswers(texts[0], right[0], [.. texts.Skip(1)], right[1..], malformed);
    }

    /// <summary>
    /// Unbiased estimate of the chance that at least one of <paramref name="k"/> samples is right, from N of which some are:
    /// 1 - C(N - right, k) / C(N, k) (Chen et al. 2021, arXiv 2107.03374).
    /// </summary>
    public double PassAt(int k)
    {
        double none = 1;
        for (int i = 0; i < k; i++) none *= Math.Max(0, SamplesRight.Count - Right - i) / (double)(SamplesRight.Count - i);
        return 1 - none;
    }
}
