#if !ILGPU
using OllmNative.Runtime.Extensions;

namespace OllmNative.Kernels;

/// <summary>
/// The products of linear layers for many rows on Hopper (sm_90a). A group stays on its multiprocessor and makes tile after tile: one thread
/// keeps four stages full with the tensor copy unit, also while sums are being stored; two warp groups multiply, each 64 rows of the tile.
/// Portable twins: <see cref="MatMulRegisters"/> and <see cref="SwiGlu.Forward"/> on converted inputs.
/// </summary>
public static class MatMulWgmma
{
    private const string Layout = """
        task: sizes, outputs f32 [M,N] (the first also as bf16), bias [N] or empty; scale [M] or empty: what C held counts scale[m] times
        tiles of 128 x W x 64, W = 256 if not said, four in flight: grid as many groups as run at once, group 384; launch with Config(): 64 (W + 128)
        elements a stage, 192 KB of dynamic shared memory for W = 256
        splits > 1: K in so many parts of whole steps, one after the other in the outputs, for SplitSums; then no bias, no accumulate, no bf16
        requires K % 8 = 0, even N, sm_90a; maps from Left() and Right(): boxes of rows of 64, swizzled
        bytes of memory traffic 3MNK/128 + 4MN, flops 2MNK
        """;

    private const string NarrowContract = """
        C_i[m,n] = (accumulate ? C_i[m,n] : 0) + bias_i[n] + sum_k A[m,k] * B_i[n,k]        A [M,K], up to three B [N,K] bf16 as tensor maps
        tiles of 128 x 192 x 64: for results of which those of 256 columns leave multiprocessors without work

        """ + Layout;

    private const string ForwardContract = """
        C_i[m,n] = (accumulate ? C_i[m,n] : 0) + bias_i[n] + sum_k A[m,k] * B_i[n,k]        A [M,K], up to three B [N,K] bf16 as tensor maps

        """ + Layout;

    private const string GatedContract = """
        C[m,n] = silu(sum_k A[m,k] * Gate[n,k]) * sum_k A[m,k] * Up[n,k]        A [M,K], Gate, Up [N,K] bf16 as tensor maps, N of the task is Gate's rows
        C in f32, in bf16, or both; a tile has 128 columns

        """ + Layout;

    /// <summary>Columns of a tile of B.</summary>
    public const int Wide = 256, Narrow = 192;

    private const int Height = 128, Depth = 64, Stages = 4, Threads = 384, WarpGroupSize = 128;

    // A stage is a tile of A and then one of B.
    private const int ElementsA = Height * Depth;

    private static int StageElements(int width) => ElementsA + width * Depth;

    /// <summary>The launch of a task on a chip with so many multiprocessors; gated, a tile has half as many columns of C.</summary>
    public static KernelConfig Config(in ProductTask task, int multiprocessors, int width = Wide, bool gated = false) => new(
        new Index3D(Math.Min(multiprocessors, (task.M + Height - 1) / Height * task.ColumnTiles(gated ? width / 2 : width) * Math.Max(task.Splits, 1)), 1, 1), new Index3D(Threads, 1, 1),
        SharedMemoryConfig.RequestDynamic<ushort>(Stages * StageElements(width)));

    /// <summary>The map of the left operand [rows, depth].</summary>
    public static TensorMap Left(ArrayView<ushort> matrix, int rows, int depth) => TensorMap.Create(matrix, depth, rows, Depth, Height, TensorSwizzle.Bytes128);

    /// <summary>The map of a right operand [rows, depth].</summary>
    public static TensorMap Right(ArrayView<ushort> matrix, int rows, int depth, int width = Wide, bool gated = false) =>
        TensorMap.Create(matrix, depth, rows, Depth, gated ? width / 2 : width, TensorSwizzle.Bytes128);

    [Kernel("MatMulWgmma", ForwardContract)]
    [GroupBounds(Threads)]
    public static void Forward(TensorMap a, TensorMap b0, TensorMap b1, TensorMap b2, ProductTask task) => Run(a, b0, b1, b2, task, Wide, false);

    [Kernel("MatMulWgmmaNarrow", NarrowContract, DynamicShared = 160 * 1024)]
    [GroupBounds(Threads)]
    public static void ForwardNarrow(TensorMap a, TensorMap b0, TensorMap b1, TensorMap b2, ProductTask task) => Run(a, b0, b1, b2, task, Narrow, false);

    [Kernel("MatMulWgmmaGated", GatedContract)]
    [GroupBounds(Threads)]
    public static void Gated(TensorMap a, TensorMap gate, TensorMap up, ProductTask task) => Run(a, gate, up, up, task, Wide, true);

