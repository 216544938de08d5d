using OllmNative.Runtime.Emulator;

namespace OllmNative.Runtime.Language;

/// <summary>
/// The calling thread's warp: 32 neighbours by linear index in the group. Every operation here is for all the warp's threads
/// together; a lane outside of the group or its segment answers with the caller's own value.
/// </summary>
public static class Warp
{
    public static int WarpSize => 32;
    public static int LaneIdx => EmulatedThread.Current.LinearIndex & 31;
    public static bool IsFirstLane => LaneIdx == 0;
    public static bool IsLastLane => LaneIdx == WarpSize - 1;
    public static int WarpIdx => EmulatedThread.Current.LinearIndex >> 5;

    public static int ComputeWarpIdx(Index1D groupThreadIdx) => groupThreadIdx.X >> 5;
    public static int ComputeWarpThreadIdx(Index1D groupThreadIdx) => groupThreadIdx.X & 31;

    /// <summary>Waits for the warp's threads; memory written before it is seen by them after it.</summary>
    public static void Barrier() => EmulatedThread.Current.WarpCollective(Collective.WarpBarrier);

    /// <summary>The value of lane <paramref name="sourceLane"/>.</summary>
    public static T Shuffle<T>(T variable, int sourceLane) where T : unmanaged => Shuffle(variable, sourceLane, 32);

    /// <summary>The value of a lane of the caller's segment of <paramref name="width"/> lanes (a power of two).</summary>
    public static T Shuffle<T>(T variable, int sourceLane, int width) where T : unmanaged
    {
        EmulatedThread thread = EmulatedThread.Current;
        int lane = thread.LinearIndex & 31;
        return thread.Shuffle(variable, (lane & ~(width - 1)) + (sourceLane & (width - 1)));
    }

    /// <summary>The value of the lane <paramref name="delta"/> above.</summary>
    public static T ShuffleDown<T>(T variable, int delta) where T : unmanaged => ShuffleDown(variable, delta, 32);

    public static T ShuffleDown<T>(T variable, int delta, int width) where T : unmanaged
    {
        EmulatedThread thread = EmulatedThread.Current;
        int lane = thread.LinearIndex & 31;
        return thread.Shuffle(variable, (lane & (width - 1)) + delta < width ? lane + delta : lane);
    }

    /// <summary>The value of the lane <paramref name="delta"/> below.</summary>
    public static T ShuffleUp<T>(T variable, int delta) where T : unmanaged => ShuffleUp(variable, delta, 32);

    public static T ShuffleUp<T>(T variable, int delta, int width) where T : unmanaged
    {
        EmulatedThread thread = EmulatedThread.Current;
        int lane = thread.LinearIndex & 31;
        return thread.Shuffle(variable, (lane & (width - 1)) >= delta ? lane - delta : lane);
    }

    /// <summary>The value of the lane whose index differs by the bits of <paramref name="mask"/>.</summary>
    public static T ShuffleXor<T>(T variable, int mask) where T : unmanaged => ShuffleXor(variable, mask, 32);

    public static T ShuffleXor<T>(T variable, int mask, int width) where T : unmanaged
    {
        EmulatedThread thread = EmulatedThread.Current;
        int lane = thread.LinearIndex & 31;
        int source = lane ^ mask;
        return thread.Shuffle(variable, source / width == lane / width ? source : lane);
    }

    /// <summary>Hands every lane the value of one of them.</summary>
    public static T Broadcast<T>(T value, int sourceLane) where T : unmanaged => Shuffle(value, sourceLane);
}
