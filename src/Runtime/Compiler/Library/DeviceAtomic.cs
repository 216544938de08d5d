using System.Runtime.CompilerServices;
using OllmNative.Runtime.Language;

namespace OllmNative.Runtime.Compiler.Library;

/// <summary>Atomic operations without an instruction: compare and exchange until nobody came between.</summary>
internal static class DeviceAtomic
{
    public static float Max(ref float target, float value)
    {
        ref int bits = ref Unsafe.As<float, int>(ref target);
        int seen = bits;
        while (true)
        {
            float old = BitConverter.Int32BitsToSingle(seen);
            int before = Atomic.CompareExchange(ref bits, seen, BitConverter.SingleToInt32Bits(MathF.Max(old, value)));
            if (before == seen) return old;
            seen = before;
        }
    }

    public static float Min(ref float target, float value)
    {
        ref int bits = ref Unsafe.As<float, int>(ref target);
        int seen = bits;
        while (true)
        {
            float old = BitConverter.Int32BitsToSingle(seen);
            int before = Atomic.CompareExchange(ref bits, seen, BitConverter.SingleToInt32Bits(MathF.Min(old, value)));
            if (before == seen) return old;
            seen = before;
        }
    }

    public static double Max(ref double target, double value)
    {
        ref long bits = ref Unsafe.As<double, long>(ref target);
        long seen = bits;
        while (true)
        {
            double old = BitConverter.Int64BitsToDouble(seen);
            long before = Atomic.CompareExchange(ref bits, seen, BitConverter.DoubleToInt64Bits(Math.Max(old, value)));
            if (before == seen) return old;
            seen = before;
        }
    }

    public static double Min(ref double target, double value)
    {
        ref long bits = ref Unsafe.As<double, long>(ref target);
        long seen = bits;
        while (true)
        {
            double old = BitConverter.Int64BitsToDouble(seen);
            long before = Atomic.CompareExchange(ref bits, seen, BitConverter.DoubleToInt64Bits(Math.Min(old, value)));
            if (before == seen) return old;
            seen = before;
        }
    }
}
