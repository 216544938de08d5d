using System.Numerics;
using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Passes;

/// <summary>
/// Integer divisions that are left. x % d of a d that is not known becomes x - x / d * d, which is how it is computed anyway: the quotient is then
/// there for x / d. By a power of two, of an x that may be negative, they become shifts: what rounds towards zero is 2^k - 1 added to a negative x
/// first. ptxas would take a reciprocal in floating point, some 25 instructions.
/// </summary>
internal static class Remainders
{
    public static bool Run(KernelIr kernel)
    {
        bool any = false;
        foreach (Block block in kernel.Blocks)
        {
            for (int at = 0; at < block.Body.Count; at++)
            {
                Value value = block.Body[at];
                if (!value.Type.IsInteger()) continue;
                Value[]? before = value switch
                {
                    { Op: Op.Rem or Op.RemU } when !value.Args[1].IsConst => Quotient(kernel, value),
                    { Op: Op.Div or Op.Rem } when value.Args[1] is { IsConst: true, Bits: > 1 } d && BitOperations.IsPow2(d.Bits) => Shifts(kernel, value),
                    _ => null,
                };
                if (before is null) continue;
                block.Body.InsertRange(at, before);
                at += before.Length;
                any = true;
            }
        }
        return any;
    }

    private static Value[] Quotient(KernelIr kernel, Value value)
    {
        Value quotient = kernel.New(value.Op == Op.Rem ? Op.Div : Op.DivU, value.Type, value.Args[0], value.Args[1]);
        Value product = kernel.New(Op.Mul, value.Type, quotient, value.Args[1]);
        value.Op = Op.Sub;
        value.Args = [value.Args[0], product];
        return [quotient, product];
    }

    private static Value[] Shifts(KernelIr kernel, Value value)
    {
        (Value x, IrType type, long divisor) = (value.Args[0], value.Type, value.Args[1].Bits);
        int width = type == IrType.I32 ? 32 : 64, bits = BitOperations.Log2((ulong)divisor);
        Value sign = kernel.New(Op.Shr, type, x, kernel.Int(width - 1)), surplus = kernel.New(Op.ShrU, type, sign, kernel.Int(width - bits));
        Value sum = kernel.New(Op.Add, type, x, surplus);
        if (value.Op == Op.Div)
        {
            value.Op = Op.Shr;
            value.Args = [sum, kernel.Int(bits)];
            return [sign, surplus, sum];
        }
        Value whole = kernel.New(Op.And, type, sum, kernel.Constant(type, -divisor));
        value.Op = Op.Sub;
        value.Args = [x, whole];
        return [sign, surplus, sum, whole];
    }
}
