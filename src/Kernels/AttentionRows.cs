#if !ILGPU
using OllmNative.Runtime.Extensions;

namespace OllmNative.Kernels;

/// <summary>
/// Online softmax (arXiv 1805.02867) on the fragments of tensor-core products: of 16 rows of scores a lane has rows g and g + 8, in registers
/// 4n, 4n + 1 and 4n + 2, 4n + 3 of columns 8n + 2t and 8n + 2t + 1 (g = lane / 4, t = lane % 4);
/// count: a lane's registers. Scores are in units of log 2.
/// </summary>
internal static class AttentionRows
{
    public const float Log2E = 1.44269504f;

    /// <summary>
    /// What a score may lie above the maximum that weights are relative to: they are then below 2^8, which neither f32 nor bf16 minds,
    /// and the sums are rescaled only in the few tiles that bring more.
    /// </summary>
    private const float Slack = 8f;

    /// <summary>Scores of keys behind the query's own position count as minus infinity. position: of row g; key: of column 0.</summary>
    public static void Hide(ArrayView<float> scores, int count, int key, int position, int lane)
    {
        for (int i = 0; i < count; i++)
        {
            int column = key + i / 4 * 8 + lane % 4 * 2 + i % 2;
            if (column > position + i % 4 / 2 * 8) scores[i] = float.NegativeInfinity;
        }
    }

    /// <summary>
    /// New maxima of rows g and g + 8, entries at and at + 1 of <paramref name="max"/>, and by what the sums so far shrink. False where nothing changes.
    /// </summary>
    public static bool Grow(ArrayView<float> scores, int count, ArrayView<float> max, ArrayView<float> shrink, int at)
    {
        float top0 = RowMax(scores, count, 0), top1 = RowMax(scores, count, 2);
        bool grows0 = top0 > max[at] + Slack, grows1 = top1 > max[at + 1] + Slack;
        float new0 = grows0 ? top0 : max[at], new1 = grows1 ? top1 : max[at + 1];
        shrink[at] = grows0 ? FastMath.Exp2(max[at] - new0) : 1f;
        shrink[at + 1] = grows1 ? FastMath.Exp2(max[at + 1] - new1) : 1f;
        max[at] = new0;
        max[at + 1] = new1;
        return grows0 | grows1;
    }

    /// <summary>Turns scores into weights relative to the maxima, which are numbers, and adds this lane's to the totals.</summary>
    public static void Weights(ArrayView<float> scores, int count, ArrayView<float> max, ArrayView<float> total, int at)
    {
        total[at] += RowWeights(scores, count, 0, max[at]);
        total[at + 1] += RowWeights(scores, count, 2, max[at + 1]);
    }

    /// <summary>Weights of 16 columns from register i on, as a left operand.</summary>
    public static FragmentA Operand(ArrayView<float> weights, int i)
    {
        FragmentA a = default;
        a.R0 = Vector16.PackBf16(weights[i], weights[i + 1]);
        a.R1 = Vector16.PackBf16(weights[i + 2], weights[i + 3]);
        a.R2 = Vector16.PackBf16(weights[i + 4], weights[i + 5]);
        a.R3 = Vector16.PackBf16(weights[i + 6], weights[i + 7]);
        return a;
    }

    /// <summary>Eight floats times a factor, as bf16.</summary>
    public static Word4 Rounded(Float4 low, Float4 high, float scale) => new(
        Vector16.PackBf16(low.X * scale, low.Y * scale), Vector16.PackBf16(low.Z * scale, low.W * scale),
        Vector16.PackBf16(high.X * scale, high.Y * scale), Vector16.PackBf16(high.Z * scale, high.W * scale));

    /// <summary>Sum over the four lanes that share a row.</summary>
    public static float QuadSum(float value)
    {
        value += Warp.ShuffleXor(value, 1);
        return value + Warp.ShuffleXor(value, 2);
    }

    /// <summary>The largest score of a row: registers half and half + 1 of each product, and the four lanes that share the row.</summary>
    private static float RowMax(ArrayView<float> scores, int count, int half)
    {
        float max = XMath.Max(scores[half], scores[half + 1]);
        for (int n = 1; n < count / 4; n++) max = XMath.Max(max, XMath.Max(scores[4 * n + half], scores[4 * n + half + 1]));
        max = XMath.Max(max, Warp.ShuffleXor(max, 1));
        return XMath.Max(max, Warp.ShuffleXor(max, 2));
    }

    /// <summary>A row's scores to weights: registers half and half + 1 of each product. Their sum.</summary>
    public static float RowWeights(ArrayView<float> scores, int count, int half, float max)
    {
        float sum = 0f;
        for (int i = half; i < count; i += 4)
        {
            float first = FastMath.Exp2(scores[i] - max), second = FastMath.Exp2(scores[i + 1] - max);
            scores[i] = first;
            scores[i + 1] = second;
            sum += first + second;
        }
        return sum;
    }
}
#endif
