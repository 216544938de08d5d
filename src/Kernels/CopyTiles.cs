#if !ILGPU
using OllmNative.Runtime.Extensions;

namespace OllmNative.Kernels;

/// <summary>
/// The main loop of products with mma.sync whose tiles of 32 terms arrive by cp.async, three ahead of the one in use, with one barrier a tile: the
/// products of few rows or odd columns, and the head's. An operand whose terms run along its rows lies without spare room: pieces of 16 bytes change
/// places by the row, so that neither copies nor matrix loads meet in a bank. One whose terms run down its columns has rows a little longer
/// than a tile, and ldmatrix transposes it on the way to the registers.
/// </summary>
internal static class CopyTiles
{
    /// <summary>Terms of a step.</summary>
    public const int Depth = 32;

    private const int Stages = 4, Spare = 8;

    /// <summary>Room of the stages, in elements.</summary>
    public static int SharedElements(TileForm form) => Stages * Stage(form);

    /// <summary>sums += the first steps of the product.</summary>
    /// <param name="a">Left operand [M,K], or [K,M].</param>
    /// <param name="b">Right operand [N,K], or [K,N].</param>
    /// <param name="sums">A warp's results: element 4 * (i * warp columns / 8 + j) + r is register r of product i, j of 16 x 8.</param>
    /// <param name="strips">Which 64 terms come in turn, where the form lists them.</param>
    /// <param name="shape">Place and sizes.</param>
    /// <param name="steps">Steps of 32 terms.</param>
    /// <param name="form">Constants of each kernel.</param>
    public static void Run(ArrayView<Bf16> a, ArrayView<Bf16> b, float[] sums, ArrayView<int> strips, TileShape shape, int steps, TileForm form)
    {
        ArrayView<Bf16> shared = SharedMemory.GetDynamic<Bf16>();
        int lane = Group.IdxX % 32, line = lane % 8, low = lane / 8 % 2, high = lane / 16, warpM = form.WarpRow(), warpN = form.WarpColumn();
        // A lane points to a row of one of four 8 x 8 matrices. Those of A: rows m and m+8 of the left half of 16 terms, then of the right half; of
        // B: columns n to n+7 with both halves of the terms, then n+8 to n+15.
        int placeA = form.ADown ? (8 * high + line) * (form.Rows + Spare) + warpM + 8 * low : (warpM + 8 * low + line) * Depth + (high ^ Turn(line)) * 8;
        int placeB = form.BDown ? (8 * low + line) * (form.Columns + Spare) + warpN + 8 * high : (warpN + 8 * high + line) * Depth + (low ^ Turn(line)) * 8;
        for (int s = 0; s < Stages - 1; s++)
        {
            if (s < steps) Fetch(shared, s, a, b, strips, shape, s, form);
            AsyncCopy.Commit();
        }

        int stage = 0, next = Stages - 1;
        for (int step = 0; step < steps; step++)
        {
            AsyncCopy.Wait(Stages - 2);
            // Everyone's copies are there, and everyone is done with the stage that is filled next.
            Group.Barrier();
            if (step + Stages - 1 < steps) Fetch(shared, next, a, b, strips, shape, step + Stages - 1, form);
            AsyncCopy.Commit();
            int tileA = stage * Stage(form), tileB = tileA + RoomA(form);
            Multiply(shared, sums, tileA + placeA, tileB + placeB, 0, form);
            Multiply(shared, sums, tileA + placeA, tileB + placeB, 1, form);
            stage = stage == Stages - 1 ? 0 : stage + 1;
            next = next == Stages - 1 ? 0 : next + 1;
        }
    }

    private static int RoomA(TileForm form) => form.ADown ? Depth * (form.Rows + Spare) : form.Rows * Depth;

    private static int Stage(TileForm form) => RoomA(form) + (form.BDown ? Depth * (form.Columns + Spare) : form.Columns * Depth);

    /// <summary>Rows 2r and 2r + 1 fill 128 bytes; their pieces are exchanged by r, so that eight rows' equal pieces lie in eight places.</summary>
    private static int Turn(int row) => row / 2 % 4;

    private static void Multiply(ArrayView<Bf16> shared, float[] sums, int placeA, int placeB, int half, TileForm form)
    {
        uint[] columns = new uint[16];
        for (int j = 0; j < form.WarpColumns / 16; j++)
        {
            FragmentA b = Load(shared, placeB, half, j, form.Columns, form.BDown);
            columns[4 * j] = b.R0;
            columns[4 * j + 1] = b.R1;
            columns[4 * j + 2] = b.R2;
            columns[4 * j + 3] = b.R3;
        }
        for (int i = 0; i < form.Rows / 32; i++)
        {
            FragmentA rows = Load(shared, placeA, half, i, form.Rows, form.ADown);
            for (int j = 0; j < form.WarpColumns / 8; j++) TensorSums.Multiply(sums, 4 * (i * (form.WarpColumns / 8) + j), rows, columns[2 * j], columns[2 * j + 1]);
        }
    }

    /// <summary>Four 8 x 8 matrices of 16 rows or columns. The second half of the terms is two pieces further: one bit of the place.</summary>
    private static FragmentA Load(ArrayView<Bf16> shared, int place, int half, int number, int tile, bool down) => down
        ? TensorCore.LoadMatrix4Transposed(shared, place + half * 16 * (tile + Spare) + 16 * number)
        : TensorCore.LoadMatrix4(shared, (place ^ half * 16) + 16 * Depth * number);

    private static void Fetch(
        ArrayView<Bf16> shared, int stage, ArrayView<Bf16> a, ArrayView<Bf16> b, ArrayView<int> strips, TileShape shape, int step, TileForm form)
    {
        int tile = stage * Stage(form), k = form.Listed ? strips[step / 2] * 64 + step % 2 * Depth : step * Depth;
        FetchOne(shared, tile, a, shape.FirstRow, shape.Rows, k, shape.Terms, shape.Pitch, form.Rows, form.Threads, form.ADown);
        FetchOne(shared, tile + RoomA(form), b, shape.FirstColumn, shape.Columns, k, shape.Terms, form.BDown ? shape.Columns : shape.Terms, form.Columns, form.Threads, form.BDown);
    }

    /// <summary>Starts the copy of a tile, 16 bytes at a time; outside of the matrix is zero.</summary>
    private static void FetchOne(
        ArrayView<Bf16> shared, int target, ArrayView<Bf16> matrix, int first, int count, int k, int terms, int pitch, int tile, int threads, bool down)
    {
        for (int part = 0; part < tile * Depth / 8 / threads; part++)
        {
            int i = part * threads + Group.IdxX;
            if (down)
            {
                int row = i / (tile / 8), column = i % (tile / 8) * 8;
                bool inside = k + row < terms && first + column < count;
                AsyncCopy.Copy16(shared, target + row * (tile + Spare) + column, matrix, inside ? (k + row) * pitch + first + column : 0, inside);
            }
            else
            {
                int row = i / (Depth / 8), piece = i % (Depth / 8);
                bool inside = first + row < count && k + 8 * piece < terms;
                AsyncCopy.Copy16(shared, target + row * Depth + (piece ^ Turn(row)) * 8, matrix, inside ? (first + row) * pitch + k + 8 * piece : 0, inside);
            }
        }
    }
}
#endif
