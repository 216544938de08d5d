#if !ILGPU
using OllmNative.Runtime.Extensions;

namespace OllmNative.Kernels;

/// <summary>Where a decoding step's queries, keys and values belong: turned by their positions, and into the cache.</summary>
public struct DecodeCache
{
    /// <summary>[N] each: a row's position, and its row of the cache.</summary>
    public ArrayView<int> Positions, Rows;

    /// <summary>[positions, Dh]: cosines, then sines of a position.</summary>
    public ArrayView<float> CosSin;

    /// <summary>[R, Hkv * Dh].</summary>
    public ArrayView<Bf16> Keys, Values;

    /// <summary>Half of a head's elements: 2 to this power.</summary>
    public int HalfBits;
}

/// <summary>
/// The first launch of a layer that decodes: norm, the products of q, k and v (<see cref="DecodeTiles"/>), rotary positions, and k and v into the cache.
/// Of its 16 outputs a group's lower eight lie half a head behind the upper ones, so that both elements of a rotary pair are there.
/// The same in two launches: <see cref="DecodeProducts"/> and <see cref="RopeToCacheBf16"/>.
/// </summary>
public static class DecodeRope
{
    private const string Contract = """
        with r = gain * x / sqrt(mean(x^2) + epsilon):  q[n] = rope(bq + wq r[n], positions[n]),  keys[rows[n]] = rope(bk + wk r[n], positions[n]),  values[rows[n]] = bv + wv r[n]
        x [N,I], gain [I], biases [O_j] or empty, q [N,O_0] f32, wq, wk, wv [O_j,I], keys, values [R,O_1] bf16; rope as RopeHeads, with cosSin [P,Dh]
        a group makes 16 outputs for all N rows: group 256, grid sum of O_j / 16       version 1: N <= 8, 2: N <= 16; 3, 4: the same with bytes
        w bf16, or with bytes scale[o] * w[o,i]; x as two bf16; sums in f32       requires I % 8 = 0 (bytes: 16), Dh a power of two, at least 16, x, gain and w on 16 bytes, sm_80
        starts before its predecessor has ended (sm_90): weights, positions and angles are loaded ahead of its wait; its successor starts behind that wait,
        so that what this kernel's predecessors wrote to the cache is there for it
        bytes 2I sum O_j + 4NI + 4N O_0 + 4N O_1, flops 2NI sum O_j
        """;

    /// <summary>The layout for so many outputs.</summary>
    public static KernelConfig Config(int queries, int keys) => new((queries + 2 * keys) / DecodeTiles.Rows, DecodeTiles.Threads);

    [Kernel("DecodeNormRope", Contract, Version = 1), OverlapsPredecessor, GroupBounds(DecodeTiles.Threads, 2)]
    public static void Eight(ArrayView<float> x, ArrayView<float> gain, DecodeMatrix q, DecodeMatrix k, DecodeMatrix v, DecodeCache cache, DecodeShape shape) =>
        Run(x, gain, q, k, v, cache, shape, 1, 3, false);

    [Kernel("DecodeNormRope", Contract, Version = 2), OverlapsPredecessor, GroupBounds(DecodeTiles.Threads, 2)]
    public static void Sixteen(ArrayView<float> x, ArrayView<float> gain, DecodeMatrix q, DecodeMatrix k, DecodeMatrix v, DecodeCache cache, DecodeShape shape) =>
        Run(x, gain, q, k, v, cache, shape, 2, 2, false);

    [Kernel("DecodeNormRope", Contract, Version = 3), OverlapsPredecessor, GroupBounds(DecodeTiles.Threads, 2)]
    public static void EightBytes(ArrayView<float> x, ArrayView<float> gain, DecodeMatrix q, DecodeMatrix k, DecodeMatrix v, DecodeCache cache, DecodeShape shape) =>
        Run(x, gain, q, k, v, cache, shape, 1, 3, true);

    [Kernel("DecodeNormRope", Contract, Version = 4), OverlapsPredecessor, GroupBounds(DecodeTiles.Threads, 2)]
    public static void SixteenBytes(ArrayView<float> x, ArrayView<float> gain, DecodeMatrix q, DecodeMatrix k, DecodeMatrix v, DecodeCache cache, DecodeShape shape) =>
        Run(x, gain, q, k, v, cache, shape, 2, 2, true);

