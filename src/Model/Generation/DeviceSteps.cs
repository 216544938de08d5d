using OllmNative.Kernels;

namespace OllmNative.Model;

/// <summary>
/// Decoding steps that a device does alone, from the token to the next one: the host reads what was picked and what is told about it, and has given
/// the device the following step before it does. What the sequences need lies in device memory and counts on by itself; it is
/// sent anew when other sequences step, or the same ones from another place.
/// </summary>
internal sealed class DeviceSteps : IDisposable
{
    /// <summary>More sequences than this are stepped by the host.</summary>
    public const int MostRows = 64;

    private readonly QwenBackbone _backbone;
    private readonly ComputeDevice _device;
    private readonly KvCache _cache;
    private readonly ForwardBuffers _buffers;
    private readonly TokenBatch _batch;
    private readonly DeviceHead _head;
    private readonly DeviceBuffer<float> _hidden;
    private readonly DeviceBuffer<int> _results;
    private readonly HostPlaces<int> _read;
    private readonly int[] _first;
    private readonly int _capacity, _d;
    private readonly Action _work;

    // What the device has been given: whose rows, how many tokens each had when its tables were sent, steps since, and whether one is ahead.
    private readonly GenerationRequest?[] _owners;
    private readonly int[] _counts;
    private int _given;
    private bool _ahead;

    /// <summary>Allocates.</summary>
    /// <param name="backbone">The model.</param>
    /// <param name="ollm">Its OLLM modules, or null.</param>
    /// <param name="cache">Keys and values of all sequences.</param>
    /// <param name="buffers">Activations for at least as many rows as there are sequences, up to <see cref="MostRows"/>.</param>
    /// <param name="sequences">Most sequences of a step.</param>
    /// <param name="explain">Most of them that explain themselves.</param>
    /// <param name="capacity">Cache rows of a sequence.</param>
    /// <param name="vocabulary">Ids that may be generated: those below this number.</param>
    public DeviceSteps(QwenBackbone backbone, OllmModel? ollm, KvCache cache, ForwardBuffers buffers, int sequences, int explain, int capacity, int vocabulary)
    {
        (_backbone, _device, _cache, _buffers, _capacity, _d) = (backbone, backbone.Device, cache, buffers, capacity, backbone.Config.HiddenSize);
        int n = Math.Min(sequences, MostRows);
        (_batch, _head) = (new TokenBatch(_device, n), new DeviceHead(backbone, ollm, n, explain, vocabulary));
        (_hidden, _results) = (_device.Allocate<float>((long)n * _d), _device.Allocate<int>(2 * n * DecodeRow.Results));
        _read = _device.NewHostPlaces<int>(_results.Length, 2, beside: false);
        (_owners, _counts, _first) = (new GenerationRequest?[n], new int[n], new int[2 * n]);
        _work = Work;
    }

    /// <summary>Gives each of the slots a token if the device can do it alone; otherwise does nothing and returns false.</summary>
    public bool TryStep(ReadOnlySpan<DecodeSlot> slots)
    {
        if (!Takes(slots)) return false;
        foreach (DecodeSlot slot in slots)
        {
            // A given option is the table's for one step only.
            if (slot.Owner!.Generated.Count < slot.Owner.OptionsPrefix.Count) return false;
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
        _read.Wait(place);
        for (int i = 0; i < slots.Length; i++)
        {
            ReadOnlySpan<int> result = _read.Values(0).Slice((_counts[i]++ % 2 * _batch.Rows + i) * DecodeRow.Results, DecodeRow.Results);
            slots[i].Cached.Add(slots[i].LastToken);
            slots[i].Picked = result[0];
            _head.Tell(slots[i].Owner!, i, result[1], BitConverter.Int32BitsToSingle(result[2]), place);
        }
        return true;
    }

    /// <summary>Picks the first token of sequences from the hidden states [N, D] at the end of their prompts; false leaves it to others.</summary>
    public bool TryFirst(ReadOnlySpan<DecodeSlot> slots, DeviceView<float> hidden)
    {
        if (!Takes(slots)) return false;
        // A step that is ahead has been given its tables; they are sent anew before the next one.
        Forget();
        int n = slots.Length;
        _head.Prepare(slots);
        _head.Run(hidden);
        Span<int> picked = _first.AsSpan(0, n);
        _head.Picked.Download(picked);
        for (int i = 0; i < n; i++) slots[i].Picked = picked[i];
        Span<int> chosen = _first.AsSpan(0, 2 * n);
        if (_head.Chosen.IsEmpty) chosen.Fill(-1);
        else _head.Chosen.Download(chosen);
        for (int i = 0; i < n; i++) _head.Tell(slots[i].Owner!, i, chosen[2 * i], BitConverter.Int32BitsToSingle(chosen[2 * i + 1]), 0);
        return true;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _read.Dispose();
        _head.Dispose();
        _batch.Dispose();
        _hidden.Dispose();
        _results.Dispose();
    }

    private bool Takes(ReadOnlySpan<DecodeSlot> slots) => slots.Length <= _owners.Length && _head.CanTell(slots);

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

    private void Forget()
    {
        _batch.Clear();
        Array.Clear(_owners);
        (_given, _ahead) = (0, false);
    }

    /// <summary>Sends everything that the steps of these slots begin with.</summary>
    private void Send(ReadOnlySpan<DecodeSlot> slots)
    {
        Forget();
        for (int i = 0; i < slots.Length; i++)
        {
            _batch.Add([slots[i].LastToken], slots[i].Cached.Count, slots[i].FirstRow);
            (_owners[i], _counts[i]) = (slots[i].Owner, slots[i].Owner!.Generated.Count);
        }
        _batch.Upload();
        _head.Prepare(slots);
    }

    /// <summary>Gives the device one step.</summary>
    private void Give()
    {
        _backbone.PrepareForward(_batch);
        _head.TellAt(_given % 2);
        _device.Repeat(new RepeatKey(_batch, _cache, this, _backbone.RopeMemory, _hidden, _head.Kind, _batch.Rows), _batch.Spans, _work);
        _device.SequencesAdvanced();
        _batch.Advance();
        _read.Mark(_given++ % 2);
    }

    /// <summary>A step, top to bottom.</summary>
    private void Work()
    {
        int n = _batch.Rows;
        DeviceView<float> hidden = _hidden.First((long)n * _d);
        _backbone.Forward(_batch, _cache, _buffers, hidden);                                     // h    [N, D]
        _head.Run(hidden);                                                                       //      [N] tokens
        _device.AdvanceRows(_head.Picked, _head.Chosen, _batch.Packed, _head.Tables.Rows(n), _head.Tables.Seen(n), _results.First(2 * n * DecodeRow.Results));
        _read.Copy(_results.View, 0);
    }
}
