#if !ILGPU
using OllmNative.Runtime.Extensions;

namespace OllmNative.Kernels;

/// <summary>Sizes of the head's kernels.</summary>
public struct HeadShape
{
    /// <summary>N rows, D terms of a logit.</summary>
    public int Rows, Depth;

    /// <summary>The chunk of the vocabulary: its first entry, its entries C, and C rounded up to whole strips of 64, the pitch of its weights.</summary>
    public int First, Count, Pitch;

    /// <summary>All of a strip's weights together, in each of 16 rows, may be this much of a row's at most without being left out of the gradient.</summary>
    public float Negligible;

    /// <summary>1 adds to the gradient, 0 begins it.</summary>
    public int Accumulate;
}

/// <summary>
/// Head and cross-entropy on the tensor cores. A logit leaves the first product as exp(l - l_y), relative to its row's target: bf16 has the
/// exponents of f32, so no running maximum is needed, and no logit is ever written. The second product multiplies these weights with the same rows
/// of W. The portable twins are <see cref="HeadLoss"/> and the plain products.
/// </summary>
public static class HeadTensor
{
    /// <summary>Vocabulary entries of a strip: what statistics and the filter go by.</summary>
    public const int Strip = 64;

    /// <summary>Columns of a tile of logits and of the gradient; most strips of a chunk.</summary>
    public const int LogitTile = 256, GradientTile = 192, MostStrips = 512;

    /// <summary>Nats by which a weight's logit may lead its base: e^64 leaves f32 sums room for a million of its like.</summary>
    public const float MostAhead = 64f;

    private const string TargetContract = """
        target[n] = x[n] . W[targets[n]]        x [N,D], W [V,D] bf16, targets [N] i32, target [N] f32
        a warp a row: grid ceil(N/8), group 256       requires D % 8 = 0
        bytes 4ND, flops 2ND
        """;

    private const string LogitsContract = """
        for l = x[n] . W[v], v in [First, First + C), in strips s of 64:  top = max l and its first v, base = max(target[n], top - 64),
        weights[n,v] = exp(l - base) (1 for the target itself), sums[s,n] = their sum, tops[s,n] = top, bests[s,n] = v
        alive[n/16,s] = any of the 16 rows' sums is above Negligible        s counts from the vocabulary's beginning, except in alive
        x [N,D], W [C,D] bf16, weights [N,Pitch] bf16 or empty; sums, tops f32, bests i32 [strips,N]; alive i32 [ceil(N/16),Pitch/64]
        tiles of 128 x 256 x 32, four in flight: grid ceil(N/128) x ceil(C/256), group 256, 96 KB of dynamic shared memory; sm_80
        requires D % 8 = 0, First % 64 = 0, views on 16 bytes
        bytes of memory traffic 3NCD/128 + 2NC, flops 2NCD
        """;

    private const string TotalsContract = """
        over all strips s, with b = max(target[n], tops[s,n] - 64):  loss[n] = log sum_s sums[s,n] exp(b - target[n]), prediction[n] = bests of the first largest top
        inverse[n] = 1 / sum_s sums[s,n]        sums, tops f32, bests i32 [strips,N], target, loss, inverse f32, prediction i32 [N]
        32 rows a group, a warp a share of the strips: grid ceil(N/32), group 256
        bytes 12N strips, flops 4N strips
        """;

    private const string GradientContract = """
        gradient[n,d] = (Accumulate ? gradient[n,d] : 0) + sum_v weights[n,v] W[v,d]  over the strips of v that any of the tile's rows has alive
        weights [N,Pitch], W [C,D] bf16, alive i32 [ceil(N/16),Pitch/64], gradient [N,D] f32
        tiles of 128 x 192 x 32, four in flight: grid ceil(N/128) x ceil(D/192), group 256, 82 KB of dynamic shared memory; sm_80
        requires D % 8 = 0, Pitch at most 512 strips, views on 16 bytes
        bytes of memory traffic 5NCD/192 + 8ND, flops 2NCD
        """;

    private const string FinishContract = """
        gradient[n,d] = gradient[n,d] * inverse[n] - W[targets[n],d]        gradient [N,D], inverse [N] f32, W [V,D] bf16, targets [N] i32
        grid N, group any one-dimensional
        bytes 10ND, flops 2ND
        """;

    /// <summary>The layout of <see cref="Logits"/>.</summary>
    public static KernelConfig LogitsConfig(HeadShape shape) => Config(shape.Rows, shape.Count, LogitForm());

