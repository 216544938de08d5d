using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace OllmNative.Model.Cpu;

public sealed unsafe partial class CpuDevice
{
    /// <summary>
    /// How far ahead of the rows being read the next ones are called into the second-level cache. Rows follow each other in
    /// memory, but four short streams that end every few kilobytes are more than the processor's own prefetching foresees.
    /// </summary>
    private const int PrefetchBytes = 12288;

    /// <summary>
    /// dots[r] = w_r · x for four rows of weights, two vectors of 16 at a time in the order that <typeparamref name="T"/>
    /// widens them.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Dot4x512<T>(float* x, byte* w0, byte* w1, byte* w2, byte* w3, int count, bool prefetch, float* dots) where T : struct, IElement
    {
        Vector512<float> s0 = default, s1 = default, s2 = default, s3 = default;
        byte* ahead = w0 + (prefetch ? PrefetchBytes : 0);
        int i = 0;
        for (; i + 32 <= count; i += 32)
        {
            Prefetch<T>(ahead);
            Vector512<float> a = Avx512F.LoadVector512(x + i), b = Avx512F.LoadVector512(x + i + 16);
            s0 = Avx512F.FusedMultiplyAdd(T.First512(w0), a, s0);
            s1 = Avx512F.FusedMultiplyAdd(T.First512(w1), a, s1);
            s2 = Avx512F.FusedMultiplyAdd(T.First512(w2), a, s2);
            s3 = Avx512F.FusedMultiplyAdd(T.First512(w3), a, s3);
            s0 = Avx512F.FusedMultiplyAdd(T.Second512(w0), b, s0);
            s1 = Avx512F.FusedMultiplyAdd(T.Second512(w1), b, s1);
            s2 = Avx512F.FusedMultiplyAdd(T.Second512(w2), b, s2);
            s3 = Avx512F.FusedMultiplyAdd(T.Second512(w3), b, s3);
            w0 += 32 * T.Size; w1 += 32 * T.Size; w2 += 32 * T.Size; w3 += 32 * T.Size;
            ahead += 4 * 32 * T.Size;
        }
        Sums(dots, s0, s1, s2, s3);
        if (i < count) DotTail<T>(x + i, w0, w1, w2, w3, count - i, dots);
    }

