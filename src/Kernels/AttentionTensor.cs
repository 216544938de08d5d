#if !ILGPU
using OllmNative.Runtime.Extensions;

namespace OllmNative.Kernels;

/// <summary>
/// Attention on the tensor cores, for prompts: four warps take 128 queries of one head against tiles of 64 keys (arXiv 2307.08691). Scores,
/// running maximum and sum, and the result stay in registers; a warp has 32 queries, so that each fragment of keys and values that
/// it reads serves two products. While the scores are made the tile of values arrives, and the next keys while values are summed.
/// The portable twin is <see cref="AttentionTiles.Attention2"/>.
/// </summary>
public static class AttentionTensor
{
    /// <summary>Queries of a group, and its threads.</summary>
    public const int Queries = 128, Threads = 128;

    private const int Tile = 64;

    // Eight elements more than a row needs: the eight rows of a matrix load then lie in different banks.
    private const int Spare = 8;

    private const string Contract = """
        output[t,h] = softmax over positions j <= position(t) of (q[t,h] . keys[j,h']) * scale, times values[j,h']        h' = h * Hkv / H
        q, output [T,H,Dh] f32, keys, values [R,Hkv,Dh] bf16; items: (first row, rows, position of the first, cache row of position 0) of each block
        q and the softmax's weights rounded to bf16, sums in f32; the blocks with most keys come first
        grid H x items, group 128, 512 (Dh + 8) bytes of dynamic shared memory       requires rows <= 128 a block, all views on 16 bytes, sm_80
        bytes of memory traffic T^2 H Dh / 64 a sequence, flops 4 T^2 H Dh / 2
        """;

    /// <summary>The launch for this many blocks of queries.</summary>
    public static KernelConfig Config(int blocks, int heads, int size) => new(
        new Index3D(heads, blocks, 1), new Index3D(Threads, 1, 1), SharedMemoryConfig.RequestDynamic<Bf16>((Queries + 2 * Tile) * (size + Spare)));

    [Kernel("AttentionTensor64", Contract, DynamicShared = 512 * (64 + 8))]
    public static void Head64(
        ArrayView<float> q, ArrayView<Bf16> keys, ArrayView<Bf16> values, ArrayView<float> output, ArrayView<int> items, AttentionShape shape) =>
        Run(q, keys, values, output, items, shape, 64);

    [Kernel("AttentionTensor128", Contract, DynamicShared = 512 * (128 + 8))]
    public static void Head128(
        ArrayView<float> q, ArrayView<Bf16> keys, ArrayView<Bf16> values, ArrayView<float> output, ArrayView<int> items, AttentionShape shape) =>
        Run(q, keys, values, output, items, shape, 128);

