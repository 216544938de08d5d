#if !ILGPU
using OllmNative.Runtime.Extensions;

namespace OllmNative.Kernels;

/// <summary>
/// The main loop of the head's two products on the tensor cores: tiles of 128 rows, eight warps of 64 rows each. Tiles of 32 terms arrive by
/// cp.async, three ahead of the one in use, with one barrier a tile. Operands whose terms run along their rows lie without spare room: pieces of
/// 16 bytes change places by the row, so that neither copies nor matrix loads meet in a bank.
/// </summary>
internal static class HeadTiles
{
    /// <summary>Rows of a tile, terms of a step, stages in flight, threads of a group.</summary>
    public const int Rows = 128, Depth = 32, Stages = 4, Threads = 256;

    // Rows of the right operand that runs down its columns are this much longer than a tile.
    private const int Spare = 8;

    private const int RoomA = Rows * Depth;

    /// <summary>Elements of one stage.</summary>
    private static int Stage(int tile, bool down) => RoomA + (down ? Depth * (tile + Spare) : tile * Depth);

    public static int SharedElements(int tile, bool down) => Stages * Stage(tile, down);

    /// <summary>sums += the first steps of the product, from shared memory; steps holds the places of k, or is empty for all in order.</summary>
    /// <param name="a">Left operand [M,K].</param>
    /// <param name="b">Right operand [N,K], or [K,N] when down.</param>
    /// <param name="sums">A warp's 64 x tile/4 results: element 4 * (i * tile/32 + j) + r is register r of product i, j of 16 x 8.</param>
    /// <param name="strips">Which 64 terms come in turn.</param>
    /// <param name="shape">Sizes.</param>
    /// <param name="steps">Steps of 32 terms.</param>
    /// <param name="tile">Columns of the tile, a constant.</param>
    /// <param name="down">How B lies, a constant; terms then come in the order of strips.</param>
    public static void Run(
        ArrayView<Bf16> a, ArrayView<Bf16> b, ArrayView<float> sums, ArrayView<int> strips, HeadTileShape shape, int steps, int tile, bool down)
    {
        ArrayView<Bf16> shared = SharedMemory.GetDynamic<Bf16>();
        int lane = Group.IdxX % 32, warp = Group.IdxX / 32, warpN = warp % 4 * (tile / 4);
        int placeA = (warp / 4 * 64 + lane % 16) * Depth + (lane / 16 ^ Turn(lane)) * 8;
        int placeB = down
            ? (lane / 8 % 2 * 8 + lane % 8) * (tile + Spare) + warpN + lane / 16 * 8
            : (warpN + lane / 16 * 8 + lane % 8) * Depth + (lane / 8 % 2 ^ Turn(lane)) * 8;
        for (int s = 0; s < Stages - 1; s++)
        {
            if (s < steps) Fetch(shared, s, a, b, strips, shape, s, tile, down);
            AsyncCopy.Commit();
        }

        int stage = 0, next = Stages - 1;
        for (int step = 0; step < steps; step++)
        {
            AsyncCopy.Wait(Stages - 2);
            // Everyone's copies are there, and everyone is done with the stage that is filled next.
            Group.Barrier();
            if (step + Stages - 1 < steps) Fetch(shared, next, a, b, strips, shape, step + Stages - 1, tile, down);
            AsyncCopy.Commit();
            int tileA = stage * Stage(tile, down), tileB = tileA + RoomA;
            Multiply(shared, sums, tileA + placeA, tileB + placeB, 0, tile, down);
            Multiply(shared, sums, tileA + placeA, tileB + placeB, 1, tile, down);
            stage = stage == Stages - 1 ? 0 : stage + 1;
            next = next == Stages - 1 ? 0 : next + 1;
        }
    }

    /// <summary>Rows 2r and 2r + 1 fill 128 bytes; their pieces are exchanged by r, so that eight rows' equal pieces lie in eight places.</summary>
    private static int Turn(int row) => row / 2 % 4;

    private static void Multiply(ArrayView<Bf16> shared, ArrayView<float> sums, int placeA, int placeB, int half, int tile, bool down)
    {
        ArrayView<uint> columns = LocalMemory.Allocate<uint>(16);
        for (int j = 0; j < tile / 64; j++)
        {
            // The second half of the terms is two pieces further: one bit of the place.
            FragmentA b = down
                ? TensorCore.LoadMatrix4Transposed(shared, placeB + half * 16 * (tile + Spare) + 16 * j)
                : TensorCore.LoadMatrix4(shared, (placeB ^ half * 16) + 16 * Depth * j);
            columns[4 * j] = b.R0;
            columns[4 * j + 1] = b.R1;
            columns[4 * j + 2] = b.R2;
            columns[4 * j + 3] = b.R3;
        }
        for (int i = 0; i < 4; i++)
        {
            FragmentA rows = TensorCore.LoadMatrix4(shared, (placeA ^ half * 16) + 16 * Depth * i);
            for (int j = 0; j < tile / 64; j++)
            {
                TensorTiles.Multiply(sums, 4 * (i * (tile / 32) + 2 * j), rows, columns[4 * j], columns[4 * j + 1]);
                TensorTiles.Multiply(sums, 4 * (i * (tile / 32) + 2 * j + 1), rows, columns[4 * j + 2], columns[4 * j + 3]);
            }
        }
    }

    /// <summary>Starts the copies of a step, 16 bytes at a time; outside of the matrices is zero.</summary>
    private static void Fetch(
        ArrayView<Bf16> shared, int stage, ArrayView<Bf16> a, ArrayView<Bf16> b, ArrayView<int> strips, HeadTileShape shape, int step, int tile, bool down)
    {
        int tileA = stage * Stage(tile, down), k = down ? strips[step / 2] * 64 + step % 2 * Depth : step * Depth;
        FetchRows(shared, tileA, a, shape.FirstRow, shape.Rows, k, shape.Terms, shape.Pitch, Rows);
        if (!down)
        {
            FetchRows(shared, tileA + RoomA, b, shape.FirstColumn, shape.Columns, k, shape.Terms, shape.Terms, tile);
            return;
        }
        for (int part = 0; part < tile * Depth / 8 / Threads; part++)
        {
            int i = part * Threads + Group.IdxX, row = i / (tile / 8), column = i % (tile / 8) * 8;
            bool inside = k + row < shape.Terms && shape.FirstColumn + column < shape.Columns;
            AsyncCopy.Copy16(
                shared, tileA + RoomA + row * (tile + Spare) + column, b, inside ? (k + row) * shape.Columns + shape.FirstColumn + column : 0, inside);
        }
    }

    private static void FetchRows(ArrayView<Bf16> shared, int target, ArrayView<Bf16> matrix, int first, int count, int k, int terms, int pitch, int rows)
    {
        for (int part = 0; part < rows * Depth / 8 / Threads; part++)
        {
            int i = part * Threads + Group.IdxX, row = i / (Depth / 8), piece = i % (Depth / 8);
            bool inside = first + row < count && k + 8 * piece < terms;
            AsyncCopy.Copy16(shared, target + row * Depth + (piece ^ Turn(row)) * 8, matrix, inside ? (first + row) * pitch + k + 8 * piece : 0, inside);
        }
    }
}

/// <summary>A tile's place and the matrices' sizes.</summary>
public struct HeadTileShape
{
    /// <summary>The tile's first row and column.</summary>
    public int FirstRow, FirstColumn;

    /// <summary>M, N and K.</summary>
    public int Rows, Columns, Terms;

    /// <summary>Elements from one row of A to the next.</summary>
    public int Pitch;
}
#endif
