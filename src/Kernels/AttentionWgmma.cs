#if !ILGPU
using OllmNative.Runtime.Extensions;

namespace OllmNative.Kernels;

/// <summary>
/// Attention for prompts on Hopper (sm_90a), after the published design of FlashAttention-3 (arXiv 2407.08608): one thread keeps a ring of
/// tiles of keys and values full with the tensor copy unit; two warp groups have 64 queries each. A warp group's products for the next
/// scores and for the values run while it turns the last scores into weights, and the two warp groups take turns at starting
/// theirs, so that one's exponentials run beside the other's products.
/// The portable twin is <see cref="AttentionTiles.Attention2"/>.
/// </summary>
public static class AttentionWgmma
{
    /// <summary>Queries of a group, and its threads.</summary>
    public const int Queries = 128, Threads = 384;

    private const int Tile = 128, Stages = 4, WarpGroupSize = 128, OwnQueries = 64;

    // Tiles lie in panels of 64 columns, whose rows of 128 bytes are swizzled.
    private const int Panel = 64, PanelElements = Tile * Panel;

    private const string Contract = """
        output[t,h] = softmax over positions j <= position(t) of (q[t,h] . keys[j,h']) * scale, times values[j,h']        h' = h * Hkv / H
        q, output [T,H,Dh] f32, rounded: the output as bf16, keys, values [R,Hkv,Dh] bf16 as tensor maps from Map()
        items: (first row, rows, position of the first, cache row of position 0) of each block; q and the softmax's weights rounded to bf16, sums in f32; the blocks with most keys come first
        grid H x items, group 384, 1280 Dh bytes of dynamic shared memory       requires rows <= 128 a block, q, output and rounded on 16 bytes, sm_90a
        bytes of memory traffic T^2 H Dh / 64 a sequence, flops 4 T^2 H Dh / 2
        """;

    /// <summary>The launch for this many blocks of queries.</summary>
    public static KernelConfig Config(int blocks, int heads, int size) => new(
        new Index3D(heads, blocks, 1), new Index3D(Threads, 1, 1), SharedMemoryConfig.RequestDynamic<Bf16>((Queries + Stages * Tile) * size));

    /// <summary>The map of keys or values [rows, Hkv * Dh].</summary>
    /// <exception cref="ArgumentException">The tensor copy unit cannot read the cache so.</exception>
    public static TensorMap Map(ArrayView<Bf16> cache, int width) => TensorMap.Create(cache, width, cache.Length / width, Panel, Tile, TensorSwizzle.Bytes128);

    [Kernel("AttentionWgmma64", Contract, DynamicShared = 1280 * 64)]
    [GroupBounds(Threads)]
    public static void Head64(
        ArrayView<float> q, TensorMap keys, TensorMap values, ArrayView<float> output, ArrayView<ushort> rounded, ArrayView<int> items, AttentionShape shape) =>
        Run(q, keys, values, output, rounded, items, shape, 64);

    [Kernel("AttentionWgmma128", Contract, DynamicShared = 1280 * 128)]
    [GroupBounds(Threads)]
    public static void Head128(
        ArrayView<float> q, TensorMap keys, TensorMap values, ArrayView<float> output, ArrayView<ushort> rounded, ArrayView<int> items, AttentionShape shape) =>
        Run(q, keys, values, output, rounded, items, shape, 128);

    private static void Run(
        ArrayView<float> q, TensorMap keys, TensorMap values, ArrayView<float> output, ArrayView<ushort> rounded, ArrayView<int> items, AttentionShape shape, int size)
    {
        ArrayView<Bf16> tiles = SharedMemory.GetDynamic<Bf16>();
        ArrayView<long> full = SharedMemory.Allocate<long>(Stages), empty = SharedMemory.Allocate<long>(Stages);
        // Own queries there: one for each warp group; the last values cleared; whose turn it is to start products.
        ArrayView<long> ready = SharedMemory.Allocate<long>(3), turns = SharedMemory.Allocate<long>(2);
        if (Group.IdxX == 0) InitBarriers(full, empty, ready, turns);
        Group.Barrier();
        int item = Grid.IdxY * 4, end = items[item + 2] + items[item + 1], count = (end + Tile - 1) / Tile;
        if (Group.IdxX < WarpGroupSize)
        {
            WarpGroup.DecreaseRegisters(24);
            if (Group.IdxX == 0)
                Produce(keys, values, tiles, full, empty, count, Grid.IdxX / (shape.Heads / shape.KvHeads) * size, items[item + 3], size);
        }
        else
        {
            WarpGroup.IncreaseRegisters(240);
            Consume(q, output, rounded, items, tiles, full, empty, ready, turns, shape, count, end, size);
        }
    }

