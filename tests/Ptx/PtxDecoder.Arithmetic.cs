using System.Numerics;

namespace OllmNative.Tests.Ptx;

/// <summary>Arithmetic on registers.</summary>
internal sealed partial class PtxDecoder
{
    private Action<PtxThread>? Arithmetic(PtxInstruction i)
    {
        string[] p = i.Op.Split('.');
        string type = p[^1];
        if (p[0] == "setp") return SetPredicate(i, p[1], type);
        if (p[0] == "selp") return Select(i, type);
        if (p[0] == "cvt") return Convert(i);
        int bits = type == "pred" ? 1 : SizeOf(type);
        int inputBits = bits;
        Func<ulong, ulong, ulong, ulong>? compute = type switch
        {
            "f32" => Floats(i.Op),
            "f64" => Doubles(i.Op),
            "pred" => Predicates(i.Op),
            _ => Integers(i.Op, p[0], type, bits),
        };
        if (compute is null) return null;
        bool wide = i.Op.StartsWith("mul.wide", StringComparison.Ordinal);
        Func<PtxThread, ulong> a = Source(i.Operands[1], inputBits);
        bool shift = p[0] is "shl" or "shr";
        Func<PtxThread, ulong> b = i.Operands.Length > 2 ? Source(i.Operands[2], shift ? 32 : inputBits) : _ => 0;
        Func<PtxThread, ulong> c = i.Operands.Length > 3 ? Source(i.Operands[3], inputBits) : _ => 0;
        Action<PtxThread, ulong> target = Target(i.Operands[0]);
        bool narrow = bits == 32 && !wide;
        return t =>
        {
            ulong result = compute(a(t), b(t), c(t));
            target(t, narrow ? (uint)result : result);
        };
    }

    private static Func<ulong, ulong, ulong, ulong>? Predicates(string op) => op switch
    {
        "and.pred" => (a, b, _) => a & b,
        "or.pred" => (a, b, _) => a | b,
        "xor.pred" => (a, b, _) => a ^ b,
        "not.pred" => (a, _, _) => a ^ 1,
        "mov.pred" => (a, _, _) => a & 1,
        _ => null,
    };

    private static Func<ulong, ulong, ulong, ulong>? Integers(string full, string op, string type, int bits)
    {
        bool signed = type[0] == 's';
        Func<ulong, long> s = bits == 32 ? x => (int)x : x => (long)x;
        switch (full)
        {
            case "mul.wide.s32": return (a, b, _) => (ulong)((long)(int)a * (int)b);
            case "mul.wide.u32": return (a, b, _) => a * b;
            case "mul.lo.s32" or "mul.lo.s64" or "mul.lo.u32" or "mul.lo.u64": return (a, b, _) => a * b;
        }
        return op switch
        {
            "mov" => (a, _, _) => a,
            "add" => (a, b, _) => a + b,
            "sub" => (a, b, _) => a - b,
            "div" => signed ? (a, b, _) => b == 0 ? ulong.MaxValue : s(b) == -1 ? (ulong)-s(a) : (ulong)(s(a) / s(b)) : (a, b, _) => b == 0 ? ulong.MaxValue : a / b,
            "rem" => signed ? (a, b, _) => b == 0 ? a : s(b) == -1 ? 0 : (ulong)(s(a) % s(b)) : (a, b, _) => b == 0 ? a : a % b,
            "neg" => (a, _, _) => (ulong)-s(a),
            "abs" => (a, _, _) => (ulong)(s(a) < 0 ? -s(a) : s(a)),
            "min" => signed ? (a, b, _) => s(a) < s(b) ? a : b : (a, b, _) => Math.Min(a, b),
            "max" => signed ? (a, b, _) => s(a) > s(b) ? a : b : (a, b, _) => Math.Max(a, b),
            "and" => (a, b, _) => a & b,
            "or" => (a, b, _) => a | b,
            "xor" => (a, b, _) => a ^ b,
            "not" => (a, _, _) => ~a,
            // Unlike C#, counts beyond the width are not masked.
            "shl" => (a, b, _) => b >= (ulong)bits ? 0 : a << (int)b,
            "shr" => signed ? (a, b, _) => (ulong)(s(a) >> (int)Math.Min(b, (ulong)bits - 1)) : (a, b, _) => b >= (ulong)bits ? 0 : a >> (int)b,
            "popc" => (a, _, _) => (ulong)BitOperations.PopCount(a),
            "clz" => (a, _, _) => (ulong)(BitOperations.LeadingZeroCount(a) - (64 - bits)),
            "brev" => (a, _, _) => Reverse(a) >> (64 - bits),
            _ => null,
        };
    }

    private static ulong Reverse(ulong value)
    {
        ulong result = 0;
        for (int i = 0; i < 64; i++) result |= (value >> i & 1) << (63 - i);
        return result;
    }

    private static float F(ulong bits) => BitConverter.UInt32BitsToSingle((uint)bits);

    private static ulong F(float value) => BitConverter.SingleToUInt32Bits(value);

