#if !ILGPU
using OllmNative.Runtime.Extensions;

namespace OllmNative.Kernels;

/// <summary>
/// Attention for decoding, over a bf16 cache. Up to 16 rows, the query heads that share a key/value head for one or a few
/// queries, are the left operand of tensor-core products whose right operands come from global memory without a stop: which dimension
/// is which k, and which column which n, is free, so a lane loads 16 bytes of a key, and pairs values of two positions in a register.
/// Every key and value is read once for all rows. Each warp of a group takes 16 positions in turn; a group takes a part of the cache, and
/// the last one to finish puts the parts together. The portable twin is <see cref="AttentionTiles.Attention2"/>.
/// </summary>
public static class AttentionDecode
{
    /// <summary>Rows (queries times heads that share keys) of a group, its threads, and parts of a cache at most.</summary>
    public const int Rows = 16, Threads = 256, MostSplits = 64;

    /// <summary>Positions that the warps of a group read in one round.</summary>
    public const int Round = Threads / 2;

    private const int Warps = Threads / 32, Spare = 4;

    // Bytes of dynamic shared memory at most, for heads of 64 and 128.
    private const int MostShared64 = sizeof(float) * Warps * Rows * (64 + Spare), MostShared128 = sizeof(float) * Warps * Rows * (128 + Spare);

    private const string Contract = """
        output[t,h] = softmax over positions j <= position(t) of (q[t,h] . keys[j,h']) * scale, times values[j,h']        h' = h * Hkv / H
        q, output [T,H,Dh] f32, keys, values [R,Hkv,Dh] bf16; items: (first row, rows, position of the first, cache row of position 0) of each block
        q and the softmax's weights rounded to bf16, sums in f32; partial [T,H,splits,Dh], stats [T,H,splits,2]: unscaled sums, maximum (log 2), sum of weights
        grid items x H/packed x splits, group 256, 32 rows (Dh + 4) bytes of dynamic shared memory       requires rows * packed <= 16 a block,
        splits <= 64, ahead (AttentionShape) only where it is so, a zero in tickets for each item and head group (zero again at the end), all views on 16 bytes, sm_80
        bytes 4 keys Hkv Dh a block + 8TH Dh + 8 T H splits Dh, flops 4 keys H Dh a query
        """;

    /// <summary>The launch for this many blocks of at most <paramref name="rows"/> rows.</summary>
    public static KernelConfig Config(int blocks, int rows, in AttentionShape shape) => new(
        new Index3D(blocks, shape.Heads / shape.Packed, shape.Splits), new Index3D(Threads, 1, 1),
        SharedMemoryConfig.RequestDynamic<float>(Warps * rows * (shape.HeadSize + Spare)));

    [Kernel("AttentionDecode64", Contract, DynamicShared = MostShared64), OverlapsPredecessor]
    public static void Head64(
        ArrayView<float> q, ArrayView<Bf16> keys, ArrayView<Bf16> values, ArrayView<float> output, ArrayView<int> items,
        ArrayView<float> partial, ArrayView<float> stats, ArrayView<int> tickets, AttentionShape shape) =>
        Run(q, keys, values, output, items, partial, stats, tickets, shape, 64);

    [Kernel("AttentionDecode128", Contract, DynamicShared = MostShared128), OverlapsPredecessor]
    public static void Head128(
        ArrayView<float> q, ArrayView<Bf16> keys, ArrayView<Bf16> values, ArrayView<float> output, ArrayView<int> items,
        ArrayView<float> partial, ArrayView<float> stats, ArrayView<int> tickets, AttentionShape shape) =>
        Run(q, keys, values, output, items, partial, stats, tickets, shape, 128);

