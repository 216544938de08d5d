namespace OllmNative.Runtime.Compiler.Library;

/// <summary>Roundings other than to the nearest even number, which is an instruction.</summary>
internal static partial class DeviceMath
{
    public static float Round(float value, MidpointRounding mode)
    {
        if (mode == MidpointRounding.ToEven) return MathF.Round(value);
        if (mode == MidpointRounding.ToZero) return MathF.Truncate(value);
        if (mode == MidpointRounding.ToNegativeInfinity) return MathF.Floor(value);
        if (mode == MidpointRounding.ToPositiveInfinity) return MathF.Ceiling(value);
        return RoundAwayFromZero(value);
    }

    public static double Round(double value, MidpointRounding mode)
    {
        if (mode == MidpointRounding.ToEven) return Math.Round(value);
        if (mode == MidpointRounding.ToZero) return Math.Truncate(value);
        if (mode == MidpointRounding.ToNegativeInfinity) return Math.Floor(value);
        if (mode == MidpointRounding.ToPositiveInfinity) return Math.Ceiling(value);
        return RoundAwayFromZero(value);
    }

    public static float RoundAwayFromZero(float value)
    {
        float whole = MathF.Truncate(value);
        return MathF.Abs(value - whole) >= 0.5f ? whole + CopySign(1f, value) : whole;
    }

    public static double RoundAwayFromZero(double value)
    {
        double whole = Math.Truncate(value);
        return Math.Abs(value - whole) >= 0.5 ? whole + CopySign(1.0, value) : whole;
    }

    public static float Round(float value, int digits) => Round(value, digits, MidpointRounding.ToEven);

    public static double Round(double value, int digits) => Round(value, digits, MidpointRounding.ToEven);

    /// <summary>As .NET: through a multiplication by a power of ten; large values have no digits to round.</summary>
    public static float Round(float value, int digits, MidpointRounding mode)
    {
        if (!(MathF.Abs(value) < 1e8f)) return value;
        float power = 1;
        for (int i = 0; i < digits; i++) power *= 10;
        return Round(value * power, mode) / power;
    }

    public static double Round(double value, int digits, MidpointRounding mode)
    {
        if (!(Math.Abs(value) < 1e16)) return value;
        double power = 1;
        for (int i = 0; i < digits; i++) power *= 10;
        return Round(value * power, mode) / power;
    }
}
