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
                Transpose.Block16<F32Element, WidenedPair>(source + (long)done * T.Size, strideBytes, panel + (long)done * 32, 32);
                Transpose.Block16<F32Element, WidenedPair>(source + 16 * strideBytes + (long)done * T.Size, strideBytes, panel + (long)done * 32 + 16, 32);
            }
            for (; done + 16 <= k; done += 16)
            {
                Transpose.Block16<T, WholeLine>(source + (long)done * T.Size, strideBytes, panel + (long)done * 32, 32);
                Transpose.Block16<T, WholeLine>(source + 16 * strideBytes + (long)done * T.Size, strideBytes, panel + (long)done * 32 + 16, 32);
            }
        }
        else if (Avx.IsSupported && columns == width)
        {
            for (; done + 8 <= k; done += 8)
            {
                for (int j = 0; j < width; j += 8) Transpose.Block8<T>(source + j * strideBytes + (long)done * T.Size, strideBytes, panel + (long)done * width + j, width);
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

    /// <summary>
    /// Two neighbours of a row of bf16 are one 32-bit element until they are in place, so that half of the shuffles do; then each becomes two f32 as
    /// <see cref="BF16Element.First512"/> and <see cref="BF16Element.Second512"/> widen them: one row of the panel, and the next.
    /// </summary>
    private readonly struct WidenedPair : ITransposedLine
    {
        public static int Rows => 2;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Put(Vector512<float> line, float* to, long stride)
        {
            Avx512F.Store(to, Avx512F.ShiftLeftLogical(line.AsUInt32(), 16).AsSingle());
            Avx512F.Store(to + stride, Avx512F.And(line.AsUInt32(), Vector512.Create(0xFFFF0000u)).AsSingle());
        }
    }
}
