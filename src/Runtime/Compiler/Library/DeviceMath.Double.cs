namespace OllmNative.Runtime.Compiler.Library;

/// <summary>Functions of double, as those of float with more terms.</summary>
internal static partial class DeviceMath
{
    private const double HalfPi64 = 1.5707963267948966, HalfPiLow64 = 6.123233995736766e-17, HalfPiLowest64 = -1.4973849048591698e-33;
    private const double Ln2Of64 = 0.6931471805599453, Ln2Low64 = 2.3190468138462996e-17, TwoLog2E64 = 2.8853900817779268, TwoLog2ELow64 = 4.0710547481862066e-17;
    private const double Log2E64 = 1.4426950408889634, Log10E64 = 0.4342944819032518, Log10Of2At64 = 0.3010299956639812, Log10Of2Low64 = -2.8037281277851704e-18;

    public static double Exp(double value)
    {
        if (!(Math.Abs(value) < 1000)) return value > 0 ? double.PositiveInfinity : value < 0 ? 0 : value;
        double n = Math.Round(value * Log2E64);
        double r = Math.FusedMultiplyAdd(-n, Ln2Of64, value);
        return Scale(ExpSeries(Math.FusedMultiplyAdd(-n, Ln2Low64, r)), (int)n);
    }

    public static double Exp2(double value)
    {
        if (!(Math.Abs(value) < 2000)) return value > 0 ? double.PositiveInfinity : value < 0 ? 0 : value;
        double n = Math.Round(value);
        return Scale(ExpSeries((value - n) * Ln2Of64), (int)n);
    }

    /// <summary>e^r for r up to log(2) / 2.</summary>
    private static double ExpSeries(double r)
    {
        double p = Math.FusedMultiplyAdd(1 / 6227020800.0, r, 1 / 479001600.0);
        p = Math.FusedMultiplyAdd(p, r, 1 / 39916800.0);
        p = Math.FusedMultiplyAdd(p, r, 1 / 3628800.0);
        p = Math.FusedMultiplyAdd(p, r, 1 / 362880.0);
        p = Math.FusedMultiplyAdd(p, r, 1 / 40320.0);
        p = Math.FusedMultiplyAdd(p, r, 1 / 5040.0);
        p = Math.FusedMultiplyAdd(p, r, 1 / 720.0);
        p = Math.FusedMultiplyAdd(p, r, 1 / 120.0);
        p = Math.FusedMultiplyAdd(p, r, 1 / 24.0);
        p = Math.FusedMultiplyAdd(p, r, 1 / 6.0);
        p = Math.FusedMultiplyAdd(p, r, 0.5);
        return Math.FusedMultiplyAdd(p * r, r, r) + 1;
    }

    /// <summary>value * 2^n in two steps, so that numbers at both ends of the range come out.</summary>
    private static double Scale(double value, int n)
    {
        int within = Math.Clamp(n, -2000, 2000);
        return value * PowerOfTwoHalf(within) * PowerOfTwoHalf(within + 1);
    }

    public static double Log(double value)
    {
        if (!(value > 0 && value < double.PositiveInfinity)) return LogEdge(value);
        double log = SplitLog(value, out double exponent);
        return Math.FusedMultiplyAdd(exponent, Ln2Of64, Math.FusedMultiplyAdd(exponent, Ln2Low64, log));
    }

    public static double Log2(double value)
    {
        if (!(value > 0 && value < double.PositiveInfinity)) return LogEdge(value);
        double log = SplitLog(value, out double exponent);
        return Math.FusedMultiplyAdd(log, Log2E64, exponent);
    }

    public static double Log10(double value)
    {
        if (!(value > 0 && value < double.PositiveInfinity)) return LogEdge(value);
        double log = SplitLog(value, out double exponent);
        return Math.FusedMultiplyAdd(exponent, Log10Of2At64, Math.FusedMultiplyAdd(exponent, Log10Of2Low64, log * Log10E64));
    }

    public static double Log(double value, double newBase)
    {
        if (newBase == 1 || (value != 1 && (newBase == 0 || newBase == double.PositiveInfinity))) return double.NaN;
        return Log(value) / Log(newBase);
    }

    private static double LogEdge(double value) => value == 0 ? double.NegativeInfinity : value > 0 ? value : double.NaN;

    private static double SplitLog(double value, out double exponent)
    {
        double m = Split(value, out int e);
        exponent = e;
        double s = (m - 1) / (m + 1);
        return Math.FusedMultiplyAdd(s + s, ArtanhSeries(s * s), s + s);
    }

    /// <summary>artanh(s) / s - 1 from z = s^2.</summary>
    private static double ArtanhSeries(double z)
    {
        double p = Math.FusedMultiplyAdd(1 / 21.0, z, 1 / 19.0);
        p = Math.FusedMultiplyAdd(p, z, 1 / 17.0);
        p = Math.FusedMultiplyAdd(p, z, 1 / 15.0);
        p = Math.FusedMultiplyAdd(p, z, 1 / 13.0);
        p = Math.FusedMultiplyAdd(p, z, 1 / 11.0);
        p = Math.FusedMultiplyAdd(p, z, 1 / 9.0);
        p = Math.FusedMultiplyAdd(p, z, 1 / 7.0);
        p = Math.FusedMultiplyAdd(p, z, 1 / 5.0);
        p = Math.FusedMultiplyAdd(p, z, 1 / 3.0);
        return p * z;
    }

