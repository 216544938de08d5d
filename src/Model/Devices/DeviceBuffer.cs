namespace OllmNative.Model;

/// <summary>Memory of a <see cref="ComputeDevice"/>, allocated once and passed around as <see cref="DeviceView{T}"/>.</summary>
/// <typeparam name="T">Element type: <see cref="float"/>, <see cref="int"/>, <see cref="ulong"/>, or <see cref="ushort"/> for bf16.</typeparam>
public abstract class DeviceBuffer<T> : IDisposable where T : unmanaged
{
    /// <summary>Describes a buffer of <paramref name="length"/> elements.</summary>
    protected DeviceBuffer(long length) => Length = length;

    /// <summary>Number of elements.</summary>
    public long Length { get; }

    /// <summary>The whole buffer.</summary>
    public DeviceView<T> View => new(this, 0, Length);

    /// <summary>The first <paramref name="length"/> elements.</summary>
    public DeviceView<T> First(long length) => View.Slice(0, length);

    /// <summary>Copies from the host; the view and the span have the same length.</summary>
    public abstract void Upload(long offset, ReadOnlySpan<T> source);

    /// <summary>Copies to the host and waits until the data is there.</summary>
    public abstract void Download(long offset, Span<T> destination);

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Gives the memory back.</summary>
    protected abstract void Dispose(bool disposing);
}

/// <summary>A stretch of a <see cref="DeviceBuffer{T}"/>. Matrices are row-major; the operation says the shape.</summary>
/// <typeparam name="T">Element type.</typeparam>
public readonly struct DeviceView<T> where T : unmanaged
{
    internal DeviceView(DeviceBuffer<T> buffer, long offset, long length)
    {
        Buffer = buffer;
        Offset = offset;
        Length = length;
    }

    /// <summary>The memory behind the view; null for the default (absent) view.</summary>
    public DeviceBuffer<T>? Buffer { get; }

    /// <summary>First element within the buffer.</summary>
    public long Offset { get; }

    /// <summary>Number of elements.</summary>
    public long Length { get; }

    /// <summary>True for the default view, which stands for an absent optional operand.</summary>
    public bool IsEmpty => Buffer is null;

    /// <summary>A part of this view.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The part does not lie inside.</exception>
    public DeviceView<T> Slice(long offset, long length)
    {
        if (offset < 0 || length < 0 || offset + length > Length)
            throw new ArgumentOutOfRangeException(nameof(offset), $"[{offset}, {offset + length}) is outside a view of {Length} elements");
        return new DeviceView<T>(Buffer!, Offset + offset, length);
    }

    /// <summary>Copies from the host.</summary>
    public void Upload(ReadOnlySpan<T> source) => Buffer!.Upload(Offset, source);

    /// <summary>Copies to the host.</summary>
    public void Download(Span<T> destination) => Buffer!.Download(Offset, destination);

    /// <summary>The contents in a new array: for results and tests, not for hot paths.</summary>
    public T[] ToArray()
    {
        var result = new T[Length];
        Download(result);
        return result;
    }
}

/// <summary>
/// A weight matrix [Rows, Columns] where the device can multiply with it: a tensor of the mapped file, or a stretch of a
/// parameter buffer. Columns are the inputs of a linear layer, rows its outputs, as PyTorch stores it.
/// </summary>
public abstract class DeviceMatrix
{
    /// <summary>Describes the matrix.</summary>
    protected DeviceMatrix(DType type, int rows, int columns)
    {
        DType = type;
        Rows = rows;
        Columns = columns;
    }

    /// <summary>How the elements are stored.</summary>
    public DType DType { get; }

    /// <summary>Outputs.</summary>
    public int Rows { get; }

    /// <summary>Inputs.</summary>
    public int Columns { get; }

    /// <summary>Bytes that one pass over the weights reads.</summary>
    public long Bytes => (long)Rows * Columns * DType.Size();
}
