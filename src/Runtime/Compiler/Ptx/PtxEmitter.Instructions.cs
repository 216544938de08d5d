using System.Globalization;
using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Ptx;

/// <summary>Arithmetic, comparisons and conversions as PTX. Roundings are always written, so that ptxas fuses nothing on its own.</summary>
internal sealed partial class PtxEmitter
{
    private void Instruction(Value value)
    {
        if (value.Op is Op.Extract) return;
        if (MemoryInstruction(value) || GroupInstruction(value) || HopperInstruction(value)) return;
        string d = _registers.Of(value);
        string[] args = Array.ConvertAll(value.Args, arg => value.Args.Length == 1 || arg.Type == IrType.I1 ? InRegister(arg) : _registers.Operand(arg));
        if (Conversion(value, d, args)) return;
        string all = string.Join(", ", args);
        switch (value.Op)
        {
            case Op.Compare: Line($"setp.{CompareName(value)} {d}, {all}"); break;
            case Op.Select when value.Type == IrType.I1: SelectPredicate(d, args); break;
            case Op.Select: Line($"selp.{(value.Type.IsFloat() ? Signed(value.Type) : Bits(value.Type))} {d}, {args[1]}, {args[2]}, {args[0]}"); break;
            case Op.PtrAdd: Line($"add.s64 {d}, {all}"); break;
            case Op.PtrToInt: Line($"mov.u64 {d}, {all}"); break;
            case Op.ToGeneric: Line($"cvta.{value.Args[0].Space.ToString().ToLowerInvariant()}.u64 {d}, {all}"); break;
            case Op.Min or Op.Max when value.Type == IrType.F64 || (value.Type == IrType.F32 && (int)_target < (int)PtxTarget.Sm80): MinMaxOrNaN(value, d, all); break;
            default: Line($"{Name(value)} {d}, {all}"); break;
        }
    }

    /// <summary>Where the hardware's min and max know no NaN: C#'s give NaN when either operand is one, and so does the sum.</summary>
    private void MinMaxOrNaN(Value value, string d, string args)
    {
        string type = Signed(value.Type), isNaN = _registers.New(IrType.I1), sum = _registers.New(value.Type), chosen = _registers.New(value.Type);
        Line($"setp.nan.{type} {isNaN}, {args}");
        Line($"add.rn.{type} {sum}, {args}");
        Line($"{Word(value.Op)}.{type} {chosen}, {args}");
        Line($"selp.{type} {d}, {sum}, {chosen}, {isNaN}");
    }

    /// <summary>An operand where PTX takes no constant: predicates, warp operations, lists of registers.</summary>
    private string InRegister(Value value)
    {
        if (!value.IsConst && value.Op != Op.Undefined) return _registers.Of(value);
        string register = _registers.New(value.Type);
        Move(value.Type, register, _registers.Operand(value));
        return register;
    }

    private string Name(Value value)
    {
        IrType type = value.Args[0].Type;
        bool isFloat = type.IsFloat();
        string s = Signed(type), u = Unsigned(type), b = Bits(type);
        return value.Op switch
        {
            Op.Add or Op.Sub => $"{Word(value.Op)}{(isFloat ? ".rn" : "")}.{s}",
            Op.Mul => isFloat ? $"mul.rn.{s}" : $"mul.lo.{s}",
            Op.Div => isFloat ? $"div.rn.{s}" : $"div.{s}",
            Op.DivU => $"div.{u}",
            Op.Rem => $"rem.{s}",
            Op.RemU => $"rem.{u}",
            Op.Neg or Op.Abs => $"{Word(value.Op)}.{s}",
            Op.Min or Op.Max => $"{Word(value.Op)}{(type == IrType.F32 ? ".NaN" : "")}.{s}",
            Op.MinU => $"min.{u}",
            Op.MaxU => $"max.{u}",
            Op.And or Op.Or or Op.Xor or Op.Not => $"{Word(value.Op)}.{(type == IrType.I1 ? "pred" : b)}",
            Op.Shl => $"shl.{b}",
            Op.Shr => $"shr.{s}",
            Op.ShrU => $"shr.{u}",
            Op.PopCount => $"popc.{b}",
            Op.LeadingZeros => $"clz.{b}",
            Op.ReverseBits => $"brev.{b}",
            Op.MulWide => "mul.wide.s32",
            Op.MulWideU => "mul.wide.u32",
            Op.Fma => $"fma.rn.{s}",
            Op.Sqrt => $"sqrt.rn.{s}",
            Op.Rsqrt => "rsqrt.approx.f32",
            Op.Rcp => value.Sub == Ops.Rounded ? "rcp.rn.f32" : "rcp.approx.f32",
            Op.Exp2 => value.Sub == Ops.Flushed ? "ex2.approx.ftz.f32" : "ex2.approx.f32",
            Op.Sin => "sin.approx.f32",
            Op.Cos => "cos.approx.f32",
            Op.Floor => $"cvt.rmi.{s}.{s}",
            Op.Ceiling => $"cvt.rpi.{s}.{s}",
            Op.Truncate => $"cvt.rzi.{s}.{s}",
            Op.RoundEven => $"cvt.rni.{s}.{s}",
            _ => throw new NotSupportedException($"no PTX for {value.Op} of {type.Text()}"),
        };
    }

