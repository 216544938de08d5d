using System.Reflection;
using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Frontend;

/// <summary>
/// The part of .NET's mathematics that has instructions. Exact where the hardware is (arithmetic, sqrt, roundings); exp, sin, cos and tanh of
/// floats reduce their argument and use the hardware's approximations: a few units in the last place, sin and cos about 1e-6 absolute.
/// Everything else is <see cref="Library.DeviceMath"/>.
/// </summary>
internal static class MathIntrinsics
{
    private const float Log2E = 1.44269504f, Log2ELow = 1.92596303e-8f;
    private const float TurnsPerRadian = 0.159154943f, TurnHigh = 6.28125f, TurnMiddle = 1.93500518798828125e-3f, TurnLow = 3.01991e-7f;

    public static void Add(Dictionary<string, Func<IntrinsicCall, StackValue?>> table)
    {
        AddIntegers(table);
        foreach (string type in new[] { "MathF", "Math" })
        {
            Unary(table, $"{type}.Sqrt", Op.Sqrt);
            Unary(table, $"{type}.Floor", Op.Floor);
            Unary(table, $"{type}.Ceiling", Op.Ceiling);
            Unary(table, $"{type}.Truncate", Op.Truncate);
            Unary(table, $"{type}.Round", Op.RoundEven);
            table[$"{type}.FusedMultiplyAdd"] = call => call.Result(call.B.Emit(Op.Fma, call.Arg(0).Type, call.Arg(0), call.Arg(1), call.Arg(2)));
            table[$"{type}.Abs"] = call => call.Result(call.B.Emit(Op.Abs, call.Arg(0).Type, call.Arg(0)));
            table[$"{type}.Min"] = call => MinMax(call, Op.Min, Op.MinU);
            table[$"{type}.Max"] = call => MinMax(call, Op.Max, Op.MaxU);
            table[$"{type}.Clamp"] = call => Clamp(call);
        }
        Real(table, "Exp", Exp);
        Real(table, "Sin", (b, x) => b.Emit(Op.Sin, IrType.F32, WithinTurn(b, x)));
        Real(table, "Cos", (b, x) => b.Emit(Op.Cos, IrType.F32, WithinTurn(b, x)));
        Real(table, "Tanh", Tanh);
        Real(table, "ReciprocalSqrtEstimate", (b, x) => b.Emit(Op.Rsqrt, IrType.F32, x));
        Real(table, "ReciprocalEstimate", (b, x) => b.Emit(Op.Rcp, IrType.F32, x));
        table["XMath.Rsqrt"] = call => Float(call, (b, x) => b.Emit(Op.Rsqrt, IrType.F32, x));
        table["FastMath.Exp2"] = call => call.Result(call.B.EmitSub(Op.Exp2, Ops.Flushed, IrType.F32, call.Arg(0)));
        table["XMath.Exp2"] = call => Float(call, (b, x) => b.Emit(Op.Exp2, IrType.F32, x));
        AddBits(table);
    }

    private static void AddIntegers(Dictionary<string, Func<IntrinsicCall, StackValue?>> table)
    {
        table["BitOperations.PopCount"] = call => call.Result(call.B.Emit(Op.PopCount, IrType.I32, call.Arg(0)));
        table["BitOperations.LeadingZeroCount"] = call => call.Result(call.B.Emit(Op.LeadingZeros, IrType.I32, call.Arg(0)));
        table["BitOperations.TrailingZeroCount"] = call =>
            call.Result(call.B.Emit(Op.LeadingZeros, IrType.I32, call.B.Emit(Op.ReverseBits, call.Arg(0).Type, call.Arg(0))));
    }

    private static void AddBits(Dictionary<string, Func<IntrinsicCall, StackValue?>> table)
    {
        (string Name, IrType Type)[] casts =
        [
            ("SingleToInt32Bits", IrType.I32), ("SingleToUInt32Bits", IrType.I32), ("Int32BitsToSingle", IrType.F32), ("UInt32BitsToSingle", IrType.F32),
            ("DoubleToInt64Bits", IrType.I64), ("DoubleToUInt64Bits", IrType.I64), ("Int64BitsToDouble", IrType.F64), ("UInt64BitsToDouble", IrType.F64),
        ];
        foreach ((string name, IrType type) in casts) table[$"BitConverter.{name}"] = call => call.Result(call.B.Emit(Op.Bits, type, call.Arg(0)));
        table["BitConverter.UInt16BitsToHalf"] = call => new StructValue(call.ReturnType, [call.Arg(0)]);
        table["BitConverter.HalfToUInt16Bits"] = call => new Scalar(call.Arg(0));
    }

    private static void Unary(Dictionary<string, Func<IntrinsicCall, StackValue?>> table, string name, Op op) =>
        table[name] = call => call.Result(call.B.Emit(op, call.Arg(0).Type, call.Arg(0)));

