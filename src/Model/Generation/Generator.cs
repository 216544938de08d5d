namespace OllmNative.Model;

/// <summary>
/// Generates many sequences together: prompts are prefilled packed, then every unfinished sequence advances by one token
/// per forward pass; finished ones leave and waiting ones take their place. Sequences with the same prompt share its
/// prefill. What a sequence yields follows from its own request; its neighbours change no more than the rounding of
/// logits, because a product of few rows sums in another order than one of many.
/// </summary>
public sealed class Generator : IDisposable
{
    private readonly QwenBackbone _backbone;
    private readonly ComputeDevice _device;
    private readonly int _slots, _capacity, _vocab, _d;
    private readonly DeviceMatrix _head;
    private readonly KvCache _cache;
    private readonly TokenBatch _batch;
    private readonly ForwardBuffers _buffers;
    private readonly DeviceBuffer<float> _hidden, _logits;
    private readonly DeviceBuffer<int> _picked;
    private readonly OptionHead? _options;
    private readonly Sampler _sampler = new();
    private readonly float[] _logitRow;
    private readonly float[] _hostHidden;
    private readonly int[] _hostPicked;

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
        ArgumentNullException.ThrowIfNull(backbone);
        (_backbone, _device, _slots, _capacity) = (backbone, backbone.Device, slots, capacity);
        (_vocab, _d) = (Math.Min(vocabulary, backbone.Config.VocabSize), backbone.Config.HiddenSize);
        _head = _device.FirstRows(backbone.Head, _vocab);
        // A prompt longer than the batch is prefilled in pieces.
        int rows = Math.Max(slots, Math.Min(512, capacity * slots));
        _cache = new KvCache(_device, backbone.Config, checked(slots * capacity));
        _batch = new TokenBatch(_device, rows);
        _buffers = new ForwardBuffers(_device, backbone.Config, rows);
        _hidden = _device.Allocate<float>((long)rows * _d);
        _logits = _device.Allocate<float>((long)slots * _vocab);
        _picked = _device.Allocate<int>(slots);
        _options = ollm is null ? null : new OptionHead(backbone, ollm, slots);
        _logitRow = new float[_vocab];
        _hostHidden = new float[(long)slots * _d];
        _hostPicked = new int[slots];
    }

    /// <summary>Sequences that are decoded together.</summary>
    public int Slots => _slots;

    /// <summary>How many sequences of <paramref name="capacity"/> tokens fit into about half a gigabyte of keys, values and logits.</summary>
    public static int SlotsFor(QwenBackbone backbone, int capacity)
    {
        ArgumentNullException.ThrowIfNull(backbone);
        ModelConfig c = backbone.Config;
        long perSequence = sizeof(float) * (2L * c.Layers * c.KvHeads * c.HeadDim * capacity + c.VocabSize);
        return (int)Math.Clamp((1L << 29) / perSequence, 1, 1024);
    }

    /// <summary>Forward passes since the start.</summary>
    public long ForwardPasses { get; private set; }

    /// <summary>Runs all requests to their ends.</summary>
    /// <exception cref="OllmException">
    /// A prompt is empty, has ids outside the vocabulary, or does not fit the context; or a setting is out of range.
    /// </exception>
    public void Run(IReadOnlyList<GenerationRequest> requests, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(requests);
        foreach (GenerationRequest request in requests) Check(request);
        var active = new List<Active>(_slots);
        var free = new Stack<int>(Enumerable.Range(0, _slots).Reverse());
        int next = 0;
        while (next < requests.Count || active.Count > 0)
        {
            cancellation.ThrowIfCancellationRequested();
            if (next < requests.Count && free.Count > 0) next = Admit(requests, next, free, active);
            Decode(active);
            for (int i = active.Count - 1; i >= 0; i--)
            {
                if (!active[i].Done) continue;
                free.Push(active[i].Slot);
                active.RemoveAt(i);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _cache.Dispose();
        _batch.Dispose();
        _buffers.Dispose();
        _options?.Dispose();
        foreach (IDisposable buffer in (IDisposable[])[_hidden, _logits, _picked]) buffer.Dispose();
    }

    private sealed class Active(GenerationRequest request, int slot)
    {
        public GenerationRequest Request { get; } = request;
        public int Slot { get; } = slot;
        public bool Done { get; set; }
        public int LastToken => Request.Generated.Count > 0 ? Request.Generated[^1] : Request.Prompt[^1];
        public int Past => Request.Prompt.Length + Request.Generated.Count - 1;
    }

    private void Check(GenerationRequest request)
    {
        if (request.Prompt.Length == 0) throw new OllmException("the prompt is empty: expected at least one token");
        foreach (int token in request.Prompt)
        {
            if ((uint)token >= (uint)_backbone.Config.VocabSize)
                throw new OllmException($"the prompt has token id {token}, but the model's vocabulary has {_backbone.Config.VocabSize} entries");
        }
        if (request.Prompt.Length >= _capacity)
            throw new OllmException($"the prompt has {request.Prompt.Length} tokens, but there is room for {_capacity} in all, prompt and answer");
        if (request.MaxTokens < 1) throw new OllmException($"max-tokens {request.MaxTokens}: expected at least 1");
        if (request.Latent != LatentChoice.Backbone && _options is null) throw new ArgumentException("a latent choice needs OLLM modules");
        if (request.Latent == LatentChoice.Force && (uint)request.ForcedOption >= (uint)_options!.Options)
            throw new OllmException($"latent force:{request.ForcedOption}: expected an option from 0 to {_options.Options - 1}");
        request.Sampler.Validate();
    }

    /// <summary>
    /// Gives free slots to waiting requests and prefills their prompts, all but the last token, which the first decoding
    /// step takes. Neighbouring requests with one prompt share one prefill. Returns the next request that waits.
    /// </summary>
    private int Admit(IReadOnlyList<GenerationRequest> requests, int next, Stack<int> free, List<Active> active)
    {
        _batch.Clear();
        int first = active.Count;
        for (; next < requests.Count && free.Count > 0; next++)
        {
            GenerationRequest request = requests[next];
            var admitted = new Active(request, free.Pop());
            bool shared = active.Count > first && active[^1].Request.Prompt.AsSpan().SequenceEqual(request.Prompt);
            if (!shared) Prefill(request.Prompt.AsSpan(0, request.Prompt.Length - 1), admitted.Slot);
            active.Add(admitted);
        }
        if (_batch.Rows > 0) Forward();
        for (int i = first + 1; i < active.Count; i++)
        {
            int[] prompt = active[i].Request.Prompt;
            if (prompt.Length > 1 && prompt.AsSpan().SequenceEqual(active[i - 1].Request.Prompt))
                _cache.CopyRows(_device, active[i - 1].Slot * _capacity, active[i].Slot * _capacity, prompt.Length - 1);
        }
        return next;
    }

    /// <summary>Adds a prompt to the batch, in pieces where it does not fit; whatever fills the batch is run at once.</summary>
    private void Prefill(ReadOnlySpan<int> tokens, int slot)
    {
        int past = 0;
        while (past < tokens.Length)
        {
            if (_batch.Rows == _batch.Capacity)
            {
                Forward();
                _batch.Clear();
            }
            int count = Math.Min(tokens.Length - past, _batch.Capacity - _batch.Rows);
            _batch.Add(tokens.Slice(past, count), past, slot * _capacity);
            past += count;
        }
    }

    private void Forward()
    {
        _batch.Upload();
        _backbone.Forward(_batch, _cache, _buffers, _hidden.First((long)_batch.Rows * _d));
        ForwardPasses++;
    }

    /// <summary>One token for every active sequence.</summary>
    private void Decode(List<Active> active)
    {
        if (active.Count == 0) return;
        _batch.Clear();
        foreach (Active sequence in active) _batch.Add([sequence.LastToken], sequence.Past, sequence.Slot * _capacity);
        Forward();
        int n = active.Count;
        DeviceView<float> hidden = _hidden.First((long)n * _d), logits = _logits.First((long)n * _vocab);
        if (active.Exists(a => a.Request.Record)) hidden.Download(_hostHidden.AsSpan(0, n * _d));
        if (_options is not null && active.Exists(a => a.Request.Latent != LatentChoice.Backbone))
        {
            _options.Begin(hidden);
            for (int i = 0; i < n; i++) Choose(active[i].Request, i);
            hidden = _options.Bend(hidden);                                                // h' [n, D]
        }
        _device.MatMul(hidden, _head, default, logits);
        _device.ArgMaxRows(logits, _picked.First(n), _vocab);
        _picked.First(n).Download(_hostPicked.AsSpan(0, n));
        for (int i = 0; i < n; i++) Append(active[i], i, logits);
    }

    /// <summary>Fixes the option of row <paramref name="row"/> and records what training needs.</summary>
    private void Choose(GenerationRequest request, int row)
    {
        if (request.Latent == LatentChoice.Backbone)
        {
            _options!.SetNone(row);
            return;
        }
        ReadOnlySpan<float> pi = _options!.Probabilities(row);
        int z = request.Latent switch
        {
            LatentChoice.Force => request.ForcedOption,
            LatentChoice.Sample => DrawOption(pi, request.Seed, request.Generated.Count),
            _ => IndexOfMax(pi),
        };
        _options.Set(row, z);
        request.Options.Add(z);
        if (!request.Record) return;
        request.LogProbabilities.Add(MathF.Log(MathF.Max(pi[z], float.Epsilon)));
        request.Hidden.AddRange(_hostHidden.AsSpan(row * _d, _d));
    }

    private void Append(Active sequence, int row, DeviceView<float> logits)
    {
        GenerationRequest request = sequence.Request;
        int token = _hostPicked[row];
        if (!request.Sampler.IsGreedy)
        {
            logits.Slice((long)row * _vocab, _vocab).Download(_logitRow);
            token = _sampler.Pick(_logitRow, request.Sampler, request.Prompt, System.Runtime.InteropServices.CollectionsMarshal.AsSpan(request.Generated), Counter.Key(request.Seed, (ulong)request.Generated.Count));
        }
        request.Generated.Add(token);
        request.Stopped = request.StopTokens.Contains(token);
        bool wanted = request.OnToken?.Invoke(token) ?? true;
        sequence.Done = request.Stopped || !wanted || request.Generated.Count >= request.MaxTokens || sequence.Past + 1 >= _capacity;
    }

    /// <summary>The option that <see cref="LatentChoice.Sample"/> draws from pi [K] for a token, counted from 0, of a sequence with this seed.</summary>
    public static int DrawOption(ReadOnlySpan<float> pi, ulong seed, int step)
    {
        float uniform = Counter.Uniform(Counter.Key(seed, (ulong)step), 1);
        for (int k = 0; k < pi.Length; k++)
        {
            uniform -= pi[k];
            if (uniform < 0) return k;
        }
        return IndexOfMax(pi);
    }

    private static int IndexOfMax(ReadOnlySpan<float> values)
    {
        int best = 0;
        for (int i = 1; i < values.Length; i++)
        {
            if (values[i] > values[best]) best = i;
        }
        return best;
    }
}
