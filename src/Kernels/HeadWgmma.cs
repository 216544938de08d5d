#if !ILGPU
using OllmNative.Runtime.Extensions;

namespace OllmNative.Kernels;

/// <summary>
/// The two products of <see cref="HeadTensor"/> on Hopper's warp groups (sm_90a): the same weights, statistics and flags, in tiles whose operands two warp
/// groups share. The gradient's right operand, W, has its terms down its columns; the copy unit takes it as it lies.
/// </summary>
public static class HeadWgmma
{
    /// <summary>Columns of a tile of logits and of the gradient: of 2,048 rows x 1,536 columns there are 128 tiles.</summary>
    private const int LogitTile = 256, GradientTile = 192;

    /// <summary>Rows of both tiles.</summary>
    public const int RowTile = WgmmaStages.Height;

    private const string LogitsContract = """
        for l = x[n] . W[v], v in [First, First + C), in strips s of 64:  top = max l and its first v, base = max(target[n], top - 64),
        weights[n,v] = exp(l - base) (1 for the target itself), sums[s,n] = their sum, tops[s,n] = top, bests[s,n] = v
        alive[n/16,s] = any of the 16 rows' sums is above Negligible        s counts from the vocabulary's beginning, except in alive
        x [N,D], W [C,D] bf16 as tensor maps, weights [N,Pitch] bf16 or empty; sums, tops f32, bests i32 [strips,N]; alive i32 [ceil(N/16),Pitch/64]
        tiles of 128 x 256 x 64, four in flight: grid as many groups as run at once, group 384, 192 KB of dynamic shared memory; sm_90a
        requires D % 8 = 0, First % 64 = 0; maps from Rows() and Entries()
        bytes of memory traffic 3NCD/128 + 2NC, flops 2NCD
        """;

    private const string GradientContract = """
        gradient[n,d] = (Accumulate ? gradient[n,d] : 0) + sum_v weights[n,v] W[v,d]  over the strips of v that any of the tile's rows has alive
        weights [N,Pitch], W [C,D] bf16 as tensor maps, alive i32 [ceil(N/16),Pitch/64], gradient [N,D] f32 is output 0 of the task: M = N, N0 = D, K = Pitch
        tiles of 128 x 192 x 64, four in flight: grid ceil(N/128) x ceil(D/192), group 384, 160 KB of dynamic shared memory; sm_90a
        requires D % 8 = 0, Pitch at most 512 strips; maps from Weights() and Columns()
        bytes of memory traffic 5NCD/192 + 8ND, flops 2NCD
        """;

    /// <summary>The layout of <see cref="Logits"/>.</summary>
    public static KernelConfig LogitsConfig(HeadShape shape, int multiprocessors) => WgmmaStages.Config(
        Math.Min(multiprocessors, (shape.Rows + WgmmaStages.Height - 1) / WgmmaStages.Height * ((shape.Count + LogitTile - 1) / LogitTile)), LogitTile);

    /// <summary>The layout of <see cref="Gradient"/>.</summary>
    public static KernelConfig GradientConfig(in ProductTask task)
    {
        KernelConfig config = WgmmaStages.Config(1, GradientTile);
        return new(
            new Index3D((task.M + WgmmaStages.Height - 1) / WgmmaStages.Height, task.ColumnTiles(GradientTile), 1), config.GroupDim, config.SharedMemoryConfig);
    }

    /// <summary>The map of x [N,D].</summary>
    public static TensorMap Rows(ArrayView<ushort> x, HeadShape shape) => WgmmaStages.Along(x, shape.Rows, shape.Depth, WgmmaStages.Height);

    /// <summary>The map of a chunk of W [C,D] for the logits.</summary>
    public static TensorMap Entries(ArrayView<ushort> w, HeadShape shape) => WgmmaStages.Along(w, shape.Count, shape.Depth, LogitTile);

    /// <summary>The map of the weights [N,Pitch].</summary>
    public static TensorMap Weights(ArrayView<ushort> weights, HeadShape shape) => WgmmaStages.Along(weights, shape.Rows, shape.Pitch, WgmmaStages.Height);

    /// <summary>The map of a chunk of W [C,D] for the gradient.</summary>
    public static TensorMap Columns(ArrayView<ushort> w, HeadShape shape) => WgmmaStages.Down(w, shape.Depth, shape.Count);

