namespace OllmNative.Runtime.Compiler.Library;

/// <summary>Functions of float.</summary>
internal static partial class DeviceMath
{
    // Constants in two or three floats, the later ones what the earlier leave of the value.
    private const float HalfPi = 1.57079637f, HalfPiLow = -4.37113883e-8f, HalfPiLowest = -1.71512451e-15f, QuarterPi = 0.785398185f;
    private const float Ln2 = 0.693147182f, Ln2Low = -1.90465421e-9f, TwoLog2E = 2.88539004f, TwoLog2ELow = 3.85192607e-8f;
    private const float Log2E = 1.44269502f, Log10E = 0.434294492f, Log10Of2 = 0.30103001f, Log10Of2Low = -1.43209888e-8f;

    public static float Log(float value)
    {
        if (!(value > 0 && value < float.PositiveInfinity)) return LogEdge(value);
        float log = SplitLog(value, out float exponent);
        return MathF.FusedMultiplyAdd(exponent, Ln2, MathF.FusedMultiplyAdd(exponent, Ln2Low, log));
    }

    public static float Log2(float value)
    {
        if (!(value > 0 && value < float.PositiveInfinity)) return LogEdge(value);
        float log = SplitLog(value, out float exponent);
        return MathF.FusedMultiplyAdd(log, Log2E, exponent);
    }

    public static float Log10(float value)
    {
        if (!(value > 0 && value < float.PositiveInfinity)) return LogEdge(value);
        float log = SplitLog(value, out float exponent);
        return MathF.FusedMultiplyAdd(exponent, Log10Of2, MathF.FusedMultiplyAdd(exponent, Log10Of2Low, log * Log10E));
    }

    public static float Log(float value, float newBase)
    {
        if (newBase == 1 || (value != 1 && (newBase == 0 || newBase == float.PositiveInfinity))) return float.NaN;
        return Log(value) / Log(newBase);
    }

    private static float LogEdge(float value) => value == 0 ? float.NegativeInfinity : value > 0 ? value : float.NaN;

    /// <summary>value = m 2^exponent with m from sqrt(1/2) to sqrt(2): gives log m = 2 artanh s with s = (m - 1) / (m + 1).</summary>
    private static float SplitLog(float value, out float exponent)
    {
        float m = Split(value, out int e);
        exponent = e;
        float s = (m - 1) / (m + 1), z = s * s;
        float p = MathF.FusedMultiplyAdd(1f / 9, z, 1f / 7);
        p = MathF.FusedMultiplyAdd(p, z, 1f / 5);
        p = MathF.FusedMultiplyAdd(p, z, 1f / 3) * z;
        return MathF.FusedMultiplyAdd(s + s, p, s + s);
    }

    private static float Split(float value, out int exponent)
    {
        bool tiny = value < 1.17549435e-38f;
        int bits = BitConverter.SingleToInt32Bits(tiny ? value * 16777216f : value);
        int e = bits - 0x3f3504f3 >> 23; // 0x3f3504f3 is sqrt(1/2)
        exponent = tiny ? e - 24 : e;
        return BitConverter.Int32BitsToSingle(bits - (e << 23));
    }

    /// <summary>2^(y log2 |x|) with log2 |x| in two floats; the signs and edges of C's pow.</summary>
    public static float Pow(float x, float y)
    {
        if (x == 1 || y == 0) return 1;
        float power = PowPositive(MathF.Abs(x), y);
        float half = y * 0.5f;
        bool whole = MathF.Truncate(y) == y, odd = whole && MathF.Truncate(half) != half;
        if (x < 0) return whole ? odd ? -power : power : float.NaN;
        return odd && float.IsNegative(x) ? -power : power;
    }

    private static float PowPositive(float x, float y)
    {
        if (float.IsNaN(x) || float.IsNaN(y)) return float.NaN;
        if (x == 1) return 1;
        if (x == 0 || x == float.PositiveInfinity) return (x == 0) == (y > 0) ? 0 : float.PositiveInfinity;
        float m = Split(x, out int exponent), f = m - 1, d = m + 1;
        float s = f / d, sLow = MathF.FusedMultiplyAdd(-s, d, f) - s * (m - (d - 1)), z = s * s;
        sLow /= d;
        float p = MathF.FusedMultiplyAdd(1f / 9, z, 1f / 7);
        p = MathF.FusedMultiplyAdd(p, z, 1f / 5);
        p = MathF.FusedMultiplyAdd(p, z, 1f / 3) * z * s;
        // log2 m = 2 log2(e) (s + p), the product with its rounding error; then plus the exponent, with its rounding error.
        float product = s * TwoLog2E;
        float low = MathF.FusedMultiplyAdd(s, TwoLog2E, -product);
        low = MathF.FusedMultiplyAdd(s, TwoLog2ELow, low);
        low = MathF.FusedMultiplyAdd(p + sLow, TwoLog2E, low);
        float high = exponent + product;
        low += product - (high - exponent);
        float power = high * y;
        if (!(MathF.Abs(power) < 300)) return power > 0 ? float.PositiveInfinity : 0;
        float rest = MathF.FusedMultiplyAdd(high, y, -power);
        rest = MathF.FusedMultiplyAdd(low, y, rest);
        float n = MathF.Round(power);
        return Scale(Exp2Reduced((power - n) + rest), (int)n);
    }

