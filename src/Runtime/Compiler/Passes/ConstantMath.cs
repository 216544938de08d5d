using System.Numerics;
using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Passes;

/// <summary>What an op gives for constant operands: the same bits as the device. Null where only the device may say (approximations).</summary>
internal static class ConstantMath
{
    public static long? Evaluate(Value value, ReadOnlySpan<long> args)
    {
        IrType type = value.Args.Length > 0 ? value.Args[value.Op == Op.Select ? 1 : 0].Type : value.Type;
        return value.Op switch
        {
            Op.Select => args[0] != 0 ? args[1] : args[2],
            Op.Compare => type.IsFloat() ? CompareFloats(value.Compare, ToDouble(type, args[0]), ToDouble(type, args[1])) : CompareIntegers(type, value.Compare, args[0], args[1]),
            Op.SignExtend => (int)args[0],
            Op.ZeroExtend => type == IrType.I1 ? args[0] & 1 : (uint)args[0],
            Op.Cut => (int)args[0],
            Op.Narrow => Narrow(value.Memory, args[0]),
            Op.FromSigned => FromDouble(value.Type, type == IrType.I32 ? (int)args[0] : null, args[0]),
            Op.FloatToFloat => value.Type == IrType.F32 ? BitConverter.SingleToInt32Bits((float)ToDouble(type, args[0])) : BitConverter.DoubleToInt64Bits(ToDouble(type, args[0])),
            Op.Bits => args[0],
            _ => type switch
            {
                IrType.I1 => Booleans(value.Op, args),
                IrType.I32 => Integers32(value.Op, args),
                IrType.I64 => Integers64(value.Op, args),
                IrType.F32 => Floats(value.Op, args),
                IrType.F64 => Doubles(value.Op, args),
                _ => null,
            },
        };
    }

    public static long Narrow(IrType memory, long bits) => memory switch
    {
        IrType.I8 => (sbyte)bits,
        IrType.U8 => (byte)bits,
        IrType.I16 => (short)bits,
        IrType.U16 => (ushort)bits,
        _ => bits,
    };

    private static double ToDouble(IrType type, long bits) => type == IrType.F32 ? BitConverter.Int32BitsToSingle((int)bits) : BitConverter.Int64BitsToDouble(bits);

    private static long FromDouble(IrType type, int? small, long big) => type == IrType.F32
        ? BitConverter.SingleToInt32Bits(small is { } s ? s : big)
        : BitConverter.DoubleToInt64Bits(small is { } i ? i : big);

    private static long? Booleans(Op op, ReadOnlySpan<long> a) => op switch
    {
        Op.And => a[0] & a[1],
        Op.Or => a[0] | a[1],
        Op.Xor => a[0] ^ a[1],
        Op.Not => a[0] ^ 1,
        _ => null,
    };

    private static long? Integers32(Op op, ReadOnlySpan<long> args)
    {
        int a = (int)args[0], b = args.Length > 1 ? (int)args[1] : 0;
        return op switch
        {
            Op.Add => a + b,
            Op.Sub => a - b,
            Op.Mul => a * b,
            Op.Div => b == 0 || (b == -1 && a == int.MinValue) ? null : a / b,
            Op.Rem => b == 0 || (b == -1 && a == int.MinValue) ? null : a % b,
            Op.DivU => b == 0 ? null : (int)((uint)a / (uint)b),
            Op.RemU => b == 0 ? null : (int)((uint)a % (uint)b),
            Op.And => a & b,
            Op.Or => a | b,
            Op.Xor => a ^ b,
            Op.Not => ~a,
            Op.Neg => -a,
            Op.Shl => a << b,
            Op.Shr => a >> b,
            Op.ShrU => (int)((uint)a >> b),
            Op.Min => Math.Min(a, b),
            Op.Max => Math.Max(a, b),
            Op.MinU => (int)Math.Min((uint)a, (uint)b),
            Op.MaxU => (int)Math.Max((uint)a, (uint)b),
            Op.Abs => a == int.MinValue ? a : Math.Abs(a),
            Op.PopCount => BitOperations.PopCount((uint)a),
            Op.LeadingZeros => BitOperations.LeadingZeroCount((uint)a),
            Op.MulWide => (long)a * b,
            Op.MulWideU => (long)((ulong)(uint)a * (uint)b),
            _ => null,
        };
    }

