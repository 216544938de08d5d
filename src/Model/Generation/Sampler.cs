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
    private float[] _weights = [];
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
        if (_weights.Length < logits.Length) _weights = new float[logits.Length];
        return Pick(logits, options, key, _weights);
    }

    /// <summary>The same of logits that have been penalised; <paramref name="weights"/> is room for as many floats.</summary>
    internal static int Pick(ReadOnlySpan<float> logits, SamplerOptions options, ulong key, Span<float> weights) =>
        options.Temperature <= 0 ? LogitMath.IndexOfMax(logits) : TokenDraw.Pick(logits, options, (int)(Counter.Key(key, 0) >> 41), weights);

    /// <summary>The logit of a token that was seen before.</summary>
    internal static float Penalized(float logit, float penalty) => logit > 0 ? logit / penalty : logit * penalty;

    /// <summary>A token that occurs twice is penalised once.</summary>
    private void Penalize(Span<float> logits, ReadOnlySpan<int> tokens, float penalty)
    {
        foreach (int token in tokens)
        {
            if (token < logits.Length && _seen.Add(token)) logits[token] = Penalized(logits[token], penalty);
        }
    }
}
