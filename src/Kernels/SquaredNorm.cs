namespace OllmNative.Kernels;

/// <summary>The sum of squares in f64, in one launch: the group that ends last adds the other groups' parts, always in the same order.</summary>
public static class SquaredNorm
{
    /// <summary>Elements of one part.</summary>
    public const int Block = 65536;

    private const string Contract = """
        result[0] = sum of x[i]^2        x [N] f32, partial [ceil(N/65536)], result [1] f64, sums in f64; counter [1] i32 is 0 before and after
        grid ceil(N / 65536), group whole warps, one-dimensional; the order of the sums depends on the group's size alone
        bytes 4N, flops 2N
        """;

    [Kernel("SquaredNorm", Contract)]
    public static void Sum(ArrayView<float> x, ArrayView<double> partial, ArrayView<int> counter, ArrayView<double> result, int count)
    {
        ArrayView<int> last = SharedMemory.Allocate<int>(1);
        int first = Grid.IdxX * Block, end = XMath.Min(first + Block, count);
        double sum = 0;
        for (int i = first + Group.IdxX; i < end; i += Group.DimX) sum += (double)x[i] * x[i];
        sum = GroupReduce.SumAll(sum);
        if (Group.IdxX == 0)
        {
            partial[Grid.IdxX] = sum;
            // The part must be seen before the count that says so.
            MemoryFence.DeviceLevel();
            last[0] = Atomic.Add(ref counter[0], 1) == Grid.DimX - 1 ? 1 : 0;
        }
        Group.Barrier();
        if (last[0] == 0) return;
        MemoryFence.DeviceLevel();
        double total = 0;
        for (int i = Group.IdxX; i < Grid.DimX; i += Group.DimX) total += partial[i];
        total = GroupReduce.SumAll(total);
        if (Group.IdxX != 0) return;
        result[0] = total;
        counter[0] = 0;
    }
}
