using System.Runtime.InteropServices;

namespace OllmNative.Model;

/// <summary>
/// What a decoding step works in: activations and head for some rows. Sequences are independent, so two lanes that share
/// weights and cache can step different ones at the same time.
/// </summary>
internal sealed class DecodeLane : IDisposable
{
    private readonly QwenBackbone _backbone;
    private readonly KvCache _cache;
    private readonly ForwardBuffers _buffers;
    private readonly DeviceBuffer<float> _hidden;
    private readonly DecodeHead _head;
    private readonly DeviceSteps? _alone;
    private readonly List<DecodeSlot> _slots = [];
    private readonly DeviceBuffer<int> _lastRows;
    private readonly DeviceBuffer<float> _last;
    private readonly int[] _hostLastRows;

    /// <summary>Allocates.</summary>
    /// <param name="backbone">The model; no other lane may use this instance at the same time.</param>
    /// <param name="ollm">Its OLLM modules, or null.</param>
    /// <param name="cache">Keys and values of all sequences.</param>
    /// <param name="rows">Largest forward pass.</param>
    /// <param name="sequences">Most sequences of a step.</param>
    /// <param name="explain">Most of them that explain themselves.</param>
    /// <param name="vocabulary">Ids that may be generated: those below this number.</param>
    /// <param name="capacity">Cache rows of a sequence.</param>
    public DecodeLane(QwenBackbone backbone, OllmModel? ollm, KvCache cache, int rows, int sequences, int explain, int vocabulary, int capacity)
    {
        (_backbone, _cache) = (backbone, cache);
        Batch = new TokenBatch(backbone.Device, rows);
        _buffers = new ForwardBuffers(backbone.Device, backbone.Config, rows);
        _hidden = backbone.Device.Allocate<float>((long)rows * backbone.Config.HiddenSize);
        _head = new DecodeHead(backbone, ollm, sequences, explain, vocabulary);
        if (backbone.Device.RunsAhead) _alone = new DeviceSteps(backbone, ollm, cache, _buffers, sequences, explain, capacity, vocabulary);
        _lastRows = backbone.Device.Allocate<int>(sequences);
        _last = backbone.Device.Allocate<float>((long)sequences * backbone.Config.HiddenSize);
        _hostLastRows = new int[sequences];
    }

    /// <summary>The rows of the next forward pass.</summary>
    public TokenBatch Batch { get; }

    /// <summary>Runs the batch through the layers.</summary>
    public void Forward()
    {
        Batch.Upload();
        _backbone.Forward(Batch, _cache, _buffers, _hidden.First((long)Batch.Rows * _backbone.Config.HiddenSize));
    }

    /// <summary>Picks the next token of each of the slots; what is told to others about it is the caller's business.</summary>
    public void Step(ReadOnlySpan<DecodeSlot> slots)
    {
        if (_alone is not null && _alone.TryStep(slots)) return;
        Batch.Clear();
        _slots.Clear();
        foreach (DecodeSlot slot in slots)
        {
            Batch.Add([slot.LastToken], slot.Cached.Count, slot.FirstRow);
            _slots.Add(slot);
        }
        Forward();
        foreach (DecodeSlot slot in slots) slot.Cached.Add(slot.LastToken);
        _head.Begin(_hidden.First((long)slots.Length * _backbone.Config.HiddenSize), _slots);
        for (int i = 0; i < slots.Length; i++) slots[i].Picked = _head.Pick(slots[i].Owner!, i);
    }

    /// <summary>Picks the first token of sequences whose prompts end in the batch that has just been run.</summary>
    /// <param name="slots">The sequences.</param>
    /// <param name="spans">For each of them, which of the batch's sequences it is.</param>
    public void PickAfterPrompt(List<DecodeSlot> slots, ReadOnlySpan<int> spans)
    {
        int d = _backbone.Config.HiddenSize;
        for (int i = 0; i < slots.Count; i++)
        {
            SequenceSpan span = Batch.Spans[spans[i]];
            _hostLastRows[i] = span.FirstRow + span.Count - 1;
        }
        DeviceView<int> rows = _lastRows.First(slots.Count);
        rows.Upload(_hostLastRows.AsSpan(0, slots.Count));
        DeviceView<float> last = _last.First((long)slots.Count * d);
        _backbone.Device.GatherRows(_hidden.First((long)Batch.Rows * d), rows, last, d);
        if (_alone is not null && _alone.TryFirst(CollectionsMarshal.AsSpan(slots), last)) return;
        _head.Begin(last, slots);
        for (int i = 0; i < slots.Count; i++) slots[i].Picked = _head.Pick(slots[i].Owner!, i);
    }

    /// <summary>Scores the tokens that follow the rows of a prompt in the batch that has just been run, as many at a time as a step has sequences.</summary>
    /// <param name="request">Whose prompt it is.</param>
    /// <param name="index">Which of the batch's sequences it is.</param>
    public void ScorePrompt(GenerationRequest request, int index)
    {
        SequenceSpan span = Batch.Spans[index];
        int d = _backbone.Config.HiddenSize, count = Math.Min(span.Count, request.Prompt.Length - 1 - span.Past), most = _hostLastRows.Length;
        for (int first = 0; first < count; first += most)
        {
            int rows = Math.Min(most, count - first);
            DeviceView<float> hidden = _hidden.View.Slice((long)(span.FirstRow + first) * d, (long)rows * d);
            _head.ScoreRows(hidden, request, request.Prompt.AsSpan(span.Past + first + 1, rows));
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _alone?.Dispose();
        _lastRows.Dispose();
        _last.Dispose();
        Batch.Dispose();
        _buffers.Dispose();
        _hidden.Dispose();
        _head.Dispose();
    }
}