    private static void InitBarriers(ArrayView<long> full, ArrayView<long> empty, ArrayView<long> ready, ArrayView<long> turns)
    {
        for (int stage = 0; stage < Stages; stage++)
        {
            TransactionBarrier.Init(full, stage, 1);
            TransactionBarrier.Init(empty, stage, 2);
        }

        for (int own = 0; own < 2; own++)
        {
            TransactionBarrier.Init(ready, own, WarpGroupSize);
            TransactionBarrier.Init(turns, own, WarpGroupSize / 32);
        }

        TransactionBarrier.Init(ready, 2, 2 * WarpGroupSize);
        TransactionBarrier.FenceInit();
    }

    /// <summary>One thread keeps the ring full, in the order of use: the next keys come before the values of the tile before them.</summary>
    private static void Produce(
        TensorMap keys, TensorMap values, ArrayView<Bf16> tiles, ArrayView<long> full, ArrayView<long> empty, int count, int column, int row, int size)
    {
        Fetch(keys, tiles, full, empty, 0, column, row, size);
        for (int tile = 1; tile < count; tile++)
        {
            Fetch(keys, tiles, full, empty, 2 * tile - 1, column, row + tile * Tile, size);
            Fetch(values, tiles, full, empty, 2 * tile, column, row + (tile - 1) * Tile, size);
        }

        Fetch(values, tiles, full, empty, 2 * count - 1, column, row + (count - 1) * Tile, size);
    }

    private static void Fetch(
        TensorMap map, ArrayView<Bf16> tiles, ArrayView<long> full, ArrayView<long> empty, int turn, int column, int row, int size)
    {
        int stage = turn & (Stages - 1), at = Place(turn, size);
        // In the first turn the phase before the first counts as ended.
        TransactionBarrier.Wait(empty, stage, turn >> 2 & 1 ^ 1);
        TransactionBarrier.ArriveExpect(full, stage, 2 * Tile * size);
        for (int panel = 0; panel < size / Panel; panel++) TensorCopy.Load(map, tiles, at + panel * PanelElements, column + panel * Panel, row, full, stage);
    }

    /// <summary>Where the tile of a turn lies: behind the queries.</summary>
    private static int Place(int turn, int size) => (Queries + (turn & (Stages - 1)) * Tile) * size;

