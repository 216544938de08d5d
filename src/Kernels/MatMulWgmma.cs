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
        forward ones start before their predecessor has ended; ahead: 1 lets them read the first stages' weights ahead of their wait
        splits > 1: K in so many parts of whole steps, one after the other in the outputs, for SplitSums; then no bias, no accumulate, no bf16
        requires rows of A and B of a multiple of 8 elements, even N, sm_90a; maps from Left(), Right() and Down(): boxes of rows of 64, swizzled
        bytes of memory traffic 3MNK/128 + 4MN, flops 2MNK
        """;

    private const string NarrowContract = """
        C_i[m,n] = (accumulate ? C_i[m,n] : 0) + bias_i[n] + sum_k A[m,k] * B_i[n,k]        A [M,K], up to three B [N,K] bf16 as tensor maps
        tiles of 128 x 192 x 64: for results of which those of 256 columns leave multiprocessors without work

        """ + Layout;

    private const string ForwardContract = """
        C_i[m,n] = (accumulate ? C_i[m,n] : 0) + bias_i[n] + sum_k A[m,k] * B_i[n,k]        A [M,K], up to three B [N,K] bf16 as tensor maps

        """ + Layout;

    private const string InputContract = """
        C[m,n] = (accumulate ? C[m,n] : 0) + bias[n] + sum_k A[m,k] * B[k,n]        A [M,K], B [K,N] bf16 as tensor maps: gradient of the input

        """ + Layout;

    private const string InputNarrowContract = """
        C[m,n] = (accumulate ? C[m,n] : 0) + bias[n] + sum_k A[m,k] * B[k,n]        A [M,K], B [K,N] bf16 as tensor maps: gradient of the input
        tiles of 128 x 192 x 64

        """ + Layout;

    private const string WeightContract = """
        C[m,n] = (accumulate ? C[m,n] : 0) + bias[n] + sum_k A[k,m] * B[k,n]        A [K,M], B [K,N] bf16 as tensor maps: gradient of the weights

        """ + Layout;

    private const string WeightNarrowContract = """
        C[m,n] = (accumulate ? C[m,n] : 0) + bias[n] + sum_k A[k,m] * B[k,n]        A [K,M], B [K,N] bf16 as tensor maps: gradient of the weights
        tiles of 128 x 192 x 64

        """ + Layout;

    private const string GatedContract = """
        C[m,n] = silu(sum_k A[m,k] * Gate[n,k]) * sum_k A[m,k] * Up[n,k]        A [M,K], Gate, Up [N,K] bf16 as tensor maps, N of the task is Gate's rows
        C in f32, in bf16, or both; a tile has 128 columns

        """ + Layout;

    private const string GatedNarrowContract = """
        C[m,n] = silu(sum_k A[m,k] * Gate[n,k]) * sum_k A[m,k] * Up[n,k]        A [M,K], Gate, Up [N,K] bf16 as tensor maps, N of the task is Gate's rows
        C in f32, in bf16, or both; tiles of 128 x 192 x 64, of which 96 columns of C: for prompts whose wider tiles leave a last round nearly empty

        """ + Layout;

    /// <summary>Columns of a tile of B.</summary>
    public const int Wide = 256, Narrow = 192;

    /// <summary>The launch of a task on a chip with so many multiprocessors; gated, a tile has half as many columns of C.</summary>
    public static KernelConfig Config(in ProductTask task, int multiprocessors, int width = Wide, bool gated = false) => WgmmaStages.Config(
        Math.Min(multiprocessors, RowTiles(task) * task.ColumnTiles(gated ? width / 2 : width) * Math.Max(task.Splits, 1)), width);

    /// <summary>The map of the left operand [rows, depth].</summary>
    public static TensorMap Left(ArrayView<ushort> matrix, int rows, int depth) => WgmmaStages.Along(matrix, rows, depth, WgmmaStages.Height);

    /// <summary>The map of a right operand [rows, depth].</summary>
    public static TensorMap Right(ArrayView<ushort> matrix, int rows, int depth, int width = Wide, bool gated = false) =>
        WgmmaStages.Along(matrix, rows, depth, gated ? width / 2 : width);

    /// <summary>The map of an operand [depth, columns], left or right.</summary>
    public static TensorMap Down(ArrayView<ushort> matrix, int columns, int depth) => WgmmaStages.Down(matrix, columns, depth);

    [Kernel("MatMulWgmma", ForwardContract)]
    [OverlapsPredecessor, GroupBounds(WgmmaStages.Threads)]
    public static void Forward(TensorMap a, TensorMap b0, TensorMap b1, TensorMap b2, ProductTask task) => Run(a, b0, b1, b2, task, Wide, false, false, false);

    [Kernel("MatMulWgmmaNarrow", NarrowContract, DynamicShared = 160 * 1024)]
    [OverlapsPredecessor, GroupBounds(WgmmaStages.Threads)]
    public static void ForwardNarrow(TensorMap a, TensorMap b0, TensorMap b1, TensorMap b2, ProductTask task) => Run(a, b0, b1, b2, task, Narrow, false, false, false);

    [Kernel("MatMulWgmmaGated", GatedContract)]
    [OverlapsPredecessor, GroupBounds(WgmmaStages.Threads)]
    public static void Gated(TensorMap a, TensorMap gate, TensorMap up, ProductTask task) => Run(a, gate, up, up, task, Wide, true, false, false);

    [Kernel("MatMulWgmmaGatedNarrow", GatedNarrowContract, DynamicShared = 160 * 1024)]
    [OverlapsPredecessor, GroupBounds(WgmmaStages.Threads)]
    public static void GatedNarrow(TensorMap a, TensorMap gate, TensorMap up, ProductTask task) => Run(a, gate, up, up, task, Narrow, true, false, false);

    [Kernel("MatMulWgmmaInput", InputContract)]
    [GroupBounds(WgmmaStages.Threads)]
    public static void Input(TensorMap a, TensorMap b, ProductTask task) => Run(a, b, b, b, task, Wide, false, false, true);

    [Kernel("MatMulWgmmaInputNarrow", InputNarrowContract, DynamicShared = 160 * 1024)]
    [GroupBounds(WgmmaStages.Threads)]
    public static void InputNarrow(TensorMap a, TensorMap b, ProductTask task) => Run(a, b, b, b, task, Narrow, false, false, true);

    [Kernel("MatMulWgmmaWeight", WeightContract)]
    [GroupBounds(WgmmaStages.Threads)]
    public static void Weight(TensorMap a, TensorMap b, ProductTask task) => Run(a, b, b, b, task, Wide, false, true, true);

    [Kernel("MatMulWgmmaWeightNarrow", WeightNarrowContract, DynamicShared = 160 * 1024)]
    [GroupBounds(WgmmaStages.Threads)]
    public static void WeightNarrow(TensorMap a, TensorMap b, ProductTask task) => Run(a, b, b, b, task, Narrow, false, true, true);

    /// <summary>The last four arguments are constants of each kernel.</summary>
    private static void Run(
        TensorMap a, TensorMap b0, TensorMap b1, TensorMap b2, ProductTask task, int width, bool gated, bool aDown, bool bDown)
    {
        WgmmaStages stages = WgmmaStages.Open();
        GridDependency.LaunchDependents();
        if (WgmmaStages.Copies())
        {
            WgmmaStages.GiveRegisters();
            if (Group.IdxX == 0) Produce(a, b0, b1, b2, stages, task, width, gated, aDown, bDown);
        }
        else
        {
            WgmmaStages.TakeRegisters();
            GridDependency.Wait();
            Consume(stages, task, width, gated, aDown, bDown);
        }
    }

    private static int RowTiles(ProductTask task) => (task.M + WgmmaStages.Height - 1) / WgmmaStages.Height;

    private static int Steps(ProductTask task) => (task.K + WgmmaStages.Depth - 1) / WgmmaStages.Depth;

    /// <summary>One thread keeps the stages full; the first ones' right operands come ahead of the wait for the kernel before, where they may.</summary>
    private static void Produce(
        TensorMap a, TensorMap b0, TensorMap b1, TensorMap b2, WgmmaStages stages, ProductTask task, int width, bool gated, bool aDown, bool bDown)
    {
        int columns = gated ? width / 2 : width, rowTiles = RowTiles(task), columnTiles = task.ColumnTiles(columns);
        int places = rowTiles * columnTiles, parts = XMath.Max(task.Splits, 1), steps = Steps(task), turn = 0, ahead = 0;
        if (task.Ahead == 0) GridDependency.Wait();
        for (int item = Grid.IdxX; item < places * parts; item += Grid.DimX)
        {
            int part = item / places, tile = item - part * places, step = steps * part / parts, lastStep = steps * (part + 1) / parts;
            TilePlace place = TilePlace.Of(tile, rowTiles, columnTiles);
            ProductEpilogue to = ProductEpilogue.Of(task, place.Column, columns);
            if (task.Ahead != 0 && turn == 0)
            {
                ahead = XMath.Min(lastStep - step, WgmmaStages.Stages);
                for (int i = 0; i < ahead; i++)
                {
                    stages.Begin(i, width);
                    CopyRight(stages, b0, b1, b2, to, i, (step + i) * WgmmaStages.Depth, width, gated, bDown);
                }

                GridDependency.Wait();
            }

            for (; step < lastStep; step++)
            {
                int k = step * WgmmaStages.Depth;
                if (turn >= ahead) stages.Begin(turn, width);
                stages.CopyLeft(a, turn, place.Row * WgmmaStages.Height, k, width, aDown);
                if (turn >= ahead) CopyRight(stages, b0, b1, b2, to, turn, k, width, gated, bDown);
                turn++;
            }
        }
    }

    private static void CopyRight(
        WgmmaStages stages, TensorMap b0, TensorMap b1, TensorMap b2, ProductEpilogue to, int turn, int k, int width, bool gated, bool down)
    {
        if (gated)
        {
            stages.CopyRight(b0, turn, to.First, k, width / 2, 0, width, down);
            stages.CopyRight(b1, turn, to.First, k, width / 2, width / 2, width, down);
        }
        else if (to.Segment == 0) stages.CopyRight(b0, turn, to.First, k, width, 0, width, down);
        else if (to.Segment == 1) stages.CopyRight(b1, turn, to.First, k, width, 0, width, down);
        else stages.CopyRight(b2, turn, to.First, k, width, 0, width, down);
    }

    /// <summary>Each of two warp groups multiplies 64 rows of A by the tile of B, and stores them while the next tile arrives.</summary>
    private static void Consume(WgmmaStages stages, ProductTask task, int width, bool gated, bool aDown, bool bDown)
    {
        int columns = gated ? width / 2 : width, rowTiles = RowTiles(task), columnTiles = task.ColumnTiles(columns);
        int places = rowTiles * columnTiles, parts = XMath.Max(task.Splits, 1), steps = Steps(task), turn = 0;
        for (int item = Grid.IdxX; item < places * parts; item += Grid.DimX)
        {
            int part = item / places, tile = item - part * places, own = steps * (part + 1) / parts - steps * part / parts;
            // A thread's share of 64 x W. Zeros here, rather than a product that overwrites, let registers end with the tile.
            float[] sums = new float[width / 2];
            for (int i = 0; i < width / 8; i++)
                for (int e = 0; e < 4; e++) sums[4 * i + e] = 0f;
            stages.Multiply(sums, turn, own, width, aDown, bDown);
            turn += own;
            TilePlace place = TilePlace.Of(tile, rowTiles, columnTiles);
            ProductEpilogue to = ProductEpilogue.Of(task, place.Column, columns);
            to.TakePart(part);
            if (gated) ProductEpilogue.Gate(sums, 2, columns / 8, 0, columns / 2);
            to.Store(sums, place.Row * WgmmaStages.Height + WgmmaStages.FirstRow(), to.First + Group.IdxX % 4 * 2, 2, columns / 8, 0);
        }
    }
}
#endif
