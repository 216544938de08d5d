#if !ILGPU
using OllmNative.Runtime.Extensions;

namespace OllmNative.Kernels;

/// <summary>
/// The body of the tensor-core products. A group of 2T threads makes T x T elements; a warp makes T/2 x 32 of them, as T/32 x 4 products
/// of 16 x 8. Tiles of 32 columns of k arrive by cp.async, three ahead of the one in use, with one barrier a tile.
/// </summary>
internal static class TensorTiles
{
    private const int Depth = 32, Stages = 4;

    // Eight elements more than a row needs: the rows of a matrix load then lie in different banks, and on multiples of 16 bytes.
    private const int Spare = 8;

    /// <summary>Room of one operand's tile: T rows of 32, or 32 rows of T, and what they have to spare.</summary>
    private static int Room(int tile) => tile * (Depth + Spare);

    public static int SharedElements(int tile) => 2 * Stages * Room(tile);

    /// <summary>The last three arguments are constants of each kernel, so only one of each pair of branches is compiled.</summary>
    /// <param name="a">Left operand.</param>
    /// <param name="b">Right operand.</param>
    /// <param name="bias">Added to each row, or empty.</param>
    /// <param name="scale">Factor of what C held, for each row, or empty.</param>
    /// <param name="c">Result.</param>
    /// <param name="m">Rows of C.</param>
    /// <param name="n">Columns of C.</param>
    /// <param name="k">Terms of each sum.</param>
    /// <param name="accumulate">1 adds to C.</param>
    /// <param name="tile">T.</param>
    /// <param name="aDown">A is stored [K,M]: k runs down its columns.</param>
    /// <param name="bDown">B is stored [K,N].</param>
    public static void Run(
        ArrayView<Bf16> a, ArrayView<Bf16> b, ArrayView<float> bias, ArrayView<float> scale, ArrayView<float> c,
        int m, int n, int k, int accumulate, int tile, bool aDown, bool bDown)
    {
        ArrayView<Bf16> shared = SharedMemory.GetDynamic<Bf16>();
        ArrayView<float> sums = LocalMemory.Allocate<float>(64);
        for (int i = 0; i < tile / 2; i++) sums[i] = 0f;
        int firstM = Grid.IdxY * tile, firstN = Grid.IdxX * tile;
        int warp = Group.IdxX / 32, warpM = warp / (tile / 32) * (tile / 2), warpN = warp % (tile / 32) * 32;
        int steps = (k + Depth - 1) / Depth;
        for (int s = 0; s < Stages - 1; s++)
        {
            if (s < steps) Fetch(shared, s, a, b, firstM, firstN, s * Depth, m, n, k, tile, aDown, bDown);
            AsyncCopy.Commit();
        }

        int stage = 0, next = Stages - 1;
        for (int step = 0; step < steps; step++)
        {
            AsyncCopy.Wait(Stages - 2);
            // Everyone's copies are there, and everyone is done with the stage that is filled next.
            Group.Barrier();
            if (step + Stages - 1 < steps) Fetch(shared, next, a, b, firstM, firstN, (step + Stages - 1) * Depth, m, n, k, tile, aDown, bDown);
            AsyncCopy.Commit();
            int tileA = 2 * stage * Room(tile), tileB = tileA + Room(tile);
            for (int k0 = 0; k0 < Depth; k0 += 16)
            {
                FragmentA left = LoadB(shared, tileB, warpN, k0, tile, bDown), right = LoadB(shared, tileB, warpN + 16, k0, tile, bDown);
                for (int i = 0; i < tile / 32; i++)
                {
                    FragmentA rows = LoadA(shared, tileA, warpM + 16 * i, k0, tile, aDown);
                    Multiply(sums, 16 * i, rows, left.R0, left.R1);
                    Multiply(sums, 16 * i + 4, rows, left.R2, left.R3);
                    Multiply(sums, 16 * i + 8, rows, right.R0, right.R1);
                    Multiply(sums, 16 * i + 12, rows, right.R2, right.R3);
                }
            }

            stage = stage == Stages - 1 ? 0 : stage + 1;
            next = next == Stages - 1 ? 0 : next + 1;
        }

        for (int i = 0; i < tile / 2; i++)
        {
            // Element i of a thread: product i / 4 of four a row of products, register i % 4 of it.
            int row = firstM + warpM + i / 16 * 16 + Group.IdxX % 32 / 4 + i % 4 / 2 * 8;
            int column = firstN + warpN + i / 4 % 4 * 8 + Group.IdxX % 4 * 2 + i % 2;
            if (row < m && column < n) Store(c, bias, scale, row, column, n, accumulate, sums[i]);
        }
    }

