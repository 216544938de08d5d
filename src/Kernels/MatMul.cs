namespace OllmNative.Kernels;

/// <summary>
/// Matrix products in f32, version by version. Forward and backward of a linear layer are one kernel with other strides:
/// see <see cref="MatMulShape"/>.
/// </summary>
public static class MatMul
{
    private const string Contract1 = """
        C[m,n] = (Accumulate ? C[m,n] : 0) + sum_k A[m*ARow + k*AColumn] * B[n*BRow + k*BColumn]        C [M,N] f32, A and B f32
        version 1, one thread an element: grid ceil(N/16) x ceil(M/16), group 16 x 16
        bytes of memory traffic 8MNK (no reuse) + 4MN, flops 2MNK
        """;

    private const string Contract2 = """
        C[m,n] = (Accumulate ? C[m,n] : 0) + sum_k A[m*ARow + k*AColumn] * B[n*BRow + k*BColumn]        C [M,N] f32, A and B f32
        version 2, tiles of 16 x 16 in shared memory: grid ceil(N/16) x ceil(M/16), group 16 x 16
        bytes of memory traffic MNK/2 + 4MN (each element is read once a tile), flops 2MNK
        """;

    private const int Tile = 16;

    /// <summary>The layout of versions 1 and 2.</summary>
    public static KernelConfig Config(MatMulShape shape) =>
        new(new Index2D((shape.N + Tile - 1) / Tile, (shape.M + Tile - 1) / Tile), new Index2D(Tile, Tile));

    [Kernel("MatMul", Contract1, Version = 1)]
    public static void MatMul1(ArrayView<float> a, ArrayView<float> b, ArrayView<float> c, MatMulShape shape)
    {
        int n = Grid.GlobalIndex.X, m = Grid.GlobalIndex.Y;
        if (m >= shape.M || n >= shape.N) return;
        long atA = (long)m * shape.ARow, atB = (long)n * shape.BRow;
        float sum = 0;
        for (int k = 0; k < shape.K; k++)
        {
            sum += a[atA] * b[atB];
            atA += shape.AColumn;
            atB += shape.BColumn;
        }

        Store(c, shape, m, n, sum);
    }

    [Kernel("MatMul", Contract2, Version = 2)]
    public static void MatMul2(ArrayView<float> a, ArrayView<float> b, ArrayView<float> c, MatMulShape shape)
    {
        // One float more a row than needed: threads that differ in the row then use different banks.
        ArrayView<float> tileA = SharedMemory.Allocate<float>(Tile * (Tile + 1));
        ArrayView<float> tileB = SharedMemory.Allocate<float>(Tile * (Tile + 1));
        int x = Group.IdxX, y = Group.IdxY;
        int firstM = Grid.IdxY * Tile, firstN = Grid.IdxX * Tile;
        float sum = 0;
        for (int k0 = 0; k0 < shape.K; k0 += Tile)
        {
            tileA[y * (Tile + 1) + x] = LoadA(a, shape, firstM + y, k0 + x);
            tileB[y * (Tile + 1) + x] = LoadB(b, shape, firstN + y, k0 + x);
            Group.Barrier();
            for (int k = 0; k < Tile; k++) sum += tileA[y * (Tile + 1) + k] * tileB[x * (Tile + 1) + k];
            Group.Barrier();
        }

        if (firstM + y < shape.M && firstN + x < shape.N) Store(c, shape, firstM + y, firstN + x, sum);
    }

    /// <summary>An element of A, zero outside of it.</summary>
    internal static float LoadA(ArrayView<float> a, MatMulShape shape, int m, int k) =>
        m < shape.M && k < shape.K ? a[(long)m * shape.ARow + (long)k * shape.AColumn] : 0f;

    /// <summary>An element of B, zero outside of it.</summary>
    internal static float LoadB(ArrayView<float> b, MatMulShape shape, int n, int k) =>
        n < shape.N && k < shape.K ? b[(long)n * shape.BRow + (long)k * shape.BColumn] : 0f;

    internal static void Store(ArrayView<float> c, MatMulShape shape, int m, int n, float sum)
    {
        long at = (long)m * shape.N + n;
        c[at] = shape.Accumulate != 0 ? c[at] + sum : sum;
    }
}
