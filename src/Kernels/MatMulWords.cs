namespace OllmNative.Kernels;

/// <summary>
/// Products with 16-bit weights in f32 arithmetic: exact for f16, and the portable twin of <c>MatMulTensor</c> for bf16.
/// As with the f32 products, forward and gradient of the input are one kernel with other strides.
/// </summary>
public static class MatMulWords
{
    private const string Contract1 = """
        C[m,n] = (Accumulate ? C[m,n] : 0) + sum_k A[m*ARow + k*AColumn] * B[n*BRow + k*BColumn]        C, A f32, B bf16 (type 0) or f16 (type 1)
        version 1, one thread an element: grid ceil(N/16) x ceil(M/16), group 16 x 16
        bytes of memory traffic 6MNK (no reuse) + 4MN, flops 2MNK
        """;

    private const string Contract2 = """
        C[m,n] = (Accumulate ? C[m,n] : 0) + sum_k A[m*ARow + k*AColumn] * B[n*BRow + k*BColumn]        C, A f32, B bf16 (type 0) or f16 (type 1)
        version 2, tiles of 64 x 64 x 16 in f32, each thread 4 x 4 elements: grid ceil(N/64) x ceil(M/64), group 256
        bytes of memory traffic 3MNK/32 + 4MN, flops 2MNK
        """;

    [Kernel("MatMulWords", Contract1, Version = 1)]
    public static void MatMulWords1(ArrayView<float> a, ArrayView<ushort> b, ArrayView<float> c, MatMulShape shape, int type)
    {
        int n = Grid.GlobalIndex.X, m = Grid.GlobalIndex.Y;
        if (m >= shape.M || n >= shape.N) return;
        long atA = (long)m * shape.ARow, atB = (long)n * shape.BRow;
        float sum = 0;
        for (int k = 0; k < shape.K; k++)
        {
            sum += a[atA] * Weights16.Value(b[atB], type);
            atA += shape.AColumn;
            atB += shape.BColumn;
        }

        MatMul.Store(c, shape, m, n, sum);
    }

    [Kernel("MatMulWords", Contract2, Version = 2)]
    public static void MatMulWords2(ArrayView<float> a, ArrayView<ushort> b, ArrayView<float> c, MatMulShape shape, int type)
    {
        const int tile = MatMulRegisters.Tile, depth = MatMulRegisters.Depth, pitch = MatMulRegisters.Pitch;
        ArrayView<float> tileA = SharedMemory.Allocate<float>(depth * pitch);
        ArrayView<float> tileB = SharedMemory.Allocate<float>(depth * pitch);
        ArrayView<MatMulRegisters.Quad> quadsA = tileA.Cast<MatMulRegisters.Quad>();
        ArrayView<MatMulRegisters.Quad> quadsB = tileB.Cast<MatMulRegisters.Quad>();
        int x = Group.IdxX % 16, y = Group.IdxX / 16;
        int firstM = Grid.IdxY * tile, firstN = Grid.IdxX * tile;
        MatMulRegisters.Quad sum0 = default, sum1 = default, sum2 = default, sum3 = default;
        for (int k0 = 0; k0 < shape.K; k0 += depth)
        {
            for (int i = Group.IdxX; i < tile * depth; i += MatMulRegisters.Threads)
            {
                int k = i % depth, row = i / depth;
                tileA[k * pitch + row] = MatMul.LoadA(a, shape, firstM + row, k0 + k);
                tileB[k * pitch + row] = LoadB(b, shape, firstN + row, k0 + k, type);
            }

            Group.Barrier();
            for (int k = 0; k < depth; k++)
            {
                MatMulRegisters.Quad left = quadsA[k * (pitch / 4) + y];
                MatMulRegisters.Quad right = quadsB[k * (pitch / 4) + x];
                sum0 = MatMulRegisters.MultiplyAdd(sum0, left.X, right);
                sum1 = MatMulRegisters.MultiplyAdd(sum1, left.Y, right);
                sum2 = MatMulRegisters.MultiplyAdd(sum2, left.Z, right);
                sum3 = MatMulRegisters.MultiplyAdd(sum3, left.W, right);
            }

            Group.Barrier();
        }

        int m = firstM + y * 4, n = firstN + x * 4;
        MatMulRegisters.StoreRow(c, shape, m, n, sum0);
        MatMulRegisters.StoreRow(c, shape, m + 1, n, sum1);
        MatMulRegisters.StoreRow(c, shape, m + 2, n, sum2);
        MatMulRegisters.StoreRow(c, shape, m + 3, n, sum3);
    }

    private static float LoadB(ArrayView<ushort> b, MatMulShape shape, int n, int k, int type) =>
        n < shape.N && k < shape.K ? Weights16.Value(b[(long)n * shape.BRow + (long)k * shape.BColumn], type) : 0f;
}
