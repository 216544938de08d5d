using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace OllmNative.Model.Cpu;

/// <summary>
/// An f32 matrix as bf16 terms in the order of the matrix unit. A number is cut, not rounded, into its upper 8 bits, the next 8 and the last 8:
/// x = t0 + t1 + t2 exactly, unless the last term falls below the smallest normal number (|x| &lt; 2^-110). A product with a bf16 weight is then
/// exact in f32, so results differ from those of f32 arithmetic only by the rounding of the sum.
/// <code>
/// for each stretch of at most 256 columns, for each block of 32 rows, for each 32 columns, for each term: two tiles of 16 rows
/// tile as first factor:   row r holds its 32 columns
/// tile as second factor:  line p holds columns 2p and 2p + 1 of row 0, of row 1, ... of row 15
/// </code>
/// </summary>
internal static unsafe class SplitTerms
{
    /// <summary>Columns of a stretch: 256 rows of it stay in the second-level cache while weights pass by.</summary>
    public const int Stretch = 256;

    /// <summary>Bytes of <paramref name="rows"/> x <paramref name="columns"/> numbers, edges filled up.</summary>
    public static long Bytes(long rows, long columns) => RoundUp(rows) * RoundUp(columns) * Amx.Terms * 2;

    /// <summary>Where block <paramref name="block"/> of the stretch that begins at column <paramref name="column"/> begins.</summary>
    public static long Offset(long rows, int columns, int column, int block)
    {
        long depth = RoundUp(Math.Min(Stretch, columns - column));
        return (RoundUp(rows) * column + block * Amx.Block * depth) * Amx.Terms * 2;
    }

    /// <summary>Packs one block of one stretch; rows and columns past the edge become zeros.</summary>
    /// <param name="x">The block's first row, at the stretch's first column.</param>
    /// <param name="stride">Floats from row to row.</param>
    /// <param name="rows">Rows there are, at most 32.</param>
    /// <param name="columns">Columns there are, at most <see cref="Stretch"/>.</param>
    /// <param name="first">Whether the matrix is the first factor of the product or the second.</param>
    /// <param name="to">Room for the block.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Pack(float* x, long stride, int rows, int columns, bool first, byte* to)
    {
        byte* turned = stackalloc byte[Amx.Terms * TileBytes + 64];
        byte* room = (byte*)(((nuint)turned + 63) & ~(nuint)63);
        for (int column = 0; column < columns; column += Amx.Block)
        {
            for (int tile = 0; tile < 2; tile++, to += TileBytes)
            {
                byte* lines = first ? to : room;
                long termBytes = first ? 2 * TileBytes : TileBytes;
                for (int r = 0; r < 16; r++, lines += 64)
                {
                    int row = 16 * tile + r, count = row < rows ? columns - column : 0;
                    Cut(x + row * stride + column, count, lines, termBytes);
                }
                for (int term = 0; !first && term < Amx.Terms; term++)
                    Transpose.Block16<F32Element, WholeLine>(room + term * TileBytes, 64, (float*)(to + term * 2 * TileBytes), 16);
            }
            to += (Amx.Terms - 1) * 2 * TileBytes;
        }
    }

    private const int TileBytes = 1024;

    private static long RoundUp(long value) => (value + Amx.Block - 1) / Amx.Block * Amx.Block;

    /// <summary>The terms of 32 numbers (or as many as there are, then zeros), each 64 bytes, <paramref name="termBytes"/> apart.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Cut(float* x, int count, byte* to, long termBytes)
    {
        Vector512<float> a, b;
        if (count >= 32) (a, b) = (Vector512.Load(x), Vector512.Load(x + 16));
        else if (count <= 0) (a, b) = (default, default);
        else
        {
            float* some = stackalloc float[32];
            for (int i = 0; i < 32; i++) some[i] = i < count ? x[i] : 0;
            (a, b) = (Vector512.Load(some), Vector512.Load(some + 16));
        }
        Vector512<uint> upper = Vector512.Create(0xFFFF0000u);
        for (int term = 0; term < Amx.Terms; term++, to += termBytes)
        {
            Avx512BW.Store((ushort*)to, Avx512BW.PermuteVar32x16x2(a.AsUInt16(), UpperHalves, b.AsUInt16()));
            a = Avx512F.Subtract(a, Avx512F.And(a.AsUInt32(), upper).AsSingle());
            b = Avx512F.Subtract(b, Avx512F.And(b.AsUInt32(), upper).AsSingle());
        }
    }

    private static Vector512<ushort> UpperHalves => Vector512.Create(
        1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31, 33, 35, 37, 39, 41, 43, 45, 47, 49, 51, 53, 55, 57, 59, 61, (ushort)63);
}
