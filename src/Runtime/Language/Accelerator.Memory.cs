namespace OllmNative.Runtime.Language;

/// <summary>Allocations: contents are undefined until something is written.</summary>
public abstract partial class Accelerator
{
    /// <summary>Memory for <paramref name="length"/> elements.</summary>
    public MemoryBuffer1D<T, Stride1D.Dense> Allocate1D<T>(long length) where T : unmanaged => Allocate1D<T, Stride1D.Dense>(length, default);

    public MemoryBuffer1D<T, TStride> Allocate1D<T, TStride>(long length, TStride stride) where T : unmanaged where TStride : struct, IStride1D
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        MemoryBuffer raw = AllocateRaw(stride.ComputeBufferLength(new LongIndex1D(length)), Interop.SizeOf<T>());
        return new(raw, new(new ArrayView<T>(raw, 0, raw.Length), length, stride));
    }

    public MemoryBuffer2D<T, Stride2D.DenseX> Allocate2DDenseX<T>(in LongIndex2D extent) where T : unmanaged =>
        Allocate2D<T, Stride2D.DenseX>(extent, Stride2D.DenseX.FromExtent(extent));

    public MemoryBuffer2D<T, Stride2D.DenseY> Allocate2DDenseY<T>(in LongIndex2D extent) where T : unmanaged =>
        Allocate2D<T, Stride2D.DenseY>(extent, Stride2D.DenseY.FromExtent(extent));

    /// <summary>Lines of x that each start at a multiple of <paramref name="xAlignmentInBytes"/>.</summary>
    public MemoryBuffer2D<T, Stride2D.DenseX> Allocate2DPitchedX<T>(in LongIndex2D extent, int xAlignmentInBytes) where T : unmanaged =>
        Allocate2D<T, Stride2D.DenseX>(extent, new Stride2D.DenseX(Pitch<T>(extent.X, xAlignmentInBytes)));

    /// <summary>Lines of y that each start at a multiple of <paramref name="yAlignmentInBytes"/>.</summary>
    public MemoryBuffer2D<T, Stride2D.DenseY> Allocate2DPitchedY<T>(in LongIndex2D extent, int yAlignmentInBytes) where T : unmanaged =>
        Allocate2D<T, Stride2D.DenseY>(extent, new Stride2D.DenseY(Pitch<T>(extent.Y, yAlignmentInBytes)));

    public MemoryBuffer2D<T, TStride> Allocate2D<T, TStride>(
        in LongIndex2D extent, Stride2D.GetLeadingDimensionSize getLeadingDimensionSize, Stride2D.BuildStride<TStride> buildStride)
        where T : unmanaged where TStride : struct, IStride2D
    {
        ArgumentNullException.ThrowIfNull(getLeadingDimensionSize);
        ArgumentNullException.ThrowIfNull(buildStride);
        return Allocate2D<T, TStride>(extent, buildStride(extent, checked((int)getLeadingDimensionSize(extent))));
    }

    public MemoryBuffer3D<T, Stride3D.DenseXY> Allocate3DDenseXY<T>(LongIndex3D extent) where T : unmanaged =>
        Allocate3D<T, Stride3D.DenseXY>(extent, Stride3D.DenseXY.FromExtent(extent));

    public MemoryBuffer3D<T, Stride3D.DenseZY> Allocate3DDenseZY<T>(LongIndex3D extent) where T : unmanaged =>
        Allocate3D<T, Stride3D.DenseZY>(extent, Stride3D.DenseZY.FromExtent(extent));

    public MemoryBuffer3D<T, TStride> Allocate3D<T, TStride>(
        LongIndex3D extent, Stride3D.GetLeadingDimensionSize getLeadingDimensionSize, Stride3D.BuildStride<TStride> buildStride)
        where T : unmanaged where TStride : struct, IStride3D
    {
        ArgumentNullException.ThrowIfNull(getLeadingDimensionSize);
        ArgumentNullException.ThrowIfNull(buildStride);
        return Allocate3D<T, TStride>(extent, buildStride(extent, checked((int)getLeadingDimensionSize(extent))));
    }

    public MemoryBuffer AllocateRaw(long length, int elementSize) => AllocateRawCore(length, elementSize);

    private MemoryBuffer2D<T, TStride> Allocate2D<T, TStride>(LongIndex2D extent, TStride stride) where T : unmanaged where TStride : struct, IStride2D
    {
        MemoryBuffer raw = AllocateRaw(stride.ComputeBufferLength(extent), Interop.SizeOf<T>());
        return new(raw, new(new ArrayView<T>(raw, 0, raw.Length), extent, stride));
    }

    private MemoryBuffer3D<T, TStride> Allocate3D<T, TStride>(LongIndex3D extent, TStride stride) where T : unmanaged where TStride : struct, IStride3D
    {
        MemoryBuffer raw = AllocateRaw(stride.ComputeBufferLength(extent), Interop.SizeOf<T>());
        return new(raw, new(new ArrayView<T>(raw, 0, raw.Length), extent, stride));
    }

    /// <summary>Elements of a padded line.</summary>
    private static int Pitch<T>(long length, int alignmentInBytes) where T : unmanaged
    {
        int size = Interop.SizeOf<T>();
        if (alignmentInBytes <= 0 || alignmentInBytes % size != 0)
            throw new ArgumentOutOfRangeException(nameof(alignmentInBytes), alignmentInBytes, $"a line's alignment is a multiple of the {size} bytes of its elements");
        long multiple = alignmentInBytes / size;
        return checked((int)((length + multiple - 1) / multiple * multiple));
    }
}