    private bool Conversion(Value value, string d, string[] args)
    {
        IrType from = value.Args.Length > 0 ? value.Args[0].Type : IrType.Void, to = value.Type;
        string? line = value.Op switch
        {
            Op.SignExtend => $"cvt.s64.s32 {d}, {args[0]}",
            Op.ZeroExtend when from == IrType.I1 => $"selp.{Bits(to)} {d}, 1, 0, {args[0]}",
            Op.ZeroExtend => $"cvt.u64.u32 {d}, {args[0]}",
            Op.Cut => $"cvt.u32.u64 {d}, {args[0]}",
            Op.Narrow => value.Memory switch
            {
                IrType.I8 => $"cvt.s32.s8 {d}, {args[0]}",
                IrType.I16 => $"cvt.s32.s16 {d}, {args[0]}",
                IrType.U8 => $"and.b32 {d}, {args[0]}, 255",
                _ => $"and.b32 {d}, {args[0]}, 65535",
            },
            Op.FromSigned => $"cvt.rn.{Signed(to)}.{Signed(from)} {d}, {args[0]}",
            Op.FromUnsigned => $"cvt.rn.{Signed(to)}.{Unsigned(from)} {d}, {args[0]}",
            Op.ToSigned => $"cvt.rzi.{Signed(to)}.{Signed(from)} {d}, {args[0]}",
            Op.ToUnsigned => $"cvt.rzi.{Unsigned(to)}.{Signed(from)} {d}, {args[0]}",
            Op.FloatToFloat => to == IrType.F64 ? $"cvt.f64.f32 {d}, {args[0]}" : $"cvt.rn.f32.f64 {d}, {args[0]}",
            Op.Bits => $"mov.{Bits(to)} {d}, {args[0]}",
            Op.PackBFloats => $"cvt.rn.bf16x2.f32 {d}, {args[1]}, {args[0]}",
            _ => null,
        };
        if (value.Op is Op.PackBFloats or Op.FloatToBFloat) Need(PtxTarget.Sm80, "a conversion to bf16");
        if (line is not null) Line(line);
        else if (value.Op is Op.HalfToFloat or Op.FloatToHalf or Op.FloatToBFloat) ThroughHalf(value.Op, d, args[0]);
        else return false;
        return true;
    }

    private void ThroughHalf(Op op, string d, string source)
    {
        string half = _registers.New(IrType.U16);
        if (op == Op.HalfToFloat)
        {
            Line($"cvt.u16.u32 {half}, {source}");
            Line($"cvt.f32.f16 {d}, {half}");
            return;
        }
        Line($"cvt.rn.{(op == Op.FloatToHalf ? "f16" : "bf16")}.f32 {half}, {source}");
        Line($"cvt.u32.u16 {d}, {half}");
    }

    private void SelectPredicate(string d, string[] args)
    {
        string then = _registers.New(IrType.I1), not = _registers.New(IrType.I1), otherwise = _registers.New(IrType.I1);
        Line($"and.pred {then}, {args[0]}, {args[1]}");
        Line($"not.pred {not}, {args[0]}");
        Line($"and.pred {otherwise}, {not}, {args[2]}");
        Line($"or.pred {d}, {then}, {otherwise}");
    }

    private static string CompareName(Value value)
    {
        IrType type = value.Args[0].Type;
        string kind = value.Compare.ToString().ToLowerInvariant();
        if (type.IsFloat()) return $"{kind}.{Signed(type)}";
        bool unsigned = value.Compare is CompareKind.LtU or CompareKind.LeU or CompareKind.GtU or CompareKind.GeU;
        return $"{kind[..2]}.{(unsigned ? Unsigned(type) : Signed(type))}";
    }

    private void Need(PtxTarget least, string what)
    {
        if (_target < least) throw new TargetTooOldException(least, $"{what} needs {least.Name()}; the target is {_target.Name()}");
    }

    private static string Word(Op op) => op.ToString().ToLowerInvariant();

    private static string Signed(IrType type) => type switch { IrType.I32 => "s32", IrType.F32 => "f32", IrType.F64 => "f64", _ => "s64" };

    private static string Unsigned(IrType type) => type == IrType.I32 ? "u32" : "u64";

    private static string Bits(IrType type) => type switch { IrType.I32 or IrType.F32 => "b32", _ => "b64" };

    private static string Offset(long bytes) => bytes == 0 ? "" : bytes.ToString("+0;+-0", CultureInfo.InvariantCulture);
}

/// <summary>An instruction that the target does not have.</summary>
internal sealed class TargetTooOldException(PtxTarget least, string message) : NotSupportedException(message)
{
    /// <summary>The oldest target that has it.</summary>
    public PtxTarget Least { get; } = least;
}
