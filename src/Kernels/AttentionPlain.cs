namespace OllmNative.Kernels;

/// <summary>What an attention launch needs beside its views.</summary>
public struct AttentionShape
{
    /// <summary>Query heads, key/value heads, head size.</summary>
    public int Heads, KvHeads, HeadSize;

    /// <summary>Query heads that a group takes together: all that share a key/value head, or 1.</summary>
    public int Packed;

    /// <summary>Parts that the keys are cut into, and keys of one.</summary>
    public int Splits, KeysPerSplit;

    /// <summary>Factor on the scores: 1 / sqrt(Dh).</summary>
    public float Scale;

    /// <summary>1: the launch before has written one row of each sequence, its last, and what was written before that is there (<see cref="DecodeRope"/>).</summary>
    public int Ahead;

    /// <summary>What replaces divisions of small numbers (<see cref="Share"/>): by Packed, and by the parts of a group of H / Hkv heads.</summary>
    public int PackedShare, GroupShare;

    /// <summary>65536 / divisor, so that n / divisor is n * share / 65536 for n * divisor below 65536.</summary>
    public static int Share(int divisor) => 65536 / divisor + 1;

    /// <summary>The same with so many heads taken together.</summary>
    public readonly AttentionShape WithPacked(int packed)
    {
        AttentionShape shape = this;
        (shape.Packed, shape.PackedShare, shape.GroupShare) = (packed, Share(packed), Share(Heads / KvHeads / packed));
        return shape;
    }
}

/// <summary>Causal attention with grouped queries, plainly: version 1.</summary>
public static class AttentionPlain
{
    private const string Contract = """
        output[t,h] = softmax over positions j <= position(t) of (q[t,h] . keys[j,h']) * scale, times values[j,h']        h' = h * Hkv / H
        q, output [T,H,Dh], keys, values [R,Hkv,Dh] f32; items: (first row, rows, position of the first, cache row of position 0) of each block
        version 1, one thread a query and head: grid H x items, group: rows of the largest block
        bytes of memory traffic 8 T^2 H Dh / 2 a sequence, flops 4 T^2 H Dh / 2
        """;

    [Kernel("Attention", Contract, Version = 1)]
    public static void Attention1(
        ArrayView<float> q, ArrayView<float> keys, ArrayView<float> values, ArrayView<float> output, ArrayView<int> items, AttentionShape shape)
    {
        int item = Grid.IdxY * 4, head = Grid.IdxX, row = Group.IdxX, size = shape.HeadSize;
        if (row >= items[item + 1]) return;
        long at = ((long)(items[item] + row) * shape.Heads + head) * size;
        int width = shape.KvHeads * size, visible = items[item + 2] + row + 1;
        long key = (long)items[item + 3] * width + head / (shape.Heads / shape.KvHeads) * size;
        float max = float.NegativeInfinity, total = 0;
        for (int i = 0; i < size; i++) output[at + i] = 0f;
        for (int j = 0; j < visible; j++)
        {
            float score = 0;
            for (int i = 0; i < size; i++) score += q[at + i] * keys[key + i];
            score *= shape.Scale;
            if (score > max)
            {
                // What was summed so far was relative to the old maximum.
                float shrink = XMath.Exp(max - score);
                total *= shrink;
                for (int i = 0; i < size; i++) output[at + i] *= shrink;
                max = score;
            }
            float weight = XMath.Exp(score - max);
            total += weight;
            for (int i = 0; i < size; i++) output[at + i] += weight * values[key + i];
            key += width;
        }
        for (int i = 0; i < size; i++) output[at + i] /= total;
    }
}
