using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace OllmNative.Model.Cpu;

/// <summary>What becomes of a line of a transposed block.</summary>
internal unsafe interface ITransposedLine
{
    /// <summary>Rows of the result that a line makes.</summary>
    static abstract int Rows { get; }

    /// <summary>Writes them, <paramref name="stride"/> floats apart.</summary>
    static abstract void Put(Vector512<float> line, float* to, long stride);
}

/// <summary>The line as it is.</summary>
internal readonly unsafe struct WholeLine : ITransposedLine
{
    public static int Rows => 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Put(Vector512<float> line, float* to, long stride) => Avx512F.Store(to, line);
}

/// <summary>Blocks of elements, widened to 32 bits and turned over in registers.</summary>
internal static unsafe class Transpose
{
    /// <summary>16 x 16 (AVX-512): line c of the result is column c of 16 rows that lie <paramref name="fromBytes"/> apart; rows of the result are toStride floats apart.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Block16<TElement, TLine>(byte* from, long fromBytes, float* to, long toStride)
        where TElement : struct, IElement
        where TLine : struct, ITransposedLine
    {
        // Quarter q of four rows holds columns 4q..4q+3: transpose each 4 x 4, then gather the quarters of the four groups.
        Four<TElement>(from, fromBytes, out Vector512<float> a0, out Vector512<float> a1, out Vector512<float> a2, out Vector512<float> a3);
        from += 4 * fromBytes;
        Four<TElement>(from, fromBytes, out Vector512<float> b0, out Vector512<float> b1, out Vector512<float> b2, out Vector512<float> b3);
        from += 4 * fromBytes;
        Four<TElement>(from, fromBytes, out Vector512<float> c0, out Vector512<float> c1, out Vector512<float> c2, out Vector512<float> c3);
        from += 4 * fromBytes;
        Four<TElement>(from, fromBytes, out Vector512<float> d0, out Vector512<float> d1, out Vector512<float> d2, out Vector512<float> d3);
        long line = TLine.Rows * toStride;
        Gather<TLine>(a0, b0, c0, d0, to, toStride);
        Gather<TLine>(a1, b1, c1, d1, to + line, toStride);
        Gather<TLine>(a2, b2, c2, d2, to + 2 * line, toStride);
        Gather<TLine>(a3, b3, c3, d3, to + 3 * line, toStride);
    }

    /// <summary>The same for 8 x 8 elements, one line a row (AVX).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Block8<TElement>(byte* from, long fromBytes, float* to, long toStride) where TElement : struct, IElement
    {
        // Halves of result r: columns of the upper four rows, and of the lower four.
        Half<TElement>(from, fromBytes, out Vector256<float> a0, out Vector256<float> a1, out Vector256<float> a2, out Vector256<float> a3);
        Half<TElement>(from + 4 * fromBytes, fromBytes, out Vector256<float> b0, out Vector256<float> b1, out Vector256<float> b2, out Vector256<float> b3);
        Avx.Permute2x128(a0, b0, 0x20).Store(to);
        Avx.Permute2x128(a1, b1, 0x20).Store(to + toStride);
        Avx.Permute2x128(a2, b2, 0x20).Store(to + 2 * toStride);
        Avx.Permute2x128(a3, b3, 0x20).Store(to + 3 * toStride);
        to += 4 * toStride;
        Avx.Permute2x128(a0, b0, 0x31).Store(to);
        Avx.Permute2x128(a1, b1, 0x31).Store(to + toStride);
        Avx.Permute2x128(a2, b2, 0x31).Store(to + 2 * toStride);
        Avx.Permute2x128(a3, b3, 0x31).Store(to + 3 * toStride);
    }

    /// <summary>Four rows of 8: half h of result i is column 4h + i.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Half<T>(byte* source, long stride, out Vector256<float> t0, out Vector256<float> t1, out Vector256<float> t2, out Vector256<float> t3)
        where T : struct, IElement
    {
        Vector256<float> r0 = T.Load256(source), r1 = T.Load256(source + stride), r2 = T.Load256(source + 2 * stride), r3 = T.Load256(source + 3 * stride);
        Vector256<double> low01 = Avx.UnpackLow(r0, r1).AsDouble(), high01 = Avx.UnpackHigh(r0, r1).AsDouble();
        Vector256<double> low23 = Avx.UnpackLow(r2, r3).AsDouble(), high23 = Avx.UnpackHigh(r2, r3).AsDouble();
        t0 = Avx.UnpackLow(low01, low23).AsSingle();
        t1 = Avx.UnpackHigh(low01, low23).AsSingle();
        t2 = Avx.UnpackLow(high01, high23).AsSingle();
        t3 = Avx.UnpackHigh(high01, high23).AsSingle();
    }

    /// <summary>Four rows of 16: quarter q of result i is column 4q + i.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Four<T>(
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

    /// <summary>Quarter q of the four vectors, side by side, is the line 4q further down.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Gather<TLine>(Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d, float* to, long stride)
        where TLine : struct, ITransposedLine
    {
        Vector512<float> ab01 = Avx512F.Shuffle4x128(a, b, 0b01_00_01_00), ab23 = Avx512F.Shuffle4x128(a, b, 0b11_10_11_10);
        Vector512<float> cd01 = Avx512F.Shuffle4x128(c, d, 0b01_00_01_00), cd23 = Avx512F.Shuffle4x128(c, d, 0b11_10_11_10);
        long four = 4 * TLine.Rows * stride;
        TLine.Put(Avx512F.Shuffle4x128(ab01, cd01, 0b10_00_10_00), to, stride);
        TLine.Put(Avx512F.Shuffle4x128(ab01, cd01, 0b11_01_11_01), to + four, stride);
        TLine.Put(Avx512F.Shuffle4x128(ab23, cd23, 0b10_00_10_00), to + 2 * four, stride);
        TLine.Put(Avx512F.Shuffle4x128(ab23, cd23, 0b11_01_11_01), to + 3 * four, stride);
    }
}