    /// <summary>2^x for x from -1/2 to 1/2.</summary>
    private static float Exp2Reduced(float x)
    {
        float r = x * Ln2;
        float p = MathF.FusedMultiplyAdd(1f / 5040, r, 1f / 720);
        p = MathF.FusedMultiplyAdd(p, r, 1f / 120);
        p = MathF.FusedMultiplyAdd(p, r, 1f / 24);
        p = MathF.FusedMultiplyAdd(p, r, 1f / 6);
        p = MathF.FusedMultiplyAdd(p, r, 0.5f);
        return MathF.FusedMultiplyAdd(p * r, r, r) + 1;
    }

    /// <summary>value * 2^n in two steps, so that numbers at both ends of the range come out.</summary>
    private static float Scale(float value, int n)
    {
        int half = Math.Clamp(n, -250, 250) >> 1, other = Math.Clamp(n, -250, 250) - half;
        return value * BitConverter.Int32BitsToSingle(half + 127 << 23) * BitConverter.Int32BitsToSingle(other + 127 << 23);
    }

    public static float Cbrt(float value)
    {
        float a = MathF.Abs(value);
        if (!(a > 0 && a < float.PositiveInfinity)) return value;
        float root = PowPositive(a, 1f / 3);
        return CopySign(root - (root - a / root / root) / 3, value); // one step of Newton's, for the last bits
    }

    public static float Tan(float value)
    {
        float r = ToEighth(value, out int quarter), z = r * r;
        (float sine, float cosine) = (SineSeries(r, z), CosineSeries(z));
        return (quarter & 1) == 0 ? sine / cosine : -cosine / sine;
    }

    /// <summary>value minus the nearest multiple of pi/2, and which multiple that was.</summary>
    private static float ToEighth(float value, out int quarter)
    {
        float turns = MathF.Round(value * (2 / MathF.PI));
        quarter = (int)turns;
        float r = MathF.FusedMultiplyAdd(-turns, HalfPi, value);
        r = MathF.FusedMultiplyAdd(-turns, HalfPiLow, r);
        return MathF.FusedMultiplyAdd(-turns, HalfPiLowest, r);
    }

    private static float SineSeries(float r, float z)
    {
        float p = MathF.FusedMultiplyAdd(1f / 362880, z, -1f / 5040);
        p = MathF.FusedMultiplyAdd(p, z, 1f / 120);
        p = MathF.FusedMultiplyAdd(p, z, -1f / 6);
        return MathF.FusedMultiplyAdd(p * z, r, r);
    }

    private static float CosineSeries(float z)
    {
        float p = MathF.FusedMultiplyAdd(-1f / 3628800, z, 1f / 40320);
        p = MathF.FusedMultiplyAdd(p, z, -1f / 720);
        p = MathF.FusedMultiplyAdd(p, z, 1f / 24);
        p = MathF.FusedMultiplyAdd(p, z, -0.5f);
        return MathF.FusedMultiplyAdd(p, z, 1);
    }

    public static float Asin(float value) => Atan2(value, MathF.Sqrt((1 - value) * (1 + value)));

    public static float Acos(float value) => Atan2(MathF.Sqrt((1 - value) * (1 + value)), value);

    public static float Atan(float value)
    {
        float a = MathF.Abs(value);
        return CopySign(a > 1 ? HalfPi - (AtanReduced(1 / a) - HalfPiLow) : AtanReduced(a), value);
    }

    /// <summary>For 0 to 1: above tan(pi/8) the angle to pi/4, then the series.</summary>
    private static float AtanReduced(float value)
    {
        bool large = value > 0.414213562f;
        float x = large ? (value - 1) / (value + 1) : value, z = x * x;
        float p = MathF.FusedMultiplyAdd(1f / 17, z, -1f / 15);
        p = MathF.FusedMultiplyAdd(p, z, 1f / 13);
        p = MathF.FusedMultiplyAdd(p, z, -1f / 11);
        p = MathF.FusedMultiplyAdd(p, z, 1f / 9);
        p = MathF.FusedMultiplyAdd(p, z, -1f / 7);
        p = MathF.FusedMultiplyAdd(p, z, 1f / 5);
        p = MathF.FusedMultiplyAdd(p, z, -1f / 3);
        float atan = MathF.FusedMultiplyAdd(p * z, x, x);
        return large ? QuarterPi + atan : atan;
    }

    public static float Atan2(float y, float x)
    {
        float a = MathF.Abs(y), b = MathF.Abs(x), larger = MathF.Max(a, b), smaller = MathF.Min(a, b);
        float ratio = larger == 0 ? 0 : smaller == float.PositiveInfinity ? 1 : smaller / larger;
        float angle = AtanReduced(ratio);
        if (a > b) angle = HalfPi - (angle - HalfPiLow);
        if (float.IsNegative(x)) angle = 2 * HalfPi - (angle - 2 * HalfPiLow);
        return CopySign(angle, y);
    }

    public static float Sinh(float value)
    {
        float a = MathF.Abs(value), z = value * value;
        float p = MathF.FusedMultiplyAdd(1f / 362880, z, 1f / 5040);
        p = MathF.FusedMultiplyAdd(p, z, 1f / 120);
        p = MathF.FusedMultiplyAdd(p, z, 1f / 6);
        if (a < 1) return MathF.FusedMultiplyAdd(p * z, value, value);
        float root = MathF.Exp(a * 0.5f);
        return CopySign(0.5f * root * root - 0.5f / root / root, value);
    }

    public static float Cosh(float value)
    {
        float root = MathF.Exp(MathF.Abs(value) * 0.5f);
        return 0.5f * root * root + 0.5f / root / root;
    }

    public static (float Sin, float Cos) SinCos(float value) => (MathF.Sin(value), MathF.Cos(value));
}