    private static void Consume(
        ArrayView<float> q, ArrayView<float> output, ArrayView<ushort> rounded, ArrayView<int> items, ArrayView<Bf16> tiles, ArrayView<long> full, ArrayView<long> empty,
        ArrayView<long> ready, ArrayView<long> turns, AttentionShape shape, int count, int end, int size)
    {
        // The same in all lanes of a warp, and now known to be: what follows from it stays in uniform registers.
        int own = Warp.Shuffle(Group.IdxX / WarpGroupSize - 1, 0), warp = Warp.Shuffle(Group.IdxX / 32 % 4, 0), lane = Group.IdxX % 32;
        LoadQueries(tiles, q, items, own, shape, size);
        TransactionBarrier.FenceInit();
        TransactionBarrier.Arrive(ready, own);
        TransactionBarrier.Wait(ready, own, 0);

        int first = items[Grid.IdxY * 4 + 2] + own * OwnQueries, position = first + warp * 16 + lane / 4;
        float[] scores = new float[Tile / 2], sums = new float[size / 2], max = new float[2], total = new float[2], shrink = new float[2];
        uint[] weights = new uint[Tile / 4];
        for (int i = 0; i < size / 2; i++) sums[i] = 0f;
        for (int row = 0; row < 2; row++)
        {
            max[row] = float.NegativeInfinity;
            total[row] = 0f;
        }

        Await(full, 0);
        WarpGroup.Fence();
        Score(scores, tiles, own, 0, size);
        WarpGroup.Commit();
        WarpGroup.Wait(0);
        Free(empty, 0, warp, lane);
        if (Tile > first) AttentionScores.Hide(scores, 0, position, lane);
        AttentionScores.Grow(scores, max, shrink);
        AttentionScores.Weights(scores, max, total, shrink);
        AttentionScores.Pack(scores, weights);
        Await(full, 1);
        for (int tile = 1; tile < count; tile++)
        {
            int keys = 2 * tile - 1, values = 2 * tile;
            TransactionBarrier.Wait(turns, own, (tile ^ own) & 1);
            WarpGroup.Fence();
            Score(scores, tiles, own, keys, size);
            WarpGroup.Commit();
            Await(full, values);
            Sum(sums, weights, tiles, values, size);
            WarpGroup.Commit();
            if (lane == 0) TransactionBarrier.Arrive(turns, own ^ 1);
            WarpGroup.Wait(1);
            Free(empty, keys, warp, lane);
            // Only tiles that reach past the first query hide anything.
            if (tile * Tile + Tile > first) AttentionScores.Hide(scores, tile * Tile, position, lane);
            bool grows = AttentionScores.Grow(scores, max, shrink);
            AttentionScores.Weights(scores, max, total, shrink);
            // What comes next: keys, or the last values. Here, since ptxas moves the wait for the products up to the last branch, and all
            // of the above would come after them instead of beside.
            Await(full, values + 1);
            WarpGroup.Wait(0);
            Free(empty, values, warp, lane);
            if (WarpVote.Any(grows))
                for (int i = 0; i < size / 2; i++) sums[i] *= shrink[i % 4 / 2];
            AttentionScores.Pack(scores, weights);
        }

        int last = 2 * count - 1;
        if (end < count * Tile) ClearBehind(tiles, ready, Place(last, size), end - (count - 1) * Tile, size);
        WarpGroup.Fence();
        Sum(sums, weights, tiles, last, size);
        WarpGroup.Commit();
        WarpGroup.Wait(0);
        Store(output, rounded, items, sums, total, own * OwnQueries + warp * 16, lane, shape, size);
    }

    /// <summary>Waits for the tile of a turn.</summary>
    private static void Await(ArrayView<long> full, int turn) => TransactionBarrier.Wait(full, turn & (Stages - 1), turn >> 2 & 1);

    /// <summary>A tile has been read by this warp group.</summary>
    private static void Free(ArrayView<long> empty, int turn, int warp, int lane)
    {
        if (warp == 0 && lane == 0) TransactionBarrier.Arrive(empty, turn & (Stages - 1));
    }

    /// <summary>
    /// A warp group's queries, rounded, in swizzled panels; scaled so that exponentials are powers of two. Behind the last it is read again, since
    /// a branch would make the loads wait for each other; nobody keeps what comes out.
    /// </summary>
    private static void LoadQueries(ArrayView<Bf16> tiles, ArrayView<float> q, ArrayView<int> items, int own, AttentionShape shape, int size)
    {
        float scale = shape.Scale * AttentionRows.Log2E;
        int first = items[Grid.IdxY * 4], rows = items[Grid.IdxY * 4 + 1], member = Group.IdxX % WarpGroupSize;
        int pieces = size / 8, piece = member % pieces, row = own * OwnQueries + member / pieces, step = WarpGroupSize / pieces;
        // Steps are multiples of 8 rows, so that a thread's pieces all move to the same place in their rows.
        int target = piece / 8 * PanelElements + row * Panel + (piece % 8 ^ row % 8) * 8;
        for (int part = 0; part < OwnQueries / step; part++)
        {
            int from = XMath.Min(row + part * step, rows - 1);
            ArrayView<float> source = q.SubView(((long)(first + from) * shape.Heads + Grid.IdxX) * size + piece * 8, 8);
            Vector16.StoreWords(tiles, target + part * step * Panel, AttentionRows.Rounded(Vector16.LoadFloat4(source, 0), Vector16.LoadFloat4(source, 4), scale));
        }
    }

