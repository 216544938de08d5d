namespace OllmNative.Model;

/// <summary>
/// All tensors of the three modules in one flat f32 buffer, so that the optimizer, the norm and a checkpoint each see a
/// single array. The same layout holds parameters, gradients and optimizer moments.
/// </summary>
public sealed class OllmTensors : IDisposable
{
    private readonly ComputeDevice _device;
    private readonly Dictionary<string, DeviceView<float>> _views = [], _modules = [];

    /// <summary>Allocates zeroed tensors.</summary>
    public OllmTensors(ComputeDevice device, OllmShape shape)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(shape);
        _device = device;
        Shape = shape;
        Memory = device.Allocate<float>(shape.ParameterCount);
        long offset = 0;
        foreach ((string name, int[] extents) in shape.Tensors)
        {
            long length = extents.Aggregate(1L, (product, extent) => product * extent);
            _views[name] = Memory.View.Slice(offset, length);
            // The tensors of a module stand side by side, so its stretch grows at the end.
            string module = name[..name.IndexOf('.', StringComparison.Ordinal)];
            long start = _modules.TryGetValue(module, out DeviceView<float> part) ? part.Offset : offset;
            offset += length;
            _modules[module] = Memory.View.Slice(start, offset - start);
        }
    }

    /// <summary>Sizes.</summary>
    public OllmShape Shape { get; }

    /// <summary>The flat buffer.</summary>
    public DeviceBuffer<float> Memory { get; }

    /// <summary>All elements.</summary>
    public DeviceView<float> All => Memory.View;

    /// <summary>A tensor by its name in the file.</summary>
    public DeviceView<float> this[string name] => _views[name];

    /// <summary>A tensor as the matrix [out, in] of a linear layer.</summary>
    public DeviceMatrix Matrix(string name)
    {
        int[] extents = Shape.Tensors.First(t => t.Name == name).Shape;
        return _device.Matrix(_views[name], extents[0], extents[1]);
    }

    /// <summary>The stretch that holds every tensor of one module: <c>encoder</c>, <c>decoder</c> or <c>policy</c>.</summary>
    public DeviceView<float> Module(string module) => _modules[module];

    /// <inheritdoc/>
    public void Dispose() => Memory.Dispose();
}
