using OllmNative.Runtime.Emulator;

namespace OllmNative.Runtime.Language;

/// <summary>Memory of a device. Backends derive their raw memory from it.</summary>
public abstract class MemoryBuffer : AcceleratorObject
{
    protected MemoryBuffer(Accelerator accelerator, long length, int elementSize) : base(accelerator)
    {
        Length = length;
        ElementSize = elementSize;
    }

    /// <summary>Its address on the device.</summary>
    public nint NativePtr { get; protected set; }
    public long Length { get; }
    public int ElementSize { get; }
    public long LengthInBytes => Length * ElementSize;

    /// <summary>The race checker of emulated shared memory; null for all other memory.</summary>
    internal SharedRaces? Races { get; set; }

    /// <summary>Sets bytes, in the stream's order.</summary>
    public abstract void MemSet(AcceleratorStream stream, byte value, long targetOffsetInBytes, long length);

    /// <summary>Copies from host memory, in the stream's order; the host memory must live until then.</summary>
    protected internal abstract void CopyFromHost(AcceleratorStream stream, nint source, long targetOffsetInBytes, long lengthInBytes);

    /// <summary>Copies to host memory, in the stream's order.</summary>
    protected internal abstract void CopyToHost(AcceleratorStream stream, nint target, long sourceOffsetInBytes, long lengthInBytes);

    /// <summary>Copies within the device, in the stream's order.</summary>
    protected internal abstract void CopyFromDevice(AcceleratorStream stream, nint source, long targetOffsetInBytes, long lengthInBytes);

    public ArrayView<byte> AsRawArrayView() => new(NativePtr, LengthInBytes, Raw);
    public ArrayView<T> AsArrayView<T>(long offset, long length) where T : unmanaged => new(Raw, offset, length);

    /// <summary>The backend's buffer under a typed one.</summary>
    internal virtual MemoryBuffer Raw => this;
}

/// <summary>A buffer seen through a view.</summary>
public class MemoryBuffer<TView> : MemoryBuffer, IContiguousArrayView where TView : struct, IArrayView
{
    private readonly MemoryBuffer _raw;

    internal MemoryBuffer(MemoryBuffer raw, TView view) : base(raw.Accelerator, raw.Length, raw.ElementSize)
    {
        _raw = raw;
        NativePtr = raw.NativePtr;
        View = view;
    }

    public TView View { get; }
    public bool IsValid => View.IsValid;
    public TView ToArrayView() => View;
    public static implicit operator TView(MemoryBuffer<TView> buffer) => buffer.View;

    internal override MemoryBuffer Raw => _raw;

    MemoryBuffer IArrayView.Buffer => this;
    long IContiguousArrayView.Index => 0;
    long IContiguousArrayView.IndexInBytes => 0;

    public override void MemSet(AcceleratorStream stream, byte value, long targetOffsetInBytes, long length) =>
        _raw.MemSet(stream, value, targetOffsetInBytes, length);
    protected internal override void CopyFromHost(AcceleratorStream stream, nint source, long targetOffsetInBytes, long lengthInBytes) =>
        _raw.CopyFromHost(stream, source, targetOffsetInBytes, lengthInBytes);
    protected internal override void CopyToHost(AcceleratorStream stream, nint target, long sourceOffsetInBytes, long lengthInBytes) =>
        _raw.CopyToHost(stream, target, sourceOffsetInBytes, lengthInBytes);
    protected internal override void CopyFromDevice(AcceleratorStream stream, nint source, long targetOffsetInBytes, long lengthInBytes) =>
        _raw.CopyFromDevice(stream, source, targetOffsetInBytes, lengthInBytes);

    protected override void Dispose(bool disposing)
    {
        if (disposing) _raw.Dispose();
        base.Dispose(disposing);
    }
}

/// <summary>A one-dimensional buffer.</summary>
public class MemoryBuffer1D<T, TStride> : MemoryBuffer<ArrayView1D<T, TStride>> where T : unmanaged where TStride : struct, IStride1D
{
    internal MemoryBuffer1D(MemoryBuffer raw, ArrayView1D<T, TStride> view) : base(raw, view) { }

    public LongIndex1D Extent => View.Extent;
    public Index1D IntExtent => View.IntExtent;
    public ArrayView<T> AsContiguous() => View.BaseView;
    public static explicit operator ArrayView<T>(MemoryBuffer1D<T, TStride> buffer) => buffer.View.BaseView;
}

/// <summary>A three-dimensional buffer.</summary>
public class MemoryBuffer3D<T, TStride> : MemoryBuffer<ArrayView3D<T, TStride>> where T : unmanaged where TStride : struct, IStride3D
{
    internal MemoryBuffer3D(MemoryBuffer raw, ArrayView3D<T, TStride> view) : base(raw, view) { }

    public LongIndex3D Extent => View.Extent;
    public Index3D IntExtent => View.IntExtent;
    public ArrayView<T> AsContiguous() => View.BaseView;
    public static explicit operator ArrayView<T>(MemoryBuffer3D<T, TStride> buffer) => buffer.View.BaseView;
}

/// <summary>A two-dimensional buffer.</summary>
public class MemoryBuffer2D<T, TStride> : MemoryBuffer<ArrayView2D<T, TStride>> where T : unmanaged where TStride : struct, IStride2D
{
    internal MemoryBuffer2D(MemoryBuffer raw, ArrayView2D<T, TStride> view) : base(raw, view) { }

    public LongIndex2D Extent => View.Extent;
    public Index2D IntExtent => View.IntExtent;
    public ArrayView<T> AsContiguous() => View.BaseView;
    public static explicit operator ArrayView<T>(MemoryBuffer2D<T, TStride> buffer) => buffer.View.BaseView;
}