    private static double Split(double value, out int exponent)
    {
        bool tiny = value < 2.2250738585072014e-308;
        long bits = BitConverter.DoubleToInt64Bits(tiny ? value * 18014398509481984.0 : value);
        int e = (int)(bits - 0x3fe6a09e667f3bcdL >> 52); // the bits of sqrt(1/2)
        exponent = tiny ? e - 54 : e;
        return BitConverter.Int64BitsToDouble(bits - ((long)e << 52));
    }

    /// <summary>2^(y log2 |x|) with log2 |x| in two doubles; the signs and edges of C's pow.</summary>
    public static double Pow(double x, double y)
    {
        if (x == 1 || y == 0) return 1;
        double power = PowPositive(Math.Abs(x), y);
        double half = y * 0.5;
        bool whole = Math.Truncate(y) == y, odd = whole && Math.Truncate(half) != half;
        if (x < 0) return whole ? odd ? -power : power : double.NaN;
        return odd && double.IsNegative(x) ? -power : power;
    }

    private static double PowPositive(double x, double y)
    {
        if (double.IsNaN(x) || double.IsNaN(y)) return double.NaN;
        if (x == 1) return 1;
        if (x == 0 || x == double.PositiveInfinity) return (x == 0) == (y > 0) ? 0 : double.PositiveInfinity;
        double m = Split(x, out int exponent), f = m - 1, d = m + 1;
        double s = f / d, sLow = (Math.FusedMultiplyAdd(-s, d, f) - s * (m - (d - 1))) / d;
        double series = ArtanhSeries(s * s) * s;
        double product = s * TwoLog2E64;
        double low = Math.FusedMultiplyAdd(s, TwoLog2E64, -product);
        low = Math.FusedMultiplyAdd(s, TwoLog2ELow64, low);
        low = Math.FusedMultiplyAdd(series + sLow, TwoLog2E64, low);
        double high = exponent + product;
        low += product - (high - exponent);
        double power = high * y;
        if (!(Math.Abs(power) < 3000)) return power > 0 ? double.PositiveInfinity : 0;
        double rest = Math.FusedMultiplyAdd(low, y, Math.FusedMultiplyAdd(high, y, -power));
        double n = Math.Round(power);
        return Scale(ExpSeries((power - n + rest) * Ln2Of64), (int)n);
    }

    public static double Cbrt(double value)
    {
        double a = Math.Abs(value);
        if (!(a > 0 && a < double.PositiveInfinity)) return value;
        double root = PowPositive(a, 1 / 3.0);
        return CopySign(root - (root - a / root / root) / 3, value);
    }

    public static double Sin(double value)
    {
        double r = ToEighth(value, out int quarter), z = r * r;
        double sine = (quarter & 1) == 0 ? SineSeries(r, z) : CosineSeries(z);
        return (quarter & 2) == 0 ? sine : -sine;
    }

    public static double Cos(double value)
    {
        double r = ToEighth(value, out int quarter), z = r * r;
        double cosine = (quarter & 1) == 0 ? CosineSeries(z) : SineSeries(r, z);
        return (quarter + 1 & 2) == 0 ? cosine : -cosine;
    }

    public static double Tan(double value)
    {
        double r = ToEighth(value, out int quarter), z = r * r;
        (double sine, double cosine) = (SineSeries(r, z), CosineSeries(z));
        return (quarter & 1) == 0 ? sine / cosine : -cosine / sine;
    }

    public static double Rsqrt(double value) => 1 / Math.Sqrt(value);

    public static (double Sin, double Cos) SinCos(double value) => (Sin(value), Cos(value));

    private static double ToEighth(double value, out int quarter)
    {
        double turns = Math.Round(value * (2 / Math.PI));
        quarter = (int)turns;
        double r = Math.FusedMultiplyAdd(-turns, HalfPi64, value);
        r = Math.FusedMultiplyAdd(-turns, HalfPiLow64, r);
        return Math.FusedMultiplyAdd(-turns, HalfPiLowest64, r);
    }

    private static double SineSeries(double r, double z)
    {
        double p = Math.FusedMultiplyAdd(1 / 355687428096000.0, z, -1 / 1307674368000.0);
        p = Math.FusedMultiplyAdd(p, z, 1 / 6227020800.0);
        p = Math.FusedMultiplyAdd(p, z, -1 / 39916800.0);
        p = Math.FusedMultiplyAdd(p, z, 1 / 362880.0);
        p = Math.FusedMultiplyAdd(p, z, -1 / 5040.0);
        p = Math.FusedMultiplyAdd(p, z, 1 / 120.0);
        p = Math.FusedMultiplyAdd(p, z, -1 / 6.0);
        return Math.FusedMultiplyAdd(p * z, r, r);
    }