    private static void Run(
        ArrayView<float> x, ArrayView<float> gain, DecodeMatrix q, DecodeMatrix k, DecodeMatrix v, DecodeCache cache, DecodeShape shape, int tiles, int depth, bool bytes)
    {
        ArrayView<float> parts = SharedMemory.Allocate<float>(2 * 8 * 128);
        ArrayView<float> squares = SharedMemory.Allocate<float>(2 * 8 * 8);
        ArrayView<float> angles = SharedMemory.Allocate<float>(2 * 128);
        // So that where the results go takes no registers from the loop.
        ArrayView<int> outputs = SharedMemory.Allocate<int>(128);
        DecodeMatrix weights = DecodeProducts.Mine(q, k, v);
        DecodeTiles.Operands operands = DecodeProducts.Rows(x, weights, weights, First(q, k, cache), 1 << cache.HalfBits, shape, bytes);
        operands.Gain = gain;
        if (Group.IdxX < 64 * tiles) KeepAngle(angles, outputs, cache, First(q, k, cache), shape);
        DecodeTiles.Run(operands, shape, parts, squares, tiles, depth, bytes, DecodeTiles.Norm, true);
        Group.Barrier();
        if (Group.IdxX >= 64 * tiles) return;
        int eight = Group.IdxX / 64, lane = Group.IdxX % 64 / 2, i = Group.IdxX % 2, n = eight * 8 + lane % 4 * 2 + i;
        if (n >= shape.Rows) return;
        DecodeMatrix m = DecodeProducts.Mine(q, k, v);
        int o = outputs[Group.IdxX], half = 1 << cache.HalfBits, tile = Grid.IdxX - q.Outputs / DecodeTiles.Rows;
        float inverse = DecodeTiles.Inverse(squares, tiles, n, shape);
        float a = DecodeTiles.Sum(parts, tiles, eight, lane, i) * inverse, b = DecodeTiles.Sum(parts, tiles, eight, lane, i + 2) * inverse;
        if (bytes)
        {
            a *= m.Scales[o];
            b *= m.Scales[o + half];
        }
        if (m.Bias.Length != 0)
        {
            a += m.Bias[o];
            b += m.Bias[o + half];
        }
        bool value = tile >= k.Outputs / DecodeTiles.Rows;
        float cosine = value ? 1f : angles[2 * Group.IdxX], sine = value ? 0f : angles[2 * Group.IdxX + 1], low = a * cosine - b * sine, high = b * cosine + a * sine;
        if (tile < 0)
        {
            long at = (long)n * m.Outputs + o;
            m.Output[at] = low;
            m.Output[at + half] = high;
            return;
        }
        long place = (long)cache.Rows[n] * m.Outputs + o;
        ArrayView<Bf16> target = value ? cache.Values : cache.Keys;
        target[place] = Bf16.FromFloat(low);
        target[place + half] = Bf16.FromFloat(high);
    }

    /// <summary>The group's first output within its matrix: the tile's eighths of half heads come one after the other.</summary>
    private static int First(DecodeMatrix q, DecodeMatrix k, DecodeCache cache)
    {
        int pair = DecodeProducts.MyTile(q, k) * (DecodeTiles.Rows / 2), half = 1 << cache.HalfBits;
        return pair + (pair & -half);
    }

    /// <summary>This thread's upper output and what turns it, to shared memory: the loads wait for each other, and here nothing waits for them.</summary>
    private static void KeepAngle(ArrayView<float> angles, ArrayView<int> outputs, DecodeCache cache, int first, DecodeShape shape)
    {
        int lane = Group.IdxX % 64 / 2, half = 1 << cache.HalfBits, n = XMath.Min(Group.IdxX / 64 * 8 + lane % 4 * 2 + Group.IdxX % 2, shape.Rows - 1);
        long at = (long)cache.Positions[n] * 2 * half + ((first + lane / 4) & (half - 1));
        outputs[Group.IdxX] = first + lane / 4;
        angles[2 * Group.IdxX] = cache.CosSin[at];
        angles[2 * Group.IdxX + 1] = cache.CosSin[at + half];
    }
}
#endif
