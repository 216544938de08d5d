namespace OllmNative.Runtime.Language;

/// <summary>A two-dimensional view with a stride; its extent and index are (x, y).</summary>
public readonly unsafe struct ArrayView2D<T, TStride> : IArrayView
    where T : unmanaged where TStride : struct, IStride2D
{
    public static readonly int ElementSize = sizeof(T);
    public static readonly ArrayView2D<T, TStride> Empty;

    public ArrayView2D(ArrayView<T> baseView, LongIndex2D extent, TStride stride)
    {
        BaseView = baseView;
        Extent = extent;
        Stride = stride;
    }

    public ArrayView<T> BaseView { get; }
    public LongIndex2D Extent { get; }
    public TStride Stride { get; }
    public Index2D IntExtent => Extent.ToIntIndex();
    public bool IsValid => BaseView.IsValid;
    public long Length => Extent.Size;
    public int IntLength => checked((int)Extent.Size);
    public long LengthInBytes => Length * sizeof(T);

    int IArrayView.ElementSize => sizeof(T);
    MemoryBuffer IArrayView.Buffer => ((IArrayView)BaseView).Buffer;

    public ref T this[Index2D index]
    {
        get
        {
            if (!index.InBounds(IntExtent)) ViewErrors.OutOfRange2D<T>(index, Extent);
            return ref BaseView[Stride.ComputeElementIndex(index)];
        }
    }

    public ref T this[int x, int y] => ref this[new Index2D(x, y)];

    public ref T this[LongIndex2D index]
    {
        get
        {
            if (!index.InBounds(Extent)) ViewErrors.OutOfRange2D<T>(index, Extent);
            return ref BaseView[Stride.ComputeElementIndex(index)];
        }
    }

    public ref T this[long x, long y] => ref this[new LongIndex2D(x, y)];

    public int ComputeLinearIndex(Index2D index) => Stride.ComputeElementIndex(index);
    public long ComputeLinearIndex(LongIndex2D index) => Stride.ComputeElementIndex(index);
    public ArrayView2D<T, TStride> SubView(Index2D index, Index2D extent) => SubView(index.ToLongIndex(), extent.ToLongIndex());

    /// <summary>A rectangle of this view, with the same stride.</summary>
    public ArrayView2D<T, TStride> SubView(LongIndex2D index, LongIndex2D extent)
    {
        if (!index.InBoundsInclusive(Extent) || !extent.InBoundsInclusive(Extent - index)) ViewErrors.OutOfRange2D<T>(index + extent, Extent);
        return new(BaseView.SubView(Stride.ComputeElementIndex(index)), extent, Stride);
    }

    public VariableView<T> VariableView(Index2D index) => new(BaseView.SubView(Stride.ComputeElementIndex(index), 1));
    public VariableView<T> VariableView(LongIndex2D index) => new(BaseView.SubView(Stride.ComputeElementIndex(index), 1));
    public ArrayView1D<T, TOtherStride> As1DView<TOtherStride>(TOtherStride stride) where TOtherStride : struct, IStride1D => new(BaseView, Extent.Size, stride);
    public ArrayView3D<T, TOtherStride> As3DView<TOtherStride>(LongIndex3D extent, TOtherStride stride) where TOtherStride : struct, IStride3D =>
        new(BaseView, extent, stride);
    public ArrayView2D<T, Stride2D.General> AsGeneral(Stride2D.General stride) => new(BaseView, Extent, stride);
    public ArrayView2D<T, Stride2D.General> AsGeneral() => AsGeneral(new Stride2D.General(Stride.StrideExtent));
    public ArrayView<T> AsContiguous() => BaseView;
    public override string ToString() => $"{Extent} x {typeof(T).Name}, {Stride}";
}
