using System.Runtime.InteropServices;

namespace OllmNative.Model;

/// <summary>How a <see cref="DecodeEngine"/> works.</summary>
public sealed record DecodeEngineOptions
{
    /// <summary>Sequences that are decoded together.</summary>
    public required int Slots { get; init; }

    /// <summary>Tokens of the longest sequence, prompt and completion.</summary>
    public required int Capacity { get; init; }

    /// <summary>Ids that may be generated: those below this number. Models pad their vocabulary past what the tokenizer can print.</summary>
    public int Vocabulary { get; init; } = int.MaxValue;

    /// <summary>
    /// Keep the keys and values of finished sequences and begin a new one from the longest prefix that any slot holds. What a
    /// sequence yields then depends, within the rounding of logits, on what was generated before.
    /// </summary>
    public bool KeepPrefixes { get; init; }

    /// <summary>Forward passes for prompts in one step: 1 lets running sequences go on while a long prompt is read.</summary>
    public int PrefillPasses { get; init; } = int.MaxValue;

    /// <summary>Sequences with <see cref="GenerationRequest.Explain"/> that may run at a time.</summary>
    public int ExplainSlots { get; init; }
}

/// <summary>
/// Generates many sequences together, step by step: each step reads prompts that have come and gives every running sequence
/// one token; sequences come and go between steps. One thread uses an engine at a time.
/// </summary>
public sealed class DecodeEngine : IDisposable
{
    // A prompt waits for another one that is being read when it saves at least this many tokens.
    private const int WorthWaiting = 64;

    private readonly QwenBackbone _backbone;
    private readonly DecodeEngineOptions _settings;
    private readonly KvCache _cache;
    private readonly DecodeLane _whole;
    private readonly DecodeLanes _parts;
    private readonly DecodeSlot[] _slots;
    private readonly List<GenerationRequest> _arrived = [];
    private readonly List<DecodeSlot> _running = [];
    private readonly List<DecodeSlot> _ready = [];
    private readonly List<DecodeSlot> _reading = [];
    private readonly List<DecodeSlot> _begun = [];
    private readonly List<DecodeSlot> _ending = [];
    private readonly int[] _endingSpans;
    private readonly List<GenerationRequest> _finished = [];
    private readonly int _options;
    private long _clock;

    /// <summary>Allocates all memory that decoding needs.</summary>
    /// <param name="backbone">The model.</param>
    /// <param name="ollm">Its OLLM modules; null generates with the backbone alone.</param>
    /// <param name="options">Sizes and habits.</param>
    public DecodeEngine(QwenBackbone backbone, OllmModel? ollm, DecodeEngineOptions options)
    {
        ArgumentNullException.ThrowIfNull(backbone);
        ArgumentNullException.ThrowIfNull(options);
        (_backbone, _settings, _options) = (backbone, options, ollm?.Shape.Options ?? 0);
        // A prompt longer than the batch is read in pieces.
        int rows = Math.Max(options.Slots, (int)Math.Min(512, (long)options.Capacity * options.Slots));
        _cache = new KvCache(backbone.Device, backbone.Config, checked(options.Slots * options.Capacity));
        _whole = new DecodeLane(backbone, ollm, _cache, rows, options.Slots, options.ExplainSlots, options.Vocabulary, options.Capacity);
        _parts = new DecodeLanes(backbone, ollm, _cache, options);
        _endingSpans = new int[options.Slots];
        _slots = [.. Enumerable.Range(0, options.Slots).Select(i => new DecodeSlot(i * options.Capacity, options.Capacity))];
    }

    /// <summary>Sequences that have been added and not ended.</summary>
    public int Active => _arrived.Count + _running.Count;

    /// <summary>Forward passes since the start.</summary>
    public long ForwardPasses { get; private set; }

    /// <summary>Prompt tokens that were taken from kept or shared prefixes instead of being read.</summary>
    public long ReusedTokens { get; private set; }

    /// <summary>Whether <see cref="Add"/> has room for the request now.</summary>
    public bool CanAdd(GenerationRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        return Active < _slots.Length && (!request.Explain || Explaining < _settings.ExplainSlots);
    }

