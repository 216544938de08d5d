using System.Runtime.InteropServices;

namespace OllmNative.Model;

/// <summary>A tensor for <see cref="SafetensorsWriter"/>: its description, and a callback that streams its bytes, so that size is no limit.</summary>
public sealed class TensorToWrite
{
    /// <summary>Describes a tensor.</summary>
    /// <param name="name">Name in the header.</param>
    /// <param name="type">Element type.</param>
    /// <param name="shape">Extents, outermost first; empty for a scalar.</param>
    /// <param name="writeData">Writes exactly <see cref="ByteLength"/> bytes, row-major, little endian.</param>
    /// <exception cref="ArgumentException">An extent is negative, the size overflows, or packed elements do not fill whole bytes.</exception>
    public TensorToWrite(string name, DType type, IReadOnlyList<long> shape, Action<Stream> writeData)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(shape);
        ArgumentNullException.ThrowIfNull(writeData);
        Int128 bits = type.Bits();
        foreach (long extent in shape)
        {
            if (extent < 0) throw new ArgumentException($"tensor {name} has the negative extent {extent}", nameof(shape));
            bits *= extent;
            if (bits > long.MaxValue) throw new ArgumentException($"the size of tensor {name} overflows", nameof(shape));
        }
        if (bits % 8 != 0) throw new ArgumentException($"the elements of tensor {name} do not fill whole bytes", nameof(shape));
        (Name, DType, Shape, WriteData, ByteLength) = (name, type, [.. shape], writeData, (long)(bits / 8));
    }

    /// <summary>Name in the header.</summary>
    public string Name { get; }

    /// <summary>Element type.</summary>
    public DType DType { get; }

    /// <summary>Extents, outermost first.</summary>
    public IReadOnlyList<long> Shape { get; }

    /// <summary>Bytes that the shape needs.</summary>
    public long ByteLength { get; }

    internal Action<Stream> WriteData { get; }

    /// <summary>An F32 tensor of the given values.</summary>
    /// <exception cref="ArgumentException">The values do not fill the shape.</exception>
    public static TensorToWrite FromFloats(string name, ReadOnlyMemory<float> values, params IReadOnlyList<long> shape) =>
        new TensorToWrite(name, DType.F32, shape, stream => stream.Write(MemoryMarshal.AsBytes(values.Span))).Holding(4L * values.Length);

    /// <summary>A tensor of bytes that are already in the file's layout.</summary>
    /// <exception cref="ArgumentException">The bytes do not fill the shape.</exception>
    public static TensorToWrite FromBytes(string name, DType type, ReadOnlyMemory<byte> bytes, params IReadOnlyList<long> shape) =>
        new TensorToWrite(name, type, shape, stream => stream.Write(bytes.Span)).Holding(bytes.Length);

    /// <summary>A copy of a mapped tensor, perhaps under another name; its file must stay open until the write is done.</summary>
    public static unsafe TensorToWrite FromMapped(MappedTensor tensor, string? name = null) =>
        new(name ?? tensor.Name, tensor.DType, tensor.Shape, stream =>
        {
            const int chunk = 1 << 26;
            for (long done = 0; done < tensor.ByteLength; done += chunk)
                stream.Write(new ReadOnlySpan<byte>(tensor.Data + done, (int)Math.Min(chunk, tensor.ByteLength - done)));
        });

    private TensorToWrite Holding(long bytes) => bytes == ByteLength
        ? this
        : throw new ArgumentException($"tensor {Name} has {bytes} bytes of values, its shape [{string.Join(", ", Shape)}] needs {ByteLength}");
}
