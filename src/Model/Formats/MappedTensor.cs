using System.Runtime.CompilerServices;

namespace OllmNative.Model;

/// <summary>
/// A tensor that lies in a memory-mapped file: nothing is copied, <see cref="Data"/> points into the map and is valid
/// until the <see cref="SafetensorsFile"/> that it came from is disposed. Row-major (C order), little endian.
/// </summary>
public sealed unsafe class MappedTensor
{
    internal MappedTensor(TensorEntry entry, byte* data, string file)
    {
        Name = entry.Name;
        DType = entry.DType;
        Shape = Array.AsReadOnly(entry.Shape);
        ElementCount = entry.ElementCount;
        ByteLength = entry.End - entry.Begin;
        Data = data;
        File = file;
    }

    /// <summary>Name in the header, for example <c>model.layers.0.mlp.up_proj.weight</c>.</summary>
    public string Name { get; }

    /// <summary>Element type.</summary>
    public DType DType { get; }

    /// <summary>Extents, outermost first; empty for a scalar.</summary>
    public IReadOnlyList<long> Shape { get; }

    /// <summary>First byte of the data inside the map. The format does not promise that it is aligned to the element.</summary>
    public byte* Data { get; }

    /// <summary>Bytes of the data.</summary>
    public long ByteLength { get; }

    /// <summary>Product of the extents (1 for a scalar).</summary>
    public long ElementCount { get; }

    /// <summary>Path of the file, for error messages.</summary>
    public string File { get; }

    /// <summary>The shape as it is printed: <c>[151936, 896]</c>.</summary>
    public string ShapeText => $"[{string.Join(", ", Shape)}]";

    /// <summary>The elements in place, as <typeparamref name="T"/>; for tensors below 2^31 elements.</summary>
    /// <exception cref="ArgumentException"><typeparamref name="T"/> has another size than the element type.</exception>
    /// <exception cref="OverflowException">More elements than a span can hold.</exception>
    public ReadOnlySpan<T> AsSpan<T>() where T : unmanaged
    {
        if (sizeof(T) * 8 != DType.Bits())
            throw new ArgumentException($"tensor {Name} holds {DType.Name()}, which {typeof(T).Name} does not fit");
        return new ReadOnlySpan<T>(Data, checked((int)ElementCount));
    }

    /// <summary>A copy converted to F32, exact for the types that it takes: F32, BF16 and F16.</summary>
    /// <exception cref="OllmException">The tensor has another element type or too many elements for one array.</exception>
    public float[] ToFloats()
    {
        if (ElementCount > Array.MaxLength)
            throw new OllmException($"{File}: tensor {ErrorText.Quote(Name)} has {ElementCount} elements, too many to copy into one array");
        var floats = new float[ElementCount];
        for (int i = 0; i < floats.Length; i++)
            floats[i] = DType switch
            {
                DType.F32 => Unsafe.ReadUnaligned<float>(Data + 4L * i),
                DType.BF16 => BitConverter.Int32BitsToSingle(Unsafe.ReadUnaligned<ushort>(Data + 2L * i) << 16),
                DType.F16 => (float)Unsafe.ReadUnaligned<Half>(Data + 2L * i),
                _ => throw new OllmException($"{File}: tensor {ErrorText.Quote(Name)} is {DType.Name()}, expected F32, BF16 or F16"),
            };
        return floats;
    }
}
