namespace OllmNative.Model;

/// <summary>
/// Rows under all K options at once: row n * K + k is row n under option k. The repeated rows and their one-hot choices feed the
/// decoder, so that one pass over its weights, and over the head's, serves every option.
/// </summary>
public sealed class OptionRows : IDisposable
{
    private readonly ComputeDevice _device;
    private readonly int _d, _k;
    private readonly DeviceBuffer<int> _sources;
    private readonly DeviceBuffer<float> _expanded, _choices;

    /// <summary>Allocates for up to <paramref name="maxRows"/> rows of <paramref name="hiddenSize"/> numbers under <paramref name="options"/> options.</summary>
    public OptionRows(ComputeDevice device, int hiddenSize, int options, int maxRows)
    {
        ArgumentNullException.ThrowIfNull(device);
        (_device, _d, _k) = (device, hiddenSize, options);
        int wide = checked(maxRows * options);
        (_sources, _expanded, _choices) = (device.Allocate<int>(wide), device.Allocate<float>((long)wide * _d), device.Allocate<float>((long)wide * _k));
        var oneHot = new float[(long)wide * _k];
        for (int i = 0; i < wide; i++) oneHot[(long)i * _k + i % _k] = 1;
        _sources.Upload(0, Repeat([.. Enumerable.Range(0, maxRows)]));
        _choices.Upload(0, oneHot);
    }

    /// <summary>h [N, D] K times: [N K, D].</summary>
    public DeviceView<float> Expand(DeviceView<float> hidden)
    {
        long wide = hidden.Length / _d * _k;
        DeviceView<float> expanded = _expanded.First(wide * _d);
        _device.GatherRows(hidden, _sources.First(wide), expanded, _d);
        return expanded;
    }

    /// <summary>z of <paramref name="rows"/> expanded rows, one-hot: [N K, K].</summary>
    public DeviceView<float> Choices(int rows) => _choices.First((long)rows * _k * _k);

    /// <summary>Each value K times, as the rows are.</summary>
    public int[] Repeat(ReadOnlySpan<int> values)
    {
        var repeated = new int[values.Length * _k];
        for (int i = 0; i < repeated.Length; i++) repeated[i] = values[i / _k];
        return repeated;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _sources.Dispose();
        _expanded.Dispose();
        _choices.Dispose();
    }
}
