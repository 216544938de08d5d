#if !ILGPU
using OllmNative.Runtime.Extensions;

namespace OllmNative.Kernels;

/// <summary>
/// Online softmax (arXiv 1805.02867) on the sums of a warp group's products, which lie like the fragments of <see cref="AttentionRows"/>: a lane
/// has rows g and g + 8, elements 0 and 1 of the arrays of two. All elements of a row are in four lanes. Scores are in units of log 2.
/// </summary>
internal static class AttentionScores
{
    /// <summary>
    /// What a score may lie above the maximum that weights are relative to: they are then below 2^8, which neither f32 nor bf16 minds,
    /// and the sums are rescaled only in the few tiles that bring more.
    /// </summary>
    private const float Slack = 8f;

    /// <summary>Scores of keys behind the query's own position count as minus infinity. key: of column 0; position: of row g.</summary>
    public static void Hide(float[] scores, int key, int position, int lane)
    {
        int seen = position - key - lane % 4 * 2;
        for (int i = 0; i < scores.Length; i++)
            if (i / 4 * 8 + i % 2 - i % 4 / 2 * 8 > seen) scores[i] = float.NegativeInfinity;
    }

    /// <summary>New maxima, and by what the sums so far shrink. False where nothing changes.</summary>
    public static bool Grow(float[] scores, float[] max, float[] shrink)
    {
        bool grows = false;
        for (int row = 0; row < 2; row++)
        {
            // Two chains, so that one maximum need not wait for the last.
            float even = scores[2 * row], odd = scores[2 * row + 1];
            for (int i = 4 + 2 * row; i < scores.Length; i += 4)
            {
                even = XMath.Max(even, scores[i]);
                odd = XMath.Max(odd, scores[i + 1]);
            }

            float top = XMath.Max(even, odd);
            top = XMath.Max(top, Warp.ShuffleXor(top, 1));
            top = XMath.Max(top, Warp.ShuffleXor(top, 2));
            bool more = top > max[row] + Slack;
            float next = more ? top : max[row];
            shrink[row] = more ? FastMath.Exp2(max[row] - next) : 1f;
            max[row] = next;
            grows |= more;
        }

        return grows;
    }

    /// <summary>Turns scores into weights relative to the maxima, which are numbers; the totals shrink and grow by this lane's.</summary>
    public static void Weights(float[] scores, float[] max, float[] total, float[] shrink)
    {
        for (int row = 0; row < 2; row++)
        {
            float even = 0f, odd = 0f;
            for (int i = 2 * row; i < scores.Length; i += 4)
            {
                float first = FastMath.Exp2(scores[i] - max[row]), second = FastMath.Exp2(scores[i + 1] - max[row]);
                scores[i] = first;
                scores[i + 1] = second;
                even += first;
                odd += second;
            }

            total[row] = total[row] * shrink[row] + (even + odd);
        }
    }

    /// <summary>Weights as left operands: pairs of bf16.</summary>
    public static void Pack(float[] scores, uint[] weights)
    {
        for (int i = 0; i < weights.Length; i++) weights[i] = Vector16.PackBf16(scores[2 * i], scores[2 * i + 1]);
    }
}
#endif
