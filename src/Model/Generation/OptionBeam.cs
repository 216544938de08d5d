namespace OllmNative.Model;

/// <summary>A sequence that a beam search has ended with.</summary>
/// <param name="Tokens">Generated tokens, the end token included.</param>
/// <param name="LogProbability">Sum over the tokens of log p, see <see cref="OptionBeam"/>.</param>
/// <param name="Stopped">True when a stop token ended it, false when the limit did.</param>
public sealed record BeamSequence(IReadOnlyList<int> Tokens, double LogProbability, bool Stopped)
{
    /// <summary>Tokens without the end token.</summary>
    public int[] Completion => [.. Tokens.Take(Tokens.Count - (Stopped ? 1 : 0))];
}

/// <summary>
/// Beam search over options. The policy and the options' argmax tokens make a distribution over tokens,
/// p(y | h) = sum of pi_k over the options k whose argmax token is y; the beam keeps the W likeliest sequences under it.
/// Options that say the same token are one candidate, so that a beam is never filled with copies of one text.
/// </summary>
public sealed class OptionBeam : IDisposable
{
    private readonly QwenBackbone _backbone;
    private readonly ComputeDevice _device;
    private readonly DeviceMatrix _head;
    private readonly OptionHead _options;
    private readonly KvCache _cache;
    private readonly TokenBatch _batch;
    private readonly ForwardBuffers _buffers;
    private readonly DeviceBuffer<float> _hidden, _logits;
    private readonly DeviceBuffer<int> _picked;
    private readonly int _width, _capacity, _d, _k, _vocab, _prompts;

    /// <summary>Allocates.</summary>
    /// <param name="backbone">The model.</param>
    /// <param name="ollm">Its OLLM.</param>
    /// <param name="width">W, sequences kept for each prompt.</param>
    /// <param name="prompts">Prompts searched together.</param>
    /// <param name="capacity">Tokens of the longest sequence, prompt and completion.</param>
    /// <param name="vocabulary">Ids from here on are never generated.</param>
    public OptionBeam(QwenBackbone backbone, OllmModel ollm, int width, int prompts, int capacity, int vocabulary = int.MaxValue)
    {
        ArgumentNullException.ThrowIfNull(backbone);
        ArgumentNullException.ThrowIfNull(ollm);
        if (width < 1) throw new OllmException($"beam width {width}: expected at least 1");
        (_backbone, _device, _width, _prompts, _capacity) = (backbone, backbone.Device, width, prompts, capacity);
        (_d, _k, _vocab) = (ollm.Shape.HiddenSize, ollm.Shape.Options, Math.Min(vocabulary, backbone.Config.VocabSize));
        _head = _device.FirstRows(backbone.Head, _vocab);
        int beams = width * prompts, rows = Math.Max(beams, Math.Min(512, capacity));
        _options = new OptionHead(backbone, ollm, beams, beams * _k);
        (_cache, _batch, _buffers) = (new KvCache(_device, backbone.Config, checked(beams * capacity)), new TokenBatch(_device, rows), new ForwardBuffers(_device, backbone.Config, rows));
        _hidden = _device.Allocate<float>((long)rows * _d);
        _logits = _device.Allocate<float>((long)beams * _k * _vocab);
        _picked = _device.Allocate<int>(beams * _k);
    }

    /// <summary>Sequences that the backbone has advanced by one token, since the start.</summary>
    public long BackbonePasses { get; private set; }

    /// <summary>Rows that went through the output head, since the start.</summary>
    public long HeadRows { get; private set; }

    /// <summary>The sequences that the search of each prompt has ended with, likeliest first; at least one for each.</summary>
    /// <exception cref="OllmException">A prompt is empty or leaves no room.</exception>
    public IReadOnlyList<IReadOnlyList<BeamSequence>> Run(
        IReadOnlyList<int[]> prompts, int maxTokens, IReadOnlyList<int> stopTokens, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(prompts);
        ArgumentNullException.ThrowIfNull(stopTokens);
        if (maxTokens < 1) throw new OllmException($"max-tokens {maxTokens}: expected at least 1");
        var results = new List<IReadOnlyList<BeamSequence>>(prompts.Count);
        for (int first = 0; first < prompts.Count; first += _prompts)
        {
            Search[] searches = [.. prompts.Skip(first).Take(_prompts).Select((prompt, i) => Begin(prompt, i))];
            while (Array.Exists(searches, search => search.Live.Count > 0))
            {
                cancellation.ThrowIfCancellationRequested();
                Advance(searches, maxTokens, stopTokens);
            }
            foreach (Search search in searches) results.Add([.. search.Ended.OrderByDescending(sequence => sequence.LogProbability)]);
        }
        return results;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (IDisposable item in (IDisposable[])[_options, _cache, _batch, _buffers, _hidden, _logits, _picked]) item.Dispose();
    }

    /// <summary>A sequence that goes on: its cache slot, what it has generated, the token to read next and the tokens read.</summary>
    private sealed record Beam(int Slot, int[] Tokens, int Next, int Past, double Score);

    private sealed class Search(int firstSlot)
    {
        public int FirstSlot { get; } = firstSlot;

        public List<Beam> Live { get; set; } = [];

        public List<BeamSequence> Ended { get; } = [];
    }

