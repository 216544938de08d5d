namespace OllmNative.Model;

/// <summary>How the next token is picked from the logits. The defaults take the likeliest token.</summary>
public sealed record SamplerOptions
{
    /// <summary>0 is greedy; otherwise logits are divided by it.</summary>
    public float Temperature { get; init; }

    /// <summary>Only the k likeliest tokens; 0 keeps all.</summary>
    public int TopK { get; init; }

    /// <summary>Only the smallest set of likeliest tokens whose probabilities reach p (nucleus sampling, arXiv 1904.09751).</summary>
    public float TopP { get; init; } = 1;

    /// <summary>Only tokens at least this many times as likely as the likeliest (arXiv 2407.01082).</summary>
    public float MinP { get; init; }

    /// <summary>Divides positive and multiplies negative logits of tokens seen before (arXiv 1909.05858); 1 is off.</summary>
    public float RepetitionPenalty { get; init; } = 1;

    /// <summary>True when no random number and no history is needed.</summary>
    public bool IsGreedy => Temperature <= 0 && RepetitionPenalty == 1;

    /// <summary>Checks the ranges.</summary>
    /// <exception cref="OllmException">A value is out of range.</exception>
    public void Validate()
    {
        if (!(Temperature >= 0 && Temperature < 1000)) throw new OllmException($"temperature {Temperature}: expected a number from 0");
        if (TopK < 0) throw new OllmException($"top-k {TopK}: expected 0 (all) or more");
        if (!(TopP > 0 && TopP <= 1)) throw new OllmException($"top-p {TopP}: expected a number above 0, at most 1");
        if (!(MinP >= 0 && MinP <= 1)) throw new OllmException($"min-p {MinP}: expected a number from 0 to 1");
        if (!(RepetitionPenalty > 0)) throw new OllmException($"repetition penalty {RepetitionPenalty}: expected a number above 0");
    }
}

/// <summary>Picks tokens on the host. Memory is reused between calls; one instance serves one thread.</summary>
public sealed class Sampler
{
    private float[] _probabilities = [];
    private int[] _order = [];
    private readonly HashSet<int> _seen = [];

    /// <summary>
    /// Picks a token from <paramref name="logits"/> [V], which may be changed. The penalty counts the tokens of prompt and
    /// answer; the random number is a function of <paramref name="key"/> alone.
    /// </summary>
    public int Pick(Span<float> logits, SamplerOptions options, ReadOnlySpan<int> prompt, ReadOnlySpan<int> generated, ulong key)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.RepetitionPenalty != 1)
        {
            _seen.Clear();
            Penalize(logits, prompt, options.RepetitionPenalty);
            Penalize(logits, generated, options.RepetitionPenalty);
        }
        if (options.Temperature <= 0) return LogitMath.IndexOfMax(logits);
        if (_order.Length < logits.Length) (_order, _probabilities) = (new int[logits.Length], new float[logits.Length]);
        int count = Candidates(logits, options);
        return Draw(count, Counter.Uniform(key, 0));
    }

    /// <summary>A token that occurs twice is penalised once.</summary>
    private void Penalize(Span<float> logits, ReadOnlySpan<int> tokens, float penalty)
    {
        foreach (int token in tokens)
        {
            if (token < logits.Length && _seen.Add(token)) logits[token] = logits[token] > 0 ? logits[token] / penalty : logits[token] * penalty;
        }
    }

    /// <summary>Fills order and unnormalised probabilities of the tokens that remain, likeliest first where a cut needs it.</summary>
    private int Candidates(ReadOnlySpan<float> logits, SamplerOptions options)
    {
        float max = float.NegativeInfinity;
        foreach (float logit in logits) max = MathF.Max(max, logit);
        int count = 0;
        float least = options.MinP > 0 ? max + options.Temperature * MathF.Log(options.MinP) : float.NegativeInfinity;
        for (int i = 0; i < logits.Length; i++)
        {
            if (logits[i] < least) continue;
            _order[count] = i;
            _probabilities[count++] = MathF.Exp((logits[i] - max) / options.Temperature);
        }
        if (options.TopK == 0 && options.TopP >= 1) return count;
        Array.Sort(_probabilities, _order, 0, count, Descending);
        if (options.TopK > 0) count = Math.Min(count, options.TopK);
        if (options.TopP >= 1) return count;
        double total = 0, reached = 0;
        for (int i = 0; i < count; i++) total += _probabilities[i];
        for (int i = 0; i < count; i++)
        {
            reached += _probabilities[i];
            if (reached >= options.TopP * total) return i + 1;
        }
        return count;
    }

    private static readonly IComparer<float> Descending = Comparer<float>.Create((a, b) => b.CompareTo(a));

    private int Draw(int count, float uniform)
    {
        double total = 0;
        for (int i = 0; i < count; i++) total += _probabilities[i];
        double left = uniform * total;
        for (int i = 0; i < count; i++)
        {
            left -= _probabilities[i];
            if (left < 0) return _order[i];
        }
        return _order[count - 1];
    }
}
