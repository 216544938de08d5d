namespace OllmNative.Model;

/// <summary>
/// A tensor that lies in a memory-mapped file: nothing is copied, <see cref="Data"/> points into the map and is valid
/// until the <see cref="SafetensorsFile"/> that it came from is disposed. Row-major (C order), little endian.
/// </summary>
public sealed unsafe class MappedTensor
{
    internal MappedTensor(string name, DType type, long[] shape, byte* data, long byteLength, string file)
    {
        Name = name;
        DType = type;
        Shape = shape;
        Data = data;
        ByteLength = byteLength;
        File = file;
        ElementCount = byteLength / type.Size();
    }

    /// <summary>Name in the header, for example <c>model.layers.0.mlp.up_proj.weight</c>.</summary>
    public string Name { get; }

    /// <summary>Element type.</summary>
    public DType DType { get; }

    /// <summary>Extents, outermost first; empty for a scalar.</summary>
    public IReadOnlyList<long> Shape { get; }

    /// <summary>First byte of the data inside the map.</summary>
    public byte* Data { get; }

    /// <summary>Bytes of the data.</summary>
    public long ByteLength { get; }

    /// <summary>Product of the extents (1 for a scalar).</summary>
    public long ElementCount { get; }

    /// <summary>Path of the file, for error messages.</summary>
    public string File { get; }

    /// <summary>The shape as it is printed: <c>[151936, 896]</c>.</summary>
    public string ShapeText => $"[{string.Join(", ", Shape)}]";
}
