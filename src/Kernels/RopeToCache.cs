namespace OllmNative.Kernels;

/// <summary>Sizes of <see cref="RopeToCache"/>.</summary>
public struct RopeToCacheShape
{
    /// <summary>T, H, Hkv, Dh.</summary>
    public int Tokens, Heads, KvHeads, HeadSize;
}

/// <summary>Between the projections and attention: q and k turned by their positions, k and v laid down in the cache.</summary>
public static class RopeToCache
{
    private const string Contract = """
        q[t,h] <- rope(q[t,h], positions[t]), keys[cacheRows[t],h] <- rope(k[t,h], positions[t]), values[cacheRows[t],h] <- v[t,h]
        q [T,H,Dh] f32 in place, k, v [T,Hkv,Dh], keys, values [R,Hkv,Dh] f32, positions, cacheRows [T] i32, cosSin [P,Dh] f32; rope as RopeHeads
        grid ceil(T*(H + 2Hkv)*Dh/2 / group), group any one-dimensional       requires even Dh, cacheRows all different
        bytes 8T(H + 2Hkv)Dh, flops 3T(H + Hkv)Dh
        """;

    [Kernel("RopeToCache", Contract)]
    public static void Forward(
        ArrayView<float> q, ArrayView<float> k, ArrayView<float> v, ArrayView<int> positions, ArrayView<float> cosSin, ArrayView<int> cacheRows,
        ArrayView<float> keys, ArrayView<float> values, RopeToCacheShape shape)
    {
        int size = shape.HeadSize, half = size / 2, all = shape.Heads + 2 * shape.KvHeads;
        int pair = Grid.GlobalIndex.X;
        if (pair >= shape.Tokens * all * half) return;
        int i = pair % half, head = pair / half % all, token = pair / half / all;
        long angle = (long)positions[token] * size + i;
        float cosine = cosSin[angle], sine = cosSin[angle + half];
        if (head < shape.Heads)
        {
            long at = ((long)token * shape.Heads + head) * size + i;
            float a = q[at], b = q[at + half];
            q[at] = a * cosine - b * sine;
            q[at + half] = b * cosine + a * sine;
            return;
        }
        int kvHead = (head - shape.Heads) % shape.KvHeads;
        long source = ((long)token * shape.KvHeads + kvHead) * size + i, target = ((long)cacheRows[token] * shape.KvHeads + kvHead) * size + i;
        if (head < shape.Heads + shape.KvHeads)
        {
            float a = k[source], b = k[source + half];
            keys[target] = a * cosine - b * sine;
            keys[target + half] = b * cosine + a * sine;
        }
        else
        {
            values[target] = v[source];
            values[target + half] = v[source + half];
        }
    }
}
