using System.Globalization;
using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Ptx;

/// <summary>Gives each value its virtual register; ptxas finds real ones.</summary>
internal sealed class PtxRegisters(int values)
{
    private static readonly (string Prefix, string Type)[] Classes = [("%p", ".pred"), ("%h", ".b16"), ("%r", ".b32"), ("%rd", ".b64"), ("%f", ".f32"), ("%fd", ".f64")];
    private readonly int[] _counts = new int[Classes.Length];
    private readonly string?[] _names = new string?[values];
    private readonly Dictionary<(int Value, int Element), string> _elements = [];

    public string New(IrType type)
    {
        int index = type switch
        {
            IrType.I1 => 0,
            IrType.U16 or IrType.I16 => 1,
            IrType.I32 => 2,
            IrType.I64 or IrType.Ptr => 3,
            IrType.F32 => 4,
            _ => 5,
        };
        return Classes[index].Prefix + (++_counts[index]).ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>The register of a result; an element read out of several is that element's register.</summary>
    public string Of(Value value, int element = 0)
    {
        if (value.Op == Op.Extract) return Of(value.Args[0], (int)value.Bits);
        if (element == 0) return _names[value.Id] ??= New(value.Type);
        if (!_elements.TryGetValue((value.Id, element), out string? name)) _elements[(value.Id, element)] = name = New(value.Type);
        return name;
    }

    /// <summary>One register for a result and an operand that it takes the place of.</summary>
    public void Share(Value result, int element, Value operand)
    {
        if (element == 0) _names[result.Id] = Of(operand);
        else _elements[(result.Id, element)] = Of(operand);
    }

    public string Operand(Value value) => value.Op switch
    {
        Op.Const => Constant(value),
        Op.Undefined => value.Type switch { IrType.F32 => "0f00000000", IrType.F64 => "0d0000000000000000", _ => "0" },
        _ => Of(value),
    };

    public string Vector(Value value) => $"{{{string.Join(", ", Enumerable.Range(0, value.Count).Select(i => Of(value, i)))}}}";

    public string Declarations() => string.Concat(Classes.Select((entry, i) =>
        _counts[i] == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"    .reg {entry.Type} {entry.Prefix}<{_counts[i] + 1}>;\n")));

    private static string Constant(Value value) => value.Type switch
    {
        IrType.F32 => string.Create(CultureInfo.InvariantCulture, $"0f{(uint)value.Bits:X8}"),
        IrType.F64 => string.Create(CultureInfo.InvariantCulture, $"0d{(ulong)value.Bits:X16}"),
        _ => value.Bits.ToString(CultureInfo.InvariantCulture),
    };
}
