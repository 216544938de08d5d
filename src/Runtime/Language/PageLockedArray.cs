namespace OllmNative.Runtime.Language;

/// <summary>Host memory that the device reads and writes directly.</summary>
public abstract unsafe class PageLockedArray<T> : AcceleratorObject where T : unmanaged
{
    protected PageLockedArray(Accelerator accelerator, long length) : base(accelerator)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        Length = length;
        Address = accelerator.AllocatePageLocked(Math.Max(1, length * sizeof(T)));
    }

    public long Length { get; }
    internal nint Address { get; private set; }

    /// <summary>The array as a view, for copies; kernels do not read it.</summary>
    public ArrayView<T> ArrayView => new(new PageLockedBuffer(Accelerator, Address, Length, sizeof(T)), 0, Length);

    protected override void Dispose(bool disposing)
    {
        if (Address != 0) Accelerator.FreePageLocked(Address);
        Address = 0;
        base.Dispose(disposing);
    }
}

/// <summary>A one-dimensional page-locked array.</summary>
public sealed unsafe class PageLockedArray1D<T> : PageLockedArray<T> where T : unmanaged
{
    internal PageLockedArray1D(Accelerator accelerator, long length) : base(accelerator, length) { }

    public LongIndex1D Extent => new(Length);
    public Span<T> Span => new((void*)Address, checked((int)Length));
    public ref T this[int index] => ref Span[index];
    public ref T this[long index] => ref Span[checked((int)index)];
    public T[] GetArray() => Span.ToArray();
}

/// <summary>A pinned array of the host as long as a copy needs it.</summary>
public sealed unsafe class PageLockScope<T> : AcceleratorObject where T : unmanaged
{
    internal PageLockScope(Accelerator accelerator, nint address, long length) : base(accelerator)
    {
        Address = address;
        Length = length;
    }

    public long Length { get; }
    public long LengthInBytes => Length * sizeof(T);

    /// <summary>The array as a view, for copies; kernels do not read it.</summary>
    public ArrayView<T> ArrayView => new(new PageLockedBuffer(Accelerator, Address, Length, sizeof(T)), 0, Length);

    internal nint Address { get; }
}

/// <summary>Memory of the host under a view.</summary>
internal sealed class PageLockedBuffer : MemoryBuffer
{
    public PageLockedBuffer(Accelerator accelerator, nint address, long length, int elementSize) : base(accelerator, length, elementSize) => NativePtr = address;

    public override void MemSet(AcceleratorStream stream, byte value, long targetOffsetInBytes, long length) => throw Unsupported();
    protected internal override void CopyFromHost(AcceleratorStream stream, nint source, long targetOffsetInBytes, long lengthInBytes) => throw Unsupported();
    protected internal override void CopyToHost(AcceleratorStream stream, nint target, long sourceOffsetInBytes, long lengthInBytes) => throw Unsupported();
    protected internal override void CopyFromDevice(AcceleratorStream stream, nint source, long targetOffsetInBytes, long lengthInBytes) => throw Unsupported();

    private static NotSupportedException Unsupported() => new("page-locked memory is written and read through its Span; a view of it is for copies to and from the device");
}

/// <summary>Allocation of page-locked arrays.</summary>
public static class PageLockedArrayExtensions
{
    /// <summary>Page-locked memory filled with zeros.</summary>
    public static PageLockedArray1D<T> AllocatePageLocked1D<T>(this Accelerator accelerator, LongIndex1D extent) where T : unmanaged =>
        accelerator.AllocatePageLocked1D<T>(extent, uninitialized: false);

    public static PageLockedArray1D<T> AllocatePageLocked1D<T>(this Accelerator accelerator, LongIndex1D extent, bool uninitialized) where T : unmanaged
    {
        var array = new PageLockedArray1D<T>(accelerator, extent.X);
        if (!uninitialized) array.Span.Clear();
        return array;
    }
}
