namespace OllmNative.Runtime.Language;

/// <summary>Mathematics for kernels.</summary>
public static partial class XMath
{
    public const float E = MathF.E;
    public const double ED = Math.E;
    public const double Log2ED = 1.4426950408889634;
    public const double OneOverLog2ED = 0.6931471805599453;
    public const float Log10E = 0.4342945f;
    public const double Log10ED = 0.4342944819032518;
    public const double Ln2D = 0.6931471805599453;
    public const double OneOverLn2D = 1.4426950408889634;
    public const double Ln10D = 2.302585092994046;
    public const float OneOverLn10 = 0.43429446f;
    public const double OneOverLn10D = 0.43429448190325176;
    public const double PID = Math.PI;
    public const double PIHalfD = 1.5707963267948966;
    public const float PIFourth = 0.7853982f;
    public const double PIFourthD = 0.7853981633974483;
    public const float TwoOverPI = 0.63661975f;
    public const float Log2E = 1.442695f;
    public const float OneOverLog2E = 0.6931472f;
    public const float Ln2 = 0.6931472f;
    public const float OneOverLn2 = 1.442695f;
    public const float Ln10 = 2.3025851f;
    public const float PI = MathF.PI;
    public const float PIHalf = 1.5707964f;
    public const float OneOverPI = 0.31830987f;
    public const float Sqrt2 = 1.4142135f;
    public const float OneOverSqrt2 = 0.70710677f;
    public const float OneThird = 0.33333334f;

    public static float Floor(float value) => MathF.Floor(value);
    public static double Floor(double value) => Math.Floor(value);
    public static float Ceiling(float value) => MathF.Ceiling(value);
    public static double Ceiling(double value) => Math.Ceiling(value);
    public static float Round(float value) => MathF.Round(value);
    public static double Round(double value) => Math.Round(value);
    public static float Truncate(float value) => MathF.Truncate(value);
    public static double Truncate(double value) => Math.Truncate(value);
    public static float Log(float value) => MathF.Log(value);
    public static double Log(double value) => Math.Log(value);
    public static float Log2(float value) => MathF.Log2(value);
    public static double Log2(double value) => Math.Log2(value);
    public static float Log10(float value) => MathF.Log10(value);
    public static double Log10(double value) => Math.Log10(value);
    public static float Exp(float value) => MathF.Exp(value);
    public static double Exp(double value) => Math.Exp(value);
    public static float Sqrt(float value) => MathF.Sqrt(value);
    public static double Sqrt(double value) => Math.Sqrt(value);
    public static float Sin(float value) => MathF.Sin(value);
    public static double Sin(double value) => Math.Sin(value);
    public static float Cos(float value) => MathF.Cos(value);
    public static double Cos(double value) => Math.Cos(value);
    public static float Tan(float value) => MathF.Tan(value);
    public static double Tan(double value) => Math.Tan(value);
    public static float Asin(float value) => MathF.Asin(value);
    public static double Asin(double value) => Math.Asin(value);
    public static float Acos(float value) => MathF.Acos(value);
    public static double Acos(double value) => Math.Acos(value);
    public static float Atan(float value) => MathF.Atan(value);
    public static double Atan(double value) => Math.Atan(value);
    public static float Sinh(float value) => MathF.Sinh(value);
    public static double Sinh(double value) => Math.Sinh(value);
    public static float Cosh(float value) => MathF.Cosh(value);
    public static double Cosh(double value) => Math.Cosh(value);
    public static float Tanh(float value) => MathF.Tanh(value);
    public static double Tanh(double value) => Math.Tanh(value);

    public static float RoundToEven(float value) => MathF.Round(value, MidpointRounding.ToEven);
    public static float RoundAwayFromZero(float value) => MathF.Round(value, MidpointRounding.AwayFromZero);
    public static float Log(float value, float newBase) => MathF.Log(value, newBase);
    public static float Exp2(float value) => MathF.Pow(2, value);
    public static float Pow(float @base, float exp) => MathF.Pow(@base, exp);
    public static float Rcp(float value) => 1 / value;
    public static float Rsqrt(float value) => 1 / MathF.Sqrt(value);
    public static float Rem(float x, float y) => x % y;
    public static float IEEERemainder(float x, float y) => MathF.IEEERemainder(x, y);
    public static float Round(float value, int digits) => MathF.Round(value, digits);
    public static float Round(float value, MidpointRounding mode) => MathF.Round(value, mode);
    public static float Round(float value, int digits, MidpointRounding mode) => MathF.Round(value, digits, mode);
    public static float DegToRad(float degrees) => degrees * (PI / 180);
    public static float RadToDeg(float radians) => radians * (180 / PI);
    public static float Atan2(float y, float x) => MathF.Atan2(y, x);
    public static int Sign(float value) => MathF.Sign(value);
    public static bool IsNaN(float value) => float.IsNaN(value);
    public static bool IsInfinity(float value) => float.IsInfinity(value);
    public static bool IsFinite(float value) => float.IsFinite(value);

    public static void SinCos(float value, out float sin, out float cos)
    {
        sin = MathF.Sin(value);
        cos = MathF.Cos(value);
    }

    public static double RoundToEven(double value) => Math.Round(value, MidpointRounding.ToEven);
    public static double RoundAwayFromZero(double value) => Math.Round(value, MidpointRounding.AwayFromZero);
    public static double Log(double value, double newBase) => Math.Log(value, newBase);
    public static double Exp2(double value) => Math.Pow(2, value);
    public static double Pow(double @base, double exp) => Math.Pow(@base, exp);
    public static double Rcp(double value) => 1 / value;
    public static double Rsqrt(double value) => 1 / Math.Sqrt(value);
    public static double Rem(double x, double y) => x % y;
    public static double IEEERemainder(double x, double y) => Math.IEEERemainder(x, y);
    public static double Round(double value, int digits) => Math.Round(value, digits);
    public static double Round(double value, MidpointRounding mode) => Math.Round(value, mode);
    public static double Round(double value, int digits, MidpointRounding mode) => Math.Round(value, digits, mode);
    public static double DegToRad(double degrees) => degrees * (PID / 180);
    public static double RadToDeg(double radians) => radians * (180 / PID);
    public static double Atan2(double y, double x) => Math.Atan2(y, x);
    public static int Sign(double value) => Math.Sign(value);
    public static bool IsNaN(double value) => double.IsNaN(value);
    public static bool IsInfinity(double value) => double.IsInfinity(value);
    public static bool IsFinite(double value) => double.IsFinite(value);

    public static void SinCos(double value, out double sin, out double cos)
    {
        sin = Math.Sin(value);
        cos = Math.Cos(value);
    }
}
