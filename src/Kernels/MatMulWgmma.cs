#if !ILGPU
using OllmNative.Runtime.Extensions;

namespace OllmNative.Kernels;

/// <summary>
/// The bf16 matrix product for Hopper (sm_90a). One warp group copies tiles with the tensor copy unit, several stages ahead; two multiply.
/// Its portable twin is <see cref="MatMulRegisters"/> on converted inputs.
/// </summary>
public static class MatMulWgmma
{
    private const string Contract = """
        C[m,n] = sum_k A[m,k] * B[n,k]        A [M,K] bf16, B [N,K] bf16 as tensor maps, C [M,N] f32; sums in f32
        tiles of 128 x 128 x 64, four in flight: grid ceil(N/128) x ceil(M/128), group 384       requires K % 8 = 0, N % 2 = 0, sm_90a
        maps from Map(): boxes of 128 rows of 64, swizzled; launch with Config(): 128 KB of dynamic shared memory
        bytes of memory traffic MNK/32 + 4MN, flops 2MNK
        """;

    private const int Tile = 128, Depth = 64, Stages = 4, Threads = 384, WarpGroupSize = 128;

    // A stage is a tile of A and then one of B.
    private const int TileElements = Tile * Depth, StageElements = 2 * TileElements, StageBytes = 2 * StageElements;

    // Sums of a thread: its share of 64 x 128.
    private const int Sums = 64;

    /// <summary>The launch for C [m, n].</summary>
    public static KernelConfig Config(int m, int n) => new(
        new Index3D((n + Tile - 1) / Tile, (m + Tile - 1) / Tile, 1), new Index3D(Threads, 1, 1), SharedMemoryConfig.RequestDynamic<byte>(Stages * StageBytes));

    /// <summary>The map of an input [rows, depth].</summary>
    public static TensorMap Map(ArrayView<Bf16> matrix, int rows, int depth) => TensorMap.Create(matrix, depth, rows, Depth, Tile, TensorSwizzle.Bytes128);

    [Kernel("MatMulWgmma", Contract)]
    public static void Forward(TensorMap a, TensorMap b, ArrayView<float> c, int rows, int columns, int depth)
    {
        ArrayView<Bf16> tiles = SharedMemory.GetDynamic<Bf16>();
        ArrayView<long> full = SharedMemory.Allocate<long>(Stages);
        ArrayView<long> empty = SharedMemory.Allocate<long>(Stages);
        int thread = Group.IdxX, steps = (depth + Depth - 1) / Depth;
        if (thread == 0)
        {
            for (int stage = 0; stage < Stages; stage++)
            {
                TransactionBarrier.Init(full, stage, 1);
                TransactionBarrier.Init(empty, stage, 2);
            }

            TransactionBarrier.FenceInit();
        }

        Group.Barrier();
        if (thread < WarpGroupSize)
        {
            WarpGroup.DecreaseRegisters(40);
            if (thread == 0) Produce(a, b, tiles, full, empty, steps);
        }
        else
        {
            WarpGroup.IncreaseRegisters(232);
            Consume(tiles, full, empty, c, rows, columns, steps);
        }
    }

    /// <summary>One thread keeps the stages full.</summary>
    private static void Produce(TensorMap a, TensorMap b, ArrayView<Bf16> tiles, ArrayView<long> full, ArrayView<long> empty, int steps)
    {
        int firstM = Grid.IdxY * Tile, firstN = Grid.IdxX * Tile;
        for (int step = 0; step < steps; step++)
        {
            int stage = step & (Stages - 1), turn = step / Stages;
            // In the first turn the phase before the first counts as ended.
            TransactionBarrier.Wait(empty, stage, (turn & 1) ^ 1);
            TransactionBarrier.ArriveExpect(full, stage, StageBytes);
            TensorCopy.Load(a, tiles, stage * StageElements, step * Depth, firstM, full, stage);
            TensorCopy.Load(b, tiles, stage * StageElements + TileElements, step * Depth, firstN, full, stage);
        }
    }

    /// <summary>Each of two warp groups multiplies 64 rows of A by the tile of B.</summary>
    private static void Consume(ArrayView<Bf16> tiles, ArrayView<long> full, ArrayView<long> empty, ArrayView<float> c, int rows, int columns, int steps)
    {
        int member = Group.IdxX % WarpGroupSize, firstRow = (Group.IdxX / WarpGroupSize - 1) * 64;
        float[] sums = new float[Sums];
        for (int step = 0; step < steps; step++)
        {
            int stage = step & (Stages - 1);
            TransactionBarrier.Wait(full, stage, step / Stages & 1);
            int tileA = stage * StageElements + firstRow * Depth, tileB = stage * StageElements + TileElements;
            WarpGroup.Fence();
            for (int k = 0; k < Depth; k += 16)
                WarpGroup.MultiplyAddBf16(sums, WarpGroup.Describe(tiles, tileA + k), WarpGroup.Describe(tiles, tileB + k), true);
            WarpGroup.Commit();
            WarpGroup.Wait(0);
            if (member == 0) TransactionBarrier.Arrive(empty, stage);
        }

        int m = Grid.IdxY * Tile + firstRow + member / 32 * 16 + member % 32 / 4, n = Grid.IdxX * Tile + member % 4 * 2;
        for (int i = 0; i < Sums; i += 2)
        {
            int row = m + i / 2 % 2 * 8, column = n + i / 4 * 8;
            if (row >= rows || column >= columns) continue;
            c[(long)row * columns + column] = sums[i];
            c[(long)row * columns + column + 1] = sums[i + 1];
        }
    }
}
#endif