    /// <summary>Starts scores [64, Tile] = queries [64, Dh] keys [Tile, Dh] transposed.</summary>
    private static void Score(float[] scores, ArrayView<Bf16> tiles, int own, int turn, int size)
    {
        long queries = WarpGroup.Describe(tiles, own * OwnQueries * Panel), keys = WarpGroup.Describe(tiles, Place(turn, size));
        WarpGroup.MultiplyAddBf16(scores, queries, keys, false);
        for (int k = 1; k < size / 16; k++)
        {
            int further = (k / 4 * PanelElements + k % 4 * 16) / 8;
            WarpGroup.MultiplyAddBf16(scores, queries + further, keys + further, true);
        }
    }

    /// <summary>Starts sums [64, Dh] += weights [64, Tile] values [Tile, Dh].</summary>
    private static void Sum(float[] sums, uint[] weights, ArrayView<Bf16> tiles, int turn, int size)
    {
        long values = WarpGroup.DescribeRows(tiles, Place(turn, size), PanelElements);
        for (int k = 0; k < Tile / 16; k++)
        {
            FragmentA a = default;
            a.R0 = weights[4 * k];
            a.R1 = weights[4 * k + 1];
            a.R2 = weights[4 * k + 2];
            a.R3 = weights[4 * k + 3];
            WarpGroup.MultiplyAddRowsBf16(sums, a, values + k * 16 * Panel / 8, true);
        }
    }

    /// <summary>Both warp groups clear the values behind the sequence's last: a weight of zero would not hide another sequence's NaN.</summary>
    private static void ClearBehind(ArrayView<Bf16> tiles, ArrayView<long> ready, int values, int rows, int size)
    {
        Word4 zeros = default;
        for (int panel = 0; panel < size / Panel; panel++)
            for (int piece = Group.IdxX - WarpGroupSize; piece < (Tile - rows) * 8; piece += 2 * WarpGroupSize)
                Vector16.StoreWords(tiles, values + panel * PanelElements + rows * Panel + piece * 8, zeros);
        TransactionBarrier.FenceInit();
        TransactionBarrier.Arrive(ready, 2);
        TransactionBarrier.Wait(ready, 2, 0);
    }

    /// <summary>
    /// 16 rows of the result. Neighbouring lanes exchange halves: the even one gets four columns of its row, the odd one four of the row
    /// eight further down, so that both store 16 bytes; and rounded, as the product that follows reads it, 8.
    /// </summary>
    private static void Store(
        ArrayView<float> output, ArrayView<ushort> rounded, ArrayView<int> items, float[] sums, float[] total, int warpRow, int lane, AttentionShape shape, int size)
    {
        float scale0 = 1f / AttentionRows.QuadSum(total[0]), scale1 = 1f / AttentionRows.QuadSum(total[1]);
        int first = items[Grid.IdxY * 4], rows = items[Grid.IdxY * 4 + 1];
        bool odd = lane % 2 != 0;
        int query = warpRow + lane / 4 + (odd ? 8 : 0), column = lane % 4 / 2 * 4;
        long at = ((long)(first + (query < rows ? query : 0)) * shape.Heads + Grid.IdxX) * size + column;
        ArrayView<float> target = output.SubView(at, size - column);
        ArrayView<ulong> words = rounded.SubView(at, size - column).Cast<ulong>();
        for (int n = 0; n < size / 8; n++)
        {
            float a0 = sums[4 * n] * scale0, a1 = sums[4 * n + 1] * scale0, b0 = sums[4 * n + 2] * scale1, b1 = sums[4 * n + 3] * scale1;
            float other0 = Warp.ShuffleXor(odd ? a0 : b0, 1), other1 = Warp.ShuffleXor(odd ? a1 : b1, 1);
            Float4 four = odd ? new Float4(other0, other1, b0, b1) : new Float4(a0, a1, other0, other1);
            if (query >= rows) continue;
            Vector16.StoreFloat4(target, 8 * n, four);
            words[2 * n] = Vector16.PackBf16(four.X, four.Y) | (ulong)Vector16.PackBf16(four.Z, four.W) << 32;
        }
    }
}
#endif