    /// <summary>
    /// dots[4 n + r] = w_r · x_n for four rows of x, <paramref name="xStride"/> floats apart, and four rows of weights. Each
    /// weight is widened once for four products. Every dot product adds in the same order as for one row alone, so what a
    /// sequence yields does not depend on how many others are decoded beside it.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Dot4x4x512<T>(float* x, long xStride, byte* w0, byte* w1, byte* w2, byte* w3, int count, bool prefetch, float* dots) where T : struct, IElement
    {
        float* x1 = x + xStride, x2 = x1 + xStride, x3 = x2 + xStride;
        Vector512<float> s00 = default, s01 = default, s02 = default, s03 = default, s10 = default, s11 = default, s12 = default, s13 = default;
        Vector512<float> s20 = default, s21 = default, s22 = default, s23 = default, s30 = default, s31 = default, s32 = default, s33 = default;
        byte* ahead = w0 + (prefetch ? PrefetchBytes : 0);
        int i = 0;
        for (; i + 32 <= count; i += 32)
        {
            Prefetch<T>(ahead);
            Vector512<float> a = Avx512F.LoadVector512(x + i), b = Avx512F.LoadVector512(x1 + i), c = Avx512F.LoadVector512(x2 + i), d = Avx512F.LoadVector512(x3 + i);
            Vector512<float> w = T.First512(w0);
            s00 = Avx512F.FusedMultiplyAdd(w, a, s00); s10 = Avx512F.FusedMultiplyAdd(w, b, s10); s20 = Avx512F.FusedMultiplyAdd(w, c, s20); s30 = Avx512F.FusedMultiplyAdd(w, d, s30);
            w = T.First512(w1);
            s01 = Avx512F.FusedMultiplyAdd(w, a, s01); s11 = Avx512F.FusedMultiplyAdd(w, b, s11); s21 = Avx512F.FusedMultiplyAdd(w, c, s21); s31 = Avx512F.FusedMultiplyAdd(w, d, s31);
            w = T.First512(w2);
            s02 = Avx512F.FusedMultiplyAdd(w, a, s02); s12 = Avx512F.FusedMultiplyAdd(w, b, s12); s22 = Avx512F.FusedMultiplyAdd(w, c, s22); s32 = Avx512F.FusedMultiplyAdd(w, d, s32);
            w = T.First512(w3);
            s03 = Avx512F.FusedMultiplyAdd(w, a, s03); s13 = Avx512F.FusedMultiplyAdd(w, b, s13); s23 = Avx512F.FusedMultiplyAdd(w, c, s23); s33 = Avx512F.FusedMultiplyAdd(w, d, s33);
            a = Avx512F.LoadVector512(x + i + 16); b = Avx512F.LoadVector512(x1 + i + 16); c = Avx512F.LoadVector512(x2 + i + 16); d = Avx512F.LoadVector512(x3 + i + 16);
            w = T.Second512(w0);
            s00 = Avx512F.FusedMultiplyAdd(w, a, s00); s10 = Avx512F.FusedMultiplyAdd(w, b, s10); s20 = Avx512F.FusedMultiplyAdd(w, c, s20); s30 = Avx512F.FusedMultiplyAdd(w, d, s30);
            w = T.Second512(w1);
            s01 = Avx512F.FusedMultiplyAdd(w, a, s01); s11 = Avx512F.FusedMultiplyAdd(w, b, s11); s21 = Avx512F.FusedMultiplyAdd(w, c, s21); s31 = Avx512F.FusedMultiplyAdd(w, d, s31);
            w = T.Second512(w2);
            s02 = Avx512F.FusedMultiplyAdd(w, a, s02); s12 = Avx512F.FusedMultiplyAdd(w, b, s12); s22 = Avx512F.FusedMultiplyAdd(w, c, s22); s32 = Avx512F.FusedMultiplyAdd(w, d, s32);
            w = T.Second512(w3);
            s03 = Avx512F.FusedMultiplyAdd(w, a, s03); s13 = Avx512F.FusedMultiplyAdd(w, b, s13); s23 = Avx512F.FusedMultiplyAdd(w, c, s23); s33 = Avx512F.FusedMultiplyAdd(w, d, s33);
            w0 += 32 * T.Size; w1 += 32 * T.Size; w2 += 32 * T.Size; w3 += 32 * T.Size;
            ahead += 4 * 32 * T.Size;
        }
        // Quads of sums per 128-bit lane; then lane q of every quad is added up into lane q of one vector.
        Vector512<float> q0 = Quads(s00, s01, s02, s03), q1 = Quads(s10, s11, s12, s13), q2 = Quads(s20, s21, s22, s23), q3 = Quads(s30, s31, s32, s33);
        Vector512<float> q01 = Avx512F.Add(Avx512F.Shuffle4x128(q0, q1, 0b01_00_01_00), Avx512F.Shuffle4x128(q0, q1, 0b11_10_11_10));
        Vector512<float> q23 = Avx512F.Add(Avx512F.Shuffle4x128(q2, q3, 0b01_00_01_00), Avx512F.Shuffle4x128(q2, q3, 0b11_10_11_10));
        Avx512F.Store(dots, Avx512F.Add(Avx512F.Shuffle4x128(q01, q23, 0b10_00_10_00), Avx512F.Shuffle4x128(q01, q23, 0b11_01_11_01)));
        if (i == count) return;
        DotTail<T>(x + i, w0, w1, w2, w3, count - i, dots);
        DotTail<T>(x1 + i, w0, w1, w2, w3, count - i, dots + 4);
        DotTail<T>(x2 + i, w0, w1, w2, w3, count - i, dots + 8);
        DotTail<T>(x3 + i, w0, w1, w2, w3, count - i, dots + 12);
    }

