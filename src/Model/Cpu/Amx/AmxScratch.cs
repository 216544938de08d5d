using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace OllmNative.Model.Cpu;

/// <summary>Where a product of the matrix unit goes: C row-major with stride <see cref="Stride"/>, + bias, added to what is there or not.</summary>
internal readonly unsafe struct AmxResult(float* c, long stride, float* bias, bool accumulate)
{
    public readonly float* C = c, Bias = bias;
    public readonly long Stride = stride;
    public readonly bool Accumulate = accumulate;
}

/// <summary>One thread's products on the matrix unit, and the memory for their tiles. The counterpart of <see cref="GemmScratch"/>.</summary>
internal unsafe struct AmxScratch
{
    /// <summary>Rows of the split operand in one call, and strips of 32 weights that are multiplied with a stretch while it is near.</summary>
    public const int MostRows = 384, MostStrips = 28;

    private const int BlockFloats = Amx.Block * Amx.Block, Tile = 256;

    private byte* _strip;
    private byte* _terms;
    private float* _c;
    private float* _turned;

    /// <summary>One for each thread, in native memory, so that the parallel bodies can point to them; null where there is no matrix unit.</summary>
    public static AmxScratch* Create(int threads)
    {
        if (!Amx.IsSupported) return null;
        var scratch = (AmxScratch*)NativeMemory.Alloc((nuint)threads, (nuint)sizeof(AmxScratch));
        for (int i = 0; i < threads; i++)
        {
            scratch[i]._strip = (byte*)NativeMemory.AlignedAlloc(SplitTerms.Stretch * Amx.Block * 2, 64);
            scratch[i]._terms = (byte*)NativeMemory.AlignedAlloc((nuint)SplitTerms.Bytes(MostRows, SplitTerms.Stretch), 64);
            scratch[i]._c = (float*)NativeMemory.AlignedAlloc(MostStrips * (MostRows / Amx.Block) * BlockFloats * sizeof(float), 64);
            scratch[i]._turned = (float*)NativeMemory.AlignedAlloc(BlockFloats * sizeof(float), 64);
        }
        return scratch;
    }

    public static void Free(AmxScratch* scratch, int threads)
    {
        for (int i = 0; scratch != null && i < threads; i++)
        {
            NativeMemory.AlignedFree(scratch[i]._strip);
            NativeMemory.AlignedFree(scratch[i]._terms);
            NativeMemory.AlignedFree(scratch[i]._c);
            NativeMemory.AlignedFree(scratch[i]._turned);
        }
        NativeMemory.Free(scratch);
    }

    /// <summary>C [rows, n] = X Wᵀ for at most <see cref="MostStrips"/> strips of W [n, k] (bf16).</summary>
    /// <param name="terms">All of X as the second factor.</param>
    /// <param name="allRows">Rows of X.</param>
    /// <param name="firstRow">First row to take, a multiple of 32.</param>
    /// <param name="rows">Rows to take, at most <see cref="MostRows"/>.</param>
    /// <param name="w">First of the n rows.</param>
    /// <param name="n">Rows of W to take.</param>
    /// <param name="k">Columns of X and W.</param>
    /// <param name="to">The result, at <paramref name="firstRow"/>.</param>
    public readonly void MultiplyTransposed(byte* terms, int allRows, int firstRow, int rows, byte* w, int n, int k, AmxResult to)
    {
        int blocks = Blocks(rows);
        for (int k0 = 0; k0 < k; k0 += SplitTerms.Stretch)
        {
            int depth = Math.Min(SplitTerms.Stretch, k - k0);
            byte* x = terms + SplitTerms.Offset(allRows, k, k0, firstRow / Amx.Block);
            float* c = _c;
            for (int j = 0; j < n; j += Amx.Block, c += blocks * BlockFloats)
            {
                WeightTiles.Rows(w + ((long)j * k + k0) * 2, 2L * k, Math.Min(Amx.Block, n - j), depth, _strip);
                Amx.Multiply(termsFirst: false, k0 > 0, _strip, x, c, Blocks(depth), blocks);
            }
        }
        float* from = _c;
        for (int j = 0; j < n; j += Amx.Block)
        {
            for (int b = 0; b < blocks; b++, from += BlockFloats)
            {
                // The tiles hold C with weights as rows.
                Transpose.Block16<F32Element, WholeLine>((byte*)from, 64, _turned, 16);
                Transpose.Block16<F32Element, WholeLine>((byte*)(from + Tile), 64, _turned + 2 * Tile, 16);
                Transpose.Block16<F32Element, WholeLine>((byte*)(from + 2 * Tile), 64, _turned + Tile, 16);
                Transpose.Block16<F32Element, WholeLine>((byte*)(from + 3 * Tile), 64, _turned + 3 * Tile, 16);
                Put(_turned, b * Amx.Block, Math.Min(Amx.Block, rows - b * Amx.Block), j, Math.Min(Amx.Block, n - j), to);
            }
        }
    }

