#if !ILGPU
using OllmNative.Runtime.Extensions;

namespace OllmNative.Kernels;

/// <summary>
/// The body of the large tensor-core products with mma.sync. A group makes 128 x W elements, W = 128 or 256, with W threads: each warp 64 x 64
/// of them as 4 x 8 products of 16 x 8. Tiles of 64 columns of k arrive by cp.async, two ahead of the one in use; the operands of the next 16
/// columns come from shared memory while the current ones are multiplied. One barrier a tile.
/// <para>
/// Arithmetic for a warp and 16 columns of k: 32 products from 4 + 4 matrix loads of 512 bytes. A pair of warps on a scheduler keeps the tensor
/// core busy while the other loads; shared memory moves 8 x 8 x 512 bytes in, and (128 + W) x 32 out of cp.async: 256 + 96 clocks of 128 bytes
/// for W = 256, against at least 256 clocks of multiplying.
/// </para>
/// </summary>
internal static class ProductTiles
{
    /// <summary>Rows of C that a group makes.</summary>
    public const int Height = 128;

    private const int Depth = 64, Stages = 3, Chunks = Depth / 8;

    /// <summary>C = A Bᵀ, rows of k.</summary>
    public const int Forward = 0;

    /// <summary>C = silu(A Gateᵀ) * (A Upᵀ).</summary>
    public const int Gated = 1;

    /// <summary>C = A B with B [K,N].</summary>
    public const int Input = 2;

    /// <summary>C = Aᵀ B with A [K,M], B [K,N].</summary>
    public const int Weight = 3;

    /// <summary>Room of the stages, in elements.</summary>
    public static int SharedElements(int width) => Stages * (Height + width) * Depth;

    /// <summary>The last three arguments are constants of each kernel.</summary>
    /// <param name="a">Left operand.</param>
    /// <param name="b0">Right operand of the first output, or the gate.</param>
    /// <param name="b1">Of the second, or up.</param>
    /// <param name="b2">Of the third.</param>
    /// <param name="task">Sizes and outputs.</param>
    /// <param name="width">W.</param>
    /// <param name="form">How the operands lie.</param>
    /// <param name="half">Elements are f16, not bf16.</param>
    public static void Run(ArrayView<ushort> a, ArrayView<ushort> b0, ArrayView<ushort> b1, ArrayView<ushort> b2, ProductTask task, int width, int form, bool half)
    {
        ArrayView<ushort> shared = SharedMemory.GetDynamic<ushort>();
        ArrayView<uint> operands = LocalMemory.Allocate<uint>(64);
        float[] sums = new float[128];
        for (int i = 0; i < 32; i++)
            for (int e = 0; e < 4; e++) sums[4 * i + e] = 0f;
        int columns = form == Gated ? width / 2 : width;
        TilePlace place = TilePlace.Of(Grid.IdxX, (task.M + Height - 1) / Height, task.ColumnTiles(columns));
        ProductEpilogue to = ProductEpilogue.Of(task, place.Column, columns);
        ArrayView<ushort> b = to.Segment == 0 ? b0 : to.Segment == 1 ? b1 : b2;
        int firstM = place.Row * Height, warp = Group.IdxX / 32, warpM = warp % 2 * 64, warpN = warp / 2 * 64;
        int steps = (task.K + Depth - 1) / Depth;

        for (int s = 0; s < Stages - 1; s++)
        {
            Fetch(shared, s, a, b, b1, firstM, to.First, s * Depth, task.M, to.Columns, task.K, width, form);
            AsyncCopy.Commit();
        }

        AsyncCopy.Wait(Stages - 2);
        Group.Barrier();
        Load(operands, 0, shared, 0, warpM, warpN, 0, width, form);
        int stage = 0, fill = Stages - 1;
        for (int step = 0; step < steps; step++)
        {
            for (int part = 0; part < Depth / 16; part++)
            {
                if (part == Depth / 16 - 1)
                {
                    // Everyone's copies of the next tile are there, and everyone has read the last of this one.
                    AsyncCopy.Wait(Stages - 2);
                    Group.Barrier();
                    stage = stage == Stages - 1 ? 0 : stage + 1;
                }

                Load(operands, (part + 1) % 2, shared, stage, warpM, warpN, (part + 1) % (Depth / 16), width, form);
                if (part == 0)
                {
                    // Beyond the last tile this fills with zeros what nobody multiplies: cheaper than a branch around it.
                    Fetch(shared, fill, a, b, b1, firstM, to.First, (step + Stages - 1) * Depth, task.M, to.Columns, task.K, width, form);
                    AsyncCopy.Commit();
                    fill = fill == Stages - 1 ? 0 : fill + 1;
                }

                Multiply(sums, operands, part % 2, half);
            }
        }

        int row = firstM + warpM + Group.IdxX % 32 / 4, column = Group.IdxX % 4 * 2;
        if (form == Gated)
        {
            // The left 32 columns of a warp are of the gate, the right ones of up.
            ProductEpilogue.Gate(sums, 8, 4, 32, 16);
            to.Store(sums, row, to.First + warpN / 2 + column, 8, 4, 32);
        }
        else to.Store(sums, row, to.First + warpN + column, 8, 8, 32);
    }

    /// <summary>Element (row, 8 * chunk) of a tile with rows of <paramref name="pitch"/>: eight rows of one chunk lie in different banks.</summary>
    internal static int Place(int row, int chunk, int pitch) => row * pitch + (chunk ^ row % 8) * 8;