    private static void Run(
        ArrayView<float> q, ArrayView<Bf16> keys, ArrayView<Bf16> values, ArrayView<float> output, ArrayView<int> items, AttentionShape shape, int size)
    {
        ArrayView<Bf16> shared = SharedMemory.GetDynamic<Bf16>();
        ArrayView<float> upperScores = LocalMemory.Allocate<float>(Tile / 2), lowerScores = LocalMemory.Allocate<float>(Tile / 2);
        ArrayView<float> upperSums = LocalMemory.Allocate<float>(64), lowerSums = LocalMemory.Allocate<float>(64);
        ArrayView<float> max = LocalMemory.Allocate<float>(4), total = LocalMemory.Allocate<float>(4), shrink = LocalMemory.Allocate<float>(4);
        int item = Grid.IdxY * 4, first = items[item], rows = items[item + 1], past = items[item + 2], head = Grid.IdxX;
        int lane = Group.IdxX % 32, warpRow = Group.IdxX / 32 * 32, position = past + warpRow + lane / 4, width = shape.KvHeads * size, end = past + rows;
        int tileK = Queries * (size + Spare), tileV = tileK + Tile * (size + Spare);
        long cache = (long)items[item + 3] * width + head / (shape.Heads / shape.KvHeads) * size, length = (long)(end - 1) * width + size;
        ArrayView<Bf16> ownKeys = keys.SubView(cache, length), ownValues = values.SubView(cache, length);
        Fetch(shared, tileK, ownKeys, 0, end, width, size);
        AsyncCopy.Commit();
        LoadQueries(shared, q, first, rows, head, shape, size);
        for (int i = 0; i < size / 2; i++)
        {
            upperSums[i] = 0f;
            lowerSums[i] = 0f;
        }
        for (int i = 0; i < 4; i++)
        {
            max[i] = float.NegativeInfinity;
            total[i] = 0f;
        }
        for (int key = 0; key < end; key += Tile)
        {
            AsyncCopy.Wait(0);
            // The keys are there, and nobody reads the values before them any more.
            Group.Barrier();
            Fetch(shared, tileV, ownValues, key, end, width, size);
            AsyncCopy.Commit();
            Score(upperScores, lowerScores, shared, warpRow, tileK, lane, size);
            AsyncCopy.Wait(0);
            // The values are there, and nobody reads these keys any more.
            Group.Barrier();
            if (key + Tile < end) Fetch(shared, tileK, ownKeys, key + Tile, end, width, size);
            AsyncCopy.Commit();
            // Only tiles that reach past the lane's first query hide anything.
            if (key + Tile > position + 1)
            {
                AttentionRows.Hide(upperScores, Tile / 2, key, position, lane);
                AttentionRows.Hide(lowerScores, Tile / 2, key, position + 16, lane);
            }
            bool grows = AttentionRows.Grow(upperScores, Tile / 2, max, shrink, 0) | AttentionRows.Grow(lowerScores, Tile / 2, max, shrink, 2);
            if (WarpVote.Any(grows))
            {
                for (int i = 0; i < 4; i++) total[i] *= shrink[i];
                for (int i = 0; i < size / 2; i++)
                {
                    upperSums[i] *= shrink[i % 4 / 2];
                    lowerSums[i] *= shrink[2 + i % 4 / 2];
                }
            }
            AttentionRows.Weights(upperScores, Tile / 2, max, total, 0);
            AttentionRows.Weights(lowerScores, Tile / 2, max, total, 2);
            Sum(upperSums, lowerSums, upperScores, lowerScores, shared, tileV, lane, size);
        }

        Store(output, items, upperSums, total[0], total[1], 0, lane, shape, size);
        Store(output, items, lowerSums, total[2], total[3], 16, lane, shape, size);
    }

    /// <summary>
    /// The block's queries, rounded; scaled so that exponentials are powers of two. Behind the last it is read again, since a branch would make
    /// the loads wait for each other; nobody keeps what comes out.
    /// </summary>
    private static void LoadQueries(ArrayView<Bf16> shared, ArrayView<float> q, int first, int rows, int head, AttentionShape shape, int size)
    {
        float scale = shape.Scale * AttentionRows.Log2E;
        int pieces = size / 8, own = Group.IdxX / pieces, column = Group.IdxX % pieces * 8, step = Threads / pieces;
        ArrayView<Bf16> target = shared.SubView(own * (size + Spare) + column, (Queries - step) * (size + Spare) + 8);
        for (int part = 0; part < Queries / step; part++)
        {
            int row = XMath.Min(own + part * step, rows - 1);
            ArrayView<float> from = q.SubView(((long)(first + row) * shape.Heads + head) * size + column, 8);
            Word4 words = AttentionRows.Rounded(Vector16.LoadFloat4(from, 0), Vector16.LoadFloat4(from, 4), scale);
            Vector16.StoreWords(target, part * step * (size + Spare), words);
        }
    }

    /// <summary>Starts the copy of 64 keys or values; zeros behind the last, since a weight of zero does not hide a NaN.</summary>
    private static void Fetch(ArrayView<Bf16> shared, int tile, ArrayView<Bf16> source, int key, int end, int width, int size)
    {
        int pieces = size / 8, row = Group.IdxX / pieces, column = Group.IdxX % pieces * 8, step = Threads / pieces;
        // A view of what is this thread's leaves constants for the parts, which the copies' addresses hold.
        ArrayView<Bf16> target = shared.SubView(tile + row * (size + Spare) + column, (Tile - step) * (size + Spare) + 8);
        for (int part = 0; part < Tile / step; part++)
        {
            int from = key + row + part * step;
            AsyncCopy.Copy16(target, part * step * (size + Spare), source, from * width + column, from < end);
        }
    }

