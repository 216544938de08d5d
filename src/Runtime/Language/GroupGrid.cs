using OllmNative.Runtime.Emulator;

namespace OllmNative.Runtime.Language;

/// <summary>The calling thread's group: its place in it, barriers and votes of all its threads.</summary>
public static class Group
{
    public static int IdxX => EmulatedThread.Current.Index.X;
    public static int IdxY => EmulatedThread.Current.Index.Y;
    public static int IdxZ => EmulatedThread.Current.Index.Z;
    public static Index3D Index => EmulatedThread.Current.Index;
    public static int DimX => EmulatedThread.Current.Group.GroupDim.X;
    public static int DimY => EmulatedThread.Current.Group.GroupDim.Y;
    public static int DimZ => EmulatedThread.Current.Group.GroupDim.Z;
    public static Index3D Dimension => EmulatedThread.Current.Group.GroupDim;
    public static int LinearIndex => EmulatedThread.Current.LinearIndex;
    public static bool IsFirstThread => LinearIndex == 0;
    public static bool IsLastThread => LinearIndex == Dimension.Size - 1;

    /// <summary>Waits for every thread of the group; shared and global memory written before it is seen after it.</summary>
    public static void Barrier() => EmulatedThread.Current.GroupCollective(Collective.Barrier);

    /// <summary>A barrier that counts the threads whose predicate holds.</summary>
    public static int BarrierPopCount(bool predicate) => EmulatedThread.Current.GroupVote(predicate);

    /// <summary>A barrier that says whether every thread's predicate holds.</summary>
    public static bool BarrierAnd(bool predicate) => EmulatedThread.Current.GroupVote(predicate) == Dimension.Size;

    /// <summary>A barrier that says whether any thread's predicate holds.</summary>
    public static bool BarrierOr(bool predicate) => EmulatedThread.Current.GroupVote(predicate) != 0;

    /// <summary>Hands every thread the value of one of them.</summary>
    public static T Broadcast<T>(T value, int groupIndex) where T : unmanaged => EmulatedThread.Current.GroupBroadcast(value, groupIndex);
}

/// <summary>The grid of groups that a launch runs.</summary>
public static class Grid
{
    public static int IdxX => EmulatedThread.Current.Group.GridIndex.X;
    public static int IdxY => EmulatedThread.Current.Group.GridIndex.Y;
    public static int IdxZ => EmulatedThread.Current.Group.GridIndex.Z;
    public static Index3D Index => EmulatedThread.Current.Group.GridIndex;
    public static int DimX => EmulatedThread.Current.Group.GridDim.X;
    public static int DimY => EmulatedThread.Current.Group.GridDim.Y;
    public static int DimZ => EmulatedThread.Current.Group.GridDim.Z;
    public static Index3D Dimension => EmulatedThread.Current.Group.GridDim;
    public static int LinearIndex => (IdxZ * DimY + IdxY) * DimX + IdxX;

    /// <summary>The calling thread's index in the whole grid, per axis.</summary>
    public static Index3D GlobalIndex => ComputeGlobalIndex(Index, Group.Index);
    public static LongIndex3D LongGlobalIndex => ComputeLongGlobalIndex(Index, Group.Index);
    public static int GlobalLinearIndex => LinearIndex * Group.Dimension.Size + Group.LinearIndex;

    public static Index1D ComputeGlobalIndex(Index1D gridIdx, Index1D groupIdx) => groupIdx.X + gridIdx.X * Group.DimX;
    public static Index2D ComputeGlobalIndex(Index2D gridIdx, Index2D groupIdx) =>
        new(groupIdx.X + gridIdx.X * Group.DimX, groupIdx.Y + gridIdx.Y * Group.DimY);
    public static Index3D ComputeGlobalIndex(Index3D gridIdx, Index3D groupIdx) =>
        new(groupIdx.X + gridIdx.X * Group.DimX, groupIdx.Y + gridIdx.Y * Group.DimY, groupIdx.Z + gridIdx.Z * Group.DimZ);
    public static LongIndex1D ComputeLongGlobalIndex(Index1D gridIdx, Index1D groupIdx) => groupIdx.X + (long)gridIdx.X * Group.DimX;
    public static LongIndex2D ComputeLongGlobalIndex(Index2D gridIdx, Index2D groupIdx) =>
        new(groupIdx.X + (long)gridIdx.X * Group.DimX, groupIdx.Y + (long)gridIdx.Y * Group.DimY);
    public static LongIndex3D ComputeLongGlobalIndex(Index3D gridIdx, Index3D groupIdx) =>
        new(groupIdx.X + (long)gridIdx.X * Group.DimX, groupIdx.Y + (long)gridIdx.Y * Group.DimY, groupIdx.Z + (long)gridIdx.Z * Group.DimZ);
}
