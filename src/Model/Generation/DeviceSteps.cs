using OllmNative.Kernels;

namespace OllmNative.Model;

/// <summary>
/// Decoding steps that a device does alone, from the token to the next one: the host reads what was picked, and has given the device the
/// following step before it does. What the sequences need lies in device memory and counts on by itself; it is sent anew when other
/// sequences step, or the same ones from another place.
/// </summary>
internal sealed class DeviceSteps : IDisposable
{
    /// <summary>More sequences than this are stepped by the host.</summary>
    public const int MostRows = 16;

    private readonly QwenBackbone _backbone;
    private readonly ComputeDevice _device;
    private readonly KvCache _cache;
    private readonly ForwardBuffers _buffers;
    private readonly TokenBatch _batch;
    private readonly DeviceMatrix _head;
    private readonly Policy? _policy;
    private readonly Decoder? _decoder;
    private readonly DeviceBuffer<float> _hidden, _bent, _logits, _policyLogits, _pi, _hot, _knobs;
    private readonly DeviceBuffer<int> _rows, _seen, _picked, _chosen, _results;
    private readonly DeviceReadback _readback;
    private readonly int[] _hostRows, _hostSeen;
    private readonly float[] _hostKnobs;
    private readonly int _capacity, _d, _k, _vocab, _words;
    private readonly Action _work;

    // What the device has been given: whose rows, how many tokens each had when its tables were sent, steps since, and whether one is ahead.
    private readonly GenerationRequest?[] _owners;
    private readonly int[] _counts;
    private int _given;
    private bool _ahead, _latent, _draws;

    /// <summary>Allocates.</summary>
    /// <param name="backbone">The model.</param>
    /// <param name="ollm">Its OLLM modules, or null.</param>
    /// <param name="cache">Keys and values of all sequences.</param>
    /// <param name="buffers">Activations for at least as many rows as there are sequences, up to <see cref="MostRows"/>.</param>
    /// <param name="sequences">Most sequences of a step.</param>
    /// <param name="capacity">Cache rows of a sequence.</param>
    /// <param name="vocabulary">Ids that may be generated: those below this number.</param>
    public DeviceSteps(QwenBackbone backbone, OllmModel? ollm, KvCache cache, ForwardBuffers buffers, int sequences, int capacity, int vocabulary)
    {
        (_backbone, _device, _cache, _buffers, _capacity) = (backbone, backbone.Device, cache, buffers, capacity);
        (_d, _k, _vocab) = (backbone.Config.HiddenSize, ollm?.Shape.Options ?? 0, Math.Min(vocabulary, backbone.Config.VocabSize));
        int n = Math.Min(sequences, MostRows);
        // Tokens of the prompt may lie above the ids that may be generated.
        _words = (_vocab + 31) / 32;
        _head = _device.FirstRows(backbone.DecodeHead, _vocab);
        _batch = new TokenBatch(_device, n);
        if (ollm is not null) (_policy, _decoder) = (new Policy(_device, ollm.Parameters, null, n), new Decoder(_device, ollm.Parameters, null, n));
        (_hidden, _bent, _logits) = (Floats((long)n * _d), Floats((long)n * _d), Floats((long)n * _vocab));
        (_policyLogits, _pi, _hot, _knobs) = (Floats((long)n * _k), Floats((long)n * _k), Floats((long)n * _k), Floats(n * DecodeRow.Knobs));
        (_rows, _seen, _picked, _chosen, _results) = (Ints(n * DecodeRow.Ints), Ints((long)n * _words), Ints(n), Ints(2 * n), Ints(2 * n * DecodeRow.Results));
        _readback = _device.Readback(_results);
        (_hostRows, _hostSeen, _hostKnobs) = (new int[n * DecodeRow.Ints], new int[n * _words], new float[n * DecodeRow.Knobs]);
        (_owners, _counts) = (new GenerationRequest?[n], new int[n]);
        _work = Work;
    }

