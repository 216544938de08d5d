namespace OllmNative.Kernels;

/// <summary>
/// The same over groups of any number of whole warps. A group of one warp uses no shared memory, and the barrier of a warp. The order of the
/// sums depends on the group's size alone, so results are the same at each run. What was read or written before comes before what others do after.
/// </summary>
public static partial class GroupReduce
{
    // Room for 1024 threads in warps of 4 (ILGPU's CPU accelerator).
    private const int MostWarps = 256;

    /// <summary>Whether the group is one warp; then it has met here, since a shuffle makes lanes wait for each other, but not for memory.</summary>
    private static bool IsWarp()
    {
        if (Group.DimX > Warp.WarpSize) return false;
        Warp.Barrier();
        return true;
    }

    public static float SumAll(float value)
    {
        ArrayView<float> parts = SharedMemory.Allocate<float>(MostWarps);
        for (int offset = Warp.WarpSize / 2; offset > 0; offset /= 2) value += Warp.ShuffleXor(value, offset);
        if (IsWarp()) return value;
        if (Warp.LaneIdx == 0) parts[Warp.WarpIdx] = value;
        Group.Barrier();
        float sum = 0;
        for (int i = 0; i < Group.DimX / Warp.WarpSize; i++) sum += parts[i];
        return sum;
    }

    public static double SumAll(double value)
    {
        ArrayView<double> parts = SharedMemory.Allocate<double>(MostWarps);
        for (int offset = Warp.WarpSize / 2; offset > 0; offset /= 2) value += Warp.ShuffleXor(value, offset);
        if (IsWarp()) return value;
        if (Warp.LaneIdx == 0) parts[Warp.WarpIdx] = value;
        Group.Barrier();
        double sum = 0;
        for (int i = 0; i < Group.DimX / Warp.WarpSize; i++) sum += parts[i];
        return sum;
    }

    public static float MaxAll(float value)
    {
        ArrayView<float> parts = SharedMemory.Allocate<float>(MostWarps);
        for (int offset = Warp.WarpSize / 2; offset > 0; offset /= 2) value = XMath.Max(value, Warp.ShuffleXor(value, offset));
        if (IsWarp()) return value;
        if (Warp.LaneIdx == 0) parts[Warp.WarpIdx] = value;
        Group.Barrier();
        float max = parts[0];
        for (int i = 1; i < Group.DimX / Warp.WarpSize; i++) max = XMath.Max(max, parts[i]);
        return max;
    }

    /// <summary>The lowest of the indices that hold the largest value: the first one among equals.</summary>
    public static int FirstMaxAll(float value, int index)
    {
        ArrayView<float> values = SharedMemory.Allocate<float>(MostWarps);
        ArrayView<int> indices = SharedMemory.Allocate<int>(MostWarps);
        for (int offset = Warp.WarpSize / 2; offset > 0; offset /= 2)
        {
            float otherValue = Warp.ShuffleXor(value, offset);
            int otherIndex = Warp.ShuffleXor(index, offset);
            if (otherValue > value || (otherValue == value && otherIndex < index))
            {
                value = otherValue;
                index = otherIndex;
            }
        }
        if (IsWarp()) return index;
        if (Warp.LaneIdx == 0)
        {
            values[Warp.WarpIdx] = value;
            indices[Warp.WarpIdx] = index;
        }
        Group.Barrier();
        value = values[0];
        index = indices[0];
        for (int i = 1; i < Group.DimX / Warp.WarpSize; i++)
        {
            if (values[i] > value || (values[i] == value && indices[i] < index))
            {
                value = values[i];
                index = indices[i];
            }
        }
        return index;
    }
}
