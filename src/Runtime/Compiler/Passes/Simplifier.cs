using System.Numerics;
using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Passes;

/// <summary>
/// Rewrites of a single instruction: constant folding, identities, and cheaper forms (a multiplication by a power of two becomes a
/// shift). Floats keep their bits: nothing is reassociated, and x + 0 stays.
/// </summary>
internal static class Simplifier
{
    /// <summary>An existing value or a constant equal to <paramref name="value"/>, or null; the instruction itself may be changed in place.</summary>
    public static Value? Simplify(KernelIr kernel, Value value)
    {
        if (!value.Op.IsPure() || value.Op == Op.Extract) return null;
        if (AllConstant(value) && Fold(kernel, value) is { } constant) return constant;
        if (value.Op.IsCommutative() && value.Args[0].IsConst) (value.Args[0], value.Args[1]) = (value.Args[1], value.Args[0]);
        return value.Op switch
        {
            Op.Add when value.Type.IsInteger() => Add(kernel, value),
            Op.Sub when value.Type.IsInteger() => Sub(kernel, value),
            Op.Mul when value.Type.IsInteger() => Mul(kernel, value),
            Op.DivU or Op.RemU => UnsignedDivision(kernel, value),
            Op.Div or Op.Rem when value.Type.IsInteger() => Division(kernel, value),
            Op.Div when value.Type == IrType.F32 => FloatDivision(kernel, value),
            Op.And or Op.Or or Op.Xor => Logic(kernel, value),
            Op.Shl or Op.Shr or Op.ShrU => value.Args[1].IsConstant(0) ? value.Args[0] : null,
            Op.Not => value.Type == IrType.I1 ? InvertCondition(value) : null,
            Op.Neg or Op.Bits => value.Args[0].Op == value.Op && value.Args[0].Args[0].Type == value.Type ? value.Args[0].Args[0] : null,
            Op.Compare => Compare(kernel, value),
            Op.Select => Select(kernel, value),
            Op.Cut => Cut(value),
            Op.SignExtend => SignExtend(value),
            Op.Narrow => Narrow(value),
            Op.PtrAdd => PtrAdd(kernel, value),
            Op.PtrToInt => null,
            _ => null,
        };
    }

    private static bool AllConstant(Value value)
    {
        foreach (Value arg in value.Args)
            if (!arg.IsConst) return false;
        return true;
    }

    private static Value? Fold(KernelIr kernel, Value value)
    {
        if (value.Type is IrType.Ptr || value.Op is Op.PtrToInt) return null;
        Span<long> args = stackalloc long[value.Args.Length];
        for (int i = 0; i < args.Length; i++) args[i] = value.Args[i].Bits;
        return ConstantMath.Evaluate(value, args) is { } bits ? kernel.Constant(value.Type, bits) : null;
    }

    private static Value? Add(KernelIr kernel, Value value)
    {
        (Value a, Value b) = (value.Args[0], value.Args[1]);
        if (b.IsConstant(0)) return a;
        // (x + c1) + c2 = x + (c1 + c2)
        if (b.IsConst && a.Op == Op.Add && a.Args[1].IsConst)
        {
            value.Args = [a.Args[0], kernel.Constant(value.Type, a.Args[1].Bits + b.Bits)];
            return value.Args[1].IsConstant(0) ? value.Args[0] : null;
        }
        return null;
    }

    private static Value? Sub(KernelIr kernel, Value value)
    {
        (Value a, Value b) = (value.Args[0], value.Args[1]);
        if (a == b) return kernel.Constant(value.Type, 0);
        if (!b.IsConst) return null;
        value.Op = Op.Add;
        value.Args = [a, kernel.Constant(value.Type, -b.Bits)];
        return Add(kernel, value);
    }

    private static Value? Mul(KernelIr kernel, Value value)
    {
        (Value a, Value b) = (value.Args[0], value.Args[1]);
        if (!b.IsConst) return null;
        if (b.Bits == 0) return b;
        if (b.Bits == 1) return a;
        if (a is { Op: Op.SignExtend } && a.Args[0].Type == IrType.I32 && b.Bits is > 0 and <= int.MaxValue)
        {
            value.Op = Op.MulWide; // a 32-bit index times an element size, one instruction
            value.Args = [a.Args[0], kernel.Int((int)b.Bits)];
            return null;
        }
        if (b.Bits <= 0 || !BitOperations.IsPow2(b.Bits)) return null;
        value.Op = Op.Shl;
        value.Args = [a, kernel.Int(BitOperations.Log2((ulong)b.Bits))];
        return null;
    }