    /// <summary>The layout of <see cref="Gradient"/>.</summary>
    public static KernelConfig GradientConfig(HeadShape shape) => Config(shape.Rows, shape.Depth, GradientForm());

    [Kernel("HeadTarget", TargetContract)]
    public static void Target(ArrayView<Bf16> x, ArrayView<Bf16> w, ArrayView<int> targets, ArrayView<float> target, int rows, int depth)
    {
        int n = Grid.IdxX * 8 + Group.IdxX / 32;
        if (n >= rows) return;
        ArrayView<Bf16> left = x.SubView((long)n * depth, depth), right = w.SubView((long)targets[n] * depth, depth);
        float sum = 0f;
        for (int d = Group.IdxX % 32 * 8; d < depth; d += 256) sum += Dot(Vector16.LoadWords(left, d), Vector16.LoadWords(right, d));
        sum = MatMulDot.WarpSum(sum);
        if (Group.IdxX % 32 == 0) target[n] = sum;
    }

    [Kernel("HeadLogits", LogitsContract)]
    public static void Logits(
        ArrayView<Bf16> x, ArrayView<Bf16> w, ArrayView<float> target, ArrayView<int> targets, ArrayView<uint> weights,
        ArrayView<float> sums, ArrayView<float> tops, ArrayView<int> bests, ArrayView<int> alive, HeadShape shape)
    {
        float[] logits = new float[128];
        for (int i = 0; i < 64; i++)
        {
            logits[i] = 0f;
            logits[64 + i] = 0f;
        }
        TileForm form = LogitForm();
        TileShape tile = default;
        tile.FirstRow = Grid.IdxX * form.Rows;
        tile.FirstColumn = Grid.IdxY * form.Columns;
        tile.Rows = shape.Rows;
        tile.Columns = shape.Count;
        tile.Terms = shape.Depth;
        tile.Pitch = shape.Depth;
        CopyTiles.Run(x, w, logits, bests, tile, (shape.Depth + CopyTiles.Depth - 1) / CopyTiles.Depth, form);
        int row = tile.FirstRow + form.WarpRow(), column = tile.FirstColumn + form.WarpColumn();
        if (column >= shape.Count) return;
        // The number of rounds is not a constant, so the code is there once: 16 rows are moved to where it finds them.
        float[] strip = new float[32];
        int blocks = XMath.Min(4, (shape.Rows - row + 15) / 16);
        for (int block = 0; block < blocks; block++)
        {
            for (int i = 0; i < 32; i++)
            {
                float low = block == 0 ? logits[i] : logits[32 + i], high = block == 2 ? logits[64 + i] : logits[96 + i];
                strip[i] = block < 2 ? low : high;
            }
            HeadRows rows = HeadRows.Of(row + 16 * block, target, targets, shape);
            HeadStrip.Write(strip, 0, rows, row + 16 * block, column, weights, sums, tops, bests, alive, shape);
        }
    }

    [Kernel("HeadTotals", TotalsContract)]
    public static void Totals(
        ArrayView<float> sums, ArrayView<float> tops, ArrayView<int> bests, ArrayView<float> target, ArrayView<float> inverse,
        ArrayView<float> loss, ArrayView<int> prediction, int rows, int strips)
    {
        const int warps = 8;
        ArrayView<float> parts = SharedMemory.Allocate<float>(3 * warps * 32);
        ArrayView<float> leaders = SharedMemory.Allocate<float>(warps * 32);
        ArrayView<int> places = SharedMemory.Allocate<int>(warps * 32);
        int lane = Group.IdxX % 32, warp = Group.IdxX / 32, n = Grid.IdxX * 32 + lane;
        float own = n < rows ? target[n] : 0f, total = 0f, scaled = 0f, scale = own, top = float.NegativeInfinity;
        int best = 0;
        for (int s = warp; s < strips && n < rows; s += warps)
        {
            float strip = tops[(long)s * rows + n], sum = sums[(long)s * rows + n];
            if (strip > top)
            {
                top = strip;
                best = bests[(long)s * rows + n];
            }
            total += sum;
            float other = XMath.Max(own, strip - MostAhead);
            if (other > scale)
            {
                scaled *= XMath.Exp(scale - other);
                scale = other;
            }
            scaled += sum * XMath.Exp(other - scale);
        }
        parts[Group.IdxX] = total;
        parts[warps * 32 + Group.IdxX] = scaled;
        parts[2 * warps * 32 + Group.IdxX] = scale;
        leaders[Group.IdxX] = top;
        places[Group.IdxX] = best;
        Group.Barrier();
        if (warp != 0 || n >= rows) return;
        for (int i = 1; i < warps; i++)
        {
            // A strip with an equal top may be an earlier one of another warp.
            float otherTop = leaders[32 * i + lane];
            int otherBest = places[32 * i + lane];
            if (otherTop > top || (otherTop == top && otherBest < best))
            {
                top = otherTop;
                best = otherBest;
            }
            total += parts[32 * i + lane];
            float other = parts[2 * warps * 32 + 32 * i + lane], most = XMath.Max(scale, other);
            scaled = scaled * XMath.Exp(scale - most) + parts[warps * 32 + 32 * i + lane] * XMath.Exp(other - most);
            scale = most;
        }
        loss[n] = scale - own + KernelMath.Log(scaled);
        inverse[n] = 1f / total;
        prediction[n] = best;
    }

