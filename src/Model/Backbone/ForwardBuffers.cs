namespace OllmNative.Model;

/// <summary>Activations of one forward pass, allocated once for the largest batch.</summary>
public sealed class ForwardBuffers : IDisposable
{
    private readonly ModelConfig _config;
    private readonly DeviceBuffer<float> _memory;

    /// <summary>Allocates for up to <paramref name="maxRows"/> rows.</summary>
    public ForwardBuffers(ComputeDevice device, ModelConfig config, int maxRows)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(config);
        _config = config;
        MaxRows = maxRows;
        _memory = device.Allocate<float>(maxRows * (long)Widths(config).Sum());
    }

    /// <summary>Largest batch.</summary>
    public int MaxRows { get; }

    /// <inheritdoc/>
    public void Dispose() => _memory.Dispose();

    internal Views For(int rows)
    {
        if (rows > MaxRows) throw new ArgumentException($"a batch of {rows} rows does not fit buffers of {MaxRows}");
        int[] widths = Widths(_config);
        var views = new DeviceView<float>[widths.Length];
        long offset = 0;
        for (int i = 0; i < widths.Length; i++)
        {
            views[i] = _memory.View.Slice(offset, (long)rows * widths[i]);
            offset += (long)MaxRows * widths[i];
        }
        return new Views(views[0], views[1], views[2], views[3], views[4], views[5], views[6], views[7]);
    }

    private static int[] Widths(ModelConfig c) =>
    [
        c.HiddenSize, c.HiddenSize, c.Heads * c.HeadDim, c.KvHeads * c.HeadDim, c.KvHeads * c.HeadDim, c.Heads * c.HeadDim,
        c.IntermediateSize, c.IntermediateSize,
    ];

    internal readonly record struct Views(
        DeviceView<float> X, DeviceView<float> Normed, DeviceView<float> Q, DeviceView<float> K, DeviceView<float> V,
        DeviceView<float> Attended, DeviceView<float> Gate, DeviceView<float> Up);
}