    private static double CosineSeries(double z)
    {
        double p = Math.FusedMultiplyAdd(-1 / 6402373705728000.0, z, 1 / 20922789888000.0);
        p = Math.FusedMultiplyAdd(p, z, -1 / 87178291200.0);
        p = Math.FusedMultiplyAdd(p, z, 1 / 479001600.0);
        p = Math.FusedMultiplyAdd(p, z, -1 / 3628800.0);
        p = Math.FusedMultiplyAdd(p, z, 1 / 40320.0);
        p = Math.FusedMultiplyAdd(p, z, -1 / 720.0);
        p = Math.FusedMultiplyAdd(p, z, 1 / 24.0);
        p = Math.FusedMultiplyAdd(p, z, -0.5);
        return Math.FusedMultiplyAdd(p, z, 1);
    }

    public static double Asin(double value) => Atan2(value, Math.Sqrt((1 - value) * (1 + value)));

    public static double Acos(double value) => Atan2(Math.Sqrt((1 - value) * (1 + value)), value);

    public static double Atan(double value)
    {
        double a = Math.Abs(value);
        return CopySign(a > 1 ? HalfPi64 - (AtanReduced(1 / a) - HalfPiLow64) : AtanReduced(a), value);
    }

    private static double AtanReduced(double value)
    {
        bool large = value > 0.4142135623730951;
        double x = large ? (value - 1) / (value + 1) : value, z = x * x;
        double p = Math.FusedMultiplyAdd(1 / 41.0, z, -1 / 39.0);
        p = Math.FusedMultiplyAdd(p, z, 1 / 37.0);
        p = Math.FusedMultiplyAdd(p, z, -1 / 35.0);
        p = Math.FusedMultiplyAdd(p, z, 1 / 33.0);
        p = Math.FusedMultiplyAdd(p, z, -1 / 31.0);
        p = Math.FusedMultiplyAdd(p, z, 1 / 29.0);
        p = Math.FusedMultiplyAdd(p, z, -1 / 27.0);
        p = Math.FusedMultiplyAdd(p, z, 1 / 25.0);
        p = Math.FusedMultiplyAdd(p, z, -1 / 23.0);
        p = Math.FusedMultiplyAdd(p, z, 1 / 21.0);
        p = Math.FusedMultiplyAdd(p, z, -1 / 19.0);
        p = Math.FusedMultiplyAdd(p, z, 1 / 17.0);
        p = Math.FusedMultiplyAdd(p, z, -1 / 15.0);
        p = Math.FusedMultiplyAdd(p, z, 1 / 13.0);
        p = Math.FusedMultiplyAdd(p, z, -1 / 11.0);
        p = Math.FusedMultiplyAdd(p, z, 1 / 9.0);
        p = Math.FusedMultiplyAdd(p, z, -1 / 7.0);
        p = Math.FusedMultiplyAdd(p, z, 1 / 5.0);
        p = Math.FusedMultiplyAdd(p, z, -1 / 3.0);
        double atan = Math.FusedMultiplyAdd(p * z, x, x);
        return large ? 0.5 * HalfPi64 + atan : atan;
    }

    public static double Atan2(double y, double x)
    {
        double a = Math.Abs(y), b = Math.Abs(x), larger = Math.Max(a, b), smaller = Math.Min(a, b);
        double ratio = larger == 0 ? 0 : smaller == double.PositiveInfinity ? 1 : smaller / larger;
        double angle = AtanReduced(ratio);
        if (a > b) angle = HalfPi64 - (angle - HalfPiLow64);
        if (double.IsNegative(x)) angle = 2 * HalfPi64 - (angle - 2 * HalfPiLow64);
        return CopySign(angle, y);
    }

    public static double Sinh(double value)
    {
        double a = Math.Abs(value), z = value * value;
        double p = Math.FusedMultiplyAdd(1 / 355687428096000.0, z, 1 / 1307674368000.0);
        p = Math.FusedMultiplyAdd(p, z, 1 / 6227020800.0);
        p = Math.FusedMultiplyAdd(p, z, 1 / 39916800.0);
        p = Math.FusedMultiplyAdd(p, z, 1 / 362880.0);
        p = Math.FusedMultiplyAdd(p, z, 1 / 5040.0);
        p = Math.FusedMultiplyAdd(p, z, 1 / 120.0);
        p = Math.FusedMultiplyAdd(p, z, 1 / 6.0);
        if (a < 1) return Math.FusedMultiplyAdd(p * z, value, value);
        double root = Exp(a * 0.5);
        return CopySign(0.5 * root * root - 0.5 / root / root, value);
    }

    public static double Cosh(double value)
    {
        double root = Exp(Math.Abs(value) * 0.5);
        return 0.5 * root * root + 0.5 / root / root;
    }

    public static double Tanh(double value)
    {
        double a = Math.Abs(value);
        if (a < 0.5)
        {
            double sinh = Sinh(value);
            return sinh / Math.Sqrt(1 + sinh * sinh);
        }
        return CopySign(1 - 2 / (Exp(a + a) + 1), value);
    }
}
