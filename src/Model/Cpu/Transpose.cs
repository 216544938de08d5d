using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace OllmNative.Model.Cpu;

/// <summary>16 x 16 blocks of 32-bit elements, turned over in registers (AVX-512).</summary>
internal static unsafe class Transpose
{
    /// <summary>to[c * toStride + r] = from[r, c] for 16 rows that lie <paramref name="fromBytes"/> apart; toStride in floats.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Block16(byte* from, long fromBytes, float* to, long toStride)
    {
        Four<F32Element>(from, fromBytes, out Vector512<float> a0, out Vector512<float> a1, out Vector512<float> a2, out Vector512<float> a3);
        from += 4 * fromBytes;
        Four<F32Element>(from, fromBytes, out Vector512<float> b0, out Vector512<float> b1, out Vector512<float> b2, out Vector512<float> b3);
        from += 4 * fromBytes;
        Four<F32Element>(from, fromBytes, out Vector512<float> c0, out Vector512<float> c1, out Vector512<float> c2, out Vector512<float> c3);
        from += 4 * fromBytes;
        Four<F32Element>(from, fromBytes, out Vector512<float> d0, out Vector512<float> d1, out Vector512<float> d2, out Vector512<float> d3);
        Store(a0, b0, c0, d0, to, toStride);
        Store(a1, b1, c1, d1, to + toStride, toStride);
        Store(a2, b2, c2, d2, to + 2 * toStride, toStride);
        Store(a3, b3, c3, d3, to + 3 * toStride, toStride);
    }

    /// <summary>Four rows of 16: quarter q of result i is column 4q + i.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Four<T>(
        byte* source, long stride, out Vector512<float> t0, out Vector512<float> t1, out Vector512<float> t2, out Vector512<float> t3)
        where T : struct, IElement
    {
        Vector512<float> r0 = T.Load512(source), r1 = T.Load512(source + stride);
        Vector512<float> r2 = T.Load512(source + 2 * stride), r3 = T.Load512(source + 3 * stride);
        Vector512<double> low01 = Avx512F.UnpackLow(r0, r1).AsDouble(), high01 = Avx512F.UnpackHigh(r0, r1).AsDouble();
        Vector512<double> low23 = Avx512F.UnpackLow(r2, r3).AsDouble(), high23 = Avx512F.UnpackHigh(r2, r3).AsDouble();
        t0 = Avx512F.UnpackLow(low01, low23).AsSingle();
        t1 = Avx512F.UnpackHigh(low01, low23).AsSingle();
        t2 = Avx512F.UnpackLow(high01, high23).AsSingle();
        t3 = Avx512F.UnpackHigh(high01, high23).AsSingle();
    }

    /// <summary>Quarter q of the four vectors, side by side, is the result q.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Quarters(
        Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d,
        out Vector512<float> q0, out Vector512<float> q1, out Vector512<float> q2, out Vector512<float> q3)
    {
        Vector512<float> ab01 = Avx512F.Shuffle4x128(a, b, 0b01_00_01_00), ab23 = Avx512F.Shuffle4x128(a, b, 0b11_10_11_10);
        Vector512<float> cd01 = Avx512F.Shuffle4x128(c, d, 0b01_00_01_00), cd23 = Avx512F.Shuffle4x128(c, d, 0b11_10_11_10);
        q0 = Avx512F.Shuffle4x128(ab01, cd01, 0b10_00_10_00);
        q1 = Avx512F.Shuffle4x128(ab01, cd01, 0b11_01_11_01);
        q2 = Avx512F.Shuffle4x128(ab23, cd23, 0b10_00_10_00);
        q3 = Avx512F.Shuffle4x128(ab23, cd23, 0b11_01_11_01);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d, float* to, long stride)
    {
        Quarters(a, b, c, d, out Vector512<float> q0, out Vector512<float> q1, out Vector512<float> q2, out Vector512<float> q3);
        Avx512F.Store(to, q0);
        Avx512F.Store(to + 4 * stride, q1);
        Avx512F.Store(to + 8 * stride, q2);
        Avx512F.Store(to + 12 * stride, q3);
    }
}
