using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace OllmNative.Model.Cpu;

/// <summary>
/// The first operand of a product with its rows in groups of twelve, side by side: element (k, r) of a group is at k * 12 + r.
/// Stretches of <see cref="GemmScratch.MaxK"/> follow each other, with all groups in each, so that what a panel of B meets is one
/// stream: the register tile reads it at fixed offsets and ahead of itself, where twelve rows far apart would be twelve short
/// streams. It pays once the product has several panels of columns to use it for.
/// </summary>
internal readonly unsafe struct PackedRows(float* data, int groups, int k)
{
    /// <summary>Rows of a group: those of the register tile.</summary>
    public const int Group = 12;

    /// <summary>Columns of the product below which packing costs more than it gives.</summary>
    private const int FewestColumns = 512;

    /// <summary>Whether there are any.</summary>
    public bool Exist => data != null;

    /// <summary>Whole groups among <paramref name="rows"/> rows.</summary>
    public static int Groups(int rows) => rows / Group;

    /// <summary>Floats that the whole groups of m rows of k take.</summary>
    public static long Floats(int m, int k) => (long)Groups(m) * Group * k;

    /// <summary>Whether a product of m rows and n columns should pack its rows.</summary>
    public static bool Pays(int m, int n) => Avx512F.IsSupported && m >= Group && n >= FewestColumns;

    /// <summary>A group's part of the stretch that begins at <paramref name="k0"/>; groups follow each other.</summary>
    public float* At(int group, int k0) => data + Group * ((long)k0 * groups + (long)group * Math.Min(GemmScratch.MaxK, k - k0));

    /// <summary>Packs a group whose first element is at <paramref name="a"/>: A(i, k) is at a + i * aRow + k * aK (elements).</summary>
    public void Pack(int group, float* a, long aRow, long aK)
    {
        for (int k0 = 0; k0 < k; k0 += GemmScratch.MaxK) Pack(Math.Min(GemmScratch.MaxK, k - k0), a + k0 * aK, aRow, aK, At(group, k0));
    }

    /// <summary>Packs one group. A(i, k) is at a + i * aRow + k * aK (elements), and one of the two strides is 1.</summary>
    /// <param name="k">Columns of A.</param>
    /// <param name="a">The group's first row.</param>
    /// <param name="aRow">Stride between rows.</param>
    /// <param name="aK">Stride along k.</param>
    /// <param name="to">Room for 12 k floats.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Pack(int k, float* a, long aRow, long aK, float* to)
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
