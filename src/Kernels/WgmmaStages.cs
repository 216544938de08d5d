#if !ILGPU
using OllmNative.Runtime.Extensions;

namespace OllmNative.Kernels;

/// <summary>
/// The pipeline of every product on Hopper's warp groups (sm_90a): tiles of 128 x W sums, 64 terms a step, four steps in flight. One thread of the first warp
/// group fills stages with the tensor copy unit; the two others wait for them, multiply 64 rows each and give them back. An operand has its terms along
/// its rows, or down its columns: then it arrives in boxes of 64 x 64 which the product itself transposes. A kernel says which, as constants.
/// </summary>
internal struct WgmmaStages
{
    /// <summary>Rows of a tile, terms of a step, threads of a group.</summary>
    public const int Height = 128, Depth = 64, Threads = 384;

    /// <summary>Steps in flight.</summary>
    public const int Stages = 4;

    private const int WarpGroupSize = 128, ElementsA = Height * Depth, Box = 64 * 64;

    private ArrayView<Bf16> _tiles;
    private ArrayView<long> _full, _empty;

    /// <summary>The launch of so many groups; shared memory holds the stages, a tile of A and then one of B each.</summary>
    public static KernelConfig Config(int groups, int width) => new(
        new Index3D(groups, 1, 1), new Index3D(Threads, 1, 1), SharedMemoryConfig.RequestDynamic<ushort>(Stages * StageElements(width)));

    /// <summary>The map of an operand [rows, terms], of which a tile takes <paramref name="tile"/> rows.</summary>
    public static TensorMap Along(ArrayView<ushort> matrix, int rows, int terms, int tile) =>
        TensorMap.Create(matrix, terms, rows, Depth, tile, TensorSwizzle.Bytes128);

    /// <summary>The map of an operand [terms, rows].</summary>
    public static TensorMap Down(ArrayView<ushort> matrix, int rows, int terms) => TensorMap.Create(matrix, rows, terms, 64, Depth, TensorSwizzle.Bytes128);

    /// <summary>Makes the barriers known to all; every thread calls it.</summary>
    public static WgmmaStages Open()
    {
        WgmmaStages stages = default;
        stages._tiles = SharedMemory.GetDynamic<Bf16>();
        stages._full = SharedMemory.Allocate<long>(Stages);
        stages._empty = SharedMemory.Allocate<long>(Stages);
        if (Group.IdxX == 0)
        {
            for (int stage = 0; stage < Stages; stage++)
            {
                TransactionBarrier.Init(stages._full, stage, 1);
                TransactionBarrier.Init(stages._empty, stage, 2);
            }

            TransactionBarrier.FenceInit();
        }

        Group.Barrier();
        return stages;
    }

    /// <summary>Whether this thread's warp group copies.</summary>
    public static bool Copies() => Group.IdxX < WarpGroupSize;

    /// <summary>The copying warp group gives registers away. Its path must not meet the others' again: the assembler would keep both alike.</summary>
    public static void GiveRegisters() => WarpGroup.DecreaseRegisters(40);

    /// <summary>Those that multiply take them.</summary>
    public static void TakeRegisters() => WarpGroup.IncreaseRegisters(232);

    /// <summary>The thread's first row within the tile, and which of 64 that its warp group has; rows of its sums are 8 apart.</summary>
    public static int FirstRow() => (Group.IdxX / WarpGroupSize - 1) * 64 + Group.IdxX % WarpGroupSize / 32 * 16 + Group.IdxX % 32 / 4;

    /// <summary>Waits until the stage of step <paramref name="turn"/>, counted over all tiles, may be filled; the copies that follow are all of it.</summary>
    public readonly void Begin(int turn, int width)
    {
        int stage = turn & (Stages - 1);
        // In the first turn the phase before the first counts as ended.
        TransactionBarrier.Wait(_empty, stage, turn >> 2 & 1 ^ 1);
        TransactionBarrier.ArriveExpect(_full, stage, 2 * StageElements(width));
    }

    /// <summary>Starts the copy of the tile of A whose first row and term these are.</summary>
    public readonly void CopyLeft(TensorMap a, int turn, int row, int term, int width, bool down) => Copy(a, turn, 0, row, term, Height, width, down);

    /// <summary>Starts the copy of <paramref name="columns"/> columns of B, to column <paramref name="to"/> of the tile.</summary>
    public readonly void CopyRight(TensorMap b, int turn, int column, int term, int columns, int to, int width, bool down) =>
        Copy(b, turn, ElementsA + to * Depth, column, term, columns, width, down);

    /// <summary>
    /// sums += the next steps of the product of this warp group's 64 rows of A and the tile of B. A step's products are started before the
    /// last one's are waited for, so that the tensor cores always have some ahead.
    /// </summary>
    public readonly void Multiply(float[] sums, int turn, int steps, int width, bool aDown, bool bDown)
    {
        int half = Group.IdxX / WarpGroupSize - 1;
        for (int step = turn; step < turn + steps; step++)
        {
            int stage = step & (Stages - 1), tileA = stage * StageElements(width) + half * Box, tileB = stage * StageElements(width) + ElementsA;
            TransactionBarrier.Wait(_full, stage, step >> 2 & 1);
            WarpGroup.Fence();
            for (int k = 0; k < Depth; k += 16)
            {
                long left = aDown ? WarpGroup.DescribeRows(_tiles, tileA + 64 * k, Box) : WarpGroup.Describe(_tiles, tileA + k);
                long right = bDown ? WarpGroup.DescribeRows(_tiles, tileB + 64 * k, Box) : WarpGroup.Describe(_tiles, tileB + k);
                WarpGroup.MultiplyAddBf16(sums, left, right, true, aDown, bDown);
            }

            WarpGroup.Commit();
            WarpGroup.Wait(1);
            if (step > turn) GiveBack(step - 1);
        }

        WarpGroup.Wait(0);
        if (steps > 0) GiveBack(turn + steps - 1);
    }

    private readonly void GiveBack(int turn)
    {
        if (Group.IdxX % WarpGroupSize == 0) TransactionBarrier.Arrive(_empty, turn & (Stages - 1));
    }

    private static int StageElements(int width) => ElementsA + width * Depth;

    private readonly void Copy(TensorMap map, int turn, int place, int row, int term, int rows, int width, bool down)
    {
        int stage = turn & (Stages - 1), tile = stage * StageElements(width) + place;
        if (!down)
        {
            TensorCopy.Load(map, _tiles, tile, term, row, _full, stage);
            return;
        }

        for (int box = 0; box < rows / 64; box++) TensorCopy.Load(map, _tiles, tile + box * Box, row + 64 * box, term, _full, stage);
    }
}
#endif
