using OllmNative.Kernels;

namespace OllmNative.Model;

/// <summary>What <see cref="ScoreTokens"/> has written of rows of logits, as requests are told it.</summary>
internal static class RowScores
{
    /// <summary>Numbers of a row that is asked for its likeliest token alone: entropy, log p of that token twice.</summary>
    public const int Facts = ScoreTokens.Fixed + 1;

    /// <summary>How likely a row's picked token was, and up to <paramref name="count"/> of its likeliest ones.</summary>
    /// <param name="numbers">Of the row, [2 + T].</param>
    /// <param name="tokens">Of the row, [T], T at least <paramref name="count"/>.</param>
    /// <param name="count">How many to tell.</param>
    public static TokenScore Score(ReadOnlySpan<float> numbers, ReadOnlySpan<int> tokens, int count)
    {
        var top = new List<(int Token, float LogProbability)>(count);
        for (int i = 0; i < count && tokens[i] >= 0; i++) top.Add((tokens[i], numbers[ScoreTokens.Fixed + i]));
        return new TokenScore(numbers[1], top);
    }

    /// <summary>Each option's likeliest token.</summary>
    /// <param name="tops">Those tokens, [K].</param>
    /// <param name="facts">Of the options' rows, [K, <see cref="Facts"/>].</param>
    /// <param name="pi">The policy's probabilities, [K].</param>
    public static ExploredOption[] Options(ReadOnlySpan<int> tops, ReadOnlySpan<float> facts, ReadOnlySpan<float> pi)
    {
        var options = new ExploredOption[pi.Length];
        for (int k = 0; k < options.Length; k++) options[k] = new ExploredOption(tops[k], MathF.Exp(facts[k * Facts + ScoreTokens.Fixed]), pi[k]);
        return options;
    }
}
