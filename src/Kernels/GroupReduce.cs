namespace OllmNative.Kernels;

/// <summary>Sums and maxima over the threads of a group of <see cref="GroupSize"/>; every thread gets the result.</summary>
public static partial class GroupReduce
{
    /// <summary>Threads of the groups that reduce.</summary>
    public const int GroupSize = 256;

    // Room for the warps of the smallest warp size in use (4, in ILGPU's CPU accelerator).
    private const int MaxWarps = GroupSize / 4;

    public static float Sum(float value)
    {
        ArrayView<float> parts = SharedMemory.Allocate<float>(MaxWarps);
        for (int offset = Warp.WarpSize / 2; offset > 0; offset /= 2) value += Warp.ShuffleXor(value, offset);
        if (Warp.LaneIdx == 0) parts[Warp.WarpIdx] = value;
        Group.Barrier();
        float sum = 0;
        for (int i = 0; i < GroupSize / Warp.WarpSize; i++) sum += parts[i];
        return sum;
    }

    public static float Max(float value)
    {
        ArrayView<float> parts = SharedMemory.Allocate<float>(MaxWarps);
        for (int offset = Warp.WarpSize / 2; offset > 0; offset /= 2) value = XMath.Max(value, Warp.ShuffleXor(value, offset));
        if (Warp.LaneIdx == 0) parts[Warp.WarpIdx] = value;
        Group.Barrier();
        float max = parts[0];
        for (int i = 1; i < GroupSize / Warp.WarpSize; i++) max = XMath.Max(max, parts[i]);
        return max;
    }
}
