namespace OllmNative.Model;

/// <summary>Activations of one forward pass, allocated once for the largest batch.</summary>
public sealed class ForwardBuffers : IDisposable
{
    private readonly ModelConfig _config;
    private readonly DeviceBuffer<float> _memory;
    private Views _views;
    private int _rows = -1;

    /// <summary>Allocates for up to <paramref name="maxRows"/> rows.</summary>
    public ForwardBuffers(ComputeDevice device, ModelConfig config, int maxRows)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(config);
        _config = config;
        MaxRows = maxRows;
        _memory = device.Allocate<float>(maxRows * Width(config));
    }

    /// <summary>Largest batch.</summary>
    public int MaxRows { get; }

    /// <inheritdoc/>
    public void Dispose() => _memory.Dispose();

    internal Views For(int rows)
    {
        if (rows == _rows) return _views;
        if (rows > MaxRows) throw new ArgumentException($"a batch of {rows} rows does not fit buffers of {MaxRows}");
        long offset = 0;
        DeviceView<float> Next(int width)
        {
            DeviceView<float> view = _memory.View.Slice(offset, (long)rows * width);
            offset += (long)MaxRows * width;
            return view;
        }
        int d = _config.HiddenSize, q = _config.Heads * _config.HeadDim, kv = _config.KvHeads * _config.HeadDim, f = _config.IntermediateSize;
        _views = new Views(Next(d), Next(d), Next(q), Next(kv), Next(kv), Next(q), Next(f), Next(f));
        _rows = rows;
        return _views;
    }

    private static long Width(ModelConfig c) => 2L * c.HiddenSize + 2L * c.Heads * c.HeadDim + 2L * c.KvHeads * c.HeadDim + 2L * c.IntermediateSize;

    internal readonly record struct Views(
        DeviceView<float> X, DeviceView<float> Normed, DeviceView<float> Q, DeviceView<float> K, DeviceView<float> V,
        DeviceView<float> Attended, DeviceView<float> Gate, DeviceView<float> Up);
}
