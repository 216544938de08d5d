#if !ILGPU
using OllmNative.Runtime.Extensions;

namespace OllmNative.Kernels;

/// <summary>Puts the parts of a cache together, one warp a query and head.</summary>
internal static class AttentionParts
{
    // Parts whose sums are on their way at one time.
    private const int Ahead = 8;

    /// <summary>output[query] = sum_s w_s partial[query,s] / sum_s w_s total[query,s] with w_s = 2^(max[query,s] - top).</summary>
    public static void Combine(ArrayView<float> partial, ArrayView<float> stats, ArrayView<float> output, long query, int splits, int size)
    {
        // With heads of 64 half of the lanes read what the others read, too.
        int lane = Group.IdxX % 32, column = 4 * lane % size;
        ArrayView<float> own = stats.SubView(2 * query * splits, 2 * splits), sums = partial.SubView(query * splits * size, (long)splits * size);
        // A lane knows parts lane and lane + 32.
        float max0 = lane < splits ? own[2 * lane] : float.NegativeInfinity, max1 = lane + 32 < splits ? own[2 * lane + 64] : float.NegativeInfinity;
        float total0 = lane < splits ? own[2 * lane + 1] : 0f, total1 = lane + 32 < splits ? own[2 * lane + 65] : 0f;
        float top = XMath.Max(max0, max1);
        for (int offset = 16; offset > 0; offset /= 2) top = XMath.Max(top, Warp.ShuffleXor(top, offset));
        float weight0 = FastMath.Exp2(max0 - top), weight1 = FastMath.Exp2(max1 - top);
        float scale = 1f / MatMulDot.WarpSum(weight0 * total0 + weight1 * total1);
        Float4 sum = new(0f, 0f, 0f, 0f);
        for (int s = 0; s < splits; s += Ahead)
        {
            for (int i = 0; i < Ahead; i++)
            {
                // Parts without a visible key have weight 0, as have those behind the last.
                float weight = Warp.Shuffle(s < 32 ? weight0 : weight1, (s + i) % 32);
                sum = Add(sum, weight, Vector16.LoadFloat4(sums, XMath.Min(s + i, splits - 1) * size + column));
            }
        }
        if (4 * lane < size) Vector16.StoreFloat4(output.SubView(query * size, size), column, Add(new(0f, 0f, 0f, 0f), scale, sum));
    }

    /// <summary>Which query of a block a row belongs to: row / packed.</summary>
    public static int Token(int row, AttentionShape shape) => row * shape.PackedShare >> 16;

    /// <summary>Query and head of a block's row, counted over [T, H]; the first query, and the first head of those taken together.</summary>
    public static long Query(int first, int head, int row, AttentionShape shape)
    {
        int token = Token(row, shape);
        return (long)(first + token) * shape.Heads + head + row - token * shape.Packed;
    }

    public static Float4 Add(Float4 sum, float weight, Float4 x) => new(sum.X + weight * x.X, sum.Y + weight * x.Y, sum.Z + weight * x.Z, sum.W + weight * x.W);
}
#endif
