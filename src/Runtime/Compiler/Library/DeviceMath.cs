namespace OllmNative.Runtime.Compiler.Library;

/// <summary>
/// Mathematics for devices. Series of Taylor on a range that is reduced until few terms are enough, in fused multiply-adds. Errors,
/// measured against .NET's: a few units in the last place; sines, cosines and tangents for arguments up to 1e5 (float) and 1e8 (double).
/// This file: what is the same for float and double, and whole numbers.
/// </summary>
internal static partial class DeviceMath
{
    public static int Sign(float value) => value > 0 ? 1 : value < 0 ? -1 : 0;

    public static int Sign(double value) => value > 0 ? 1 : value < 0 ? -1 : 0;

    public static int Sign(int value) => value > 0 ? 1 : value < 0 ? -1 : 0;

    public static int Sign(long value) => value > 0 ? 1 : value < 0 ? -1 : 0;

    public static bool IsNaN(float value) => !(MathF.Abs(value) <= float.PositiveInfinity);

    public static bool IsNaN(double value) => !(Math.Abs(value) <= double.PositiveInfinity);

    public static bool IsInfinity(float value) => MathF.Abs(value) == float.PositiveInfinity;

    public static bool IsInfinity(double value) => Math.Abs(value) == double.PositiveInfinity;

    public static bool IsFinite(float value) => MathF.Abs(value) < float.PositiveInfinity;

    public static bool IsFinite(double value) => Math.Abs(value) < double.PositiveInfinity;

    public static bool IsNegative(float value) => BitConverter.SingleToInt32Bits(value) < 0;

    public static bool IsNegative(double value) => BitConverter.DoubleToInt64Bits(value) < 0;

    public static uint RotateLeft(uint value, int offset) => value << (offset & 31) | value >> (32 - offset & 31);

    public static uint RotateRight(uint value, int offset) => value >> (offset & 31) | value << (32 - offset & 31);

    public static ulong RotateLeft(ulong value, int offset) => value << (offset & 63) | value >> (64 - offset & 63);

    public static ulong RotateRight(ulong value, int offset) => value >> (offset & 63) | value << (64 - offset & 63);

    public static float CopySign(float x, float y) =>
        BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(x) & 0x7fffffffu | BitConverter.SingleToUInt32Bits(y) & 0x80000000u);

    public static double CopySign(double x, double y) =>
        BitConverter.UInt64BitsToDouble(BitConverter.DoubleToUInt64Bits(x) & 0x7fffffffffffffffu | BitConverter.DoubleToUInt64Bits(y) & 0x8000000000000000u);

    /// <summary>The remainder of x / y with the sign of x, exactly (C's fmod): long division of the significands, 40 bits a step.</summary>
    public static float Rem(float x, float y)
    {
        float a = MathF.Abs(x), b = MathF.Abs(y);
        if (!(a < float.PositiveInfinity) || !(b > 0)) return float.NaN;
        if (a < b) return x;
        int exponentA = Exponent(a), exponentB = Exponent(b);
        ulong rest = Significand(a), divisor = Significand(b);
        rest %= divisor;
        for (int left = exponentA - exponentB; left > 0; left -= 40) rest = (rest << (left < 40 ? left : 40)) % divisor;
        // rest < 2^24 is exact as a float, and so is its product with a power of two that is not below the smallest number.
        return CopySign((float)(long)rest * PowerOfTwo(exponentB), x);
    }

    /// <summary>The remainder of x / y with the sign of x, exactly; 11 bits a step.</summary>
    public static double Rem(double x, double y)
    {
        double a = Math.Abs(x), b = Math.Abs(y);
        if (!(a < double.PositiveInfinity) || !(b > 0)) return double.NaN;
        if (a < b) return x;
        int exponentA = Exponent(a), exponentB = Exponent(b);
        ulong rest = Significand(a), divisor = Significand(b);
        rest %= divisor;
        for (int left = exponentA - exponentB; left > 0; left -= 11) rest = (rest << (left < 11 ? left : 11)) % divisor;
        return CopySign((long)rest * PowerOfTwoHalf(exponentB) * PowerOfTwoHalf(exponentB + 1), x);
    }

    /// <summary>x minus the multiple of y that is nearest, an even one in a tie.</summary>
    public static float IEEERemainder(float x, float y)
    {
        float b = MathF.Abs(y), a = MathF.Abs(x);
        if (!(a < float.PositiveInfinity) || !(b > 0)) return float.NaN;
        if (b + b < float.PositiveInfinity) a = Rem(a, b + b);
        // From 0 to 2b; a > b - a asks for 2a > b, without rounding errors that matter.
        if (a > b - a)
        {
            a -= b;
            if (a >= b - a) a -= b;
        }
        if (x == 0) return x;
        return x < 0 ? -a : a;
    }

    /// <summary>x minus the multiple of y that is nearest, an even one in a tie.</summary>
    public static double IEEERemainder(double x, double y)
    {
        double b = Math.Abs(y), a = Math.Abs(x);
        if (!(a < double.PositiveInfinity) || !(b > 0)) return double.NaN;
        if (b + b < double.PositiveInfinity) a = Rem(a, b + b);
        // From 0 to 2b; a > b - a asks for 2a > b, without rounding errors that matter.
        if (a > b - a)
        {
            a -= b;
            if (a >= b - a) a -= b;
        }
        if (x == 0) return x;
        return x < 0 ? -a : a;
    }

    // value = significand * 2^exponent; numbers below the normal ones have the exponent of the smallest.
    private static int Exponent(float value) => Math.Max((int)(BitConverter.SingleToUInt32Bits(value) >> 23), 1) - 150;

    private static int Exponent(double value) => Math.Max((int)(BitConverter.DoubleToUInt64Bits(value) >> 52), 1) - 1075;

    private static ulong Significand(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return bits < 0x800000u ? bits : bits & 0x7fffffu | 0x800000u;
    }

    private static ulong Significand(double value)
    {
        ulong bits = BitConverter.DoubleToUInt64Bits(value);
        return bits < 1UL << 52 ? bits : bits & (1UL << 52) - 1 | 1UL << 52;
    }

    /// <summary>2^n for n from -149 to 127.</summary>
    private static float PowerOfTwo(int n) => BitConverter.Int32BitsToSingle(n >= -126 ? n + 127 << 23 : 1 << n + 149);

    /// <summary>2^floor(n / 2), for n far beyond the range of a double's exponent.</summary>
    private static double PowerOfTwoHalf(int n) => BitConverter.Int64BitsToDouble((long)((n >> 1) + 1023) << 52);
}