    private static Value? UnsignedDivision(KernelIr kernel, Value value)
    {
        Value b = value.Args[1];
        ulong divisor = value.Type == IrType.I32 ? (uint)b.Bits : (ulong)b.Bits;
        if (!b.IsConst || !BitOperations.IsPow2(divisor)) return null;
        if (divisor == 1) return value.Op == Op.DivU ? value.Args[0] : kernel.Constant(value.Type, 0);
        bool divide = value.Op == Op.DivU;
        value.Op = divide ? Op.ShrU : Op.And;
        value.Args = [value.Args[0], divide ? kernel.Int(BitOperations.Log2(divisor)) : kernel.Constant(value.Type, (long)(divisor - 1))];
        return null;
    }

    private static Value? Division(KernelIr kernel, Value value)
    {
        if (value.Args[1].IsConstant(1)) return value.Op == Op.Div ? value.Args[0] : kernel.Constant(value.Type, 0);
        // A thread or group index is never negative: its signed division by a constant is an unsigned one.
        if (!value.Args[1].IsConst || value.Args[1].Bits <= 0 || !IsNonNegative(value.Args[0])) return null;
        value.Op = value.Op == Op.Div ? Op.DivU : Op.RemU;
        return UnsignedDivision(kernel, value);
    }

    /// <summary>1 / x has an instruction that rounds like the division and takes half the time; a power of two has an exact reciprocal.</summary>
    private static Value? FloatDivision(KernelIr kernel, Value value)
    {
        (Value a, Value b) = (value.Args[0], value.Args[1]);
        if (a.IsConst && a.AsFloat == 1f)
        {
            value.Op = Op.Rcp;
            value.Sub = Ops.Rounded;
            value.Args = [b];
        }
        else if (b.IsConst && float.IsNormal(b.AsFloat) && (b.Bits & 0x7fffff) == 0 && float.IsNormal(1f / b.AsFloat))
        {
            value.Op = Op.Mul;
            value.Args = [a, kernel.Float(1f / b.AsFloat)];
        }
        return null;
    }

    public static bool IsNonNegative(Value value) => value.Op switch
    {
        Op.Const => value.Bits >= 0,
        Op.Special => true,
        Op.And => value.Args[1].IsConst && value.Args[1].Bits >= 0,
        Op.ShrU => value.Args[1].IsConst && value.Args[1].Bits > 0,
        Op.DivU or Op.RemU => value.Args[1].IsConst && value.Args[1].Bits > 1,
        Op.Shr => IsNonNegative(value.Args[0]),
        Op.ZeroExtend => true,
        _ => false,
    };

    private static Value? Logic(KernelIr kernel, Value value)
    {
        (Value a, Value b) = (value.Args[0], value.Args[1]);
        long ones = value.Type == IrType.I1 ? 1 : -1;
        if (a == b) return value.Op == Op.Xor ? kernel.Constant(value.Type, 0) : a;
        if (!b.IsConst) return null;
        if (b.Bits == 0) return value.Op == Op.And ? b : a;
        if (b.Bits != ones) return null;
        if (value.Op == Op.And) return a;
        if (value.Op == Op.Or) return b;
        value.Op = Op.Not;
        value.Args = [a];
        return value.Type == IrType.I1 ? InvertCondition(value) : null;
    }

    private static Value? InvertCondition(Value value)
    {
        Value of = value.Args[0];
        if (of.Op == Op.Not) return of.Args[0];
        if (of.Op != Op.Compare) return null;
        value.Op = Op.Compare;
        value.Sub = (int)of.Compare.Inverse(of.Args[0].Type.IsFloat());
        value.Args = [.. of.Args];
        return null;
    }