    [Kernel("HeadLogitsWgmma", LogitsContract)]
    [GroupBounds(WgmmaStages.Threads)]
    public static void Logits(
        TensorMap x, TensorMap w, ArrayView<float> target, ArrayView<int> targets, ArrayView<uint> weights,
        ArrayView<float> sums, ArrayView<float> tops, ArrayView<int> bests, ArrayView<int> alive, HeadShape shape)
    {
        WgmmaStages stages = WgmmaStages.Open();
        int rowTiles = (shape.Rows + WgmmaStages.Height - 1) / WgmmaStages.Height, columnTiles = (shape.Count + LogitTile - 1) / LogitTile, turn = 0;
        if (WgmmaStages.Copies())
        {
            WgmmaStages.GiveRegisters();
            for (int tile = Grid.IdxX; Group.IdxX == 0 && tile < rowTiles * columnTiles; tile += Grid.DimX)
            {
                TilePlace place = TilePlace.Of(tile, rowTiles, columnTiles);
                for (int k = 0; k < shape.Depth; k += WgmmaStages.Depth)
                {
                    stages.Begin(turn, LogitTile);
                    stages.CopyLeft(x, turn, place.Row * WgmmaStages.Height, k, LogitTile, false);
                    stages.CopyRight(w, turn, place.Column * LogitTile, k, LogitTile, 0, LogitTile, false);
                    turn++;
                }
            }
            return;
        }
        WgmmaStages.TakeRegisters();
        int steps = (shape.Depth + WgmmaStages.Depth - 1) / WgmmaStages.Depth;
        for (int tile = Grid.IdxX; tile < rowTiles * columnTiles; tile += Grid.DimX)
        {
            TilePlace place = TilePlace.Of(tile, rowTiles, columnTiles);
            int row = place.Row * WgmmaStages.Height + WgmmaStages.FirstRow() - Group.IdxX % 32 / 4;
            // Read before the products: nobody waits for them then.
            HeadRows rows = HeadRows.Of(row, target, targets, shape);
            float[] logits = new float[LogitTile / 2];
            for (int i = 0; i < LogitTile / 8; i++)
                for (int e = 0; e < 4; e++) logits[4 * i + e] = 0f;
            stages.Multiply(logits, turn, steps, LogitTile, false, false);
            turn += steps;
            if (row >= shape.Rows) continue;
            for (int strip = 0; strip < LogitTile / HeadTensor.Strip; strip++)
            {
                int column = place.Column * LogitTile + strip * HeadTensor.Strip;
                if (column < shape.Count) HeadStrip.Write(logits, 32 * strip, rows, row, column, weights, sums, tops, bests, alive, shape);
            }
        }
    }

    [Kernel("HeadGradientWgmma", GradientContract)]
    [GroupBounds(WgmmaStages.Threads)]
    public static void Gradient(TensorMap weights, TensorMap w, ArrayView<int> alive, ProductTask task)
    {
        ArrayView<int> list = SharedMemory.Allocate<int>(HeadTensor.MostStrips + 1);
        int row = Grid.IdxX * WgmmaStages.Height, column = Grid.IdxY * GradientTile;
        HeadStrip.ListAlive(list, alive, row / 16, XMath.Min(8, (task.M - row + 15) / 16), task.K / HeadTensor.Strip);
        WgmmaStages stages = WgmmaStages.Open();
        int steps = list[HeadTensor.MostStrips];
        if (WgmmaStages.Copies())
        {
            WgmmaStages.GiveRegisters();
            for (int turn = 0; Group.IdxX == 0 && turn < steps; turn++)
            {
                int term = list[turn] * HeadTensor.Strip;
                stages.Begin(turn, GradientTile);
                stages.CopyLeft(weights, turn, row, term, GradientTile, false);
                stages.CopyRight(w, turn, column, term, GradientTile, 0, GradientTile, true);
            }
            return;
        }
        WgmmaStages.TakeRegisters();
        float[] sums = new float[GradientTile / 2];
        for (int i = 0; i < GradientTile / 8; i++)
            for (int e = 0; e < 4; e++) sums[4 * i + e] = 0f;
        stages.Multiply(sums, 0, steps, GradientTile, false, true);
        ProductEpilogue to = ProductEpilogue.Of(task, Grid.IdxY, GradientTile);
        to.Store(sums, row + WgmmaStages.FirstRow(), column + Group.IdxX % 4 * 2, 2, GradientTile / 8, 0);
    }
}
#endif