    /// <summary>Reads a prompt, all but its last token, into the first slot of its search.</summary>
    private Search Begin(int[] prompt, int index)
    {
        if (prompt.Length == 0) throw new OllmException("the prompt is empty: expected at least one token");
        if (prompt.Length >= _capacity) throw new OllmException($"the prompt has {prompt.Length} tokens, but there is room for {_capacity} in all");
        var search = new Search(index * _width);
        for (int at = 0; at < prompt.Length - 1; at += _batch.Capacity)
        {
            _batch.Clear();
            _batch.Add(prompt.AsSpan(at, Math.Min(_batch.Capacity, prompt.Length - 1 - at)), at, search.FirstSlot * _capacity);
            Forward();
        }
        search.Live.Add(new Beam(search.FirstSlot, [], prompt[^1], prompt.Length - 1, 0));
        return search;
    }

    private DeviceView<float> Forward()
    {
        _batch.Upload();
        DeviceView<float> hidden = _hidden.First((long)_batch.Rows * _d);
        _backbone.Forward(_batch, _cache, _buffers, hidden);
        return hidden;
    }

    /// <summary>One token for every live sequence of every search.</summary>
    private void Advance(Search[] searches, int maxTokens, IReadOnlyList<int> stopTokens)
    {
        _batch.Clear();
        foreach (Beam beam in searches.SelectMany(search => search.Live)) _batch.Add([beam.Next], beam.Past, beam.Slot * _capacity);
        int rows = _batch.Rows;
        int[] tokens = OptionTokens(Forward(), rows);
        (BackbonePasses, HeadRows) = (BackbonePasses + rows, HeadRows + tokens.Length);
        int row = 0;
        foreach (Search search in searches)
        {
            var candidates = new List<(Beam Parent, int Token, double Score)>();
            foreach (Beam beam in search.Live)
            {
                candidates.AddRange(Candidates(tokens.AsSpan(row * _k, _k), _options.Probabilities(row)).Select(c => (beam, c.Token, beam.Score + c.Log)));
                row++;
            }
            // The order among equals is that of beams and options: the search is deterministic.
            Keep(search, [.. candidates.OrderByDescending(c => c.Score).Take(_width)], maxTokens, stopTokens);
        }
    }

    /// <summary>Each option's argmax token, [rows * K].</summary>
    private int[] OptionTokens(DeviceView<float> hidden, int rows)
    {
        _options.Begin(hidden);
        for (int row = 0; row < rows; row++)
        {
            for (int k = 0; k < _k; k++) _options.AddCopy(row, k);
        }
        int copies = rows * _k;
        DeviceView<float> bent = _options.Bend(hidden).Slice((long)rows * _d, (long)copies * _d), logits = _logits.First((long)copies * _vocab);
        _device.MatMul(bent, _head, default, logits);                                        // [rows K, V]
        _device.ArgMaxRows(logits, _picked.First(copies), _vocab);
        return _picked.First(copies).ToArray();
    }

    private static List<(int Token, double Log)> Candidates(ReadOnlySpan<int> tokens, ReadOnlySpan<float> pi)
    {
        var sums = new List<(int Token, double P)>(tokens.Length);
        for (int k = 0; k < tokens.Length; k++)
        {
            int token = tokens[k], at = sums.FindIndex(sum => sum.Token == token);
            if (at < 0) sums.Add((token, pi[k]));
            else sums[at] = (token, sums[at].P + pi[k]);
        }
        return [.. sums.Select(sum => (sum.Token, Math.Log(Math.Max(sum.P, float.Epsilon))))];
    }

    /// <summary>Ends sequences, gives the others cache slots, and ends the search when no live one can become the likeliest.</summary>
    private void Keep(Search search, List<(Beam Parent, int Token, double Score)> chosen, int maxTokens, IReadOnlyList<int> stopTokens)
    {
        var live = new List<Beam>();
        var next = new List<(Beam Parent, int Token, double Score)>();
        foreach ((Beam parent, int token, double score) in chosen)
        {
            bool stopped = stopTokens.Contains(token);
            bool full = parent.Tokens.Length + 1 >= maxTokens || parent.Past + 2 >= _capacity;
            if (stopped || full) search.Ended.Add(new BeamSequence([.. parent.Tokens, token], score, stopped));
            else next.Add((parent, token, score));
        }
        // A parent's slot goes to its first child; what is left takes copies for the others. Slots without a child are free.
        HashSet<int> taken = [.. next.Select(child => child.Parent.Slot)];
        var free = new Stack<int>(Enumerable.Range(search.FirstSlot, _width).Where(slot => !taken.Contains(slot)));
        var inherited = new HashSet<int>();
        foreach ((Beam parent, int token, double score) in next)
        {
            int slot = parent.Slot;
            if (!inherited.Add(slot))
            {
                slot = free.Pop();
                _cache.CopyRows(_device, parent.Slot * _capacity, slot * _capacity, parent.Past + 1);
            }
            live.Add(new Beam(slot, [.. parent.Tokens, token], token, parent.Past + 1, score));
        }
        // Scores only fall, so the likeliest ended sequence is final once no live one is above it.
        bool done = search.Ended.Count > 0 && live.TrueForAll(beam => beam.Score <= search.Ended.Max(sequence => sequence.LogProbability));
        search.Live = done ? [] : live;
    }
}