    /// <summary>C [rows, n] = A W for W [k, n] (bf16), k at most <see cref="SplitTerms.Stretch"/>.</summary>
    /// <param name="a">A, row-major.</param>
    /// <param name="aStride">Floats from row to row of A.</param>
    /// <param name="rows">Rows of A, at most <see cref="MostRows"/>.</param>
    /// <param name="w">First row of W.</param>
    /// <param name="wStride">Elements from row to row of W.</param>
    /// <param name="n">Columns of W to take.</param>
    /// <param name="k">Columns of A.</param>
    /// <param name="to">The result.</param>
    public readonly void Multiply(float* a, long aStride, int rows, byte* w, long wStride, int n, int k, AmxResult to)
    {
        int blocks = Blocks(rows);
        for (int b = 0; b < blocks; b++)
        {
            int row = b * Amx.Block;
            SplitTerms.Pack(a + row * aStride, aStride, Math.Min(Amx.Block, rows - row), k, first: true, _terms + SplitTerms.Offset(rows, k, 0, b));
        }
        for (int j = 0; j < n; j += Amx.Block)
        {
            int columns = Math.Min(Amx.Block, n - j);
            WeightTiles.Columns(w + 2L * j, 2 * wStride, columns, k, _strip);
            Amx.Multiply(termsFirst: true, accumulate: false, _strip, _terms, _c, Blocks(k), blocks);
            for (int b = 0; b < blocks; b++) Put(_c + b * BlockFloats, b * Amx.Block, Math.Min(Amx.Block, rows - b * Amx.Block), j, columns, to);
        }
    }

    private static int Blocks(int size) => (size + Amx.Block - 1) / Amx.Block;

    /// <summary>Four tiles of C to rows <paramref name="i"/> and columns <paramref name="j"/> of the result.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Put(float* from, int i, int rows, int j, int columns, AmxResult result)
    {
        float* to = result.C + i * result.Stride + j, bias = result.Bias == null ? null : result.Bias + j;
        for (int r = 0; r < rows; r++, to += result.Stride)
        {
            float* line = from + r / 16 * 2 * Tile + r % 16 * 16;
            if (columns == Amx.Block)
            {
                Vector512<float> low = Vector512.Load(line), high = Vector512.Load(line + Tile);
                if (bias != null) (low, high) = (low + Vector512.Load(bias), high + Vector512.Load(bias + 16));
                if (result.Accumulate) (low, high) = (low + Vector512.Load(to), high + Vector512.Load(to + 16));
                low.Store(to);
                high.Store(to + 16);
                continue;
            }
            for (int c = 0; c < columns; c++)
            {
                float value = line[c / 16 * Tile + c % 16];
                if (bias != null) value += bias[c];
                to[c] = result.Accumulate ? to[c] + value : value;
            }
        }
    }
}
