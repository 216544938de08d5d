using System.Globalization;
using System.Text;

namespace OllmNative.Runtime.Compiler.Ir;

/// <summary>The IR as text, for people and for the tests of the passes. Values are numbered in order of appearance.</summary>
internal sealed class IrPrinter
{
    private readonly Dictionary<Value, int> _numbers = [];
    private readonly StringBuilder _text = new();

    public static string Print(KernelIr kernel)
    {
        ControlFlow.Analyse(kernel);
        var printer = new IrPrinter();
        printer.Kernel(kernel);
        return printer._text.ToString();
    }

    private void Kernel(KernelIr kernel)
    {
        _text.Append("kernel ").Append(kernel.Name).Append('(')
            .AppendJoin(", ", kernel.Parameters.Select(p => $"{p.Type.Text()} {p.Name}")).Append(")\n");
        foreach (Block block in kernel.Blocks)
        {
            _text.Append('b').Append(block.Order).Append(":\n");
            foreach (Value phi in block.Phis) Line(Result(phi) + " = phi " + phi.Type.Text() + " "
                + string.Join(", ", phi.Args.Select((arg, i) => $"b{phi.Incoming[i].Order}: {Operand(arg)}")));
            foreach (Value value in block.Body) Line(Describe(value));
            Line(Ending(block));
        }

        string Operand(Value value) => value.Op switch
        {
            Op.Const => Constant(value),
            Op.Param => kernel.Parameters[(int)value.Bits].Name,
            Op.Special => ((SpecialRegister)value.Sub).ToString(),
            Op.Undefined => "undefined",
            _ => Result(value),
        };

        string Describe(Value value)
        {
            var line = new StringBuilder();
            if (value.Type != IrType.Void) line.Append(Result(value)).Append(" = ");
            line.Append(value.Op.ToString().ToLowerInvariant()).Append(Variant(value));
            if (value.Type != IrType.Void) line.Append(' ').Append(value.Type.Text());
            if (value.Count > 1) line.Append('x').Append(value.Count);
            if (value.Args.Length > 0) line.Append(' ').AppendJoin(", ", value.Args.Select(Operand));
            if ((value.Op is Op.Load or Op.Store or Op.Extract) && value.Bits != 0) line.Append(CultureInfo.InvariantCulture, $" + {value.Bits}");
            return line.ToString();
        }

        string Ending(Block block) => block switch
        {
            { Then: null } => "return",
            { Condition: null } => $"jump b{block.Then.Order}",
            _ => $"branch {Operand(block.Condition)}, b{block.Then.Order}, b{block.Else!.Order}",
        };
    }

    private static string Variant(Value value) => value.Op switch
    {
        Op.Compare => "." + ((CompareKind)value.Sub).ToString().ToLowerInvariant(),
        Op.Narrow => "." + value.Memory.Text(),
        Op.Load or Op.LoadOnce or Op.Store => (value.Args[0].Space is AddressSpace.Unknown ? "" : "." + value.Args[0].Space.ToString().ToLowerInvariant()) + "." + value.Memory.Text(),
        Op.Atomic => "." + ((AtomicKind)value.Sub).ToString().ToLowerInvariant(),
        Op.Hopper => "." + ((HopperKind)value.Sub).ToString().ToLowerInvariant(),
        Op.Shuffle => "." + ((ShuffleKind)value.Sub).ToString().ToLowerInvariant(),
        Op.Vote or Op.BarrierReduce => "." + ((VoteKind)value.Sub).ToString().ToLowerInvariant(),
        Op.CopyAsync or Op.CopyAsyncWait or Op.LoadMatrix or Op.Mma or Op.Wgmma or Op.Fence => string.Create(CultureInfo.InvariantCulture, $".{value.Sub}"),
        _ => "",
    };

    private static string Constant(Value value) => value.Type switch
    {
        IrType.I1 => value.Bits != 0 ? "true" : "false",
        IrType.F32 => value.AsFloat.ToString("R", CultureInfo.InvariantCulture) + "f",
        IrType.F64 => value.AsDouble.ToString("R", CultureInfo.InvariantCulture) + "d",
        _ => value.Bits.ToString(CultureInfo.InvariantCulture),
    };

    private string Result(Value value)
    {
        if (!_numbers.TryGetValue(value, out int number)) _numbers[value] = number = _numbers.Count;
        return string.Create(CultureInfo.InvariantCulture, $"%{number}");
    }

    private void Line(string text) => _text.Append("  ").Append(text).Append('\n');
}
