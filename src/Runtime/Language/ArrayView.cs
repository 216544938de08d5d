using System.Runtime.CompilerServices;
using OllmNative.Runtime.Emulator;

namespace OllmNative.Runtime.Language;

/// <summary>Any view of device memory.</summary>
public interface IArrayView
{
    MemoryBuffer Buffer { get; }
    bool IsValid { get; }
    long Length { get; }
    int ElementSize { get; }
    long LengthInBytes { get; }
}

/// <summary>A view whose elements lie side by side.</summary>
public interface IContiguousArrayView : IArrayView
{
    long Index { get; }
    long IndexInBytes { get; }
}

/// <summary>A contiguous view of known element type.</summary>
public interface IContiguousArrayView<T> : IContiguousArrayView where T : unmanaged
{
    ArrayView<T> BaseView { get; }
}

/// <summary>
/// A run of elements in device memory; a kernel's only way to memory. Kernels get (address, length) on a GPU;
/// in the emulator each access is held against the length, and against the race checker where that is on.
/// </summary>
public readonly unsafe struct ArrayView<T> : IContiguousArrayView<T> where T : unmanaged
{
    public static readonly int ElementSize = sizeof(T);
    public static readonly ArrayView<T> Empty;

    private readonly MemoryBuffer? _buffer;
    private readonly nint _address;
    private readonly long _length;

    /// <summary>A view of <paramref name="length"/> elements of a buffer, from element <paramref name="index"/> on.</summary>
    public ArrayView(MemoryBuffer source, long index, long length)
        : this(source.NativePtr + checked((nint)(index * sizeof(T))), length, source)
    {
        if (index < 0 || length < 0 || (index + length) * sizeof(T) > source.LengthInBytes)
            throw new ArgumentOutOfRangeException(nameof(length), $"a view of elements {index} to {index + length} of a buffer of {source.LengthInBytes / sizeof(T)}");
    }

    internal ArrayView(nint address, long length, MemoryBuffer? buffer)
    {
        _buffer = buffer;
        _address = address;
        _length = length;
    }

    /// <summary>Address of the first element, on the device.</summary>
    internal nint Address => _address;
    internal MemoryBuffer? Source => _buffer;

    public bool IsValid => _buffer is not null;
    public LongIndex1D Extent => new(_length);
    public Index1D IntExtent => new(checked((int)_length));
    public Stride1D.Dense Stride => default;
    public long Length => _length;
    public int IntLength => checked((int)_length);
    public long LengthInBytes => _length * sizeof(T);

    int IArrayView.ElementSize => sizeof(T);
    ArrayView<T> IContiguousArrayView<T>.BaseView => this;
    MemoryBuffer IArrayView.Buffer => _buffer ?? throw new InvalidOperationException("an empty view has no buffer");
    long IContiguousArrayView.Index => (_address - _buffer!.NativePtr) / sizeof(T);
    long IContiguousArrayView.IndexInBytes => _address - _buffer!.NativePtr;

    public ref T this[Index1D index] => ref this[(long)index.X];
    public ref T this[LongIndex1D index] => ref this[index.X];
    public ref T this[int index] => ref this[(long)index];

    /// <summary>An element in place. Throws KernelException for an index outside of the view.</summary>
    public ref T this[long index]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get
        {
            if ((ulong)index >= (ulong)_length) ViewErrors.OutOfRange<T>(index, _length);
            nint address = _address + (nint)index * sizeof(T);
            if (_buffer!.Races is { } races) races.Touch(address, sizeof(T));
            return ref Unsafe.AsRef<T>((void*)address);
        }
    }

    public ArrayView<T> SubView(long index) => SubView(index, _length - index);
    public ArrayView<T> SubView(int index, int subViewLength) => SubView((long)index, subViewLength);

    /// <summary>Part of this view.</summary>
    public ArrayView<T> SubView(long index, long subViewLength)
    {
        if ((ulong)index > (ulong)_length || (ulong)subViewLength > (ulong)(_length - index)) ViewErrors.BadSubView<T>(index, subViewLength, _length);
        return new(_address + (nint)index * sizeof(T), subViewLength, _buffer);
    }

    /// <summary>The same bytes as elements of another type; a rest too short for an element is left out.</summary>
    public ArrayView<TOther> Cast<TOther>() where TOther : unmanaged => new(_address, _length * sizeof(T) / sizeof(TOther), _buffer);

    public override string ToString() => $"{_length} x {typeof(T).Name}";

    public static implicit operator ArrayView1D<T, Stride1D.Dense>(ArrayView<T> view) => new(view, view.Extent, default);
    public static implicit operator ArrayView<T>(ArrayView1D<T, Stride1D.Dense> view) => view.BaseView;
}