    private static long? Integers64(Op op, ReadOnlySpan<long> args)
    {
        long a = args[0], b = args.Length > 1 ? args[1] : 0;
        return op switch
        {
            Op.Add => a + b,
            Op.Sub => a - b,
            Op.Mul => a * b,
            Op.Div => b is 0 or -1 ? null : a / b,
            Op.Rem => b is 0 or -1 ? null : a % b,
            Op.DivU => b == 0 ? null : (long)((ulong)a / (ulong)b),
            Op.RemU => b == 0 ? null : (long)((ulong)a % (ulong)b),
            Op.And => a & b,
            Op.Or => a | b,
            Op.Xor => a ^ b,
            Op.Not => ~a,
            Op.Neg => -a,
            Op.Shl => a << (int)b,
            Op.Shr => a >> (int)b,
            Op.ShrU => (long)((ulong)a >> (int)b),
            Op.Min => Math.Min(a, b),
            Op.Max => Math.Max(a, b),
            Op.PopCount => BitOperations.PopCount((ulong)a),
            Op.LeadingZeros => BitOperations.LeadingZeroCount((ulong)a),
            _ => null,
        };
    }

    private static long? Floats(Op op, ReadOnlySpan<long> args)
    {
        float a = BitConverter.Int32BitsToSingle((int)args[0]), b = args.Length > 1 ? BitConverter.Int32BitsToSingle((int)args[1]) : 0;
        float? result = op switch
        {
            Op.Add => a + b,
            Op.Sub => a - b,
            Op.Mul => a * b,
            Op.Div => a / b,
            Op.Neg => -a,
            Op.Abs => MathF.Abs(a),
            Op.Sqrt => MathF.Sqrt(a),
            Op.Fma => MathF.FusedMultiplyAdd(a, b, BitConverter.Int32BitsToSingle((int)args[2])),
            _ => null,
        };
        return result is { } value && !float.IsNaN(value) ? BitConverter.SingleToInt32Bits(value) : null;
    }

    private static long? Doubles(Op op, ReadOnlySpan<long> args)
    {
        double a = BitConverter.Int64BitsToDouble(args[0]), b = args.Length > 1 ? BitConverter.Int64BitsToDouble(args[1]) : 0;
        double? result = op switch
        {
            Op.Add => a + b,
            Op.Sub => a - b,
            Op.Mul => a * b,
            Op.Div => a / b,
            Op.Neg => -a,
            Op.Abs => Math.Abs(a),
            Op.Sqrt => Math.Sqrt(a),
            _ => null,
        };
        return result is { } value && !double.IsNaN(value) ? BitConverter.DoubleToInt64Bits(value) : null;
    }

    private static long CompareIntegers(IrType type, CompareKind kind, long a, long b)
    {
        (ulong ua, ulong ub) = type == IrType.I32 ? ((uint)a, (uint)b) : ((ulong)a, (ulong)b);
        bool result = kind switch
        {
            CompareKind.Eq or CompareKind.EqU => a == b,
            CompareKind.Ne or CompareKind.NeU => a != b,
            CompareKind.Lt => a < b,
            CompareKind.Le => a <= b,
            CompareKind.Gt => a > b,
            CompareKind.Ge => a >= b,
            CompareKind.LtU => ua < ub,
            CompareKind.LeU => ua <= ub,
            CompareKind.GtU => ua > ub,
            _ => ua >= ub,
        };
        return result ? 1 : 0;
    }

    private static long CompareFloats(CompareKind kind, double a, double b)
    {
        bool result = kind switch
        {
            CompareKind.Eq => a == b,
            CompareKind.Ne => a < b || a > b,
            CompareKind.Lt => a < b,
            CompareKind.Le => a <= b,
            CompareKind.Gt => a > b,
            CompareKind.Ge => a >= b,
            CompareKind.LtU => !(a >= b),
            CompareKind.LeU => !(a > b),
            CompareKind.GtU => !(a <= b),
            CompareKind.GeU => !(a < b),
            CompareKind.EqU => !(a < b || a > b),
            _ => a != b,
        };
        return result ? 1 : 0;
    }
}
