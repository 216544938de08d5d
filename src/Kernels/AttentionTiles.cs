namespace OllmNative.Kernels;

/// <summary>
/// Version 2 of attention: a group of four warps takes 16 queries against tiles of 32 keys in shared memory, with a running maximum and
/// sum (online softmax, arXiv 1805.02867). A lane scores one key and sums four columns of the result. With few queries the keys
/// are cut into parts, whose results <see cref="AttentionCombine"/> puts together.
/// </summary>
public static class AttentionTiles
{
    /// <summary>Queries of a group, its threads, and the largest head.</summary>
    public const int Queries = 16, Threads = 128, MostHead = 128;

    private const int Keys = 32, PerWarp = 4, Parts = MostHead / 32;

    private const string Contract = """
        output[t,h] = softmax over positions j <= position(t) of (q[t,h] . keys[j,h']) * scale, times values[j,h']        h' = h * Hkv / H
        q, output [T,H,Dh], keys, values [R,Hkv,Dh] f32; items: (first row, rows, position of the first, cache row of position 0) of each block
        version 2: grid items x H/packed x splits, group 128       requires Dh <= 128, rows * packed <= 16 a block
        with splits > 1 partial gets [T,H,splits,Dh] unscaled sums and stats [T,H,splits,2] maximum and sum of weights; output stays
        bytes of memory traffic T^2 H Dh / 4 a sequence, flops 4 T^2 H Dh / 2
        """;

    [Kernel("Attention", Contract, Version = 2)]
    public static void Attention2(
        ArrayView<float> q, ArrayView<float> keys, ArrayView<float> values, ArrayView<float> output, ArrayView<int> items,
        ArrayView<float> partial, ArrayView<float> stats, AttentionShape shape)
    {
        ArrayView<float> tileQ = SharedMemory.Allocate<float>(Queries * MostHead);
        ArrayView<float> tileK = SharedMemory.Allocate<float>(Keys * (MostHead + 1));
        ArrayView<float> tileV = SharedMemory.Allocate<float>(Keys * MostHead);
        ArrayView<float> weights = SharedMemory.Allocate<float>(Queries * Keys);
        ArrayView<float> sums = LocalMemory.Allocate<float>(PerWarp * Parts);
        ArrayView<float> max = LocalMemory.Allocate<float>(PerWarp);
        ArrayView<float> total = LocalMemory.Allocate<float>(PerWarp);
        for (int i = 0; i < PerWarp * Parts; i++) sums[i] = 0f;
        for (int r = 0; r < PerWarp; r++)
        {
            max[r] = float.NegativeInfinity;
            total[r] = 0f;
        }

        int item = Grid.IdxX * 4, first = items[item], rows = items[item + 1] * shape.Packed, past = items[item + 2];
        int head = Grid.IdxY * shape.Packed, size = shape.HeadSize, width = shape.KvHeads * size;
        long cache = (long)items[item + 3] * width + head / (shape.Heads / shape.KvHeads) * size;
        LoadQueries(tileQ, q, first, rows, head, shape);
        int lane = Group.IdxX % 32, firstRow = Group.IdxX / 32 * PerWarp;
        int begin = Grid.IdxZ * shape.KeysPerSplit, end = XMath.Min(begin + shape.KeysPerSplit, past + items[item + 1]);
        for (int key = begin; key < end; key += Keys)
        {
            LoadTile(tileK, MostHead + 1, keys, cache, key, end, width, size);
            LoadTile(tileV, MostHead, values, cache, key, end, width, size);
            Group.Barrier();
            // Whole warps without a query have nothing to do but to load.
            if (firstRow < rows)
            {
                Score(tileQ, tileK, weights, sums, max, total, firstRow, lane, key, past, end, shape);
                Warp.Barrier();
                Sum(tileV, weights, sums, firstRow, lane, XMath.Min(Keys, end - key), size);
            }
            Group.Barrier();
        }
        for (int r = 0; r < PerWarp; r++)
        {
            int row = firstRow + r;
            if (row >= rows) continue;
            long query = (long)(first + row / shape.Packed) * shape.Heads + head + row % shape.Packed;
            Store(output, partial, stats, query, lane, shape, sums, r, max[r], total[r]);
        }
    }

