namespace OllmNative.Runtime.Language;

/// <summary>What kind of index a kernel takes.</summary>
public enum IndexType
{
    None = 0,
    Index1D = 1,
    Index2D = 2,
    Index3D = 3,
    LongIndex1D = 4,
    LongIndex2D = 5,
    LongIndex3D = 6,
    KernelConfig = 7,
}

/// <summary>Any index or extent.</summary>
public interface IIndex
{
    IndexType IndexType { get; }
}

/// <summary>An index with arithmetic.</summary>
public interface IGenericIndex<TIndex> : IIndex where TIndex : struct, IIndex
{
    bool InBounds(TIndex dimension);
    bool InBoundsInclusive(TIndex dimension);
    TIndex Add(TIndex rhs);
    TIndex Subtract(TIndex rhs);
}

/// <summary>A 32-bit index with its 64-bit counterpart.</summary>
public interface IIntIndex<TIndex, TLongIndex> : IIndex where TIndex : struct, IIndex where TLongIndex : struct, IIndex
{
    int Size { get; }
    TLongIndex ToLongIndex();
}

/// <summary>A 64-bit index with its 32-bit counterpart.</summary>
public interface ILongIndex<TLongIndex, TIndex> : IIndex where TLongIndex : struct, IIndex where TIndex : struct, IIndex
{
    long Size { get; }
    TIndex ToIntIndex();
}
