using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace OllmNative.Model.Cpu;

/// <summary>
/// The second operand of a product as it lies in memory: element (k, j) is at <see cref="Data"/> + k * KStride + j * JStride
/// bytes, and one of the two strides is one element.
/// </summary>
internal readonly unsafe struct Operand(byte* data, DType type, long kStride, long jStride, float* scales = null)
{
    public readonly byte* Data = data;
    public readonly DType Type = type;
    public readonly long KStride = kStride;
    public readonly long JStride = jStride;

    /// <summary>Factors of the rows of W, for weights that were quantised; null for others.</summary>
    public readonly float* Scales = scales;

    /// <summary>B = Wᵀ for W [columns of the product, k].</summary>
    public static Operand Transposed(byte* w, DType type, long rowElements, float* scales = null) => new(w, type, type.Size(), rowElements * type.Size(), scales);

    /// <summary>B = W for W [k, columns of the product].</summary>
    public static Operand Rows(byte* w, DType type, long rowElements, float* scales = null) => new(w, type, rowElements * type.Size(), type.Size(), scales);

    /// <summary>Rows of W are columns of the product, so that k runs along them.</summary>
    private bool IsTransposed => KStride == Type.Size();

    public Operand At(long k, long j) =>
        new(Data + k * KStride + j * JStride, Type, KStride, JStride, Scales == null ? null : Scales + (IsTransposed ? j : k));

    /// <summary>Packs <paramref name="k"/> x <paramref name="columns"/> (at most one panel wide) into <paramref name="panel"/>.</summary>
    public void Pack(int k, int columns, float* panel)
    {
        switch (Type)
        {
            case DType.F32: Pack<F32Element>(k, columns, panel); break;
            case DType.BF16: Pack<BF16Element>(k, columns, panel); break;
            case DType.I8: Pack<I8Element>(k, columns, panel); Rescale(k, columns, panel); break;
            default: Pack<F16Element>(k, columns, panel); break;
        }
    }

    /// <summary>
    /// Calls one of <paramref name="parts"/> equal parts of <paramref name="k"/> x <paramref name="columns"/> into the second-level cache: short
    /// stretches of rows far apart, which the processor does not foresee.
    /// </summary>
    public void Prefetch(int k, int columns, int part, int parts)
    {
        if (!Sse.IsSupported) return;
        int rows = IsTransposed ? columns : k, bytes = (IsTransposed ? k : columns) * Type.Size(), end = (int)((long)rows * (part + 1) / parts);
        long stride = IsTransposed ? JStride : KStride;
        for (int i = (int)((long)rows * part / parts); i < end; i++)
        {
            byte* row = Data + i * stride;
            for (int at = 0; at < bytes; at += 64) Sse.Prefetch1(row + at);
        }
    }

    private void Rescale(int k, int columns, float* panel)
    {
        for (int i = 0; i < k; i++, panel += MicroKernel.Columns)
        {
            for (int j = 0; j < columns; j++) panel[j] *= Scales[IsTransposed ? j : i];
        }
    }

    private void Pack<T>(int k, int columns, float* panel) where T : struct, IElement
    {
        if (KStride == T.Size) Panel.PackTransposed<T>(Data, JStride, k, columns, panel);
        else Panel.PackRows<T>(Data, KStride, k, columns, panel);
    }
}

/// <summary>Per-thread memory of the products: one packed panel and one tile for the ragged edge.</summary>
internal unsafe struct GemmScratch
{
    /// <summary>Rows of k that a panel holds: 256 x 32 floats are 32 KB, which the first-level cache keeps.</summary>
    public const int MaxK = 256;

    private const int EdgeRows = 1024;

    private float* _panel;
    private float* _edge;

    /// <summary>One for each thread, in native memory, so that the parallel bodies can point to them.</summary>
    public static GemmScratch* Create(int threads)
    {
        var scratch = (GemmScratch*)NativeMemory.Alloc((nuint)threads, (nuint)sizeof(GemmScratch));
        for (int i = 0; i < threads; i++)
        {
            scratch[i]._panel = (float*)NativeMemory.AlignedAlloc(MaxK * 32 * sizeof(float), 64);
            scratch[i]._edge = (float*)NativeMemory.AlignedAlloc(EdgeRows * 32 * sizeof(float), 64);
        }
        return scratch;
    }