    /// <summary>Checks a request without adding it.</summary>
    /// <exception cref="OllmException">The prompt is empty, has ids outside the vocabulary or does not fit; or a setting is out of range.</exception>
    public void Check(GenerationRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (request.Prompt.Length == 0) throw new OllmException("the prompt is empty: expected at least one token");
        foreach (int token in request.Prompt)
        {
            if ((uint)token >= (uint)_backbone.Config.VocabSize)
                throw new OllmException($"the prompt has token id {token}, but the model's vocabulary has {_backbone.Config.VocabSize} entries");
        }
        if (request.Prompt.Length >= _settings.Capacity)
            throw new OllmException($"the prompt has {request.Prompt.Length} tokens, but there is room for {_settings.Capacity} in all, prompt and answer");
        if (request.MaxTokens < 1) throw new OllmException($"max-tokens {request.MaxTokens}: expected at least 1");
        if (request.NeedsOptions && _options == 0) throw new ArgumentException("a latent choice needs OLLM modules");
        if (request.Latent == LatentChoice.Force) CheckOption(request.ForcedOption);
        foreach (int option in request.OptionsPrefix) CheckOption(option);
        request.Sampler.Validate();
    }

    /// <summary>Adds a sequence; the next <see cref="Step"/> begins with it.</summary>
    /// <exception cref="OllmException">As <see cref="Check"/> says.</exception>
    public void Add(GenerationRequest request)
    {
        Check(request);
        if (!CanAdd(request)) throw new InvalidOperationException("all slots are taken");
        // What grows with each token has its room now: a step allocates nothing.
        int most = Math.Min(request.MaxTokens, _settings.Capacity - request.Prompt.Length + 1);
        request.Generated.EnsureCapacity(most);
        if (request.NeedsOptions)
        {
            request.Options.EnsureCapacity(most);
            request.LogProbabilities.EnsureCapacity(most);
        }
        _arrived.Add(request);
    }

    /// <summary>Takes a sequence out; one that has ended already is no error.</summary>
    public void Remove(GenerationRequest request)
    {
        if (_arrived.Remove(request)) return;
        int at = _running.FindIndex(slot => slot.Owner == request);
        if (at >= 0) Release(at);
    }

    /// <summary>Takes all sequences out and forgets kept prefixes.</summary>
    public void Clear()
    {
        _arrived.Clear();
        _running.Clear();
        foreach (DecodeSlot slot in _slots) slot.Clear();
    }

    /// <summary>Reads prompts that have come, then gives every sequence that is ready a token. Returns those that have ended.</summary>
    public IReadOnlyList<GenerationRequest> Step()
    {
        _finished.Clear();
        Prefill();
        _ready.Clear();
        foreach (DecodeSlot slot in _running)
        {
            if (slot.NeedsStep) _ready.Add(slot);
        }
        if (_ready.Count > 0) Decode();
        foreach (DecodeSlot slot in _begun) Hand(slot);
        foreach (DecodeSlot slot in _ready) Hand(slot);
        for (int i = _running.Count - 1; i >= 0; i--)
        {
            if (!_running[i].Done) continue;
            _finished.Add(_running[i].Owner!);
            Release(i);
        }
        return _finished;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _cache.Dispose();
        _whole.Dispose();
        _parts.Dispose();
    }

    private int Explaining => _arrived.Count(request => request.Explain) + _running.Count(slot => slot.Owner!.Explain);

    private void CheckOption(int option)
    {
        if ((uint)option >= (uint)_options) throw new OllmException($"latent force:{option}: expected an option from 0 to {_options - 1}");
    }

    private void Release(int at)
    {
        DecodeSlot slot = _running[at];
        (slot.Owner, slot.Done, slot.LastUse) = (null, false, ++_clock);
        _running.RemoveAt(at);
    }