    /// <summary>The same with vectors of 8, for processors without AVX-512.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Dot4x256<T>(float* x, byte* w0, byte* w1, byte* w2, byte* w3, int count, bool prefetch, float* dots) where T : struct, IElement
    {
        Vector256<float> s0 = default, s1 = default, s2 = default, s3 = default;
        byte* ahead = w0 + (prefetch ? PrefetchBytes : 0);
        int i = 0;
        for (; i + 8 <= count; i += 8)
        {
            // 8 weights of four rows: one or two cache lines.
            if (Sse.IsSupported) Sse.Prefetch1(ahead);
            if (Sse.IsSupported && T.Size == 4) Sse.Prefetch1(ahead + 64);
            Vector256<float> v = Vector256.Load(x + i);
            s0 = Vector256.MultiplyAddEstimate(T.Load256(w0), v, s0);
            s1 = Vector256.MultiplyAddEstimate(T.Load256(w1), v, s1);
            s2 = Vector256.MultiplyAddEstimate(T.Load256(w2), v, s2);
            s3 = Vector256.MultiplyAddEstimate(T.Load256(w3), v, s3);
            w0 += 8 * T.Size; w1 += 8 * T.Size; w2 += 8 * T.Size; w3 += 8 * T.Size;
            ahead += 4 * 8 * T.Size;
        }
        SumEach(s0, s1, s2, s3).Store(dots);
        if (i < count) DotTail<T>(x + i, w0, w1, w2, w3, count - i, dots);
    }

    private static void DotTail<T>(float* x, byte* w0, byte* w1, byte* w2, byte* w3, int count, float* dots) where T : struct, IElement
    {
        for (int i = 0; i < count; i++)
        {
            long at = (long)i * T.Size;
            dots[0] += T.Load(w0 + at) * x[i];
            dots[1] += T.Load(w1 + at) * x[i];
            dots[2] += T.Load(w2 + at) * x[i];
            dots[3] += T.Load(w3 + at) * x[i];
        }
    }

    /// <summary>Calls 32 weights of four rows into the second-level cache; an address past the end is no fault.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch<T>(byte* ahead) where T : struct, IElement
    {
        Sse.Prefetch1(ahead);
        Sse.Prefetch1(ahead + 64);
        if (T.Size >= 2)
        {
            Sse.Prefetch1(ahead + 128);
            Sse.Prefetch1(ahead + 192);
        }
        if (T.Size == 4)
        {
            Sse.Prefetch1(ahead + 256);
            Sse.Prefetch1(ahead + 320);
            Sse.Prefetch1(ahead + 384);
            Sse.Prefetch1(ahead + 448);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Sums(float* dots, Vector512<float> s0, Vector512<float> s1, Vector512<float> s2, Vector512<float> s3)
    {
        Vector512<float> quads = Quads(s0, s1, s2, s3);
        // The lanes are added as for sixteen sums at once: first and third, second and fourth, then both.
        Vector256<float> halves = quads.GetLower() + quads.GetUpper();
        (halves.GetLower() + halves.GetUpper()).Store(dots);
    }

    /// <summary>Lane by lane of 128 bits: the lane's sums of the four vectors, side by side.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Quads(Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d)
    {
        Vector512<float> ab = Avx512F.Add(Avx512F.UnpackLow(a, b), Avx512F.UnpackHigh(a, b)), cd = Avx512F.Add(Avx512F.UnpackLow(c, d), Avx512F.UnpackHigh(c, d));
        return Avx512F.Add(Avx512F.Shuffle(ab, cd, 0b01_00_01_00), Avx512F.Shuffle(ab, cd, 0b11_10_11_10));
    }
}
