using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace OllmNative.Model.Cpu;

/// <summary>Strips of a bf16 weight matrix in the order of the matrix unit: two tiles for every 32 of the product's depth; edges become zeros.</summary>
internal static unsafe class WeightTiles
{
    private const int TileBytes = 1024, LineBytes = 64;

    /// <summary>
    /// 32 rows of W as the first factor, depth along the rows: lines of 64 bytes as they lie, moved together. Where they are in the file they would
    /// be in 32 streams, and in few sets of the cache.
    /// </summary>
    /// <param name="w">First row, first column.</param>
    /// <param name="stride">Bytes from row to row.</param>
    /// <param name="rows">Rows there are, at most 32.</param>
    /// <param name="depth">Columns there are.</param>
    /// <param name="to">Room for 32 rows of the depth, rounded up to 32.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Rows(byte* w, long stride, int rows, int depth, byte* to)
    {
        for (int r = 0; r < Amx.Block; r++, to += LineBytes)
        {
            byte* from = w + r * stride, line = to;
            int have = r < rows ? depth : 0, k = 0;
            for (; k + 32 <= have; k += 32, from += LineBytes, line += 2 * TileBytes) Vector512.Load(from).Store(line);
            for (; k < depth; k += 32, from += LineBytes, line += 2 * TileBytes)
            {
                for (int i = 0; i < 32; i++) ((ushort*)line)[i] = k + i < have ? ((ushort*)from)[i] : (ushort)0;
            }
        }
    }

    /// <summary>32 columns of W as the second factor, depth along the columns: two rows at a time, their numbers in pairs.</summary>
    /// <param name="w">First row, first column.</param>
    /// <param name="stride">Bytes from row to row.</param>
    /// <param name="columns">Columns there are, at most 32.</param>
    /// <param name="depth">Rows there are.</param>
    /// <param name="to">Room for 32 columns of the depth, rounded up to 32.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Columns(byte* w, long stride, int columns, int depth, byte* to)
    {
        ushort* edge = stackalloc ushort[64];
        for (int k = 0; k < depth; k += 32, to += 2 * TileBytes)
        {
            byte* line = to;
            for (int p = k; p < k + 32; p += 2, line += LineBytes)
            {
                byte* from = w + p * stride;
                Vector512<ushort> even, odd;
                if (columns == 32 && p + 1 < depth) (even, odd) = (Vector512.Load((ushort*)from), Vector512.Load((ushort*)(from + stride)));
                else
                {
                    for (int i = 0; i < 32; i++)
                    {
                        edge[i] = i < columns && p < depth ? ((ushort*)from)[i] : (ushort)0;
                        edge[32 + i] = i < columns && p + 1 < depth ? ((ushort*)(from + stride))[i] : (ushort)0;
                    }
                    (even, odd) = (Vector512.Load(edge), Vector512.Load(edge + 32));
                }
                Avx512BW.Store((ushort*)line, Avx512BW.PermuteVar32x16x2(even, FirstPairs, odd));
                Avx512BW.Store((ushort*)(line + TileBytes), Avx512BW.PermuteVar32x16x2(even, LastPairs, odd));
            }
        }
    }

    private static Vector512<ushort> FirstPairs => Vector512.Create(
        0, 32, 1, 33, 2, 34, 3, 35, 4, 36, 5, 37, 6, 38, 7, 39, 8, 40, 9, 41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, (ushort)47);

    private static Vector512<ushort> LastPairs => Vector512.Create(
        16, 48, 17, 49, 18, 50, 19, 51, 20, 52, 21, 53, 22, 54, 23, 55, 24, 56, 25, 57, 26, 58, 27, 59, 28, 60, 29, 61, 30, 62, 31, (ushort)63);
}