    private static void LoadQueries(ArrayView<float> tile, ArrayView<float> q, int first, int rows, int head, AttentionShape shape)
    {
        for (int row = Group.IdxX / 32; row < Queries; row += Threads / 32)
        {
            long at = ((long)(first + row / shape.Packed) * shape.Heads + head + row % shape.Packed) * shape.HeadSize;
            for (int d = Group.IdxX % 32; d < shape.HeadSize; d += 32) tile[row * MostHead + d] = row < rows ? q[at + d] * shape.Scale : 0f;
        }
    }

    /// <summary>A row a warp. Bounds that depend on the thread keep the loop a loop: written out, its loads would take all registers.</summary>
    private static void LoadTile(ArrayView<float> tile, int pitch, ArrayView<float> source, long cache, int key, int end, int width, int size)
    {
        for (int j = Group.IdxX / 32; j < Keys; j += Threads / 32)
        {
            long at = cache + (long)(key + j) * width;
            for (int d = Group.IdxX % 32; d < size; d += 32) tile[j * pitch + d] = key + j < end ? source[at + d] : 0f;
        }
    }

    /// <summary>Scores of this lane's key for the warp's queries, and what they do to the running maximum and sum.</summary>
    private static void Score(
        ArrayView<float> tileQ, ArrayView<float> tileK, ArrayView<float> weights, ArrayView<float> sums, ArrayView<float> max, ArrayView<float> total,
        int firstRow, int lane, int key, int past, int end, AttentionShape shape)
    {
        ArrayView<float> scores = LocalMemory.Allocate<float>(PerWarp);
        for (int r = 0; r < PerWarp; r++) scores[r] = 0f;
        for (int d = 0; d < shape.HeadSize; d++)
        {
            float k = tileK[lane * (MostHead + 1) + d];
            for (int r = 0; r < PerWarp; r++) scores[r] += tileQ[(firstRow + r) * MostHead + d] * k;
        }
        for (int r = 0; r < PerWarp; r++)
        {
            bool visible = key + lane < end && key + lane <= past + (firstRow + r) / shape.Packed;
            float score = visible ? scores[r] : float.NegativeInfinity, top = score;
            for (int offset = 16; offset > 0; offset /= 2) top = XMath.Max(top, Warp.ShuffleXor(top, offset));
            top = XMath.Max(top, max[r]);
            // Before the first visible key there is no maximum; zero then keeps the exponentials numbers.
            float shift = top == float.NegativeInfinity ? 0f : top, shrink = XMath.Exp(max[r] - shift), weight = XMath.Exp(score - shift);
            max[r] = top;
            total[r] = total[r] * shrink + MatMulDot.WarpSum(weight);
            for (int i = 0; i < Parts; i++) sums[r * Parts + i] *= shrink;
            weights[(firstRow + r) * Keys + lane] = weight;
        }
    }

    private static void Sum(ArrayView<float> tileV, ArrayView<float> weights, ArrayView<float> sums, int firstRow, int lane, int count, int size)
    {
        for (int j = 0; j < count; j++)
        {
            for (int i = 0; i < Parts; i++)
            {
                float v = lane + 32 * i < size ? tileV[j * MostHead + lane + 32 * i] : 0f;
                for (int r = 0; r < PerWarp; r++) sums[r * Parts + i] += weights[(firstRow + r) * Keys + j] * v;
            }
        }
    }

    private static void Store(
        ArrayView<float> output, ArrayView<float> partial, ArrayView<float> stats, long query, int lane, AttentionShape shape,
        ArrayView<float> sums, int r, float max, float total)
    {
        long part = query * shape.Splits + Grid.IdxZ;
        float scale = shape.Splits > 1 ? 1f : 1f / total;
        for (int i = 0; i < Parts; i++)
        {
            int d = lane + 32 * i;
            if (d >= shape.HeadSize) continue;
            if (shape.Splits > 1) partial[part * shape.HeadSize + d] = sums[r * Parts + i];
            else output[query * shape.HeadSize + d] = sums[r * Parts + i] * scale;
        }
        if (shape.Splits > 1 && lane == 0)
        {
            stats[2 * part] = max;
            stats[2 * part + 1] = total;
        }
    }
}