    private static void Run(
        ArrayView<float> q, ArrayView<Bf16> keys, ArrayView<Bf16> values, ArrayView<float> output, ArrayView<int> items,
        ArrayView<float> partial, ArrayView<float> stats, ArrayView<int> tickets, AttentionShape shape, int size)
    {
        GridDependency.LaunchDependents();
        if (shape.Ahead == 0) GridDependency.Wait();
        ArrayView<float> pieces = SharedMemory.GetDynamic<float>();
        ArrayView<float> peaks = SharedMemory.Allocate<float>(Warps * Rows), totals = SharedMemory.Allocate<float>(Warps * Rows);
        ArrayView<int> ticket = SharedMemory.Allocate<int>(1);
        ArrayView<float> sums = LocalMemory.Allocate<float>(64), max = LocalMemory.Allocate<float>(2), total = LocalMemory.Allocate<float>(2);
        int item = Grid.IdxX * 4, first = items[item], rows = items[item + 1] * shape.Packed, past = items[item + 2], head = Grid.IdxY * shape.Packed;
        int length = past + items[item + 1], width = shape.KvHeads * size, warp = Group.IdxX / 32;
        int round = shape.Splits * Round, part = (length + round - 1) / round * Round, begin = Grid.IdxZ * part, end = XMath.Min(begin + part, length);
        long cache = (long)items[item + 3] * width + (Grid.IdxY * shape.GroupShare >> 16) * size, elements = (long)(length - 1) * width + size;

        for (int i = 0; i < size / 2; i++) sums[i] = 0f;
        for (int i = 0; i < 2; i++)
        {
            max[i] = float.NegativeInfinity;
            total[i] = 0f;
        }
        Attend(q, keys.SubView(cache, elements), values.SubView(cache, elements), sums, max, total, begin + warp * 16, end, first, rows, past, head, width, shape, size);
        Keep(pieces, peaks, totals, sums, max, total, warp, rows, size);
        Group.Barrier();
        Together(pieces, peaks, totals, output, partial, stats, first, rows, head, shape, size);
        if (shape.Splits == 1) return;

        Group.Barrier();
        int place = Grid.IdxX * Grid.DimY + Grid.IdxY;
        if (Group.IdxX == 0)
        {
            // One thread's fences are the group's: barriers stand on both sides, and eight warps' would wait for each other.
            MemoryFence.DeviceLevel();
            ticket[0] = Atomic.Add(ref tickets[place], 1);
            MemoryFence.DeviceLevel();
        }
        Group.Barrier();
        if (ticket[0] != shape.Splits - 1) return;
        for (int row = warp; row < rows; row += Warps)
            AttentionParts.Combine(partial, stats, output, AttentionParts.Query(first, head, row, shape), shape.Splits, size);
        if (Group.IdxX == 0) tickets[place] = 0;
    }

    /// <summary>A warp's positions: 16 from <paramref name="key"/> on, then 16 of the next round.</summary>
    private static void Attend(
        ArrayView<float> q, ArrayView<Bf16> keys, ArrayView<Bf16> values, ArrayView<float> sums, ArrayView<float> max, ArrayView<float> total,
        int key, int end, int first, int rows, int past, int head, int width, AttentionShape shape, int size)
    {
        ArrayView<uint> left = LocalMemory.Allocate<uint>(32), right = LocalMemory.Allocate<uint>(32), pairs = LocalMemory.Allocate<uint>(32);
        ArrayView<float> scores = LocalMemory.Allocate<float>(8), shrink = LocalMemory.Allocate<float>(2);
        int lane = Group.IdxX % 32, g = lane / 4, t = lane % 4;
        for (int i = 0; i < 32; i++)
        {
            right[i] = 0;
            pairs[i] = 0;
        }
        if (shape.Ahead != 0)
        {
            // Only what nobody writes now; a row that is being written must not even be in the multiprocessor's cache.
            if (key < XMath.Min(past, end)) LoadRound(right, pairs, keys, values, key, XMath.Min(past, end), g, t, width, size);
            GridDependency.Wait();
        }
        if (key >= end) return;
        if (shape.Ahead == 0 || key + 16 > past) LoadRound(right, pairs, keys, values, key, end, g, t, width, size);
        LoadQueries(left, q, first, rows, head, g, t, shape, size);
        int last0 = XMath.Min(past + AttentionParts.Token(g, shape), end - 1), last1 = XMath.Min(past + AttentionParts.Token(g + 8, shape), end - 1);
        while (true)
        {
            // No load may sink below: the assembler would have those of the values wait until the keys are there.
            Warp.Barrier();
            for (int i = 0; i < 8; i++) scores[i] = 0f;
            for (int i = 0; i < size / 16; i++)
            {
                FragmentA a = default;
                a.R0 = left[4 * i];
                a.R1 = left[4 * i + 1];
                a.R2 = left[4 * i + 2];
                a.R3 = left[4 * i + 3];
                TensorSums.Multiply(scores, 0, a, right[2 * i], right[2 * i + 1]);
                TensorSums.Multiply(scores, 4, a, right[size / 8 + 2 * i], right[size / 8 + 2 * i + 1]);
            }
            for (int i = 0; i < 8; i++)
                if (key + i / 4 * 8 + 2 * t + i % 2 > (i % 4 < 2 ? last0 : last1)) scores[i] = float.NegativeInfinity;
            if (WarpVote.Any(AttentionRows.Grow(scores, 8, max, shrink, 0)))
            {
                for (int i = 0; i < 2; i++) total[i] *= shrink[i];
                for (int i = 0; i < size / 2; i++) sums[i] *= shrink[i % 4 / 2];
            }
            // A row that has seen no key yet has no maximum; zero then keeps the differences numbers.
            total[0] += AttentionRows.RowWeights(scores, 8, 0, max[0] == float.NegativeInfinity ? 0f : max[0]);
            total[1] += AttentionRows.RowWeights(scores, 8, 2, max[1] == float.NegativeInfinity ? 0f : max[1]);
            FragmentA weights = AttentionRows.Operand(scores, 0);
            for (int i = 0; i < size / 8; i++)
            {
                // Column n of product i is dimension 64 (i / 8) + 8n + i % 8: a half of word i % 8 / 2 of each position's 16 bytes.
                int word = i / 8 * 16 + i % 8 / 2;
                uint low = i % 2 == 0 ? Lower(pairs[word], pairs[word + 4]) : Upper(pairs[word], pairs[word + 4]);
                uint high = i % 2 == 0 ? Lower(pairs[word + 8], pairs[word + 12]) : Upper(pairs[word + 8], pairs[word + 12]);
                TensorSums.Multiply(sums, 4 * i, weights, low, high);
            }
            key += Round;
            if (key >= end) return;
            LoadRound(right, pairs, keys, values, key, end, g, t, width, size);
        }
    }

