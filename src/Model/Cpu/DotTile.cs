using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace OllmNative.Model.Cpu;

public sealed unsafe partial class CpuDevice
{
    /// <summary>
    /// dots[4 n + r] = w_r · x_n for four rows of x, <paramref name="xStride"/> floats apart, and four rows of weights. Each
    /// weight is widened once for four products. Every dot product adds in the same order as for one row alone, so what a
    /// sequence yields does not depend on how many others are decoded beside it.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Dot4x4x512<T>(float* x, long xStride, byte* w0, byte* w1, byte* w2, byte* w3, int count, float* dots) where T : struct, IElement
    {
        float* x0 = x, x1 = x + xStride, x2 = x1 + xStride, x3 = x2 + xStride;
        Vector512<float> s00 = default, s01 = default, s02 = default, s03 = default, s10 = default, s11 = default, s12 = default, s13 = default;
        Vector512<float> s20 = default, s21 = default, s22 = default, s23 = default, s30 = default, s31 = default, s32 = default, s33 = default;
        int i = 0;
        for (; i + 16 <= count; i += 16)
        {
            Vector512<float> a0 = Vector512.Load(x0 + i), a1 = Vector512.Load(x1 + i), a2 = Vector512.Load(x2 + i), a3 = Vector512.Load(x3 + i);
            Vector512<float> w = T.Load512(w0);
            s00 = Avx512F.FusedMultiplyAdd(w, a0, s00);
            s10 = Avx512F.FusedMultiplyAdd(w, a1, s10);
            s20 = Avx512F.FusedMultiplyAdd(w, a2, s20);
            s30 = Avx512F.FusedMultiplyAdd(w, a3, s30);
            w = T.Load512(w1);
            s01 = Avx512F.FusedMultiplyAdd(w, a0, s01);
            s11 = Avx512F.FusedMultiplyAdd(w, a1, s11);
            s21 = Avx512F.FusedMultiplyAdd(w, a2, s21);
            s31 = Avx512F.FusedMultiplyAdd(w, a3, s31);
            w = T.Load512(w2);
            s02 = Avx512F.FusedMultiplyAdd(w, a0, s02);
            s12 = Avx512F.FusedMultiplyAdd(w, a1, s12);
            s22 = Avx512F.FusedMultiplyAdd(w, a2, s22);
            s32 = Avx512F.FusedMultiplyAdd(w, a3, s32);
            w = T.Load512(w3);
            s03 = Avx512F.FusedMultiplyAdd(w, a0, s03);
            s13 = Avx512F.FusedMultiplyAdd(w, a1, s13);
            s23 = Avx512F.FusedMultiplyAdd(w, a2, s23);
            s33 = Avx512F.FusedMultiplyAdd(w, a3, s33);
            w0 += 16 * T.Size; w1 += 16 * T.Size; w2 += 16 * T.Size; w3 += 16 * T.Size;
        }
        Sums(dots, s00, s01, s02, s03);
        Sums(dots + 4, s10, s11, s12, s13);
        Sums(dots + 8, s20, s21, s22, s23);
        Sums(dots + 12, s30, s31, s32, s33);
        if (i == count) return;
        DotTail<T>(x0 + i, w0, w1, w2, w3, count - i, dots);
        DotTail<T>(x1 + i, w0, w1, w2, w3, count - i, dots + 4);
        DotTail<T>(x2 + i, w0, w1, w2, w3, count - i, dots + 8);
        DotTail<T>(x3 + i, w0, w1, w2, w3, count - i, dots + 12);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Sums(float* dots, Vector512<float> s0, Vector512<float> s1, Vector512<float> s2, Vector512<float> s3)
    {
        dots[0] = Vector512.Sum(s0);
        dots[1] = Vector512.Sum(s1);
        dots[2] = Vector512.Sum(s2);
        dots[3] = Vector512.Sum(s3);
    }
}
