namespace OllmNative.Kernels;

/// <summary>Sums down the columns of a matrix, for gradients of biases and gains. Always in the same order.</summary>
public static class ColumnSums
{
    private const string PartialContract = """
        partial[c,j] = sum over rows i of chunk c of x[i,j]        x [N,C] f32, partial [ceil(N/chunk),C] f32
        grid ceil(C / group) x ceil(N / chunk), group any one-dimensional; a thread sums a column in order
        bytes 4NC, flops NC
        """;

    private const string AddContract = """
        sums[j] += sum_i x[i,j]        x [N,C] f32, sums [C] f32
        grid ceil(C / group), group any one-dimensional; a thread sums a column in order
        bytes 4NC + 8C, flops NC
        """;

    [Kernel("ColumnSumsPartial", PartialContract)]
    public static void Partial(ArrayView<float> x, ArrayView<float> partial, int rows, int columns, int chunk)
    {
        int j = Grid.IdxX * Group.DimX + Group.IdxX;
        if (j >= columns) return;
        int first = Grid.IdxY * chunk, end = XMath.Min(first + chunk, rows);
        float sum = 0;
        for (int i = first; i < end; i++) sum += x[(long)i * columns + j];
        partial[(long)Grid.IdxY * columns + j] = sum;
    }

    [Kernel("ColumnSumsAdd", AddContract)]
    public static void Add(ArrayView<float> x, ArrayView<float> sums, int rows, int columns)
    {
        int j = Grid.IdxX * Group.DimX + Group.IdxX;
        if (j >= columns) return;
        float sum = 0;
        for (int i = 0; i < rows; i++) sum += x[(long)i * columns + j];
        sums[j] += sum;
    }
}
