using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace OllmNative.Model.Cpu;

/// <summary>
/// The innermost matrix product: a tile C [rows, Columns] (+)= A [rows, k] B [k, Columns], where B is a packed panel
/// (k rows of <see cref="Columns"/> floats) and A is read through a row and a k stride, so that row-major, transposed and
/// packed A (<see cref="PackedRows"/>) are one. The tile stays in registers: 12 x 32 with AVX-512, 6 x 16 with 256-bit vectors.
/// </summary>
internal static unsafe class MicroKernel
{
    /// <summary>Width of a packed panel of B.</summary>
    public static int Columns => Avx512F.IsSupported ? 32 : 16;

    /// <summary>Steps of k that a tile calls A into the first-level cache ahead of its use: packed rows stream from the second level or from beyond.</summary>
    private const int Ahead = 32;

    /// <summary>Rows of the largest tile.</summary>
    public static int Rows => Avx512F.IsSupported ? 12 : 6;

    /// <summary>
    /// Computes <paramref name="rows"/> x <see cref="Columns"/> of C. Strides are in elements; C has row stride
    /// <paramref name="ldc"/> and room for whole panels.
    /// </summary>
    public static void Run(int rows, int k, float* a, long aRow, long aK, float* panel, float* c, long ldc, bool accumulate)
    {
        if (Avx512F.IsSupported)
        {
            for (; rows >= 12; rows -= 12, a += 12 * aRow, c += 12 * ldc) Tile12x32(k, a, aRow, aK, panel, c, ldc, accumulate);
            for (; rows >= 4; rows -= 4, a += 4 * aRow, c += 4 * ldc) Tile4x32(k, a, aRow, aK, panel, c, ldc, accumulate);
            if (rows >= 2) TileFewx32(rows, k, a, aRow, aK, panel, c, ldc, accumulate);
            else if (rows == 1) Tile1x32(k, a, aK, panel, c, accumulate);
        }
        else
        {
            for (; rows > 1; rows -= 6, a += 6 * aRow, c += 6 * ldc) Tile6x16(Math.Min(rows, 6), k, a, aRow, aK, panel, c, ldc, accumulate);
            if (rows == 1) Tile1x16(k, a, aK, panel, c, accumulate);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile12x32(int k, float* a, long aRow, long aK, float* panel, float* c, long ldc, bool accumulate)
    {
        Vector512<float> c00 = default, c01 = default, c10 = default, c11 = default, c20 = default, c21 = default;
        Vector512<float> c30 = default, c31 = default, c40 = default, c41 = default, c50 = default, c51 = default;
        Vector512<float> c60 = default, c61 = default, c70 = default, c71 = default, c80 = default, c81 = default;
        Vector512<float> c90 = default, c91 = default, cA0 = default, cA1 = default, cB0 = default, cB1 = default;
        // Four base pointers with one and two row strides as offsets reach twelve rows with few address registers.
        float* a0 = a, a3 = a + 3 * aRow, a6 = a + 6 * aRow, a9 = a + 9 * aRow;
        long two = 2 * aRow, ahead = Ahead * aK;
        for (int r = 0; r < 12; r++)
        {
            Sse.Prefetch0(c + r * ldc);
            Sse.Prefetch0(c + r * ldc + 16);
        }
        for (float* end = panel + (long)k * 32; panel != end; panel += 32)
        {
            Sse.Prefetch0(a0 + ahead);
            Vector512<float> b0 = Vector512.Load(panel), b1 = Vector512.Load(panel + 16), x;
            x = Vector512.Create(a0[0]); c00 = Fma(x, b0, c00); c01 = Fma(x, b1, c01);
            x = Vector512.Create(a0[aRow]); c10 = Fma(x, b0, c10); c11 = Fma(x, b1, c11);
            x = Vector512.Create(a0[two]); c20 = Fma(x, b0, c20); c21 = Fma(x, b1, c21);
            x = Vector512.Create(a3[0]); c30 = Fma(x, b0, c30); c31 = Fma(x, b1, c31);
            x = Vector512.Create(a3[aRow]); c40 = Fma(x, b0, c40); c41 = Fma(x, b1, c41);
            x = Vector512.Create(a3[two]); c50 = Fma(x, b0, c50); c51 = Fma(x, b1, c51);
            x = Vector512.Create(a6[0]); c60 = Fma(x, b0, c60); c61 = Fma(x, b1, c61);
            x = Vector512.Create(a6[aRow]); c70 = Fma(x, b0, c70); c71 = Fma(x, b1, c71);
            x = Vector512.Create(a6[two]); c80 = Fma(x, b0, c80); c81 = Fma(x, b1, c81);
            x = Vector512.Create(a9[0]); c90 = Fma(x, b0, c90); c91 = Fma(x, b1, c91);
            x = Vector512.Create(a9[aRow]); cA0 = Fma(x, b0, cA0); cA1 = Fma(x, b1, cA1);
            x = Vector512.Create(a9[two]); cB0 = Fma(x, b0, cB0); cB1 = Fma(x, b1, cB1);
            a0 += aK; a3 += aK; a6 += aK; a9 += aK;
        }
        Put(c, c00, c01, accumulate); c += ldc;
        Put(c, c10, c11, accumulate); c += ldc;
        Put(c, c20, c21, accumulate); c += ldc;
        Put(c, c30, c31, accumulate); c += ldc;
        Put(c, c40, c41, accumulate); c += ldc;
        Put(c, c50, c51, accumulate); c += ldc;
        Put(c, c60, c61, accumulate); c += ldc;
        Put(c, c70, c71, accumulate); c += ldc;
        Put(c, c80, c81, accumulate); c += ldc;
        Put(c, c90, c91, accumulate); c += ldc;
        Put(c, cA0, cA1, accumulate); c += ldc;
        Put(c, cB0, cB1, accumulate);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile4x32(int k, float* a, long aRow, long aK, float* panel, float* c, long ldc, bool accumulate)
    {
        Vector512<float> c00 = default, c01 = default, c10 = default, c11 = default;
        Vector512<float> c20 = default, c21 = default, c30 = default, c31 = default;
        float* a2 = a + 2 * aRow;
        for (float* end = panel + (long)k * 32; panel != end; panel += 32)
        {
            Vector512<float> b0 = Vector512.Load(panel), b1 = Vector512.Load(panel + 16), x;
            x = Vector512.Create(a[0]); c00 = Fma(x, b0, c00); c01 = Fma(x, b1, c01);
            x = Vector512.Create(a[aRow]); c10 = Fma(x, b0, c10); c11 = Fma(x, b1, c11);
            x = Vector512.Create(a2[0]); c20 = Fma(x, b0, c20); c21 = Fma(x, b1, c21);
            x = Vector512.Create(a2[aRow]); c30 = Fma(x, b0, c30); c31 = Fma(x, b1, c31);
            a += aK; a2 += aK;
        }
        Put(c, c00, c01, accumulate); c += ldc;
        Put(c, c10, c11, accumulate); c += ldc;
        Put(c, c20, c21, accumulate); c += ldc;
        Put(c, c30, c31, accumulate);
    }

    /// <summary>
    /// Two or three rows. A row alone waits for its own additions, so that three of them one by one take three times as long;
    /// together they take as long as one. The third row of two repeats the second, and is not stored.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TileFewx32(int rows, int k, float* a, long aRow, long aK, float* panel, float* c, long ldc, bool accumulate)
    {
        Vector512<float> c00 = default, c01 = default, c10 = default, c11 = default, c20 = default, c21 = default;
        float* a1 = a + aRow, a2 = rows > 2 ? a1 + aRow : a1;
        for (float* end = panel + (long)k * 32; panel != end; panel += 32)
        {
            Vector512<float> b0 = Vector512.Load(panel), b1 = Vector512.Load(panel + 16), x;
            x = Vector512.Create(a[0]); c00 = Fma(x, b0, c00); c01 = Fma(x, b1, c01);
            x = Vector512.Create(a1[0]); c10 = Fma(x, b0, c10); c11 = Fma(x, b1, c11);
            x = Vector512.Create(a2[0]); c20 = Fma(x, b0, c20); c21 = Fma(x, b1, c21);
            a += aK; a1 += aK; a2 += aK;
        }
        Put(c, c00, c01, accumulate); c += ldc;
        Put(c, c10, c11, accumulate); c += ldc;
        if (rows > 2) Put(c, c20, c21, accumulate);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile1x32(int k, float* a, long aK, float* panel, float* c, bool accumulate)
    {
        Vector512<float> c0 = default, c1 = default;
        for (float* end = panel + (long)k * 32; panel != end; panel += 32, a += aK)
        {
            Vector512<float> x = Vector512.Create(a[0]);
            c0 = Fma(x, Vector512.Load(panel), c0);
            c1 = Fma(x, Vector512.Load(panel + 16), c1);
        }
        Put(c, c0, c1, accumulate);
    }

    /// <summary>Two to six rows. Of fewer than six the last is computed again in the place of those that are missing, and stored once.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile6x16(int rows, int k, float* a, long aRow, long aK, float* panel, float* c, long ldc, bool accumulate)
    {
        Vector256<float> c00 = default, c01 = default, c10 = default, c11 = default, c20 = default, c21 = default;
        Vector256<float> c30 = default, c31 = default, c40 = default, c41 = default, c50 = default, c51 = default;
        long o2 = rows > 2 ? 2 * aRow : aRow, o3 = rows > 3 ? 3 * aRow : o2, o4 = rows > 4 ? 4 * aRow : o3, o5 = rows > 5 ? 5 * aRow : o4;
        for (float* end = panel + (long)k * 16; panel != end; panel += 16, a += aK)
        {
            Vector256<float> b0 = Vector256.Load(panel), b1 = Vector256.Load(panel + 8), x;
            x = Vector256.Create(a[0]); c00 = Fma(x, b0, c00); c01 = Fma(x, b1, c01);
            x = Vector256.Create(a[aRow]); c10 = Fma(x, b0, c10); c11 = Fma(x, b1, c11);
            x = Vector256.Create(a[o2]); c20 = Fma(x, b0, c20); c21 = Fma(x, b1, c21);
            x = Vector256.Create(a[o3]); c30 = Fma(x, b0, c30); c31 = Fma(x, b1, c31);
            x = Vector256.Create(a[o4]); c40 = Fma(x, b0, c40); c41 = Fma(x, b1, c41);
            x = Vector256.Create(a[o5]); c50 = Fma(x, b0, c50); c51 = Fma(x, b1, c51);
        }
        Put(c, c00, c01, accumulate);
        Put(c + ldc, c10, c11, accumulate);
        if (rows > 2) Put(c + 2 * ldc, c20, c21, accumulate);
        if (rows > 3) Put(c + 3 * ldc, c30, c31, accumulate);
        if (rows > 4) Put(c + 4 * ldc, c40, c41, accumulate);
        if (rows > 5) Put(c + 5 * ldc, c50, c51, accumulate);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile1x16(int k, float* a, long aK, float* panel, float* c, bool accumulate)
    {
        Vector256<float> c0 = default, c1 = default;
        for (float* end = panel + (long)k * 16; panel != end; panel += 16, a += aK)
        {
            Vector256<float> x = Vector256.Create(a[0]);
            c0 = Fma(x, Vector256.Load(panel), c0);
            c1 = Fma(x, Vector256.Load(panel + 8), c1);
        }
        Put(c, c0, c1, accumulate);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Fma(Vector512<float> x, Vector512<float> y, Vector512<float> z) => Avx512F.FusedMultiplyAdd(x, y, z);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Fma(Vector256<float> x, Vector256<float> y, Vector256<float> z) =>
        System.Runtime.Intrinsics.X86.Fma.IsSupported
            ? System.Runtime.Intrinsics.X86.Fma.MultiplyAdd(x, y, z)
            : Vector256.MultiplyAddEstimate(x, y, z);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put(float* c, Vector512<float> low, Vector512<float> high, bool accumulate)
    {
        if (accumulate)
        {
            low = Avx512F.Add(low, Vector512.Load(c));
            high = Avx512F.Add(high, Vector512.Load(c + 16));
        }
        Avx512F.Store(c, low);
        Avx512F.Store(c + 16, high);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put(float* c, Vector256<float> low, Vector256<float> high, bool accumulate)
    {
        if (accumulate)
        {
            low += Vector256.Load(c);
            high += Vector256.Load(c + 8);
        }
        low.Store(c);
        high.Store(c + 8);
    }
}