    private static void Run(TensorMap a, TensorMap b0, TensorMap b1, TensorMap b2, ProductTask task, int width, bool gated)
    {
        ArrayView<Bf16> tiles = SharedMemory.GetDynamic<Bf16>();
        ArrayView<long> full = SharedMemory.Allocate<long>(Stages);
        ArrayView<long> empty = SharedMemory.Allocate<long>(Stages);
        if (Group.IdxX == 0)
        {
            for (int stage = 0; stage < Stages; stage++)
            {
                TransactionBarrier.Init(full, stage, 1);
                TransactionBarrier.Init(empty, stage, 2);
            }

            TransactionBarrier.FenceInit();
        }

        Group.Barrier();
        if (Group.IdxX < WarpGroupSize)
        {
            WarpGroup.DecreaseRegisters(40);
            if (Group.IdxX == 0) Produce(a, b0, b1, b2, tiles, full, empty, task, width, gated);
        }
        else
        {
            WarpGroup.IncreaseRegisters(232);
            Consume(tiles, full, empty, task, width, gated);
        }
    }

    /// <summary>One thread keeps the stages full.</summary>
    private static void Produce(
        TensorMap a, TensorMap b0, TensorMap b1, TensorMap b2, ArrayView<Bf16> tiles, ArrayView<long> full, ArrayView<long> empty, ProductTask task, int width, bool gated)
    {
        int columns = gated ? width / 2 : width, rowTiles = (task.M + Height - 1) / Height, columnTiles = task.ColumnTiles(columns);
        int places = rowTiles * columnTiles, parts = XMath.Max(task.Splits, 1), steps = (task.K + Depth - 1) / Depth, turn = 0;
        for (int item = Grid.IdxX; item < places * parts; item += Grid.DimX)
        {
            int part = item / places, tile = item - part * places, lastStep = steps * (part + 1) / parts;
            TilePlace place = TilePlace.Of(tile, rowTiles, columnTiles);
            ProductEpilogue to = ProductEpilogue.Of(task, place.Column, columns);
            for (int step = steps * part / parts; step < lastStep; step++)
            {
                int stage = turn & (Stages - 1), tileA = stage * StageElements(width), tileB = tileA + ElementsA;
                // In the first turn the phase before the first counts as ended.
                TransactionBarrier.Wait(empty, stage, turn >> 2 & 1 ^ 1);
                TransactionBarrier.ArriveExpect(full, stage, 2 * StageElements(width));
                TensorCopy.Load(a, tiles, tileA, step * Depth, place.Row * Height, full, stage);
                if (gated)
                {
                    TensorCopy.Load(b0, tiles, tileB, step * Depth, to.First, full, stage);
                    TensorCopy.Load(b1, tiles, tileB + columns * Depth, step * Depth, to.First, full, stage);
                }
                else if (to.Segment == 0) TensorCopy.Load(b0, tiles, tileB, step * Depth, to.First, full, stage);
                else if (to.Segment == 1) TensorCopy.Load(b1, tiles, tileB, step * Depth, to.First, full, stage);
                else TensorCopy.Load(b2, tiles, tileB, step * Depth, to.First, full, stage);
                turn++;
            }
        }
    }

    /// <summary>Each of two warp groups multiplies 64 rows of A by the tile of B, and stores them while the next tile arrives.</summary>
    private static void Consume(ArrayView<Bf16> tiles, ArrayView<long> full, ArrayView<long> empty, ProductTask task, int width, bool gated)
    {
        int member = Group.IdxX % WarpGroupSize, firstRow = (Group.IdxX / WarpGroupSize - 1) * 64;
        int columns = gated ? width / 2 : width, rowTiles = (task.M + Height - 1) / Height, columnTiles = task.ColumnTiles(columns);
        int places = rowTiles * columnTiles, parts = XMath.Max(task.Splits, 1), steps = (task.K + Depth - 1) / Depth, turn = 0;
        for (int item = Grid.IdxX; item < places * parts; item += Grid.DimX)
        {
            int part = item / places, tile = item - part * places, lastStep = steps * (part + 1) / parts;
            // A thread's share of 64 x W. The first product of a tile overwrites it; zeros here let registers end with the tile.
            float[] sums = new float[width / 2];
            for (int i = 0; i < width / 8; i++)
                for (int e = 0; e < 4; e++) sums[4 * i + e] = 0f;
            for (int step = steps * part / parts; step < lastStep; step++)
            {
                int stage = turn & (Stages - 1), tileA = stage * StageElements(width) + firstRow * Depth, tileB = stage * StageElements(width) + ElementsA;
                TransactionBarrier.Wait(full, stage, turn >> 2 & 1);
                WarpGroup.Fence();
                for (int k = 0; k < Depth; k += 16)
                    WarpGroup.MultiplyAddBf16(sums, WarpGroup.Describe(tiles, tileA + k), WarpGroup.Describe(tiles, tileB + k), true);
                WarpGroup.Commit();
                WarpGroup.Wait(0);
                if (member == 0) TransactionBarrier.Arrive(empty, stage);
                turn++;
            }

            TilePlace place = TilePlace.Of(tile, rowTiles, columnTiles);
            ProductEpilogue to = ProductEpilogue.Of(task, place.Column, columns);
            int row = place.Row * Height + firstRow + member / 32 * 16 + member % 32 / 4, column = to.First + member % 4 * 2;
            to.TakePart(part);
            if (gated) ProductEpilogue.Gate(sums, 2, columns / 8, 0, columns / 2);
            to.Store(sums, row, column, 2, columns / 8, 0);
        }
    }
}
#endif