    /// <summary>Gives each of the slots a token if the device can do it alone; otherwise does nothing and returns false.</summary>
    public bool TryStep(ReadOnlySpan<DecodeSlot> slots)
    {
        if (slots.Length > _owners.Length) return false;
        foreach (DecodeSlot slot in slots)
        {
            GenerationRequest r = slot.Owner!;
            if (r.Explain || r.Record || r.TopScores is not null || r.Generated.Count < r.OptionsPrefix.Count || r.StopTokens.Count > DecodeRow.MostStops) return false;
        }
        if (!GoesOn(slots)) Send(slots);
        if (!_ahead) Give();
        int place = (_given - 1) % 2;
        _ahead = false;
        if (MayGoOn(slots))
        {
            Give();
            _ahead = true;
        }
        _readback.Wait(place);
        for (int i = 0; i < slots.Length; i++) Take(slots[i], i);
        return true;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _readback.Dispose();
        _policy?.Dispose();
        _decoder?.Dispose();
        _batch.Dispose();
        foreach (DeviceBuffer<float> buffer in (DeviceBuffer<float>[])[_hidden, _bent, _logits, _policyLogits, _pi, _hot, _knobs]) buffer.Dispose();
        foreach (DeviceBuffer<int> buffer in (DeviceBuffer<int>[])[_rows, _seen, _picked, _chosen, _results]) buffer.Dispose();
    }

    private DeviceBuffer<float> Floats(long length) => _device.Allocate<float>(length);

    private DeviceBuffer<int> Ints(long length) => _device.Allocate<int>(length);

    /// <summary>Whether the device's tables are those of the slots, or were one step ago and that step has been given ahead.</summary>
    private bool GoesOn(ReadOnlySpan<DecodeSlot> slots)
    {
        if (_batch.Count != slots.Length) return false;
        for (int i = 0; i < slots.Length; i++)
        {
            SequenceSpan span = _batch.Spans[i];
            int given = _ahead ? 1 : 0;
            if (_owners[i] != slots[i].Owner || _counts[i] != slots[i].Owner!.Generated.Count || span.CacheRow != slots[i].FirstRow || span.Past - given != slots[i].Cached.Count)
                return false;
        }
        return true;
    }

    /// <summary>Whether every sequence is sure to have a token after this one, and room for it.</summary>
    private bool MayGoOn(ReadOnlySpan<DecodeSlot> slots)
    {
        foreach (DecodeSlot slot in slots)
        {
            if (slot.Owner!.Generated.Count + 1 >= slot.Owner.MaxTokens || slot.Cached.Count + 2 >= _capacity) return false;
        }
        return true;
    }

    /// <summary>Sends everything that the steps of these slots begin with.</summary>
    private void Send(ReadOnlySpan<DecodeSlot> slots)
    {
        _batch.Clear();
        Array.Clear(_owners);
        (_given, _ahead, _latent, _draws) = (0, false, false, false);
        bool penalty = false;
        for (int i = 0; i < slots.Length; i++)
        {
            GenerationRequest request = slots[i].Owner!;
            _batch.Add([slots[i].LastToken], slots[i].Cached.Count, slots[i].FirstRow);
            (_owners[i], _counts[i]) = (request, request.Generated.Count);
            _latent |= request.Latent != LatentChoice.Backbone;
            _draws |= !request.Sampler.IsGreedy;
            penalty |= request.Sampler.RepetitionPenalty != 1;
            FillRow(request, _hostRows.AsSpan(i * DecodeRow.Ints, DecodeRow.Ints), _hostKnobs.AsSpan(i * DecodeRow.Knobs, DecodeRow.Knobs));
            if (request.Sampler.RepetitionPenalty != 1) FillSeen(request, _hostSeen.AsSpan(i * _words, _words));
        }
        _batch.Upload();
        int n = slots.Length;
        _rows.First(n * DecodeRow.Ints).Upload(_hostRows.AsSpan(0, n * DecodeRow.Ints));
        if (_draws) _knobs.First(n * DecodeRow.Knobs).Upload(_hostKnobs.AsSpan(0, n * DecodeRow.Knobs));
        if (penalty) _seen.First((long)n * _words).Upload(_hostSeen.AsSpan(0, n * _words));
    }