    private static void Fetch(
        ArrayView<ushort> shared, int stage, ArrayView<ushort> a, ArrayView<ushort> b, ArrayView<ushort> up, int firstM, int firstN, int k0,
        int m, int n, int k, int width, int form)
    {
        ArrayView<ushort> tileA = shared.SubView(stage * (Height + width) * Depth), tileB = tileA.SubView(Height * Depth);
        if (form == Weight) FetchDown(tileA, a, firstM, m, k0, k, Height, width);
        else FetchRows(tileA, a, a, firstM, m, k0, k, Height, width, false);
        if (form is Input or Weight) FetchDown(tileB, b, firstN, n, k0, k, width, width);
        else FetchRows(tileB, b, up, firstN, n, k0, k, width, width, form == Gated);
    }

    /// <summary>
    /// Starts the copy of <paramref name="rows"/> x 64, 16 bytes a thread and round; outside of the matrix is zero. Gated: 32 rows of the gate and
    /// the same 32 of up take turns.
    /// </summary>
    private static void FetchRows(
        ArrayView<ushort> tile, ArrayView<ushort> matrix, ArrayView<ushort> up, int first, int count, int k0, int k, int rows, int threads, bool gated)
    {
        int chunk = Group.IdxX % Chunks, line = Group.IdxX / Chunks, round = threads / Chunks;
        ArrayView<ushort> target = tile.SubView(Place(line, chunk, Depth));
        // The index grows from round to round: one register, where an address for each round would take two.
        int index = (first + line) * k + chunk * 8 + k0, limit = k0 + chunk * 8 < k ? count - first - line : 0;
        for (int block = 0; block < rows / 32; block++)
        {
            for (int part = 0; part < 32 / round; part++)
            {
                bool second = gated && block % 2 == 1;
                int row = (gated ? block / 2 : block) * 32 + part * round, place = (block * 32 + part * round) * Depth;
                if (second) AsyncCopy.Copy16(target, place, up, index - (32 - part * round) * k, row < limit);
                else AsyncCopy.Copy16(target, place, matrix, index, row < limit);
                if (!second) index += round * k;
            }
        }
    }

    /// <summary>Starts the copy of 64 rows of k by <paramref name="columns"/>; outside of the matrix is zero.</summary>
    private static void FetchDown(ArrayView<ushort> tile, ArrayView<ushort> matrix, int first, int count, int k0, int k, int columns, int threads)
    {
        int chunk = Group.IdxX % (columns / 8), line = Group.IdxX / (columns / 8), round = threads / (columns / 8);
        ArrayView<ushort> target = tile.SubView(Place(line, chunk, columns));
        int index = (k0 + line) * count + first + chunk * 8, limit = first + chunk * 8 < count ? k - k0 - line : 0;
        for (int part = 0; part < Depth / round; part++)
        {
            AsyncCopy.Copy16(target, part * round * columns, matrix, index, part * round < limit);
            index += round * count;
        }
    }

    /// <summary>
    /// The operands of 16 columns of k into registers: 64 rows of A, 64 columns of B. A lane points to a row of one of four 8 x 8 matrices. Those
    /// of A: rows m and m+8 of the left half of k, then of the right half; of B: columns n to n+7 with both halves of k, then n+8 to n+15.
    /// </summary>
    private static void Load(ArrayView<uint> operands, int buffer, ArrayView<ushort> shared, int stage, int warpM, int warpN, int part, int width, int form)
    {
        int lane = Group.IdxX % 32, line = lane % 8, low = lane / 8 % 2, high = lane / 16;
        ArrayView<ushort> tile = shared.SubView(stage * (Height + width) * Depth);
        for (int i = 0; i < 4; i++)
        {
            FragmentA four = form == Weight
                ? TensorCore.LoadMatrix4Transposed(tile.SubView(warpM + (8 * high + line) * Height + (2 * i + low ^ line) * 8), 16 * part * Height)
                : TensorCore.LoadMatrix4(tile.SubView((warpM + 8 * low + line) * Depth + (2 * part + high ^ line) * 8), 16 * i * Depth);
            Keep(operands, buffer * 32 + 4 * i, four);
            four = form is Input or Weight
                ? TensorCore.LoadMatrix4Transposed(tile.SubView(warpN + (8 * low + line) * width + (2 * i + high ^ line) * 8), Height * Depth + 16 * part * width)
                : TensorCore.LoadMatrix4(tile.SubView((warpN + 8 * high + line) * Depth + (2 * part + low ^ line) * 8), Height * Depth + 16 * i * Depth);
            Keep(operands, buffer * 32 + 16 + 4 * i, four);
        }
    }

    private static void Keep(ArrayView<uint> operands, int at, FragmentA four)
    {
        operands[at] = four.R0;
        operands[at + 1] = four.R1;
        operands[at + 2] = four.R2;
        operands[at + 3] = four.R3;
    }

    private static void Multiply(float[] sums, ArrayView<uint> operands, int buffer, bool half)
    {
        for (int i = 0; i < 4; i++)
        {
            FragmentA a = default;
            int at = buffer * 32 + 4 * i;
            a.R0 = operands[at];
            a.R1 = operands[at + 1];
            a.R2 = operands[at + 2];
            a.R3 = operands[at + 3];
            for (int j = 0; j < 8; j++) TensorSums.Multiply(sums, 32 * i + 4 * j, a, operands[buffer * 32 + 16 + 2 * j], operands[buffer * 32 + 17 + 2 * j], half);
        }
    }
}
#endif