    private static void Store(ArrayView<float> c, ArrayView<float> bias, ArrayView<float> scale, int row, int column, int columns, int accumulate, float sum)
    {
        long at = (long)row * columns + column;
        if (bias.Length != 0) sum += bias[column];
        if (accumulate != 0) sum += scale.Length != 0 ? c[at] * scale[row] : c[at];
        c[at] = sum;
    }

    private static void Fetch(
        ArrayView<Bf16> shared, int stage, ArrayView<Bf16> a, ArrayView<Bf16> b, int firstM, int firstN, int k0, int m, int n, int k,
        int tile, bool aDown, bool bDown)
    {
        int tileA = 2 * stage * Room(tile);
        FetchOne(shared, tileA, a, firstM, m, k0, k, tile, aDown);
        FetchOne(shared, tileA + Room(tile), b, firstN, n, k0, k, tile, bDown);
    }

    /// <summary>Starts the copy of a tile, 8 elements at a time, two of them a thread; outside of the matrix it is zero.</summary>
    private static void FetchOne(ArrayView<Bf16> shared, int target, ArrayView<Bf16> matrix, int first, int count, int k0, int k, int tile, bool down)
    {
        for (int part = 0; part < 2; part++)
        {
            int i = part * 2 * tile + Group.IdxX;
            if (down)
            {
                int row = i / (tile / 8), column = i % (tile / 8) * 8;
                bool inside = k0 + row < k && first + column < count;
                AsyncCopy.Copy16(shared, target + row * (tile + Spare) + column, matrix, inside ? (k0 + row) * count + first + column : 0, inside);
            }
            else
            {
                int row = i / (Depth / 8), column = i % (Depth / 8) * 8;
                bool inside = first + row < count && k0 + column < k;
                AsyncCopy.Copy16(shared, target + row * (Depth + Spare) + column, matrix, inside ? (first + row) * k + k0 + column : 0, inside);
            }
        }
    }

    // A lane points to a row of one of four 8 x 8 matrices. Those of A: rows m and m+8 of the left half of k, then of the right half.
    private static FragmentA LoadA(ArrayView<Bf16> shared, int tileA, int m, int k0, int tile, bool down)
    {
        int lane = Group.IdxX % 32;
        return down
            ? TensorCore.LoadMatrix4Transposed(shared, tileA + (k0 + lane / 16 * 8 + lane % 8) * (tile + Spare) + m + lane / 8 % 2 * 8)
            : TensorCore.LoadMatrix4(shared, tileA + (m + lane % 16) * (Depth + Spare) + k0 + lane / 16 * 8);
    }

    // Two 16 x 8 operands at once: columns n to n+7 with both halves of k, then columns n+8 to n+15.
    private static FragmentA LoadB(ArrayView<Bf16> shared, int tileB, int n, int k0, int tile, bool down)
    {
        int lane = Group.IdxX % 32;
        return down
            ? TensorCore.LoadMatrix4Transposed(shared, tileB + (k0 + lane / 8 % 2 * 8 + lane % 8) * (tile + Spare) + n + lane / 16 * 8)
            : TensorCore.LoadMatrix4(shared, tileB + (n + lane / 16 * 8 + lane % 8) * (Depth + Spare) + k0 + lane / 8 % 2 * 8);
    }

    public static void Multiply(ArrayView<float> sums, int at, FragmentA a, uint first, uint second)
    {
        FragmentB b = default;
        b.R0 = first;
        b.R1 = second;
        FragmentC c = default;
        c.R0 = sums[at];
        c.R1 = sums[at + 1];
        c.R2 = sums[at + 2];
        c.R3 = sums[at + 3];
        c = TensorCore.MultiplyAddBf16(a, b, c);
        sums[at] = c.R0;
        sums[at + 1] = c.R1;
        sums[at + 2] = c.R2;
        sums[at + 3] = c.R3;
    }
}
#endif
