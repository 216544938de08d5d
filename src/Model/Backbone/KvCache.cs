namespace OllmNative.Model;

/// <summary>
/// Keys and values of every layer: matrices [rows, Hkv * Dh], in the device's type for them. A sequence owns consecutive rows; which ones is the
/// caller's choice (<see cref="SequenceSpan.CacheRow"/>).
/// </summary>
public sealed class KvCache : IDisposable
{
    private readonly CacheView[] _keys;
    private readonly CacheView[] _values;
    private readonly List<IDisposable> _memory = [];
    private readonly int _width;

    /// <summary>Allocates the cache.</summary>
    /// <param name="device">Where it lives.</param>
    /// <param name="config">Gives layers, heads and head size.</param>
    /// <param name="rows">Positions in all, over all sequences.</param>
    /// <param name="singlePass">
    /// All layers share one layer's memory: right when every sequence goes through the backbone whole, in one forward pass,
    /// as in training.
    /// </param>
    public KvCache(ComputeDevice device, ModelConfig config, int rows, bool singlePass = false)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(config);
        Rows = rows;
        _width = config.KvHeads * config.HeadDim;
        _keys = new CacheView[singlePass ? 1 : config.Layers];
        _values = new CacheView[_keys.Length];
        try
        {
            for (int i = 0; i < _keys.Length; i++)
            {
                _keys[i] = Allocate(device, config.HeadDim);
                _values[i] = Allocate(device, config.HeadDim);
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Positions in all.</summary>
    public int Rows { get; }

    /// <summary>Keys [rows, Hkv * Dh] of a layer.</summary>
    public CacheView Keys(int layer) => _keys[layer % _keys.Length];

    /// <summary>Values [rows, Hkv * Dh] of a layer.</summary>
    public CacheView Values(int layer) => _values[layer % _values.Length];

    /// <summary>Copies <paramref name="count"/> positions of every layer: a shared prefix for another sequence, or a move.</summary>
    public void CopyRows(ComputeDevice device, int from, int to, int count)
    {
        ArgumentNullException.ThrowIfNull(device);
        long source = (long)from * _width, target = (long)to * _width, length = (long)count * _width;
        for (int i = 0; i < _keys.Length; i++)
        {
            device.CopyCache(_keys[i].Slice(source, length), _keys[i].Slice(target, length));
            device.CopyCache(_values[i].Slice(source, length), _values[i].Slice(target, length));
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (IDisposable memory in _memory) memory.Dispose();
        _memory.Clear();
    }

    private CacheView Allocate(ComputeDevice device, int headSize)
    {
        (IDisposable memory, CacheView view) = CacheView.Allocate(device, headSize, (long)Rows * _width);
        _memory.Add(memory);
        return view;
    }
}
