using System.Globalization;

namespace OllmNative.Runtime.Extensions;

/// <summary>
/// The upper half of a float: 8 exponent bits, 7 stored mantissa bits. A storage type: kernels convert, compute in float, convert back.
/// </summary>
public readonly struct Bf16 : IEquatable<Bf16>
{
    private Bf16(ushort bits) => Bits = bits;

    /// <summary>Its 16 bits.</summary>
    public ushort Bits { get; }

    public static Bf16 FromBits(ushort bits) => new(bits);

    /// <summary>The nearest value, ties to even; a NaN stays a (quiet) NaN. PTX: cvt.rn.bf16.f32.</summary>
    public static Bf16 FromFloat(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        if ((bits & 0x7fffffff) > 0x7f800000) return new((ushort)(bits >> 16 | 0x40));
        return new((ushort)((bits + 0x7fff + (bits >> 16 & 1)) >> 16));
    }

    /// <summary>The same value as a float, exactly.</summary>
    public static float ToFloat(Bf16 value) => BitConverter.UInt32BitsToSingle((uint)value.Bits << 16);

    public bool Equals(Bf16 other) => ToFloat(this) == ToFloat(other);
    public override bool Equals(object? obj) => obj is Bf16 other && Equals(other);
    public override int GetHashCode() => ToFloat(this).GetHashCode();
    public override string ToString() => ToFloat(this).ToString(CultureInfo.InvariantCulture);

    public static explicit operator Bf16(float value) => FromFloat(value);
    public static implicit operator float(Bf16 value) => ToFloat(value);
    public static bool operator ==(Bf16 first, Bf16 second) => first.Equals(second);
    public static bool operator !=(Bf16 first, Bf16 second) => !first.Equals(second);
}
