using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace OllmNative.Model.Cpu;

/// <summary>
/// Packing of a matrix into the panel that <see cref="MicroKernel"/> reads: k rows of <see cref="MicroKernel.Columns"/>
/// floats, widened from the stored type, columns past the end set to zero.
/// </summary>
internal static unsafe class Panel
{
    /// <summary>Packs B(k, j) = source[j * stride + k]: columns of the product are rows of the weight matrix.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void PackTransposed<T>(byte* source, long strideBytes, int k, int columns, float* panel) where T : struct, IElement
    {
        int width = MicroKernel.Columns, done = 0;
        if (Avx512F.IsSupported && columns == width)
        {
            for (; T.InPairs && done + 32 <= k; done += 32)
            {
                TransposePairs16(source + (long)done * T.Size, strideBytes, panel + (long)done * 32);
                TransposePairs16(source + 16 * strideBytes + (long)done * T.Size, strideBytes, panel + (long)done * 32 + 16);
            }
            for (; done + 16 <= k; done += 16)
            {
                Transpose16<T>(source + (long)done * T.Size, strideBytes, panel + (long)done * 32);
                Transpose16<T>(source + 16 * strideBytes + (long)done * T.Size, strideBytes, panel + (long)done * 32 + 16);
            }
        }
        for (int j = 0; j < width; j++)
        {
            byte* row = source + j * strideBytes;
            float* to = panel + j;
            if (j < columns)
            {
                for (int i = done; i < k; i++) to[(long)i * width] = T.Load(row + (long)i * T.Size);
            }
            else
            {
                for (int i = done; i < k; i++) to[(long)i * width] = 0;
            }
        }
    }

    /// <summary>Packs B(k, j) = source[k * stride + j].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void PackRows<T>(byte* source, long strideBytes, int k, int columns, float* panel) where T : struct, IElement
    {
        int width = MicroKernel.Columns;
        for (int i = 0; i < k; i++, source += strideBytes, panel += width)
        {
            int j = 0;
            if (Avx512F.IsSupported)
            {
                for (; j + 16 <= columns; j += 16) Avx512F.Store(panel + j, T.Load512(source + j * T.Size));
            }
            else
            {
                for (; j + 8 <= columns; j += 8) T.Load256(source + j * T.Size).Store(panel + j);
            }
            for (; j < columns; j++) panel[j] = T.Load(source + j * T.Size);
            for (; j < width; j++) panel[j] = 0;
        }
    }

    /// <summary>Writes the 16 x 16 block at <paramref name="source"/> transposed, with row stride 32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Transpose16<T>(byte* source, long stride, float* to) where T : struct, IElement
    {
        // Quarter q of four rows holds columns 4q..4q+3: transpose each 4 x 4, then gather the quarters of the four groups.
        Transpose.Four<T>(source, stride, out Vector512<float> a0, out Vector512<float> a1, out Vector512<float> a2, out Vector512<float> a3);
        source += 4 * stride;
        Transpose.Four<T>(source, stride, out Vector512<float> b0, out Vector512<float> b1, out Vector512<float> b2, out Vector512<float> b3);
        source += 4 * stride;
        Transpose.Four<T>(source, stride, out Vector512<float> c0, out Vector512<float> c1, out Vector512<float> c2, out Vector512<float> c3);
        source += 4 * stride;
        Transpose.Four<T>(source, stride, out Vector512<float> d0, out Vector512<float> d1, out Vector512<float> d2, out Vector512<float> d3);
        Gather(a0, b0, c0, d0, to);
        Gather(a1, b1, c1, d1, to + 32);
        Gather(a2, b2, c2, d2, to + 64);
        Gather(a3, b3, c3, d3, to + 96);
    }

    /// <summary>
    /// Writes the 16 x 32 block of bf16 at <paramref name="source"/> transposed, with row stride 32. Two neighbours of a row are
    /// one 32-bit element until they are in place, so that half of the shuffles do; then each becomes two f32 as
    /// <see cref="BF16Element.First512"/> and <see cref="BF16Element.Second512"/> widen them.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TransposePairs16(byte* source, long stride, float* to)
    {
        Transpose.Four<F32Element>(source, stride, out Vector512<float> a0, out Vector512<float> a1, out Vector512<float> a2, out Vector512<float> a3);
        source += 4 * stride;
        Transpose.Four<F32Element>(source, stride, out Vector512<float> b0, out Vector512<float> b1, out Vector512<float> b2, out Vector512<float> b3);
        source += 4 * stride;
        Transpose.Four<F32Element>(source, stride, out Vector512<float> c0, out Vector512<float> c1, out Vector512<float> c2, out Vector512<float> c3);
        source += 4 * stride;
        Transpose.Four<F32Element>(source, stride, out Vector512<float> d0, out Vector512<float> d1, out Vector512<float> d2, out Vector512<float> d3);
        GatherPairs(a0, b0, c0, d0, to);
        GatherPairs(a1, b1, c1, d1, to + 64);
        GatherPairs(a2, b2, c2, d2, to + 128);
        GatherPairs(a3, b3, c3, d3, to + 192);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Gather(Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d, float* to)
    {
        Transpose.Quarters(a, b, c, d, out Vector512<float> q0, out Vector512<float> q1, out Vector512<float> q2, out Vector512<float> q3);
        Avx512F.Store(to, q0);
        Avx512F.Store(to + 4 * 32, q1);
        Avx512F.Store(to + 8 * 32, q2);
        Avx512F.Store(to + 12 * 32, q3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void GatherPairs(Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d, float* to)
    {
        Transpose.Quarters(a, b, c, d, out Vector512<float> q0, out Vector512<float> q1, out Vector512<float> q2, out Vector512<float> q3);
        PutPair(q0, to);
        PutPair(q1, to + 8 * 32);
        PutPair(q2, to + 16 * 32);
        PutPair(q3, to + 24 * 32);
    }

    /// <summary>The lower halves are one row of the panel, the upper halves the next.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PutPair(Vector512<float> pair, float* to)
    {
        Avx512F.Store(to, Avx512F.ShiftLeftLogical(pair.AsUInt32(), 16).AsSingle());
        Avx512F.Store(to + 32, Avx512F.And(pair.AsUInt32(), Vector512.Create(0xFFFF0000u)).AsSingle());
    }
}
