namespace OllmNative.Runtime.Language;

/// <summary>A three-dimensional view with a stride; its extent and index are (x, y, z).</summary>
public readonly unsafe struct ArrayView3D<T, TStride> : IArrayView
    where T : unmanaged where TStride : struct, IStride3D
{
    public static readonly int ElementSize = sizeof(T);
    public static readonly ArrayView3D<T, TStride> Empty;

    public ArrayView3D(ArrayView<T> baseView, LongIndex3D extent, TStride stride)
    {
        BaseView = baseView;
        Extent = extent;
        Stride = stride;
    }

    public ArrayView<T> BaseView { get; }
    public LongIndex3D Extent { get; }
    public TStride Stride { get; }
    public Index3D IntExtent => Extent.ToIntIndex();
    public bool IsValid => BaseView.IsValid;
    public long Length => Extent.Size;
    public int IntLength => checked((int)Extent.Size);
    public long LengthInBytes => Length * sizeof(T);

    int IArrayView.ElementSize => sizeof(T);
    MemoryBuffer IArrayView.Buffer => ((IArrayView)BaseView).Buffer;

    public ref T this[Index3D index]
    {
        get
        {
            if (!index.InBounds(IntExtent)) ViewErrors.OutOfRange3D<T>(index, Extent);
            return ref BaseView[Stride.ComputeElementIndex(index)];
        }
    }

    public ref T this[int x, int y, int z] => ref this[new Index3D(x, y, z)];

    public ref T this[LongIndex3D index]
    {
        get
        {
            if (!index.InBounds(Extent)) ViewErrors.OutOfRange3D<T>(index, Extent);
            return ref BaseView[Stride.ComputeElementIndex(index)];
        }
    }

    public ref T this[long x, long y, long z] => ref this[new LongIndex3D(x, y, z)];

    public int ComputeLinearIndex(Index3D index) => Stride.ComputeElementIndex(index);
    public long ComputeLinearIndex(LongIndex3D index) => Stride.ComputeElementIndex(index);
    public ArrayView3D<T, TStride> SubView(Index3D index, Index3D extent) => SubView(index.ToLongIndex(), extent.ToLongIndex());

    /// <summary>A box of this view, with the same stride.</summary>
    public ArrayView3D<T, TStride> SubView(LongIndex3D index, LongIndex3D extent)
    {
        if (!index.InBoundsInclusive(Extent) || !extent.InBoundsInclusive(Extent - index)) ViewErrors.OutOfRange3D<T>(index + extent, Extent);
        return new(BaseView.SubView(Stride.ComputeElementIndex(index)), extent, Stride);
    }

    public VariableView<T> VariableView(Index3D index) => new(BaseView.SubView(Stride.ComputeElementIndex(index), 1));
    public VariableView<T> VariableView(LongIndex3D index) => new(BaseView.SubView(Stride.ComputeElementIndex(index), 1));
    public ArrayView1D<T, TOtherStride> As1DView<TOtherStride>(TOtherStride stride) where TOtherStride : struct, IStride1D => new(BaseView, Extent.Size, stride);
    public ArrayView3D<T, TOtherStride> As3DView<TOtherStride>(LongIndex3D extent, TOtherStride stride) where TOtherStride : struct, IStride3D =>
        new(BaseView, extent, stride);
    public ArrayView3D<T, Stride3D.General> AsGeneral(Stride3D.General stride) => new(BaseView, Extent, stride);
    public ArrayView3D<T, Stride3D.General> AsGeneral() => AsGeneral(new Stride3D.General(Stride.StrideExtent));
    public ArrayView<T> AsContiguous() => BaseView;
    public override string ToString() => $"{Extent} x {typeof(T).Name}, {Stride}";
}
