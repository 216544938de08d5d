using System.Numerics;
using System.Runtime.InteropServices;

namespace OllmNative.Model;

/// <summary>f32 to bf16 and back: round to nearest, ties to even, a relative error of at most 2^-8 for normal numbers; NaN stays NaN.</summary>
public static class Bf16Rows
{
    private const uint QuietNaN = 0x7FC0;

    /// <summary>Rounds every value.</summary>
    /// <param name="source">Numbers.</param>
    /// <param name="target">Their bf16 bits, as many.</param>
    public static void Round(ReadOnlySpan<float> source, Span<ushort> target)
    {
        ReadOnlySpan<uint> bits = MemoryMarshal.Cast<float, uint>(source);
        int i = 0, lanes = Vector<uint>.Count;
        for (; i + 2 * lanes <= bits.Length; i += 2 * lanes)
            Vector.Narrow(Round(new Vector<uint>(bits[i..])), Round(new Vector<uint>(bits[(i + lanes)..]))).CopyTo(target[i..]);
        for (; i < bits.Length; i++)
            target[i] = (ushort)(float.IsNaN(source[i]) ? QuietNaN : (bits[i] + 0x7FFF + ((bits[i] >> 16) & 1)) >> 16);
    }

    /// <summary>Widens every value; exact.</summary>
    /// <param name="source">bf16 bits.</param>
    /// <param name="target">The numbers, as many.</param>
    public static void Widen(ReadOnlySpan<ushort> source, Span<float> target)
    {
        Span<uint> bits = MemoryMarshal.Cast<float, uint>(target);
        int i = 0, lanes = Vector<uint>.Count;
        for (; i + 2 * lanes <= source.Length; i += 2 * lanes)
        {
            Vector.Widen(new Vector<ushort>(source[i..]), out Vector<uint> low, out Vector<uint> high);
            Vector.ShiftLeft(low, 16).CopyTo(bits[i..]);
            Vector.ShiftLeft(high, 16).CopyTo(bits[(i + lanes)..]);
        }
        for (; i < source.Length; i++) bits[i] = (uint)source[i] << 16;
    }

    private static Vector<uint> Round(Vector<uint> x)
    {
        Vector<uint> rounded = Vector.ShiftRightLogical(x + new Vector<uint>(0x7FFF) + (Vector.ShiftRightLogical(x, 16) & Vector<uint>.One), 16);
        Vector<uint> magnitude = x & new Vector<uint>(0x7FFFFFFF);
        return Vector.ConditionalSelect(Vector.GreaterThan(magnitude, new Vector<uint>(0x7F800000)), new Vector<uint>(QuietNaN), rounded);
    }
}