    /// <summary>scores [2 x 16, 64] = queries [2 x 16, Dh] keys [64, Dh] transposed.</summary>
    private static void Score(ArrayView<float> upper, ArrayView<float> lower, ArrayView<Bf16> shared, int warpRow, int tileK, int lane, int size)
    {
        for (int i = 0; i < Tile / 2; i++)
        {
            upper[i] = 0f;
            lower[i] = 0f;
        }
        // Of queries: rows m and m+8 of the left half of 16 columns, then of the right half. Of keys: both halves of 8 keys, then of 8 more.
        ArrayView<Bf16> tileQ = shared.SubView((warpRow + lane % 16) * (size + Spare) + lane / 16 * 8, 16 * (size + Spare) + size - 8);
        ArrayView<Bf16> tile = shared.SubView(tileK + (lane / 16 * 8 + lane % 8) * (size + Spare) + lane / 8 % 2 * 8, 48 * (size + Spare) + size - 8);
        for (int k = 0; k < size / 16; k++)
        {
            FragmentA a = TensorCore.LoadMatrix4(tileQ, 16 * k), b = TensorCore.LoadMatrix4(tileQ, 16 * (size + Spare) + 16 * k);
            for (int n = 0; n < Tile / 16; n++)
            {
                FragmentA keys = TensorCore.LoadMatrix4(tile, n * 16 * (size + Spare) + 16 * k);
                TensorSums.Multiply(upper, 8 * n, a, keys.R0, keys.R1);
                TensorSums.Multiply(lower, 8 * n, b, keys.R0, keys.R1);
                TensorSums.Multiply(upper, 8 * n + 4, a, keys.R2, keys.R3);
                TensorSums.Multiply(lower, 8 * n + 4, b, keys.R2, keys.R3);
            }
        }
    }

    /// <summary>sums [2 x 16, Dh] += weights [2 x 16, 64] values [64, Dh].</summary>
    private static void Sum(
        ArrayView<float> upperSums, ArrayView<float> lowerSums, ArrayView<float> upper, ArrayView<float> lower, ArrayView<Bf16> shared, int tileV, int lane, int size)
    {
        ArrayView<Bf16> tile = shared.SubView(tileV + (lane / 8 % 2 * 8 + lane % 8) * (size + Spare) + lane / 16 * 8, 48 * (size + Spare) + size - 8);
        for (int k = 0; k < Tile / 16; k++)
        {
            FragmentA a = AttentionRows.Operand(upper, 8 * k), b = AttentionRows.Operand(lower, 8 * k);
            for (int n = 0; n < size / 16; n++)
            {
                FragmentA values = TensorCore.LoadMatrix4Transposed(tile, k * 16 * (size + Spare) + 16 * n);
                TensorSums.Multiply(upperSums, 8 * n, a, values.R0, values.R1);
                TensorSums.Multiply(lowerSums, 8 * n, b, values.R0, values.R1);
                TensorSums.Multiply(upperSums, 8 * n + 4, a, values.R2, values.R3);
                TensorSums.Multiply(lowerSums, 8 * n + 4, b, values.R2, values.R3);
            }
        }
    }

    /// <summary>
    /// 16 rows of the result. Neighbouring lanes exchange halves: the even one gets four columns of its row, the odd one four of the row
    /// eight further down, so that both store 16 bytes.
    /// </summary>
    private static void Store(
        ArrayView<float> output, ArrayView<int> items, ArrayView<float> sums, float total0, float total1, int half, int lane, AttentionShape shape, int size)
    {
        float scale0 = 1f / AttentionRows.QuadSum(total0), scale1 = 1f / AttentionRows.QuadSum(total1);
        // The block's place is read again, so that it takes no registers before.
        int first = items[Grid.IdxY * 4], rows = items[Grid.IdxY * 4 + 1];
        bool odd = lane % 2 != 0;
        int query = Group.IdxX / 32 * 32 + half + lane / 4 + (odd ? 8 : 0), column = lane % 4 / 2 * 4;
        long at = ((long)(first + (query < rows ? query : 0)) * shape.Heads + Grid.IdxX) * size + column;
        ArrayView<float> target = output.SubView(at, size - column);
        for (int n = 0; n < size / 8; n++)
        {
            float a0 = sums[4 * n] * scale0, a1 = sums[4 * n + 1] * scale0, b0 = sums[4 * n + 2] * scale1, b1 = sums[4 * n + 3] * scale1;
            float other0 = Warp.ShuffleXor(odd ? a0 : b0, 1), other1 = Warp.ShuffleXor(odd ? a1 : b1, 1);
            Float4 four = odd ? new Float4(other0, other1, b0, b1) : new Float4(a0, a1, other0, other1);
            if (query < rows) Vector16.StoreFloat4(target, 8 * n, four);
        }
    }
}
#endif
