using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace OllmNative.Model.Cpu;

/// <summary>How stored weights widen to f32 in registers. Implementations are empty structs, so generic kernels specialise on them.</summary>
internal unsafe interface IElement
{
    static abstract int Size { get; }
    static abstract float Load(byte* source);
    static abstract Vector256<float> Load256(byte* source);
    static abstract Vector512<float> Load512(byte* source);

    /// <summary>Of 32 weights in a row 16, and with <see cref="Second512"/> the others; see <see cref="InPairs"/>.</summary>
    static abstract Vector512<float> First512(byte* source);
    static abstract Vector512<float> Second512(byte* source);

    /// <summary>The two halves are the even and the odd places, not one after the other: what one load and no shuffle gives.</summary>
    static abstract bool InPairs { get; }
}

/// <summary>f32 as it is.</summary>
internal unsafe struct F32Element : IElement
{
    public static int Size => 4;
    public static float Load(byte* source) => *(float*)source;
    public static Vector256<float> Load256(byte* source) => Vector256.Load((float*)source);
    public static Vector512<float> Load512(byte* source) => Vector512.Load((float*)source);
    public static bool InPairs => false;
    public static Vector512<float> First512(byte* source) => Load512(source);
    public static Vector512<float> Second512(byte* source) => Load512(source + 64);
}

/// <summary>bfloat16: the upper half of an f32.</summary>
internal unsafe struct BF16Element : IElement
{
    public static int Size => 2;
    public static float Load(byte* source) => BitConverter.UInt32BitsToSingle((uint)*(ushort*)source << 16);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load256(byte* source)
    {
        Vector128<ushort> raw = Vector128.Load((ushort*)source);
        Vector256<uint> wide = Avx2.IsSupported
            ? Avx2.ConvertToVector256Int32(raw).AsUInt32()
            : Vector256.Create(Vector128.WidenLower(raw), Vector128.WidenUpper(raw));
        return Vector256.ShiftLeft(wide, 16).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load512(byte* source) =>
        Avx512F.ShiftLeftLogical(Avx512F.ConvertToVector512UInt32(Vector256.Load((ushort*)source)), 16).AsSingle();

    public static bool InPairs => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> First512(byte* source) => Avx512F.ShiftLeftLogical(Vector512.Load((uint*)source), 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Second512(byte* source) => Avx512F.And(Vector512.Load((uint*)source), Vector512.Create(0xFFFF0000u)).AsSingle();
}

/// <summary>A weight as a signed byte; whoever reads it multiplies with the scale of its row.</summary>
internal unsafe struct I8Element : IElement
{
    public static int Size => 1;
    public static float Load(byte* source) => *(sbyte*)source;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load256(byte* source)
    {
        Vector128<sbyte> raw = Vector128.CreateScalarUnsafe(*(long*)source).AsSByte();
        if (Avx2.IsSupported) return Vector256.ConvertToSingle(Avx2.ConvertToVector256Int32(raw));
        Vector128<short> wide = Vector128.WidenLower(raw);
        return Vector256.ConvertToSingle(Vector256.Create(Vector128.WidenLower(wide), Vector128.WidenUpper(wide)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load512(byte* source) =>
        Avx512F.ConvertToVector512Single(Avx512F.ConvertToVector512Int32(Vector128.Load((sbyte*)source)));

    public static bool InPairs => false;
    public static Vector512<float> First512(byte* source) => Load512(source);
    public static Vector512<float> Second512(byte* source) => Load512(source + 16);
}

/// <summary>
/// IEEE half. Moving exponent and mantissa into place and multiplying by 2^112 rebiases normal and subnormal numbers
/// alike; infinities and NaN get the exponent that the product cannot give them.
/// </summary>
internal unsafe struct F16Element : IElement
{
    private const float Rebias = 5.192296858534828e33f; // 2^112

    public static int Size => 2;
    public static float Load(byte* source) => (float)*(Half*)source;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load256(byte* source)
    {
        Vector128<ushort> raw = Vector128.Load((ushort*)source);
        Vector256<uint> wide = Vector256.Create(Vector128.WidenLower(raw), Vector128.WidenUpper(raw));
        Vector256<uint> magnitude = Vector256.ShiftLeft(wide & Vector256.Create(0x7FFFu), 13);
        Vector256<uint> value = (magnitude.AsSingle() * Vector256.Create(Rebias)).AsUInt32();
        Vector256<uint> special = Vector256.GreaterThan(magnitude, Vector256.Create(0x0F7FFFFFu)) & Vector256.Create(0x7F800000u);
        return (value | special | Vector256.ShiftLeft(wide & Vector256.Create(0x8000u), 16)).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load512(byte* source)
    {
        Vector512<uint> wide = Avx512F.ConvertToVector512UInt32(Vector256.Load((ushort*)source));
        Vector512<uint> magnitude = Avx512F.ShiftLeftLogical(Avx512F.And(wide, Vector512.Create(0x7FFFu)), 13);
        Vector512<uint> value = Avx512F.Multiply(magnitude.AsSingle(), Vector512.Create(Rebias)).AsUInt32();
        Vector512<uint> special = Avx512F.And(
            Avx512F.CompareGreaterThan(magnitude, Vector512.Create(0x0F7FFFFFu)), Vector512.Create(0x7F800000u));
        Vector512<uint> sign = Avx512F.ShiftLeftLogical(Avx512F.And(wide, Vector512.Create(0x8000u)), 16);
        return Avx512F.Or(Avx512F.Or(value, special), sign).AsSingle();
    }

    public static bool InPairs => false;
    public static Vector512<float> First512(byte* source) => Load512(source);
    public static Vector512<float> Second512(byte* source) => Load512(source + 32);
}
