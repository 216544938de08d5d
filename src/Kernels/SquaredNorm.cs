namespace OllmNative.Kernels;

/// <summary>Sums of squares in f64: the first of two stages, the host adds the parts in order.</summary>
public static class SquaredNorm
{
    /// <summary>Elements of one part.</summary>
    public const int Block = 65536;

    private const string Contract = """
        partial[b] = sum of x[i]^2 over i in block b of 65536        x [N] f32, partial [ceil(N/65536)] f64, sums in f64
        grid ceil(N / 65536), group whole warps, one-dimensional; the order of the sums depends on the group's size alone
        bytes 4N, flops 2N
        """;

    [Kernel("SquaredNorm", Contract)]
    public static void Partial(ArrayView<float> x, ArrayView<double> partial, int count)
    {
        int first = Grid.IdxX * Block, end = XMath.Min(first + Block, count);
        double sum = 0;
        for (int i = first + Group.IdxX; i < end; i += Group.DimX) sum += (double)x[i] * x[i];
        sum = GroupReduce.SumAll(sum);
        if (Group.IdxX == 0) partial[Grid.IdxX] = sum;
    }
}
