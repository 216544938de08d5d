#if !ILGPU
using OllmNative.Runtime.Extensions;

namespace OllmNative.Kernels;

/// <summary>One product of 16 x 8 on the tensor cores, added to four of a thread's sums.</summary>
internal static class TensorSums
{
    /// <summary>sums[at..] += a b, b in two registers; elements are bf16, or f16 where <paramref name="half"/>, a constant, says so.</summary>
    public static void Multiply(float[] sums, int at, FragmentA a, uint first, uint second, bool half = false)
    {
        FragmentC c = default;
        c.R0 = sums[at];
        c.R1 = sums[at + 1];
        c.R2 = sums[at + 2];
        c.R3 = sums[at + 3];
        c = Product(a, first, second, c, half);
        sums[at] = c.R0;
        sums[at + 1] = c.R1;
        sums[at + 2] = c.R2;
        sums[at + 3] = c.R3;
    }

    /// <summary>The same for sums in a view.</summary>
    public static void Multiply(ArrayView<float> sums, int at, FragmentA a, uint first, uint second)
    {
        FragmentC c = default;
        c.R0 = sums[at];
        c.R1 = sums[at + 1];
        c.R2 = sums[at + 2];
        c.R3 = sums[at + 3];
        c = Product(a, first, second, c, false);
        sums[at] = c.R0;
        sums[at + 1] = c.R1;
        sums[at + 2] = c.R2;
        sums[at + 3] = c.R3;
    }

    private static FragmentC Product(FragmentA a, uint first, uint second, FragmentC c, bool half)
    {
        FragmentB b = default;
        b.R0 = first;
        b.R1 = second;
        return half ? TensorCore.MultiplyAddF16(a, b, c) : TensorCore.MultiplyAddBf16(a, b, c);
    }
}
#endif
