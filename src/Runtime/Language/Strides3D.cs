namespace OllmNative.Runtime.Language;

/// <summary>A three-dimensional stride.</summary>
public interface IStride3D : IStride<Index3D, LongIndex3D>
{
    int XStride { get; }
    int YStride { get; }
    int ZStride { get; }
}

/// <summary>Strides of three-dimensional views.</summary>
public static class Stride3D
{
    /// <summary>The elements of the densest axis, or axes, that an allocation keeps for an extent: more than it has, to pad them.</summary>
    public delegate long GetLeadingDimensionSize(LongIndex3D extent);

    /// <summary>The stride of an extent whose densest axis, or axes, have that many elements.</summary>
    public delegate TStride BuildStride<TStride>(LongIndex3D extent, int leadingDimension) where TStride : struct, IStride3D;

    /// <summary>x is contiguous, then y: element (x, y, z) lies at x + y * YStride + z * ZStride.</summary>
    public readonly struct DenseXY : IStride3D
    {
        public DenseXY(int yStride, int zStride)
        {
            YStride = yStride;
            ZStride = zStride;
        }

        public int XStride => 1;
        public int YStride { get; }
        public int ZStride { get; }
        public Index3D StrideExtent => new(1, YStride, ZStride);
        public static DenseXY FromExtent(Index3D extent) => new(extent.X, extent.X * extent.Y);
        public static DenseXY FromExtent(LongIndex3D extent) => new(checked((int)extent.X), checked((int)(extent.X * extent.Y)));
        public int ComputeElementIndex(Index3D index) => index.X + index.Y * YStride + index.Z * ZStride;
        public long ComputeElementIndex(LongIndex3D index) => index.X + index.Y * YStride + index.Z * ZStride;
        public int ComputeBufferLength(Index3D extent) => extent.Z * ZStride;
        public long ComputeBufferLength(LongIndex3D extent) => extent.Z * ZStride;
        public General AsGeneral() => new(StrideExtent);
        public override string ToString() => $"(1, {YStride}, {ZStride})";
    }

    /// <summary>z is contiguous, then y: element (x, y, z) lies at x * XStride + y * YStride + z. This is C#'s order of T[,,].</summary>
    public readonly struct DenseZY : IStride3D
    {
        public DenseZY(int xStride, int yStride)
        {
            XStride = xStride;
            YStride = yStride;
        }

        public int XStride { get; }
        public int YStride { get; }
        public int ZStride => 1;
        public Index3D StrideExtent => new(XStride, YStride, 1);
        public static DenseZY FromExtent(Index3D extent) => new(extent.Z * extent.Y, extent.Z);
        public static DenseZY FromExtent(LongIndex3D extent) => new(checked((int)(extent.Z * extent.Y)), checked((int)extent.Z));
        public int ComputeElementIndex(Index3D index) => index.X * XStride + index.Y * YStride + index.Z;
        public long ComputeElementIndex(LongIndex3D index) => index.X * XStride + index.Y * YStride + index.Z;
        public int ComputeBufferLength(Index3D extent) => extent.X * XStride;
        public long ComputeBufferLength(LongIndex3D extent) => extent.X * XStride;
        public General AsGeneral() => new(StrideExtent);
        public override string ToString() => $"({XStride}, {YStride}, 1)";
    }

    /// <summary>Any three strides.</summary>
    public readonly struct General : IStride3D
    {
        public General(Index3D stride) => StrideExtent = stride;

        public Index3D StrideExtent { get; }
        public int XStride => StrideExtent.X;
        public int YStride => StrideExtent.Y;
        public int ZStride => StrideExtent.Z;
        public int ComputeElementIndex(Index3D index) => index.X * XStride + index.Y * YStride + index.Z * ZStride;
        public long ComputeElementIndex(LongIndex3D index) => index.X * XStride + index.Y * YStride + index.Z * ZStride;
        public int ComputeBufferLength(Index3D extent) => Math.Max(extent.X * XStride, Math.Max(extent.Y * YStride, extent.Z * ZStride));
        public long ComputeBufferLength(LongIndex3D extent) => Math.Max(extent.X * XStride, Math.Max(extent.Y * YStride, extent.Z * ZStride));
        public General AsGeneral() => this;
        public override string ToString() => $"({XStride}, {YStride}, {ZStride})";
    }
}
