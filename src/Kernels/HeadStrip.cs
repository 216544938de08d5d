#if !ILGPU
using OllmNative.Runtime.Extensions;

namespace OllmNative.Kernels;

/// <summary>What becomes of the logits in a warp's registers: 16 rows of a strip of 64 vocabulary entries.</summary>
internal static class HeadStrip
{
    private const float Log2E = 1.44269504f;

    /// <summary>Weights, statistics and the strip's flag; see the contract of HeadLogits.</summary>
    /// <param name="logits">Element 4 j + r is register r of the product of 16 x 8 with columns 8 j on.</param>
    /// <param name="row">First of the 16 rows.</param>
    /// <param name="column">First of the 64 entries, within the chunk.</param>
    /// <param name="target">The targets' logits.</param>
    /// <param name="targets">The targets.</param>
    /// <param name="weights">Two weights a word, or empty.</param>
    /// <param name="sums">Sums of weights.</param>
    /// <param name="tops">Largest logits.</param>
    /// <param name="bests">Their entries.</param>
    /// <param name="alive">Whether the strip counts.</param>
    /// <param name="shape">Sizes.</param>
    public static void Write(
        ArrayView<float> logits, int row, int column, ArrayView<float> target, ArrayView<int> targets, ArrayView<uint> weights,
        ArrayView<float> sums, ArrayView<float> tops, ArrayView<int> bests, ArrayView<int> alive, HeadShape shape)
    {
        int lane = Group.IdxX % 32;
        if (column + 64 > shape.Count) Hide(logits, column + lane % 4 * 2, shape.Count);
        bool counts = Half(logits, 0, row + lane / 4, column, lane, target, targets, weights, sums, tops, bests, shape);
        counts |= Half(logits, 2, row + 8 + lane / 4, column, lane, target, targets, weights, sums, tops, bests, shape);
        bool any = WarpVote.Any(counts);
        if (alive.Length != 0 && lane == 0) alive[row / 16 * (shape.Pitch / 64) + column / 64] = any ? 1 : 0;
    }

    /// <summary>Entries behind the last one weigh nothing.</summary>
    private static void Hide(ArrayView<float> logits, int column, int count)
    {
        for (int i = 0; i < 32; i++)
            if (column + i / 4 * 8 + i % 2 >= count) logits[i] = float.NegativeInfinity;
    }

    /// <summary>The lane's 16 logits of one row; four lanes share it. Returns whether the row's sum counts.</summary>
    private static bool Half(
        ArrayView<float> logits, int at, int n, int column, int lane, ArrayView<float> target, ArrayView<int> targets, ArrayView<uint> weights,
        ArrayView<float> sums, ArrayView<float> tops, ArrayView<int> bests, HeadShape shape)
    {
        bool inside = n < shape.Rows;
        int row = inside ? n : 0, own = targets[row] - shape.First - column, first = lane % 4 * 2;
        // A target of a later chunk is none of the entries that fill up this one's last strip.
        if (own >= shape.Count - column) own = -1;
        float top = float.NegativeInfinity;
        int best = first;
        for (int i = 0; i < 16; i++)
        {
            float value = logits[at + i / 2 * 4 + i % 2];
            if (value > top) best = first + i / 2 * 8 + i % 2;
            top = XMath.Max(top, value);
        }
        for (int offset = 1; offset < 4; offset *= 2)
        {
            float otherTop = Warp.ShuffleXor(top, offset);
            int otherBest = Warp.ShuffleXor(best, offset);
            if (otherTop > top || (otherTop == top && otherBest < best))
            {
                top = otherTop;
                best = otherBest;
            }
        }
        float logit = target[row], scale = XMath.Max(logit, top - HeadTensor.MostAhead), minus = -scale * Log2E, sum = 0f;
        // The target's own weight is exact, so that the loss is never below zero.
        float exact = XMath.Exp2((logit - scale) * Log2E);
        long place = ((long)row * shape.Pitch + column + first) / 2;
        for (int j = 0; j < 8; j++)
        {
            float low = XMath.Exp2(logits[at + 4 * j] * Log2E + minus), high = XMath.Exp2(logits[at + 4 * j + 1] * Log2E + minus);
            if (own == first + 8 * j) low = exact;
            if (own == first + 8 * j + 1) high = exact;
            sum += low + high;
            if (inside && weights.Length != 0) weights[place + 4 * j] = Vector16.PackBf16(low, high);
        }
        sum += Warp.ShuffleXor(sum, 1);
        sum += Warp.ShuffleXor(sum, 2);
        if (inside && lane % 4 == 0)
        {
            long statistic = (long)((shape.First + column) / 64) * shape.Rows + n;
            sums[statistic] = sum;
            tops[statistic] = top;
            bests[statistic] = shape.First + column + best;
        }
        return inside && !(sum <= shape.Negligible);
    }
}
#endif
