#if !ILGPU
using OllmNative.Runtime.Extensions;

namespace OllmNative.Kernels;

/// <summary>As <see cref="RopeToCache"/>, into a cache of bf16: a thread turns eight pairs, with 16-byte loads and stores.</summary>
public static class RopeToCacheBf16
{
    private const string Contract = """
        q[t,h] <- rope(q[t,h], positions[t]), keys[cacheRows[t],h] <- rope(k[t,h], positions[t]), values[cacheRows[t],h] <- v[t,h]
        q [T,H,Dh] f32 in place, k, v [T,Hkv,Dh] f32, keys, values [R,Hkv,Dh] bf16, positions, cacheRows [T] i32, cosSin [P,Dh] f32; rope as RopeHeads
        grid ceil(T*(H + 2Hkv)*Dh/16 / group), group any one-dimensional       requires Dh % 16 = 0, all views on 16 bytes, cacheRows all different
        bytes 8T H Dh + 12T Hkv Dh, flops 3T(H + Hkv)Dh
        """;

    /// <summary>Pairs of a thread.</summary>
    public const int Pairs = 8;

    [Kernel("RopeToCacheBf16", Contract)]
    public static void Forward(
        ArrayView<float> q, ArrayView<float> k, ArrayView<float> v, ArrayView<int> positions, ArrayView<float> cosSin, ArrayView<int> cacheRows,
        ArrayView<Bf16> keys, ArrayView<Bf16> values, RopeToCacheShape shape)
    {
        int size = shape.HeadSize, half = size / 2, pieces = half / Pairs, all = shape.Heads + 2 * shape.KvHeads;
        int index = Grid.GlobalIndex.X;
        if (index >= shape.Tokens * all * pieces) return;
        int i = index % pieces * Pairs, head = index / pieces % all, token = index / pieces / all;
        bool query = head < shape.Heads, key = !query && head < shape.Heads + shape.KvHeads;
        int kvHead = query ? 0 : (head - shape.Heads) % shape.KvHeads;
        long source = query ? ((long)token * shape.Heads + head) * size : ((long)token * shape.KvHeads + kvHead) * size;
        ArrayView<float> from = (query ? q : key ? k : v).SubView(source + i, half + Pairs);
        Float4 a0 = Vector16.LoadFloat4(from, 0), a1 = Vector16.LoadFloat4(from, 4), b0 = Vector16.LoadFloat4(from, half), b1 = Vector16.LoadFloat4(from, half + 4);
        if (query | key)
        {
            ArrayView<float> angles = cosSin.SubView((long)positions[token] * size + i, half + Pairs);
            Float4 cos0 = Vector16.LoadFloat4(angles, 0), cos1 = Vector16.LoadFloat4(angles, 4);
            Float4 sin0 = Vector16.LoadFloat4(angles, half), sin1 = Vector16.LoadFloat4(angles, half + 4);
            Float4 turned0 = Turn(a0, cos0, b0, sin0, -1f), turned1 = Turn(a1, cos1, b1, sin1, -1f);
            b0 = Turn(b0, cos0, a0, sin0, 1f);
            b1 = Turn(b1, cos1, a1, sin1, 1f);
            a0 = turned0;
            a1 = turned1;
        }
        if (query)
        {
            Vector16.StoreFloat4(from, 0, a0);
            Vector16.StoreFloat4(from, 4, a1);
            Vector16.StoreFloat4(from, half, b0);
            Vector16.StoreFloat4(from, half + 4, b1);
            return;
        }
        long target = ((long)cacheRows[token] * shape.KvHeads + kvHead) * size + i;
        ArrayView<Bf16> to = (key ? keys : values).SubView(target, half + Pairs);
        Vector16.StoreWords(to, 0, AttentionRows.Rounded(a0, a1, 1f));
        Vector16.StoreWords(to, half, AttentionRows.Rounded(b0, b1, 1f));
    }

    private static Float4 Turn(Float4 x, Float4 cosine, Float4 y, Float4 sine, float sign) => new(
        x.X * cosine.X + sign * (y.X * sine.X), x.Y * cosine.Y + sign * (y.Y * sine.Y),
        x.Z * cosine.Z + sign * (y.Z * sine.Z), x.W * cosine.W + sign * (y.W * sine.W));
}
#endif
