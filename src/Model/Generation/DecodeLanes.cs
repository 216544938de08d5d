using System.Runtime.InteropServices;

namespace OllmNative.Model;

/// <summary>
/// Decodes the sequences of a small model in parts, each on a thread of its own from the embedding to the picked token: its
/// operations are too short to be shared one by one. A model that streams from memory stays in one part, which reads the
/// weights once for all sequences. A sequence's numbers are the same either way.
/// </summary>
internal sealed class DecodeLanes : IDisposable
{
    /// <summary>Bytes of weights that every core keeps in its own cache, unpacked to floats too.</summary>
    private const long SmallModel = 1 << 20;

    /// <summary>Sequences that are worth another thread, and the most that are not better shared operation by operation.</summary>
    private const int LeastEach = 2, MostTogether = 16;

    private readonly ComputeDevice _device;
    private readonly DecodeLane[] _lanes;
    private readonly QwenBackbone[] _backbones;
    private readonly Action<int> _step;
    private List<DecodeSlot> _ready = [];
    private int _parts;

    /// <summary>Allocates lanes, none where they would not help.</summary>
    public DecodeLanes(QwenBackbone backbone, OllmModel? ollm, KvCache cache, DecodeEngineOptions options)
    {
        (_device, _step) = (backbone.Device, StepPart);
        int sequences = Math.Min(options.Slots, MostTogether);
        int count = backbone.BytesPerToken <= SmallModel ? Math.Min(_device.Lanes.Count, sequences / LeastEach) : 0;
        if (count < 2) count = 0;
        _backbones = [.. _device.Lanes.Take(count).Select(backbone.On)];
        // Where there are fewer sequences than fill all lanes, a part has less than twice the least.
        int most = count == 0 ? 0 : Math.Max(2 * LeastEach - 1, (sequences + count - 1) / count);
        int explain = Math.Min(options.ExplainSlots, most);
        _lanes = [.. _backbones.Select(b => new DecodeLane(b, ollm, cache, most, most, explain, options.Vocabulary, options.Capacity))];
    }

    /// <summary>Gives each of the slots a token if that many are best decoded in parts; otherwise does nothing and returns false.</summary>
    public bool TryStep(List<DecodeSlot> ready)
    {
        _parts = Math.Min(_lanes.Length, ready.Count / LeastEach);
        if (_parts < 2 || ready.Count > MostTogether) return false;
        _ready = ready;
        _device.Together(_parts, _step);
        return true;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (DecodeLane lane in _lanes) lane.Dispose();
        foreach (QwenBackbone backbone in _backbones) backbone.Dispose();
    }

    private void StepPart(int part)
    {
        int first = _ready.Count * part / _parts, end = _ready.Count * (part + 1) / _parts;
        _lanes[part].Step(CollectionsMarshal.AsSpan(_ready)[first..end]);
    }
}