    /// <summary>
    /// Reads prompts. Where one ends its last row gives the first token, without reading the weights again for it; a last token that finds no
    /// room in the pass, or is all that a shared prefix leaves, is a decoding step.
    /// </summary>
    private void Prefill()
    {
        _begun.Clear();
        for (int pass = 0; pass < _settings.PrefillPasses; pass++)
        {
            if (_arrived.Count > 0) Place();
            TokenBatch batch = _whole.Batch;
            batch.Clear();
            _reading.Clear();
            foreach (DecodeSlot slot in _running)
            {
                int count = slot.Unread == 0 ? 0 : Math.Min(slot.Unread + 1, batch.Capacity - batch.Rows);
                if (count == 0) continue;
                batch.Add(slot.Owner!.Prompt.AsSpan(slot.Cached.Count, count), slot.Cached.Count, slot.FirstRow);
                _reading.Add(slot);
            }
            if (batch.Rows == 0) return;
            _whole.Forward();
            ForwardPasses++;
            _ending.Clear();
            for (int i = 0; i < _reading.Count; i++)
            {
                DecodeSlot slot = _reading[i];
                int[] prompt = slot.Owner!.Prompt;
                if (slot.Owner.ScorePrompt) _whole.ScorePrompt(slot.Owner, i);
                slot.Cached.AddRange(prompt.AsSpan(slot.Cached.Count, batch.Spans[i].Count));
                if (slot.Cached.Count < prompt.Length) continue;
                _endingSpans[_ending.Count] = i;
                _ending.Add(slot);
            }
            if (_ending.Count == 0) continue;
            _whole.PickAfterPrompt(_ending, _endingSpans);
            _begun.AddRange(_ending);
        }
    }

    /// <summary>Gives arrived sequences slots, except those that will find most of their prompt read by another one soon.</summary>
    private void Place()
    {
        int kept = 0;
        for (int i = 0; i < _arrived.Count; i++)
        {
            GenerationRequest request = _arrived[i];
            (DecodeSlot? source, int shared) = LongestPrefix(request, planned: false);
            int soon = LongestPrefix(request, planned: true).Length;
            if (soon > shared && (soon == request.Prompt.Length - 1 || soon - shared >= WorthWaiting)) _arrived[kept++] = request;
            else _running.Add(Occupy(request, source, shared));
        }
        _arrived.RemoveRange(kept, _arrived.Count - kept);
    }

    /// <summary>The slot that holds most of a prompt: now, or once it has read its own.</summary>
    private (DecodeSlot? Slot, int Length) LongestPrefix(GenerationRequest request, bool planned)
    {
        (DecodeSlot? best, int length) = (null, 0);
        if (request.ScorePrompt) return (best, length);
        ReadOnlySpan<int> wanted = request.Prompt.AsSpan(0, request.Prompt.Length - 1);
        foreach (DecodeSlot slot in _slots)
        {
            if (planned && slot.Unread == 0) continue;
            bool same = slot.Owner is { Generated.Count: 0 } owner && owner.Prompt.AsSpan().SequenceEqual(request.Prompt);
            if (!_settings.KeepPrefixes && !same) continue;
            int common = wanted.CommonPrefixLength(planned ? slot.Owner!.Prompt : CollectionsMarshal.AsSpan(slot.Cached));
            if (common > length) (best, length) = (slot, common);
        }
        return (best, length);
    }

    /// <summary>Takes the free slot that was not used for longest, or the source itself where nothing is lost by it.</summary>
    private DecodeSlot Occupy(GenerationRequest request, DecodeSlot? source, int shared)
    {
        DecodeSlot? slot = source is { Owner: null } && source.Cached.Count == shared ? source : null;
        slot ??= _slots.Where(s => s.Owner is null && s != source).MinBy(s => s.LastUse) ?? source!;
        if (slot != source)
        {
            slot.Cached.Clear();
            if (source is not null)
            {
                _cache.CopyRows(_backbone.Device, source.FirstRow, slot.FirstRow, shared);
                slot.Cached.AddRange(CollectionsMarshal.AsSpan(source.Cached)[..shared]);
            }
        }
        slot.Cached.RemoveRange(shared, slot.Cached.Count - shared);
        slot.Owner = request;
        ReusedTokens += shared;
        return slot;
    }

    /// <summary>Picks a token for every sequence that is ready.</summary>
    private void Decode()
    {
        if (!_parts.TryStep(_ready)) _whole.Step(CollectionsMarshal.AsSpan(_ready));
        ForwardPasses++;
    }

    /// <summary>Gives a sequence the token that was picked for it.</summary>
    private void Hand(DecodeSlot slot)
    {
        GenerationRequest request = slot.Owner!;
        int token = slot.Picked;
        request.Generated.Add(token);
        request.Stopped = request.IsStop(token);
        bool wanted = request.OnToken?.Invoke(token) ?? true;
        slot.Done = request.Stopped || !wanted || request.Generated.Count >= request.MaxTokens || slot.Cached.Count + 1 >= _settings.Capacity;
    }
}