    /// <summary>A lane's share of 16 positions.</summary>
    private static void LoadRound(
        ArrayView<uint> right, ArrayView<uint> pairs, ArrayView<Bf16> keys, ArrayView<Bf16> values, int key, int end, int g, int t, int width, int size)
    {
        LoadValues(pairs, values, key + 2 * t, end, 8 * g, width, size);
        LoadKeys(right, keys, key + g, end, 8 * t, width, size);
    }

    /// <summary>
    /// Rows g and g + 8 as left operands; of 32 dimensions a lane has eight, two for each of its four pairs of k. Rows behind the last are
    /// the first again, since a branch would make the loads wait for each other; nobody keeps what comes out.
    /// </summary>
    private static void LoadQueries(ArrayView<uint> left, ArrayView<float> q, int first, int rows, int head, int g, int t, AttentionShape shape, int size)
    {
        float scale = shape.Scale * AttentionRows.Log2E;
        for (int half = 0; half < 2; half++)
        {
            int row = g + 8 * half < rows ? g + 8 * half : 0;
            ArrayView<float> from = q.SubView(AttentionParts.Query(first, head, row, shape) * size + 8 * t, size - 8 * t);
            for (int i = 0; i < size / 32; i++)
            {
                Word4 words = AttentionRows.Rounded(Vector16.LoadFloat4(from, 32 * i), Vector16.LoadFloat4(from, 32 * i + 4), scale);
                left[8 * i + half] = words.X;
                left[8 * i + 2 + half] = words.Y;
                left[8 * i + 4 + half] = words.Z;
                left[8 * i + 6 + half] = words.W;
            }
        }
    }

    /// <summary>Of keys key and key + 8 the lane's eight of each 32 dimensions. Behind the last key it is read again, and hidden later.</summary>
    private static void LoadKeys(ArrayView<uint> right, ArrayView<Bf16> keys, int key, int end, int column, int width, int size)
    {
        for (int n = 0; n < 2; n++)
        {
            ArrayView<Bf16> from = keys.SubView((long)XMath.Min(key + 8 * n, end - 1) * width, size);
            for (int i = 0; i < size / 32; i++) Put(right, n * (size / 8) + 4 * i, Vector16.LoadWords(from, 32 * i + column));
        }
    }

