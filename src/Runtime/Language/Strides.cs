namespace OllmNative.Runtime.Language;

/// <summary>How a multi-dimensional index becomes a position in memory.</summary>
public interface IStride<TIndex, TLongIndex>
    where TIndex : struct, IIndex where TLongIndex : struct, IIndex
{
    TIndex StrideExtent { get; }
    int ComputeElementIndex(TIndex index);
    long ComputeElementIndex(TLongIndex index);
    long ComputeBufferLength(TLongIndex extent);
}

/// <summary>A one-dimensional stride.</summary>
public interface IStride1D : IStride<Index1D, LongIndex1D>
{
    int XStride { get; }
}

/// <summary>A two-dimensional stride.</summary>
public interface IStride2D : IStride<Index2D, LongIndex2D>
{
    int XStride { get; }
    int YStride { get; }
}

/// <summary>Strides of one-dimensional views.</summary>
public static class Stride1D
{
    /// <summary>Neighbours in memory.</summary>
    public readonly struct Dense : IStride1D
    {
        public Index1D StrideExtent => new(1);
        public int XStride => 1;
        public int ComputeElementIndex(Index1D index) => index.X;
        public long ComputeElementIndex(LongIndex1D index) => index.X;
        public int ComputeBufferLength(Index1D extent) => extent.X;
        public long ComputeBufferLength(LongIndex1D extent) => extent.X;
        public General AsGeneral() => new(StrideExtent);
        public override string ToString() => "dense";
    }

    /// <summary>Every index is the same element: one value for all threads.</summary>
    public readonly struct Infinite : IStride1D
    {
        public Index1D StrideExtent => new(0);
        public int XStride => 0;
        public int ComputeElementIndex(Index1D index) => 0;
        public long ComputeElementIndex(LongIndex1D index) => 0;
        public int ComputeBufferLength(Index1D extent) => 1;
        public long ComputeBufferLength(LongIndex1D extent) => 1;
        public General AsGeneral() => new(StrideExtent);
        public override string ToString() => "infinite";
    }

    /// <summary>A fixed number of elements apart.</summary>
    public readonly struct General : IStride1D
    {
        public General(Index1D stride) => StrideExtent = stride;

        public Index1D StrideExtent { get; }
        public int XStride => StrideExtent.X;
        public int ComputeElementIndex(Index1D index) => index.X * XStride;
        public long ComputeElementIndex(LongIndex1D index) => index.X * XStride;
        public int ComputeBufferLength(Index1D extent) => extent.X * XStride;
        public long ComputeBufferLength(LongIndex1D extent) => extent.X * XStride;
        public General AsGeneral() => this;
        public override string ToString() => $"every {XStride}";
    }
}

/// <summary>Strides of two-dimensional views.</summary>
public static class Stride2D
{
    /// <summary>The elements that an allocation keeps for each line of the contiguous axis of an extent: more than it has, to pad it.</summary>
    public delegate long GetLeadingDimensionSize(LongIndex2D extent);

    /// <summary>The stride of an extent whose lines have that many elements.</summary>
    public delegate TStride BuildStride<TStride>(LongIndex2D extent, int leadingDimension) where TStride : struct, IStride2D;

    /// <summary>x is contiguous: element (x, y) lies at x + y * YStride.</summary>
    public readonly struct DenseX : IStride2D
    {
        public DenseX(int yStride) => YStride = yStride;

        public int XStride => 1;
        public int YStride { get; }
        public Index2D StrideExtent => new(1, YStride);
        public static DenseX FromExtent(Index2D extent) => new(extent.X);
        public static DenseX FromExtent(LongIndex2D extent) => new(checked((int)extent.X));
        public int ComputeElementIndex(Index2D index) => index.X + index.Y * YStride;
        public long ComputeElementIndex(LongIndex2D index) => index.X + index.Y * YStride;
        public int ComputeBufferLength(Index2D extent) => extent.Y * YStride;
        public long ComputeBufferLength(LongIndex2D extent) => extent.Y * YStride;
        public General AsGeneral() => new(StrideExtent);
        public override string ToString() => $"(1, {YStride})";
    }

    /// <summary>y is contiguous: element (x, y) lies at x * XStride + y. With x the row, this is C's order.</summary>
    public readonly struct DenseY : IStride2D
    {
        public DenseY(int xStride) => XStride = xStride;

        public int XStride { get; }
        public int YStride => 1;
        public Index2D StrideExtent => new(XStride, 1);
        public static DenseY FromExtent(Index2D extent) => new(extent.Y);
        public static DenseY FromExtent(LongIndex2D extent) => new(checked((int)extent.Y));
        public int ComputeElementIndex(Index2D index) => index.X * XStride + index.Y;
        public long ComputeElementIndex(LongIndex2D index) => index.X * XStride + index.Y;
        public int ComputeBufferLength(Index2D extent) => extent.X * XStride;
        public long ComputeBufferLength(LongIndex2D extent) => extent.X * XStride;
        public General AsGeneral() => new(StrideExtent);
        public override string ToString() => $"({XStride}, 1)";
    }

    /// <summary>Any pair of strides.</summary>
    public readonly struct General : IStride2D
    {
        public General(Index2D stride) => StrideExtent = stride;

        public Index2D StrideExtent { get; }
        public int XStride => StrideExtent.X;
        public int YStride => StrideExtent.Y;
        public int ComputeElementIndex(Index2D index) => index.X * XStride + index.Y * YStride;
        public long ComputeElementIndex(LongIndex2D index) => index.X * XStride + index.Y * YStride;
        public int ComputeBufferLength(Index2D extent) => Math.Max(extent.X * XStride, extent.Y * YStride);
        public long ComputeBufferLength(LongIndex2D extent) => Math.Max(extent.X * XStride, extent.Y * YStride);
        public General AsGeneral() => this;
        public override string ToString() => $"({XStride}, {YStride})";
    }
}