    private static Value? Compare(KernelIr kernel, Value value)
    {
        (Value a, Value b) = (value.Args[0], value.Args[1]);
        if (a == b && !a.Type.IsFloat())
            return kernel.Bool(value.Compare is CompareKind.Eq or CompareKind.Le or CompareKind.Ge or CompareKind.LeU or CompareKind.GeU or CompareKind.EqU);
        if (!b.IsConst || a.Op != Op.ZeroExtend || a.Args[0].Type != IrType.I1 || b.Bits is not (0 or 1)) return Swap(value);
        // A condition made a number and tested again: IL has no boolean.
        bool? same = (value.Compare, b.Bits) switch
        {
            (CompareKind.Ne or CompareKind.GtU or CompareKind.Gt, 0) or (CompareKind.Eq, 1) => true,
            (CompareKind.Eq or CompareKind.LeU or CompareKind.Le, 0) or (CompareKind.Ne, 1) => false,
            _ => null,
        };
        if (same is null) return null;
        if (same.Value) return a.Args[0];
        value.Op = Op.Not;
        value.Args = [a.Args[0]];
        return InvertCondition(value);
    }

    /// <summary>The constant to the right.</summary>
    private static Value? Swap(Value value)
    {
        if (!value.Args[0].IsConst || value.Args[1].IsConst) return null;
        value.Args = [value.Args[1], value.Args[0]];
        value.Sub = (int)(value.Compare switch
        {
            CompareKind.Lt => CompareKind.Gt,
            CompareKind.Le => CompareKind.Ge,
            CompareKind.Gt => CompareKind.Lt,
            CompareKind.Ge => CompareKind.Le,
            CompareKind.LtU => CompareKind.GtU,
            CompareKind.LeU => CompareKind.GeU,
            CompareKind.GtU => CompareKind.LtU,
            CompareKind.GeU => CompareKind.LeU,
            CompareKind same => same,
        });
        return null;
    }

    private static Value? Select(KernelIr kernel, Value value)
    {
        (Value condition, Value then, Value otherwise) = (value.Args[0], value.Args[1], value.Args[2]);
        if (condition.IsConst) return condition.Bits != 0 ? then : otherwise;
        if (then == otherwise) return then;
        if (value.Type == IrType.I1) return SelectCondition(kernel, value);
        if (value.Type != IrType.I32 || !then.IsConstant(1) || !otherwise.IsConstant(0)) return null;
        value.Op = Op.ZeroExtend;
        value.Args = [condition];
        return null;
    }

    /// <summary>A choice between a condition and a constant is an "and" or an "or".</summary>
    private static Value? SelectCondition(KernelIr kernel, Value value)
    {
        (Value condition, Value then, Value otherwise) = (value.Args[0], value.Args[1], value.Args[2]);
        if (then.IsConst && otherwise.IsConst)
        {
            if (then.Bits != 0) return condition;
            value.Op = Op.Not;
            value.Args = [condition];
            return InvertCondition(value);
        }
        if (!otherwise.IsConstant(0) && !then.IsConstant(1)) return null;
        bool or = then.IsConst;
        value.Op = or ? Op.Or : Op.And;
        value.Args = [condition, or ? otherwise : then];
        return Logic(kernel, value);
    }

    private static Value? Cut(Value value)
    {
        Value of = value.Args[0];
        return (of.Op is Op.SignExtend or Op.ZeroExtend) && of.Args[0].Type == IrType.I32 ? of.Args[0] : null;
    }

    private static Value? SignExtend(Value value)
    {
        if (IsNonNegative(value.Args[0]) && value.Args[0].Op == Op.ZeroExtend && value.Args[0].Args[0].Type == IrType.I1) value.Op = Op.ZeroExtend;
        return null;
    }

    private static Value? Narrow(Value value)
    {
        Value of = value.Args[0];
        if ((of.Op is Op.Narrow or Op.Load) && of.Memory == value.Memory) return of;
        return of.Op == Op.ZeroExtend && of.Args[0].Type == IrType.I1 ? of : null;
    }

    private static Value? PtrAdd(KernelIr kernel, Value value)
    {
        (Value pointer, Value bytes) = (value.Args[0], value.Args[1]);
        if (bytes.IsConstant(0)) return pointer;
        // Constants move outwards, to end in the offset of an access: (p + c) + x = (p + x) + c is left to the address pass.
        if (pointer.Op != Op.PtrAdd || !pointer.Args[1].IsConst || !bytes.IsConst) return null;
        value.Args = [pointer.Args[0], kernel.Long(pointer.Args[1].Bits + bytes.Bits)];
        return value.Args[1].IsConstant(0) ? pointer.Args[0] : null;
    }
}
