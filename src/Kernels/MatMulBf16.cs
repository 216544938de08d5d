#if !ILGPU
using OllmNative.Runtime.Extensions;

namespace OllmNative.Kernels;

/// <summary>
/// The product of a linear layer in bf16 on the tensor cores. Four warps share a 64 x 64 tile of C, each 32 x 32 of it as 2 x 4
/// products of 16 x 8; the next 32 columns of A and B arrive by cp.async while the current ones are multiplied.
/// The portable twin is <see cref="MatMulRegisters.MatMul3"/> in f32.
/// </summary>
public static class MatMulBf16
{
    private const string Contract = """
        C[m,n] = sum_k A[m,k] * B[n,k]        A [M,K] bf16, B [N,K] bf16, C [M,N] f32; sums in f32
        tiles of 64 x 64 x 32, two in flight: grid ceil(N/64) x ceil(M/64), group 128       requires K % 8 = 0, views on 16 bytes, sm_80
        bytes of memory traffic MNK/16 + 4MN, flops 2MNK
        """;

    private const int Tile = 64, Depth = 32, Threads = 128;

    // 40 elements are 80 bytes: the eight rows of a matrix load then lie in different banks, and stay on multiples of 16.
    private const int Pitch = Depth + 8;
    private const int Stage = Tile * Pitch;

    public static KernelConfig Config(int m, int n) => new(new Index2D((n + Tile - 1) / Tile, (m + Tile - 1) / Tile), new Index2D(Threads, 1));

    [Kernel("MatMulBf16", Contract)]
    public static void Forward(ArrayView<Bf16> a, ArrayView<Bf16> b, ArrayView<float> c, int rows, int columns, int depth)
    {
        ArrayView<Bf16> tilesA = SharedMemory.Allocate<Bf16>(2 * Stage);
        ArrayView<Bf16> tilesB = SharedMemory.Allocate<Bf16>(2 * Stage);
        int firstM = Grid.IdxY * Tile, firstN = Grid.IdxX * Tile;
        int warpM = Warp.WarpIdx / 2 * 32, warpN = Warp.WarpIdx % 2 * 32;
        FragmentC c00 = default, c01 = default, c02 = default, c03 = default;
        FragmentC c10 = default, c11 = default, c12 = default, c13 = default;

        Fetch(tilesA, 0, a, firstM, rows, 0, depth);
        Fetch(tilesB, 0, b, firstN, columns, 0, depth);
        AsyncCopy.Commit();
        int stage = 0;
        for (int k0 = 0; k0 < depth; k0 += Depth)
        {
            if (k0 + Depth < depth)
            {
                Fetch(tilesA, Stage - stage, a, firstM, rows, k0 + Depth, depth);
                Fetch(tilesB, Stage - stage, b, firstN, columns, k0 + Depth, depth);
            }

            AsyncCopy.Commit();
            AsyncCopy.Wait(1);
            Group.Barrier();
            for (int k = 0; k < Depth; k += 16)
            {
                FragmentA a0 = LoadA(tilesA, stage, warpM, k), a1 = LoadA(tilesA, stage, warpM + 16, k);
                FragmentA b01 = LoadB(tilesB, stage, warpN, k), b23 = LoadB(tilesB, stage, warpN + 16, k);
                FragmentB b0 = Half(b01.R0, b01.R1), b1 = Half(b01.R2, b01.R3);
                FragmentB b2 = Half(b23.R0, b23.R1), b3 = Half(b23.R2, b23.R3);
                c00 = TensorCore.MultiplyAddBf16(a0, b0, c00);
                c01 = TensorCore.MultiplyAddBf16(a0, b1, c01);
                c02 = TensorCore.MultiplyAddBf16(a0, b2, c02);
                c03 = TensorCore.MultiplyAddBf16(a0, b3, c03);
                c10 = TensorCore.MultiplyAddBf16(a1, b0, c10);
                c11 = TensorCore.MultiplyAddBf16(a1, b1, c11);
                c12 = TensorCore.MultiplyAddBf16(a1, b2, c12);
                c13 = TensorCore.MultiplyAddBf16(a1, b3, c13);
            }

            Group.Barrier();
            stage = Stage - stage;
        }

        int m = firstM + warpM + Warp.LaneIdx / 4, n = firstN + warpN + Warp.LaneIdx % 4 * 2;
        Store(c, rows, columns, m, n, c00);
        Store(c, rows, columns, m, n + 8, c01);
        Store(c, rows, columns, m, n + 16, c02);
        Store(c, rows, columns, m, n + 24, c03);
        Store(c, rows, columns, m + 16, n, c10);
        Store(c, rows, columns, m + 16, n + 8, c11);
        Store(c, rows, columns, m + 16, n + 16, c12);
        Store(c, rows, columns, m + 16, n + 24, c13);
    }

    /// <summary>Starts the copy of a 64 x 32 tile, 8 elements a thread and step; outside of the matrix it is zero.</summary>
    private static void Fetch(ArrayView<Bf16> tile, int stage, ArrayView<Bf16> matrix, int first, int rows, int k0, int depth)
    {
        for (int i = Group.IdxX; i < Tile * (Depth / 8); i += Threads)
        {
            int row = i / (Depth / 8), k = i % (Depth / 8) * 8;
            bool inside = first + row < rows && k0 + k < depth;
            int source = inside ? (first + row) * depth + k0 + k : 0;
            AsyncCopy.Copy16(tile, stage + row * Pitch + k, matrix, source, inside);
        }
    }

    // A lane points to row lane % 16, and to the right half of its columns from lane 16 on: the matrices are then in mma's order.
    private static FragmentA LoadA(ArrayView<Bf16> tile, int stage, int m, int k) =>
        TensorCore.LoadMatrix4(tile, stage + (m + Warp.LaneIdx % 16) * Pitch + k + Warp.LaneIdx / 16 * 8);

    // Two 16 x 8 operands at once: rows n to n+7 with both halves of k, then rows n+8 to n+15.
    private static FragmentA LoadB(ArrayView<Bf16> tile, int stage, int n, int k) =>
        TensorCore.LoadMatrix4(tile, stage + (n + Warp.LaneIdx / 16 * 8 + Warp.LaneIdx % 8) * Pitch + k + Warp.LaneIdx / 8 % 2 * 8);

    private static FragmentB Half(uint first, uint second)
    {
        FragmentB half = default;
        half.R0 = first;
        half.R1 = second;
        return half;
    }

    private static void Store(ArrayView<float> c, int rows, int columns, int m, int n, FragmentC sums)
    {
        if (m < rows && n < columns) c[(long)m * columns + n] = sums.R0;
        if (m < rows && n + 1 < columns) c[(long)m * columns + n + 1] = sums.R1;
        if (m + 8 < rows && n < columns) c[(long)(m + 8) * columns + n] = sums.R2;
        if (m + 8 < rows && n + 1 < columns) c[(long)(m + 8) * columns + n + 1] = sums.R3;
    }
}
#endif