    private static double D(ulong bits) => BitConverter.UInt64BitsToDouble(bits);

    private static ulong D(double value) => BitConverter.DoubleToUInt64Bits(value);

    private static float Flushed(float value) => float.IsSubnormal(value) ? MathF.CopySign(0, value) : value;

    private static Func<ulong, ulong, ulong, ulong>? Floats(string op) => op switch
    {
        "mov.f32" => (a, _, _) => a,
        "add.rn.f32" => (a, b, _) => F(F(a) + F(b)),
        "sub.rn.f32" => (a, b, _) => F(F(a) - F(b)),
        "mul.rn.f32" => (a, b, _) => F(F(a) * F(b)),
        "div.rn.f32" => (a, b, _) => F(F(a) / F(b)),
        "fma.rn.f32" => (a, b, c) => F(MathF.FusedMultiplyAdd(F(a), F(b), F(c))),
        "neg.f32" => (a, _, _) => a ^ 0x8000_0000,
        "abs.f32" => (a, _, _) => a & 0x7fff_ffff,
        "min.NaN.f32" => (a, b, _) => F(MathF.Min(F(a), F(b))),
        "max.NaN.f32" => (a, b, _) => F(MathF.Max(F(a), F(b))),
        "min.f32" => (a, b, _) => F(float.MinNumber(F(a), F(b))),
        "max.f32" => (a, b, _) => F(float.MaxNumber(F(a), F(b))),
        "sqrt.rn.f32" => (a, _, _) => F(MathF.Sqrt(F(a))),
        "rsqrt.approx.f32" => (a, _, _) => F((float)(1 / Math.Sqrt(F(a)))),
        "rcp.rn.f32" => (a, _, _) => F(1 / F(a)),
        "rcp.approx.f32" => (a, _, _) => F(1 / F(a)),
        "ex2.approx.ftz.f32" => (a, _, _) => F(Flushed((float)Math.Pow(2, Flushed(F(a))))),
        "ex2.approx.f32" => (a, _, _) => F((float)Math.Pow(2, F(a))),
        "sin.approx.f32" => (a, _, _) => F((float)Math.Sin(F(a))),
        "cos.approx.f32" => (a, _, _) => F((float)Math.Cos(F(a))),
        _ => null,
    };

    private static Func<ulong, ulong, ulong, ulong>? Doubles(string op) => op switch
    {
        "mov.f64" => (a, _, _) => a,
        "add.rn.f64" => (a, b, _) => D(D(a) + D(b)),
        "sub.rn.f64" => (a, b, _) => D(D(a) - D(b)),
        "mul.rn.f64" => (a, b, _) => D(D(a) * D(b)),
        "div.rn.f64" => (a, b, _) => D(D(a) / D(b)),
        "fma.rn.f64" => (a, b, c) => D(Math.FusedMultiplyAdd(D(a), D(b), D(c))),
        "neg.f64" => (a, _, _) => a ^ (1UL << 63),
        "abs.f64" => (a, _, _) => a & ~(1UL << 63),
        "min.f64" => (a, b, _) => D(double.MinNumber(D(a), D(b))),
        "max.f64" => (a, b, _) => D(double.MaxNumber(D(a), D(b))),
        "sqrt.rn.f64" => (a, _, _) => D(Math.Sqrt(D(a))),
        _ => null,
    };

    private Action<PtxThread>? SetPredicate(PtxInstruction i, string kind, string type)
    {
        int bits = SizeOf(type);
        Func<PtxThread, ulong> a = Source(i.Operands[1], bits), b = Source(i.Operands[2], bits);
        Action<PtxThread, ulong> target = Target(i.Operands[0]);
        Func<ulong, ulong, bool>? compare = type[0] == 'f' ? FloatCompare(kind, bits) : IntegerCompare(kind, type[0] == 's', bits);
        return compare is null ? null : t => target(t, compare(a(t), b(t)) ? 1UL : 0);
    }

    private static Func<ulong, ulong, bool>? IntegerCompare(string kind, bool signed, int bits)
    {
        Func<ulong, long> s = bits == 32 ? x => (int)x : x => (long)x;
        return (kind, signed) switch
        {
            ("eq", _) => (a, b) => a == b,
            ("ne", _) => (a, b) => a != b,
            ("lt", true) => (a, b) => s(a) < s(b),
            ("le", true) => (a, b) => s(a) <= s(b),
            ("gt", true) => (a, b) => s(a) > s(b),
            ("ge", true) => (a, b) => s(a) >= s(b),
            ("lt", false) => (a, b) => a < b,
            ("le", false) => (a, b) => a <= b,
            ("gt", false) => (a, b) => a > b,
            ("ge", false) => (a, b) => a >= b,
            _ => null,
        };
    }