    /// <summary>Of positions key, key + 1, key + 8 and key + 9 the lane's eight of each 64 dimensions.</summary>
    private static void LoadValues(ArrayView<uint> pairs, ArrayView<Bf16> values, int key, int end, int column, int width, int size)
    {
        for (int n = 0; n < 4; n++)
        {
            ArrayView<Bf16> from = values.SubView((long)XMath.Min(key + n / 2 * 8 + n % 2, end - 1) * width, size);
            for (int i = 0; i < size / 64; i++) Put(pairs, 16 * i + 4 * n, Vector16.LoadWords(from, 64 * i + column));
        }
    }

    private static void Put(ArrayView<uint> words, int at, Word4 four)
    {
        words[at] = four.X;
        words[at + 1] = four.Y;
        words[at + 2] = four.Z;
        words[at + 3] = four.W;
    }

    private static uint Lower(uint first, uint second) => (first & 0xffff) | (second << 16);

    private static uint Upper(uint first, uint second) => (first >> 16) | (second & 0xffff0000);

    /// <summary>The warp's results to shared memory. Of each 64 dimensions a lane has 16 in a row: products i and i + 8 are eight apart.</summary>
    private static void Keep(
        ArrayView<float> pieces, ArrayView<float> peaks, ArrayView<float> totals, ArrayView<float> sums, ArrayView<float> max, ArrayView<float> total,
        int warp, int rows, int size)
    {
        KeepRow(pieces, peaks, totals, sums, max[0], total[0], 0, warp, rows, size);
        KeepRow(pieces, peaks, totals, sums, max[1], total[1], 1, warp, rows, size);
    }

    private static void KeepRow(
        ArrayView<float> pieces, ArrayView<float> peaks, ArrayView<float> totals, ArrayView<float> sums, float max, float total, int half, int warp, int rows, int size)
    {
        int lane = Group.IdxX % 32, row = lane / 4 + 8 * half;
        float sum = AttentionRows.QuadSum(total);
        if (row >= rows) return;
        if (lane % 4 == 0)
        {
            peaks[warp * Rows + row] = max;
            totals[warp * Rows + row] = sum;
        }
        int at = (warp * rows + row) * (size + Spare) + lane % 4 * 16;
        for (int i = 0; i < size / 8; i += 4)
        {
            int target = at + i / 8 * 64 + i % 8, s = 4 * i + 2 * half;
            Vector16.StoreFloat4(pieces, target, new Float4(sums[s], sums[s + 4], sums[s + 8], sums[s + 12]));
            Vector16.StoreFloat4(pieces, target + 8, new Float4(sums[s + 1], sums[s + 5], sums[s + 9], sums[s + 13]));
        }
    }

    /// <summary>The group's warps together, a row a warp: the result itself where the cache is in one part.</summary>
    private static void Together(
        ArrayView<float> pieces, ArrayView<float> peaks, ArrayView<float> totals, ArrayView<float> output, ArrayView<float> partial, ArrayView<float> stats,
        int first, int rows, int head, AttentionShape shape, int size)
    {
        int lane = Group.IdxX % 32, column = 4 * lane % size;
        bool stores = 4 * lane < size;
        for (int row = Group.IdxX / 32; row < rows; row += Warps)
        {
            float top = float.NegativeInfinity, total = 0f;
            for (int w = 0; w < Warps; w++) top = XMath.Max(top, peaks[w * Rows + row]);
            float shift = top == float.NegativeInfinity ? 0f : top;
            Float4 sum = new(0f, 0f, 0f, 0f);
            for (int w = 0; w < Warps; w++)
            {
                float weight = FastMath.Exp2(peaks[w * Rows + row] - shift);
                total += weight * totals[w * Rows + row];
                sum = AttentionParts.Add(sum, weight, Vector16.LoadFloat4(pieces, (w * rows + row) * (size + Spare) + column));
            }
            long query = AttentionParts.Query(first, head, row, shape);
            if (shape.Splits == 1)
            {
                if (stores) Vector16.StoreFloat4(output.SubView(query * size, size), column, AttentionParts.Add(new(0f, 0f, 0f, 0f), 1f / total, sum));
                continue;
            }
            long part = query * shape.Splits + Grid.IdxZ;
            if (stores) Vector16.StoreFloat4(partial.SubView(part * size, size), column, sum);
            if (lane == 0)
            {
                stats[2 * part] = top;
                stats[2 * part + 1] = total;
            }
        }
    }
}
#endif
