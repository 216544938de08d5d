namespace OllmNative.Kernels;

/// <summary>Version 3 of the f32 matrix product: each thread keeps 4 x 4 sums in registers.</summary>
public static class MatMulRegisters
{
    private const string Contract = """
        C[m,n] = (Accumulate ? C[m,n] : 0) + sum_k A[m*ARow + k*AColumn] * B[n*BRow + k*BColumn]        C [M,N] f32, A and B f32
        version 3, tiles of 64 x 64 x 16, each thread 4 x 4 elements: grid ceil(N/64) x ceil(M/64), group 256
        bytes of memory traffic MNK/8 + 4MN, of shared memory 1 a multiply-add (version 2: 8), flops 2MNK
        """;

    internal const int Tile = 64, Depth = 16, Threads = 256;

    // A column of a tile, with 4 floats to spare: rows stay multiples of 16 bytes, and writes spread over the banks.
    internal const int Pitch = Tile + 4;

    /// <summary>Four neighbours of a tile's row, one 16-byte load.</summary>
    internal struct Quad
    {
        public float X, Y, Z, W;
    }

    public static KernelConfig Config(MatMulShape shape) =>
        new(new Index2D((shape.N + Tile - 1) / Tile, (shape.M + Tile - 1) / Tile), new Index2D(Threads, 1));

    [Kernel("MatMul", Contract, Version = 3)]
    public static void MatMul3(ArrayView<float> a, ArrayView<float> b, ArrayView<float> c, MatMulShape shape)
    {
        ArrayView<float> tileA = SharedMemory.Allocate<float>(Depth * Pitch);
        ArrayView<float> tileB = SharedMemory.Allocate<float>(Depth * Pitch);
        ArrayView<Quad> quadsA = tileA.Cast<Quad>();
        ArrayView<Quad> quadsB = tileB.Cast<Quad>();
        int x = Group.IdxX % 16, y = Group.IdxX / 16;
        int firstM = Grid.IdxY * Tile, firstN = Grid.IdxX * Tile;
        Quad sum0 = default, sum1 = default, sum2 = default, sum3 = default;
        for (int k0 = 0; k0 < shape.K; k0 += Depth)
        {
            for (int i = Group.IdxX; i < Tile * Depth; i += Threads)
            {
                int k = i % Depth, row = i / Depth;
                tileA[k * Pitch + row] = MatMul.LoadA(a, shape, firstM + row, k0 + k);
                tileB[k * Pitch + row] = MatMul.LoadB(b, shape, firstN + row, k0 + k);
            }

            Group.Barrier();
            for (int k = 0; k < Depth; k++)
            {
                Quad left = quadsA[k * (Pitch / 4) + y];
                Quad right = quadsB[k * (Pitch / 4) + x];
                sum0 = MultiplyAdd(sum0, left.X, right);
                sum1 = MultiplyAdd(sum1, left.Y, right);
                sum2 = MultiplyAdd(sum2, left.Z, right);
                sum3 = MultiplyAdd(sum3, left.W, right);
            }

            Group.Barrier();
        }

        int m = firstM + y * 4, n = firstN + x * 4;
        StoreRow(c, shape, m, n, sum0);
        StoreRow(c, shape, m + 1, n, sum1);
        StoreRow(c, shape, m + 2, n, sum2);
        StoreRow(c, shape, m + 3, n, sum3);
    }

    internal static Quad MultiplyAdd(Quad sum, float left, Quad right)
    {
        sum.X += left * right.X;
        sum.Y += left * right.Y;
        sum.Z += left * right.Z;
        sum.W += left * right.W;
        return sum;
    }

    internal static void StoreRow(ArrayView<float> c, MatMulShape shape, int m, int n, Quad sums)
    {
        if (m >= shape.M) return;
        if (n < shape.N) MatMul.Store(c, shape, m, n, sums.X);
        if (n + 1 < shape.N) MatMul.Store(c, shape, m, n + 1, sums.Y);
        if (n + 2 < shape.N) MatMul.Store(c, shape, m, n + 2, sums.Z);
        if (n + 3 < shape.N) MatMul.Store(c, shape, m, n + 3, sums.W);
    }
}