    [Kernel("HeadGradient", GradientContract)]
    public static void Gradient(ArrayView<Bf16> weights, ArrayView<Bf16> w, ArrayView<int> alive, ArrayView<float> gradient, HeadShape shape)
    {
        ArrayView<int> list = SharedMemory.Allocate<int>(MostStrips + 1);
        float[] sums = new float[96];
        for (int i = 0; i < 48; i++)
        {
            sums[i] = 0f;
            sums[48 + i] = 0f;
        }
        TileForm form = GradientForm();
        TileShape tile = default;
        tile.FirstRow = Grid.IdxX * form.Rows;
        tile.FirstColumn = Grid.IdxY * form.Columns;
        tile.Rows = shape.Rows;
        tile.Columns = shape.Depth;
        tile.Terms = shape.Count;
        tile.Pitch = shape.Pitch;
        HeadStrip.ListAlive(list, alive, tile.FirstRow / 16, XMath.Min(8, (shape.Rows - tile.FirstRow + 15) / 16), shape.Pitch / Strip);
        CopyTiles.Run(weights, w, sums, list, tile, 2 * list[MostStrips], form);
        int row = tile.FirstRow + form.WarpRow() + Group.IdxX % 32 / 4, column = tile.FirstColumn + form.WarpColumn() + Group.IdxX % 4 * 2;
        Store(sums, 0, gradient, row, column, shape);
        Store(sums, 48, gradient, row + 32, column, shape);
    }

    [Kernel("HeadGradientFinish", FinishContract)]
    public static void Finish(ArrayView<float> gradient, ArrayView<float> inverse, ArrayView<ushort> w, ArrayView<int> targets, int columns)
    {
        int n = Grid.IdxX;
        long row = (long)n * columns, target = (long)targets[n] * columns;
        float scale = inverse[n];
        for (int d = Group.IdxX; d < columns; d += Group.DimX)
            gradient[row + d] = gradient[row + d] * scale - Weights16.Value(w[target + d], Weights16.Bf16);
    }

    private static KernelConfig Config(int rows, int columns, TileForm form) => new(
        new Index3D((rows + form.Rows - 1) / form.Rows, (columns + form.Columns - 1) / form.Columns, 1), new Index3D(form.Threads, 1, 1),
        SharedMemoryConfig.RequestDynamic<Bf16>(CopyTiles.SharedElements(form)));

    private static TileForm LogitForm() => TileForm.Of(128, LogitTile, 256, false, false);

    private static TileForm GradientForm()
    {
        TileForm form = TileForm.Of(128, GradientTile, 256, false, true);
        form.Listed = true;
        return form;
    }

    private static float Dot(Word4 a, Word4 b) => Dot(a.X, b.X) + Dot(a.Y, b.Y) + (Dot(a.Z, b.Z) + Dot(a.W, b.W));

    private static float Dot(uint a, uint b) => Vector16.LowBf16(a) * Vector16.LowBf16(b) + Vector16.HighBf16(a) * Vector16.HighBf16(b);

    /// <summary>Half of a warp's sums: two rows of six products.</summary>
    private static void Store(float[] sums, int at, ArrayView<float> gradient, int row, int column, HeadShape shape)
    {
        for (int i = 0; i < 48; i++)
        {
            int r = row + i / 24 * 16 + i % 4 / 2 * 8, c = column + i / 4 % 6 * 8 + i % 2;
            if (r >= shape.Rows || c >= shape.Depth) continue;
            long place = (long)r * shape.Depth + c;
            gradient[place] = shape.Accumulate != 0 ? gradient[place] + sums[at + i] : sums[at + i];
        }
    }
}
#endif
