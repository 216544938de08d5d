namespace OllmNative.Model;

/// <summary>
/// Keys and values of every layer: matrices [rows, Hkv * Dh] in f32. A sequence owns consecutive rows; which ones is the
/// caller's choice (<see cref="SequenceSpan.CacheRow"/>).
/// </summary>
public sealed class KvCache : IDisposable
{
    private readonly DeviceBuffer<float>[] _keys;
    private readonly DeviceBuffer<float>[] _values;
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
        _keys = new DeviceBuffer<float>[singlePass ? 1 : config.Layers];
        _values = new DeviceBuffer<float>[_keys.Length];
        for (int i = 0; i < _keys.Length; i++)
        {
            _keys[i] = device.Allocate<float>((long)rows * _width);
            _values[i] = device.Allocate<float>((long)rows * _width);
        }
    }

    /// <summary>Positions in all.</summary>
    public int Rows { get; }

    /// <summary>Keys [rows, Hkv * Dh] of a layer.</summary>
    public DeviceView<float> Keys(int layer) => _keys[layer % _keys.Length].View;

    /// <summary>Values [rows, Hkv * Dh] of a layer.</summary>
    public DeviceView<float> Values(int layer) => _values[layer % _values.Length].View;

    /// <summary>Copies <paramref name="count"/> positions of every layer: a shared prefix for another sequence, or a move.</summary>
    public void CopyRows(ComputeDevice device, int from, int to, int count)
    {
        ArgumentNullException.ThrowIfNull(device);
        for (int i = 0; i < _keys.Length; i++)
        {
            device.Copy(_keys[i].View.Slice((long)from * _width, (long)count * _width), _keys[i].View.Slice((long)to * _width, (long)count * _width));
            device.Copy(_values[i].View.Slice((long)from * _width, (long)count * _width), _values[i].View.Slice((long)to * _width, (long)count * _width));
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (DeviceBuffer<float> buffer in _keys) buffer.Dispose();
        foreach (DeviceBuffer<float> buffer in _values) buffer.Dispose();
    }
}
