using System.Reflection;
using OllmNative.Runtime.Compiler.Il;
using OllmNative.Runtime.Compiler.Ir;
using OllmNative.Runtime.Compiler.Library;

namespace OllmNative.Runtime.Compiler.Frontend;

/// <summary>Arithmetic, comparisons and conversions.</summary>
internal sealed partial class MethodTranslator
{
    private bool Arithmetic(IlInstruction il, string name)
    {
        string[] parts = il.Parts;
        if (parts.Contains("ovf"))
        {
            // The language's own checked conversions guard the emulator; a device has no exceptions to raise.
            if (_method.Module.Assembly != typeof(MethodTranslator).Assembly) throw _place.Error("checked arithmetic is not part of the kernel language");
            parts = [.. parts.Where(part => part != "ovf")];
        }
        bool unsigned = parts[^1] == "un";
        switch (parts[0])
        {
            case "add" or "sub" or "mul" or "div" or "rem" or "and" or "or" or "xor":
                Value right = PopValue(), left = PopValue();
                Push(Binary(parts[0], unsigned, left, right));
                return true;
            case "shl" or "shr":
                Value count = B.ToInt(PopValue()), shifted = PopValue();
                Push(B.Emit(parts[0] == "shl" ? Op.Shl : unsigned ? Op.ShrU : Op.Shr, shifted.Type, shifted, count));
                return true;
            case "neg":
                Value negated = PopValue();
                Push(B.Emit(Op.Neg, negated.Type, negated));
                return true;
            case "not":
                Value inverted = PopValue();
                Push(B.Emit(Op.Not, inverted.Type, inverted));
                return true;
            case "ceq" or "cgt" or "clt":
                Value b = PopValue(), a = PopValue();
                Push(CompareOf(name[1..3], unsigned, a, b));
                return true;
            case "conv":
                Push(Convert(PopValue(), parts));
                return true;
            default:
                return false;
        }
    }

    private Value Binary(string name, bool unsigned, Value left, Value right)
    {
        if (left.Type == IrType.Ptr && right.Type != IrType.Ptr && (name is "add" or "sub"))
        {
            Value offset = B.ToLong(right);
            return B.PtrAdd(left, name == "add" ? offset : B.Emit(Op.Neg, IrType.I64, offset));
        }
        if (right.Type == IrType.Ptr && name == "add") return B.PtrAdd(right, B.ToLong(left));
        (left, right) = Match(left, right);
        if (left.Type.IsFloat() && name == "rem") return Remainder(left, right);
        if (left.Type.IsFloat() && (name is "and" or "or" or "xor")) throw _place.Error($"'{name}' of floating-point numbers is not part of the kernel language");
        Op op = name switch
        {
            "add" => Op.Add,
            "sub" => Op.Sub,
            "mul" => Op.Mul,
            "div" => unsigned ? Op.DivU : Op.Div,
            "rem" => unsigned ? Op.RemU : Op.Rem,
            "and" => Op.And,
            "or" => Op.Or,
            _ => Op.Xor,
        };
        return B.Emit(op, left.Type, left, right);
    }

    /// <summary>C#'s % of floats is exact, and no instruction.</summary>
    private Value Remainder(Value left, Value right)
    {
        Type type = left.Type == IrType.F32 ? typeof(float) : typeof(double);
        MethodInfo rem = typeof(DeviceMath).GetMethod(nameof(DeviceMath.Rem), [type, type])!;
        return ValueOf(Inline(_shared, rem, [new Scalar(left), new Scalar(right)], _place)!);
    }

    private Value Convert(Value value, string[] parts)
    {
        string to = parts[1];
        if (value.Type == IrType.Ptr) return to is "u" or "i" or "u8" or "i8" ? value : throw _place.Error("an address is used as a number");
        return to switch
        {
            "i1" => Narrow(value, IrType.I8),
            "u1" => Narrow(value, IrType.U8),
            "i2" => Narrow(value, IrType.I16),
            "u2" => Narrow(value, IrType.U16),
            "i4" => ToInteger(value, IrType.I32, true),
            "u4" => ToInteger(value, IrType.I32, false),
            "i8" or "i" => ToInteger(value, IrType.I64, true),
            "u8" or "u" => ToInteger(value, IrType.I64, false),
            "r4" => ToFloat(value, IrType.F32),
            "r8" => ToFloat(value, IrType.F64),
            "r" => B.Emit(Op.FromUnsigned, IrType.F64, value),
            _ => throw _place.Error($"conversion '{to}'"),
        };
    }

    private Value Narrow(Value value, IrType memory) => B.EmitSub(Op.Narrow, (int)memory, IrType.I32, ToInteger(value, IrType.I32, true));

    private Value ToInteger(Value value, IrType type, bool signed)
    {
        if (value.Type == type) return value;
        if (value.Type.IsFloat()) return B.Emit(signed ? Op.ToSigned : Op.ToUnsigned, type, value);
        return type == IrType.I32 ? B.ToInt(value) : B.ToLong(value, signed);
    }

    private Value ToFloat(Value value, IrType type)
    {
        if (value.Type == type) return value;
        // ulong to float: IL says "as unsigned" first, then the width.
        if (value.Op == Op.FromUnsigned && type == IrType.F32) return B.Emit(Op.FromUnsigned, type, value.Args[0]);
        return B.Emit(value.Type.IsFloat() ? Op.FloatToFloat : Op.FromSigned, type, value);
    }
}
