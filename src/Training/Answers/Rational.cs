using System.Globalization;
using System.Numerics;

namespace OllmNative.Training;

/// <summary>
/// An exact fraction in lowest terms with a positive denominator. Every operation returns null when the result does
/// not exist or would need more than <see cref="MaxBits"/> bits, so that no input can make exact arithmetic slow.
/// </summary>
internal readonly struct Rational : IEquatable<Rational>
{
    /// <summary>The most bits a numerator or denominator may have.</summary>
    public const int MaxBits = 8192;

    private Rational(BigInteger numerator, BigInteger denominator)
    {
        Numerator = numerator;
        Denominator = denominator;
    }

    public BigInteger Numerator { get; }

    public BigInteger Denominator { get; }

    public bool IsInteger => Denominator.IsOne;

    public static Rational FromInteger(BigInteger value) => new(value, BigInteger.One);

    /// <summary>numerator / denominator reduced; null for a zero denominator or when too long.</summary>
    public static Rational? Create(BigInteger numerator, BigInteger denominator)
    {
        if (denominator.IsZero || numerator.GetBitLength() > 2 * MaxBits || denominator.GetBitLength() > 2 * MaxBits) return null;
        BigInteger divisor = BigInteger.GreatestCommonDivisor(numerator, denominator);
        if (denominator.Sign < 0) divisor = -divisor;
        var value = new Rational(numerator / divisor, denominator / divisor);
        return value.Numerator.GetBitLength() > MaxBits || value.Denominator.GetBitLength() > MaxBits ? null : value;
    }

    /// <summary>Reads digits with an optional point and an optional power of ten ("1.50", ".5", "2e-3").</summary>
    public static Rational? Parse(string text)
    {
        int exponentAt = text.IndexOfAny(['e', 'E']);
        long exponent = 0;
        if (exponentAt >= 0)
        {
            if (!int.TryParse(text.AsSpan(exponentAt + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int power)) return null;
            exponent = power;
            text = text[..exponentAt];
        }

        int point = text.IndexOf('.');
        string digits = point < 0 ? text : text.Remove(point, 1);
        exponent -= point < 0 ? 0 : text.Length - point - 1;
        if (digits.Length is 0 or > 2000 || Math.Abs(exponent) > 2000) return null;
        if (!BigInteger.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out BigInteger value)) return null;
        BigInteger scale = BigInteger.Pow(10, (int)Math.Abs(exponent));
        return exponent < 0 ? Create(value, scale) : Create(value * scale, BigInteger.One);
    }

    public static Rational? Add(Rational a, Rational b) =>
        Create(a.Numerator * b.Denominator + b.Numerator * a.Denominator, a.Denominator * b.Denominator);

    public static Rational? Multiply(Rational a, Rational b) => Create(a.Numerator * b.Numerator, a.Denominator * b.Denominator);

    public static Rational? Divide(Rational a, Rational b) => Create(a.Numerator * b.Denominator, a.Denominator * b.Numerator);

    public Rational Negate() => new(-Numerator, Denominator);

    /// <summary>a^b for a whole b of modest size; null otherwise (0^0 and 0^-n have no value).</summary>
    public static Rational? Power(Rational a, Rational b)
    {
        if (!b.IsInteger || BigInteger.Abs(b.Numerator) > MaxBits) return null;
        int exponent = (int)b.Numerator;
        if (a.Numerator.IsZero) return exponent > 0 ? a : null;
        long bits = Math.Max(a.Numerator.GetBitLength(), a.Denominator.GetBitLength());
        if (bits * Math.Abs(exponent) > MaxBits + 64) return null;
        BigInteger numerator = BigInteger.Pow(a.Numerator, Math.Abs(exponent));
        BigInteger denominator = BigInteger.Pow(a.Denominator, Math.Abs(exponent));
        return exponent >= 0 ? Create(numerator, denominator) : Create(denominator, numerator);
    }

    /// <summary>Nearest double; quotients of long integers are scaled first so that they do not overflow.</summary>
    public double ToDouble()
    {
        int shift = (int)Math.Max(0, Math.Max(Numerator.GetBitLength(), Denominator.GetBitLength()) - 1000);
        return shift == 0 ? (double)Numerator / (double)Denominator : Math.Exp(BigInteger.Log(BigInteger.Abs(Numerator)) - BigInteger.Log(Denominator)) * Numerator.Sign;
    }

    public bool Equals(Rational other) => Numerator == other.Numerator && Denominator == other.Denominator;

    public override bool Equals(object? obj) => obj is Rational other && Equals(other);

    public override int GetHashCode() => HashCode.Combine(Numerator, Denominator);
}
