namespace OllmNative.Runtime.Language;

/// <summary>A one-dimensional view with a stride.</summary>
public readonly unsafe struct ArrayView1D<T, TStride> : IContiguousArrayView<T>
    where T : unmanaged where TStride : struct, IStride1D
{
    public static readonly int ElementSize = sizeof(T);
    public static readonly ArrayView1D<T, TStride> Empty;

    public ArrayView1D(ArrayView<T> baseView, LongIndex1D extent, TStride stride)
    {
        BaseView = baseView;
        Extent = extent;
        Stride = stride;
    }

    public ArrayView<T> BaseView { get; }
    public LongIndex1D Extent { get; }
    public TStride Stride { get; }
    public Index1D IntExtent => Extent.ToIntIndex();
    public bool IsValid => BaseView.IsValid;
    public long Length => Extent.X;
    public int IntLength => checked((int)Extent.X);
    public long LengthInBytes => Length * sizeof(T);

    int IArrayView.ElementSize => sizeof(T);
    MemoryBuffer IArrayView.Buffer => ((IArrayView)BaseView).Buffer;
    long IContiguousArrayView.Index => ((IContiguousArrayView)BaseView).Index;
    long IContiguousArrayView.IndexInBytes => ((IContiguousArrayView)BaseView).IndexInBytes;

    public ref T this[Index1D index] => ref BaseView[Stride.ComputeElementIndex(index)];
    public ref T this[LongIndex1D index] => ref BaseView[Stride.ComputeElementIndex(index)];

    public int ComputeLinearIndex(Index1D index) => Stride.ComputeElementIndex(index);
    public long ComputeLinearIndex(LongIndex1D index) => Stride.ComputeElementIndex(index);

    public ArrayView1D<T, TStride> SubView(Index1D index, Index1D extent) => SubView(index.ToLongIndex(), extent.ToLongIndex());
    public ArrayView1D<T, TStride> SubView(LongIndex1D index, LongIndex1D extent) =>
        new(BaseView.SubView(Stride.ComputeElementIndex(index), Stride.ComputeBufferLength(extent)), extent, Stride);

    public ArrayView2D<T, TOtherStride> As2DView<TOtherStride>(LongIndex2D extent, TOtherStride stride) where TOtherStride : struct, IStride2D =>
        new(BaseView, extent, stride);
    public ArrayView2D<T, Stride2D.DenseX> As2DDenseXView(LongIndex2D extent) => new(BaseView, extent, Stride2D.DenseX.FromExtent(extent));
    public ArrayView2D<T, Stride2D.DenseY> As2DDenseYView(LongIndex2D extent) => new(BaseView, extent, Stride2D.DenseY.FromExtent(extent));

    public ArrayView3D<T, TOtherStride> As3DView<TOtherStride>(LongIndex3D extent, TOtherStride stride) where TOtherStride : struct, IStride3D =>
        new(BaseView, extent, stride);
    public ArrayView3D<T, Stride3D.DenseXY> As3DDenseXYView(LongIndex3D extent) => new(BaseView, extent, Stride3D.DenseXY.FromExtent(extent));
    public ArrayView3D<T, Stride3D.DenseZY> As3DDenseZYView(LongIndex3D extent) => new(BaseView, extent, Stride3D.DenseZY.FromExtent(extent));

    /// <summary>The same elements at another stride: the extent stays, so that not every index need be in the memory.</summary>
    public ArrayView1D<T, Stride1D.General> AsGeneral(Stride1D.General stride) => new(BaseView, Extent, stride);
    public ArrayView1D<T, Stride1D.General> AsGeneral() => AsGeneral(new Stride1D.General(Stride.StrideExtent));

    public VariableView<T> VariableView(Index1D index) => new(BaseView.SubView(Stride.ComputeElementIndex(index), 1));
    public VariableView<T> VariableView(LongIndex1D index) => new(BaseView.SubView(Stride.ComputeElementIndex(index), 1));
    public ArrayView<T> AsContiguous() => BaseView;
    public override string ToString() => $"{Length} x {typeof(T).Name}, {Stride}";
}

/// <summary>A view of one element.</summary>
public readonly struct VariableView<T> where T : unmanaged
{
    public VariableView(ArrayView<T> baseView) => BaseView = baseView;

    public ArrayView<T> BaseView { get; }
    public bool IsValid => BaseView.IsValid;

    /// <summary>The element, in place.</summary>
    public ref T Value => ref BaseView[0];

    /// <summary>A field of the element; <see cref="Interop.OffsetOf"/> gives its place.</summary>
    public VariableView<TOther> SubView<TOther>(int offsetInBytes) where TOther : unmanaged =>
        new(BaseView.Cast<byte>().SubView(offsetInBytes, Interop.SizeOf<TOther>()).Cast<TOther>());
}