    private static void FillRow(GenerationRequest request, Span<int> row, Span<float> knobs)
    {
        row.Clear();
        (row[DecodeRow.Count], row[DecodeRow.TopK]) = (request.Generated.Count, request.Sampler.TopK);
        (row[DecodeRow.SeedLow], row[DecodeRow.SeedHigh]) = ((int)(uint)request.Seed, (int)(request.Seed >> 32));
        (row[DecodeRow.Latent], row[DecodeRow.Option]) = ((int)request.Latent, request.ForcedOption);
        row[DecodeRow.Stops] = request.StopTokens.Count;
        for (int i = 0; i < request.StopTokens.Count; i++) row[DecodeRow.FirstStop + i] = request.StopTokens[i];
        SamplerOptions sampler = request.Sampler;
        (knobs[DecodeRow.Temperature], knobs[DecodeRow.TopP]) = (sampler.Temperature, sampler.TopP);
        (knobs[DecodeRow.MinP], knobs[DecodeRow.Penalty]) = (sampler.MinP, sampler.RepetitionPenalty);
    }

    private void FillSeen(GenerationRequest request, Span<int> bits)
    {
        bits.Clear();
        foreach (int token in request.Prompt) Set(bits, token);
        foreach (int token in request.Generated) Set(bits, token);

        void Set(Span<int> bits, int token)
        {
            if (token < _vocab) bits[token / 32] |= 1 << (token % 32);
        }
    }

    /// <summary>Gives the device one step.</summary>
    private void Give()
    {
        int kind = (_latent ? 1 : 0) + (_draws ? 2 : 0);
        _backbone.PrepareForward(_batch);
        _device.Repeat(new RepeatKey(_batch, _cache, this, _backbone.RopeMemory, _hidden, kind, _batch.Rows), _batch.Spans, _work);
        _device.SequencesAdvanced();
        _batch.Advance();
        _readback.Mark(_given++ % 2);
    }

    /// <summary>A step, top to bottom.</summary>
    private void Work()
    {
        int n = _batch.Rows;
        DeviceView<float> hidden = _hidden.First((long)n * _d);
        DeviceView<int> rows = _rows.First(n * DecodeRow.Ints), seen = _seen.First((long)n * _words), picked = _picked.First(n), chosen = default;
        _backbone.Forward(_batch, _cache, _buffers, hidden);                                     // h    [N, D]
        if (_latent)
        {
            DeviceView<float> logits = _policyLogits.First((long)n * _k), hot = _hot.First((long)n * _k), bent = _bent.First((long)n * _d);
            chosen = _chosen.First(2 * n);
            _policy!.Decide(hidden, logits);                                                     //      [N, K]
            _device.ChooseOptions(logits, rows, _pi.First((long)n * _k), hot, chosen, _k);       // z    [N]
            _decoder!.Forward(hidden, hot, chosen, bent);                                        // h'   [N, D]
            hidden = bent;
        }
        DeviceView<float> scores = _logits.First((long)n * _vocab);
        _device.MatMul(hidden, _head, default, scores);                                          //      [N, V]
        if (_draws) _device.SampleTokens(scores, rows, _knobs.First(n * DecodeRow.Knobs), seen, picked, _vocab);
        else _device.ArgMaxRows(scores, picked, _vocab);
        _device.AdvanceRows(picked, chosen, _batch.Packed, rows, seen, _results.First(2 * n * DecodeRow.Results));
        _readback.Fetch();
    }

    /// <summary>What the device has picked for a slot.</summary>
    private void Take(DecodeSlot slot, int row)
    {
        GenerationRequest request = slot.Owner!;
        ReadOnlySpan<int> result = _readback.Values.Slice((_counts[row]++ % 2 * _batch.Rows + row) * DecodeRow.Results, DecodeRow.Results);
        slot.Cached.Add(slot.LastToken);
        slot.Picked = result[0];
        if (request.Latent == LatentChoice.Backbone) return;
        request.Options.Add(result[1]);
        request.LogProbabilities.Add(MathF.Log(MathF.Max(BitConverter.Int32BitsToSingle(result[2]), float.Epsilon)));
    }
}