    public static void Free(GemmScratch* scratch, int threads)
    {
        for (int i = 0; i < threads; i++)
        {
            NativeMemory.AlignedFree(scratch[i]._panel);
            NativeMemory.AlignedFree(scratch[i]._edge);
        }
        NativeMemory.Free(scratch);
    }

    /// <summary>
    /// One thread's product C [m, n] (+)= A [m, k] B [k, n]. A(i, k) is at a + i * aRow + k * aK (elements), C is row-major
    /// with stride <paramref name="ldc"/>. <paramref name="packed"/> may have A's whole groups, from <paramref name="firstGroup"/> on.
    /// </summary>
    public readonly void Multiply(
        int m, int n, int k, float* a, long aRow, long aK, Operand b, float* c, long ldc, bool accumulate, PackedRows packed = default, int firstGroup = 0)
    {
        int width = MicroKernel.Columns, groups = packed.Exist ? PackedRows.Groups(m) : 0, rest = groups * PackedRows.Group;
        for (int k0 = 0; k0 < k; k0 += MaxK)
        {
            int depth = Math.Min(MaxK, k - k0);
            bool add = accumulate || k0 > 0;
            for (int j = 0; j < n; j += width)
            {
                int columns = Math.Min(width, n - j);
                b.At(k0, j).Pack(depth, columns, _panel);
                if (columns < width)
                {
                    MultiplyEdge(m, columns, depth, a + k0 * aK, aRow, aK, _panel, c + j, ldc, add);
                    continue;
                }
                Operand next = j + width < n ? b.At(k0, j + width) : b.At(k0 + depth, 0);
                int nextDepth = j + width < n ? depth : Math.Min(MaxK, k - k0 - depth), nextColumns = Math.Min(width, j + width < n ? n - j - width : n);
                for (int g = 0; g < groups; g++)
                {
                    next.Prefetch(nextDepth, nextColumns, g, groups);
                    MicroKernel.Run(PackedRows.Group, depth, packed.At(firstGroup + g, k0), 1, PackedRows.Group, _panel, c + j + (long)g * PackedRows.Group * ldc, ldc, add);
                }
                MicroKernel.Run(m - rest, depth, a + rest * aRow + k0 * aK, aRow, aK, _panel, c + j + rest * ldc, ldc, add);
            }
        }
    }

    /// <summary>C [m, n] (+)= A [m, k] B, rows packed close, where B is panels of <see cref="MicroKernel.Columns"/> columns and all of k.</summary>
    public readonly void MultiplyPacked(int m, int n, int k, float* a, float* panels, float* c, bool accumulate)
    {
        int width = MicroKernel.Columns;
        for (int k0 = 0; k0 < k; k0 += MaxK)
        {
            int depth = Math.Min(MaxK, k - k0);
            bool add = accumulate || k0 > 0;
            for (int j = 0; j < n; j += width)
            {
                float* panel = panels + (long)j * k + (long)k0 * width;
                if (j + width <= n) MicroKernel.Run(m, depth, a + k0, k, 1, panel, c + j, n, add);
                else MultiplyEdge(m, n - j, depth, a + k0, k, 1, panel, c + j, n, add);
            }
        }
    }

    private readonly void MultiplyEdge(int m, int columns, int k, float* a, long aRow, long aK, float* panel, float* c, long ldc, bool accumulate)
    {
        int width = MicroKernel.Columns;
        for (int i0 = 0; i0 < m; i0 += EdgeRows)
        {
            int rows = Math.Min(EdgeRows, m - i0);
            MicroKernel.Run(rows, k, a + i0 * aRow, aRow, aK, panel, _edge, width, accumulate: false);
            for (int i = 0; i < rows; i++)
            {
                float* to = c + (i0 + i) * ldc, from = _edge + (long)i * width;
                if (accumulate)
                {
                    for (int j = 0; j < columns; j++) to[j] += from[j];
                }
                else
                {
                    for (int j = 0; j < columns; j++) to[j] = from[j];
                }
            }
        }
    }
}