    private static Func<ulong, ulong, bool>? FloatCompare(string kind, int bits)
    {
        Func<ulong, double> f = bits == 32 ? x => F(x) : D;
        if (kind == "nan") return (x, y) => double.IsNaN(f(x)) || double.IsNaN(f(y));
        bool unordered = kind.Length == 3;
        Func<double, double, bool>? compare = kind[..2] switch
        {
            "eq" => (a, b) => a == b,
            "ne" => (a, b) => a != b,
            "lt" => (a, b) => a < b,
            "le" => (a, b) => a <= b,
            "gt" => (a, b) => a > b,
            "ge" => (a, b) => a >= b,
            _ => null,
        };
        if (compare is null || (unordered && kind[2] != 'u')) return null;
        return (x, y) => double.IsNaN(f(x)) || double.IsNaN(f(y)) ? unordered : compare(f(x), f(y));
    }

    private Action<PtxThread> Select(PtxInstruction i, string type)
    {
        int bits = SizeOf(type);
        Func<PtxThread, ulong> a = Source(i.Operands[1], bits), b = Source(i.Operands[2], bits), p = Source(i.Operands[3]);
        Action<PtxThread, ulong> target = Target(i.Operands[0]);
        return t => target(t, p(t) != 0 ? a(t) : b(t));
    }

    private Action<PtxThread>? Convert(PtxInstruction i)
    {
        string[] p = i.Op.Split('.');
        int fromBits = SizeOf(p[^1].StartsWith("bf", StringComparison.Ordinal) ? "b16" : p[^1]);
        Func<PtxThread, ulong> a = Source(i.Operands[1], fromBits);
        Action<PtxThread, ulong> target = Target(i.Operands[0]);
        if (i.Op == "cvt.rn.bf16x2.f32")
        {
            Func<PtxThread, ulong> low = Source(i.Operands[2], 32);
            return t => target(t, BFloat(F(a(t))) << 16 | BFloat(F(low(t))));
        }
        Func<ulong, ulong>? convert = Conversion(i.Op);
        return convert is null ? null : t => target(t, convert(a(t)));
    }

    private static Func<ulong, ulong>? Conversion(string op) => op switch
    {
        "cvt.s32.s8" => x => (uint)(sbyte)x,
        "cvt.s32.s16" => x => (uint)(short)x,
        "cvt.s64.s32" => x => (ulong)(int)x,
        "cvt.u64.u32" => x => (uint)x,
        "cvt.u32.u64" => x => (uint)x,
        "cvt.u16.u32" => x => (ushort)x,
        "cvt.u32.u16" => x => (ushort)x,
        "cvt.rn.f32.s32" => x => F((float)(int)x),
        "cvt.rn.f32.u32" => x => F((float)(uint)x),
        "cvt.rn.f32.s64" => x => F((float)(long)x),
        "cvt.rn.f32.u64" => x => F((float)x),
        "cvt.rn.f64.s32" => x => D((double)(int)x),
        "cvt.rn.f64.u32" => x => D((double)(uint)x),
        "cvt.rn.f64.s64" => x => D((double)(long)x),
        "cvt.rn.f64.u64" => x => D((double)x),
        "cvt.rzi.s32.f32" => x => (uint)int.CreateSaturating(F(x)),
        "cvt.rzi.u32.f32" => x => uint.CreateSaturating(F(x)),
        "cvt.rzi.s64.f32" => x => (ulong)long.CreateSaturating(F(x)),
        "cvt.rzi.u64.f32" => x => ulong.CreateSaturating(F(x)),
        "cvt.rzi.s32.f64" => x => (uint)int.CreateSaturating(D(x)),
        "cvt.rzi.u32.f64" => x => uint.CreateSaturating(D(x)),
        "cvt.rzi.s64.f64" => x => (ulong)long.CreateSaturating(D(x)),
        "cvt.rzi.u64.f64" => x => ulong.CreateSaturating(D(x)),
        "cvt.f64.f32" => x => D((double)F(x)),
        "cvt.rn.f32.f64" => x => F((float)D(x)),
        "cvt.rmi.f32.f32" => x => F(MathF.Floor(F(x))),
        "cvt.rpi.f32.f32" => x => F(MathF.Ceiling(F(x))),
        "cvt.rzi.f32.f32" => x => F(MathF.Truncate(F(x))),
        "cvt.rni.f32.f32" => x => F(MathF.Round(F(x), MidpointRounding.ToEven)),
        "cvt.rmi.f64.f64" => x => D(Math.Floor(D(x))),
        "cvt.rpi.f64.f64" => x => D(Math.Ceiling(D(x))),
        "cvt.rzi.f64.f64" => x => D(Math.Truncate(D(x))),
        "cvt.rni.f64.f64" => x => D(Math.Round(D(x), MidpointRounding.ToEven)),
        "cvt.rn.f16.f32" => x => BitConverter.HalfToUInt16Bits((Half)F(x)),
        "cvt.f32.f16" => x => F((float)BitConverter.UInt16BitsToHalf((ushort)x)),
        "cvt.rn.bf16.f32" => x => BFloat(F(x)),
        _ => null,
    };

    /// <summary>Nearest bf16, ties to even; every NaN is 0x7fff, as on hardware.</summary>
    private static ulong BFloat(float value)
    {
        if (float.IsNaN(value)) return 0x7fff;
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    }
}