    private static void Real(Dictionary<string, Func<IntrinsicCall, StackValue?>> table, string name, Func<IrBuilder, Value, Value> make)
    {
        table[$"MathF.{name}"] = call => Float(call, make);
        table[$"Math.{name}"] = call => Float(call, make);
    }

    private static StackValue Float(IntrinsicCall call, Func<IrBuilder, Value, Value> make) =>
        call.Args.Length == 1 && call.Arg(0).Type == IrType.F32
            ? call.Result(make(call.B, call.Arg(0)))
            : throw call.Place.Error($"{call.Method.DeclaringType!.Name}.{call.Method.Name} is a device function for float alone");

    private static StackValue MinMax(IntrinsicCall call, Op signed, Op unsigned)
    {
        Type type = ((MethodInfo)call.Method).ReturnType;
        Op op = type == typeof(uint) || type == typeof(ulong) ? unsigned : signed;
        return call.Result(call.B.Emit(op, call.Arg(0).Type, call.Arg(0), call.Arg(1)));
    }

    private static StackValue Clamp(IntrinsicCall call)
    {
        Type type = ((MethodInfo)call.Method).ReturnType;
        bool unsigned = type == typeof(uint) || type == typeof(ulong);
        IrType register = call.Arg(0).Type;
        Value low = call.B.Emit(unsigned ? Op.MaxU : Op.Max, register, call.Arg(0), call.Arg(1));
        return call.Result(call.B.Emit(unsigned ? Op.MinU : Op.Min, register, low, call.Arg(2)));
    }

    /// <summary>
    /// 2^n 2^f with n + f = x log2 e: f keeps the bits that the product would lose. Adding 1.5 * 2^23 + 127 rounds to a whole number and leaves
    /// n + 127 in the last bits, which shifted are the bits of 2^n. Where n ends (-126 and 127), f grows beyond 1/2 and carries what is left, so that
    /// small results lose bits as they must and large ones become infinite.
    /// </summary>
    private static Value Exp(IrBuilder b, Value x)
    {
        KernelIr k = b.Kernel;
        const float shift = 12582912 + 127;
        Value log2E = k.Float(Log2E);
        Value scaled = b.Emit(Op.Max, IrType.F32, b.Emit(Op.Min, IrType.F32, b.Mul(x, log2E), k.Float(127)), k.Float(-126));
        Value shifted = b.Add(scaled, k.Float(shift));
        Value whole = b.Add(shifted, k.Float(-shift));
        Value part = b.Emit(Op.Fma, IrType.F32, x, log2E, b.Emit(Op.Neg, IrType.F32, whole));
        part = b.Emit(Op.Fma, IrType.F32, x, k.Float(Log2ELow), part);
        Value power = b.Emit(Op.Bits, IrType.F32, b.Emit(Op.Shl, IrType.I32, b.Emit(Op.Bits, IrType.I32, shifted), k.Int(23)));
        return b.Mul(b.EmitSub(Op.Exp2, Ops.Flushed, IrType.F32, part), power);
    }

    /// <summary>x minus whole turns, so that the hardware's sine works where it is accurate.</summary>
    private static Value WithinTurn(IrBuilder b, Value x)
    {
        KernelIr k = b.Kernel;
        Value turns = b.Emit(Op.RoundEven, IrType.F32, b.Mul(x, k.Float(TurnsPerRadian)));
        Value rest = b.Emit(Op.Fma, IrType.F32, turns, k.Float(-TurnHigh), x);
        rest = b.Emit(Op.Fma, IrType.F32, turns, k.Float(-TurnMiddle), rest);
        return b.Emit(Op.Fma, IrType.F32, turns, k.Float(-TurnLow), rest);
    }

    /// <summary>1 - 2 / (e^2|x| + 1), with the sign of x; below 0.05, where that cancels, x - x^3/3.</summary>
    private static Value Tanh(IrBuilder b, Value x)
    {
        KernelIr k = b.Kernel;
        Value magnitude = b.Emit(Op.Abs, IrType.F32, x);
        Value power = Exp(b, b.Add(magnitude, magnitude));
        Value quotient = b.Emit(Op.Div, IrType.F32, k.Float(2), b.Add(power, k.Float(1)));
        Value large = b.Emit(Op.Sub, IrType.F32, k.Float(1), quotient);
        Value square = b.Mul(x, x);
        Value small = b.Emit(Op.Fma, IrType.F32, b.Mul(square, k.Float(-1f / 3)), x, x);
        Value signed = b.Select(b.Compare(CompareKind.Lt, x, k.Float(0)), b.Emit(Op.Neg, IrType.F32, large), large);
        return b.Select(b.Compare(CompareKind.Lt, magnitude, k.Float(0.05f)), small, signed);
    }
}
