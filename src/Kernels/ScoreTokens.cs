namespace OllmNative.Kernels;

/// <summary>What there is to say about a row of logits without sending it anywhere: its entropy, how likely one token is, and the likeliest ones.</summary>
public static class ScoreTokens
{
    /// <summary>Numbers of a row before those of its likeliest tokens: the entropy, and log p of the picked token.</summary>
    public const int Fixed = 2;

    private const string Contract = """
        with p = softmax(logits[n]):  numbers[n] = (H(p) in nats, log p[picked[n]], log p of each of tokens[n]); picked empty: the likeliest; no column: minus infinity
        tokens[n] = the T likeliest, the first ones among equals first; -1 and minus infinity past the last
        logits [N,V], numbers [N,2+T] f32, picked [N], tokens [N,T] i32, T = most
        grid N, group whole warps, one-dimensional
        bytes 4NV(2 + T) from the cache, flops 8NV + NVT
        """;

#if !ILGPU
    [Runtime.Extensions.OverlapsPredecessor]
#endif
    [Kernel("ScoreTokens", Contract)]
    public static void Forward(ArrayView<float> logits, ArrayView<int> picked, ArrayView<int> tokens, ArrayView<float> numbers, int columns, int most)
    {
        Overlap.Begin();
        long row = (long)Grid.IdxX * columns;
        int listed = Grid.IdxX * most, facts = Grid.IdxX * (Fixed + most), at = Next(logits, row, columns, float.PositiveInfinity, -1);
        float max = logits[row + XMath.Min(at, columns - 1)], sum = 0f, weighted = 0f;
        for (int v = Group.IdxX; v < columns; v += Group.DimX)
        {
            float behind = logits[row + v] - max, weight = XMath.Exp(behind);
            sum += weight;
            // What is infinitely unlikely has no part, while 0 times infinity would be no number.
            if (weight > 0f) weighted += weight * behind;
        }
        sum = GroupReduce.SumAll(sum);
        weighted = GroupReduce.SumAll(weighted);
        float log = XMath.Log(sum);
        if (Group.IdxX == 0)
        {
            numbers[facts] = XMath.Max(0f, log - weighted / sum);
            int token = picked.Length == 0 ? at : picked[Grid.IdxX];
            numbers[facts + 1] = token >= 0 && token < columns ? logits[row + token] - max - log : float.NegativeInfinity;
        }
        for (int i = 0; i < most; i++)
        {
            float value = at < columns ? logits[row + at] : float.NegativeInfinity;
            if (Group.IdxX == 0)
            {
                tokens[listed + i] = at < columns ? at : -1;
                numbers[facts + Fixed + i] = at < columns ? value - max - log : float.NegativeInfinity;
            }
            // The next search meets in the same shared memory.
            Group.Barrier();
            if (i + 1 < most) at = Next(logits, row, columns, value, at);
        }
    }

    /// <summary>Where the largest entry stands of those that come after (value, at): smaller, or equal and further on. 2^31-1 where there is none.</summary>
    private static int Next(ArrayView<float> logits, long row, int columns, float value, int at)
    {
        float best = float.NegativeInfinity;
        int found = int.MaxValue;
        for (int v = Group.IdxX; v < columns; v += Group.DimX)
        {
            float logit = logits[row + v];
            if (logit > value || (logit == value && v <= at)) continue;
            if (logit > best || (logit == best && found == int.MaxValue))
            {
                best = logit;
                found = v;
            }
        }
        return GroupReduce.FirstMaxAll(best, found);
    }
}
