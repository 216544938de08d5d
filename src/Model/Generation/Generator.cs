namespace OllmNative.Model;

/// <summary>
/// Generates many sequences together: prompts are read packed, then every unfinished sequence advances by one token
/// per forward pass; finished ones leave and waiting ones take their place. Sequences with the same prompt share its
/// keys and values. What a sequence yields follows from its own request; its neighbours change no more than the rounding of
/// logits, because a product of few rows sums in another order than one of many. (A loop over <see cref="DecodeEngine"/>.)
/// </summary>
public sealed class Generator : IDisposable
{
    private readonly DecodeEngine _engine;

    /// <summary>Allocates room for <paramref name="slots"/> sequences of up to <paramref name="capacity"/> tokens each.</summary>
    /// <param name="backbone">The model.</param>
    /// <param name="ollm">Its OLLM modules; null generates with the backbone alone.</param>
    /// <param name="slots">Sequences that are decoded together.</param>
    /// <param name="capacity">Tokens of the longest sequence, prompt and completion.</param>
    /// <param name="vocabulary">
    /// Ids that may be generated: those below this number. Models pad their vocabulary past what the tokenizer can print.
    /// </param>
    public Generator(QwenBackbone backbone, OllmModel? ollm, int slots, int capacity, int vocabulary = int.MaxValue)
    {
        Slots = slots;
        _engine = new DecodeEngine(backbone, ollm, new DecodeEngineOptions { Slots = slots, Capacity = capacity, Vocabulary = vocabulary });
    }

    /// <summary>Sequences that are decoded together.</summary>
    public int Slots { get; }

    /// <summary>How many sequences of <paramref name="capacity"/> tokens fit into about half a gigabyte of keys, values and logits.</summary>
    public static int SlotsFor(QwenBackbone backbone, int capacity)
    {
        ArgumentNullException.ThrowIfNull(backbone);
        ModelConfig c = backbone.Config;
        long perSequence = sizeof(float) * (2L * c.Layers * c.KvHeads * c.HeadDim * capacity + c.VocabSize);
        return (int)Math.Clamp((1L << 29) / perSequence, 1, 1024);
    }

    /// <summary>Forward passes since the start.</summary>
    public long ForwardPasses => _engine.ForwardPasses;

    /// <summary>Runs all requests to their ends.</summary>
    /// <exception cref="OllmException">
    /// A prompt is empty, has ids outside the vocabulary, or does not fit the context; or a setting is out of range.
    /// </exception>
    public void Run(IReadOnlyList<GenerationRequest> requests, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(requests);
        foreach (GenerationRequest request in requests) _engine.Check(request);
        _engine.Clear();
        int next = 0;
        while (next < requests.Count || _engine.Active > 0)
        {
            cancellation.ThrowIfCancellationRequested();
            while (next < requests.Count && _engine.CanAdd(requests[next])) _engine.Add(requests[next++]);
            _engine.Step();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _engine.Dispose();

    /// <summary>The option that <see cref="LatentChoice.Sample"/> draws from pi [K] for a token, counted from 0, of a sequence with this seed.</summary>
    public static int DrawOption(ReadOnlySpan<float> pi, ulong seed, int step)
    {
        float uniform = Counter.Uniform(Counter.Key(seed, (ulong)step), 1);
        for (int k = 0; k < pi.Length; k++)
        {
            uniform -= pi[k];
            if (uniform < 0) return k;
        }
        return LogitMath.IndexOfMax(pi);
    }
}
