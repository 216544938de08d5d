using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using OllmNative.Model.Cpu;

namespace OllmNative.Tests;

/// <summary>How 16-bit weights become floats: every bit pattern, one at a time, by eight and by sixteen.</summary>
public sealed unsafe class CpuElementTests
{
    [Fact]
    public void F16_EveryBitPattern_WidensToItsValue() => CheckAll<F16Element>(bits => (float)BitConverter.UInt16BitsToHalf(bits));

    [Fact]
    public void BF16_EveryBitPattern_WidensToItsValue() => CheckAll<BF16Element>(bits => BitConverter.UInt32BitsToSingle((uint)bits << 16));

    private static void CheckAll<T>(Func<ushort, float> expected) where T : struct, IElement
    {
        ushort[] patterns = [.. Enumerable.Range(0, 1 << 16).Select(i => (ushort)i)];
        float* vector = stackalloc float[16];
        fixed (ushort* source = patterns)
        {
            for (int i = 0; i < patterns.Length; i += 16)
            {
                for (int j = 0; j < 16; j++) Same(expected(patterns[i + j]), T.Load((byte*)(source + i + j)), i + j, "Load");
                T.Load256((byte*)(source + i)).Store(vector);
                T.Load256((byte*)(source + i + 8)).Store(vector + 8);
                for (int j = 0; j < 16; j++) Same(expected(patterns[i + j]), vector[j], i + j, "Load256");
                if (!Avx512F.IsSupported) continue;
                T.Load512((byte*)(source + i)).Store(vector);
                for (int j = 0; j < 16; j++) Same(expected(patterns[i + j]), vector[j], i + j, "Load512");
            }
        }
    }

    /// <summary>The same bits, zeros with their sign included; a NaN stays a NaN.</summary>
    private static void Same(float expected, float actual, int pattern, string how)
    {
        bool same = float.IsNaN(expected) ? float.IsNaN(actual) : BitConverter.SingleToUInt32Bits(expected) == BitConverter.SingleToUInt32Bits(actual);
        Assert.True(same, $"{how}: pattern 0x{pattern:X4} became {actual:R}, expected {expected:R}");
    }
}
