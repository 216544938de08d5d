namespace OllmNative.Runtime.Extensions;

/// <summary>
/// The groups of this kernel run in clusters, on multiprocessors that reach each other's shared memory (compute capability 9.0). Each
/// dimension of the grid must be a multiple of the cluster's.
/// </summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class GroupClusterAttribute(int x, int y = 1, int z = 1) : Attribute
{
    /// <summary>Groups along x.</summary>
    public int X { get; } = x;

    /// <summary>Groups along y.</summary>
    public int Y { get; } = y;

    /// <summary>Groups along z.</summary>
    public int Z { get; } = z;
}

/// <summary>
/// This kernel may start before the one ahead of it in the stream has ended (programmatic dependent launch, compute capability 9.0). It must
/// wait itself, in the kernel, before it touches what that one writes. Only kernels with this attribute are overlapped: after any other, and after a copy, it
/// starts when that is over, so that it may read ahead of its wait what such a one has written.
/// </summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class OverlapsPredecessorAttribute : Attribute;

/// <summary>
/// Launches of this kernel have at most so many threads a group, and a multiprocessor is to hold so many groups at once: what the registers of
/// a thread are handed out by. PTX: .maxntid and .minnctapersm.
/// </summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class GroupBoundsAttribute(int threads, int groups = 1) : Attribute
{
    /// <summary>Most threads of a group.</summary>
    public int Threads { get; } = threads;

    /// <summary>Groups that fit a multiprocessor.</summary>
    public int Groups { get; } = groups;
}
