using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace OllmNative.Model.Cpu;

/// <summary>
/// The first operand of a product with its rows in groups of twelve, side by side: element (k, r) of a group is at k * 12 + r.
/// The register tile then reads one stream with fixed offsets instead of twelve rows far apart, which leaves address
/// arithmetic and first-level misses out of its loop. It pays once the product has several panels of columns to use it for.
/// </summary>
internal static unsafe class PackedRows
{
    /// <summary>Rows of a group: those of the register tile.</summary>
    public const int Group = 12;

    /// <summary>Columns of the product below which packing costs more than it gives.</summary>
    private const int FewestColumns = 512;

    /// <summary>Whether a product of m rows and n columns should pack its rows.</summary>
    public static bool Pays(int m, int n) => Avx512F.IsSupported && m >= Group && n >= FewestColumns;

    /// <summary>Packs one group. A(i, k) is at a + i * aRow + k * aK (elements), and one of the two strides is 1.</summary>
    /// <param name="k">Columns of A.</param>
    /// <param name="a">The group's first row.</param>
    /// <param name="aRow">Stride between rows.</param>
    /// <param name="aK">Stride along k.</param>
    /// <param name="to">Room for 12 k floats.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Pack(int k, float* a, long aRow, long aK, float* to)
    {
        int done = 0;
        if (aK == 1)
        {
            for (; done + 4 <= k; done += 4, to += 4 * Group)
            {
                for (int r = 0; r < Group; r += 4) Transpose4x4(a + r * aRow + done, aRow, to + r);
            }
        }
        else if (aRow == 1)
        {
            for (; done < k; done++, to += Group)
            {
                float* from = a + done * aK;
                for (int r = 0; r < Group; r += 4) Vector128.Load(from + r).Store(to + r);
            }
        }
        for (; done < k; done++, to += Group)
        {
            for (int r = 0; r < Group; r++) to[r] = a[r * aRow + done * aK];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Transpose4x4(float* from, long stride, float* to)
    {
        Vector128<float> a = Vector128.Load(from), b = Vector128.Load(from + stride);
        Vector128<float> c = Vector128.Load(from + 2 * stride), d = Vector128.Load(from + 3 * stride);
        Vector128<float> ab = Sse.UnpackLow(a, b), cd = Sse.UnpackLow(c, d);
        Sse.MoveLowToHigh(ab, cd).Store(to);
        Sse.MoveHighToLow(cd, ab).Store(to + Group);
        ab = Sse.UnpackHigh(a, b);
        cd = Sse.UnpackHigh(c, d);
        Sse.MoveLowToHigh(ab, cd).Store(to + 2 * Group);
        Sse.MoveHighToLow(cd, ab).Store(to + 3 * Group);
    }
}
