namespace OllmNative.Model;

/// <summary>Activations of one forward pass, allocated once for the largest batch.</summary>
public sealed class ForwardBuffers : IDisposable
{
    private readonly int[] _widths;
    private readonly DeviceBuffer<float> _memory;

    /// <summary>Allocates for up to <paramref name="maxRows"/> rows.</summary>
    public ForwardBuffers(ComputeDevice device, ModelConfig config, int maxRows)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(config);
        MaxRows = maxRows;
        int d = config.HiddenSize, q = config.Heads * config.HeadDim, kv = config.KvHeads * config.HeadDim, f = config.IntermediateSize;
        _widths = [d, d, q, kv, kv, q, f, f];
        _memory = device.Allocate<float>(maxRows * (long)_widths.Sum());
    }

    /// <summary>Largest batch.</summary>
    public int MaxRows { get; }

    /// <inheritdoc/>
    public void Dispose() => _memory.Dispose();

    internal Views For(int rows)
    {
        if (rows > MaxRows) throw new ArgumentException($"a batch of {rows} rows does not fit buffers of {MaxRows}");
        long offset = 0;
        int next = 0;
        DeviceView<float> Next()
        {
            int width = _widths[next++];
            DeviceView<float> view = _memory.View.Slice(offset, (long)rows * width);
            offset += (long)MaxRows * width;
            return view;
        }
        return new Views(Next(), Next(), Next(), Next(), Next(), Next(), Next(), Next());
    }

    internal readonly record struct Views(
        DeviceView<float> X, DeviceView<float> Normed, DeviceView<float> Q, DeviceView<float> K, DeviceView<float> V,
        DeviceView<float> Attended, DeviceView<float> Gate, DeviceView<float> Up);
}
