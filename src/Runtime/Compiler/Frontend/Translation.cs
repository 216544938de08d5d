using System.Reflection;
using OllmNative.Runtime.Compiler.Il;
using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Frontend;

/// <summary>What all methods inlined into one kernel share.</summary>
internal sealed class Translation(KernelIr kernel)
{
    public KernelIr Kernel { get; } = kernel;
    public IrBuilder Builder { get; } = new(kernel);
    public SsaVariables Variables { get; } = new(kernel);

    /// <summary>The methods being inlined, outermost first: a method in it again would be recursion.</summary>
    public Stack<MethodBase> Path { get; } = [];

    public Value ReadSlot(Slot slot) => Variables.Read(Builder.Block, slot);

    public void WriteSlot(Slot slot, Value value) => Variables.Write(Builder.Block, slot, value);

    public StackValue Read(Variable variable, int start, Type type)
    {
        TypeLayout layout = TypeLayout.Of(type);
        if (layout.IsScalar) return new Scalar(ReadSlot(variable.Slots[start]));
        return new StructValue(type, [.. Enumerable.Range(start, layout.Leaves.Count).Select(i => ReadSlot(variable.Slots[i]))]);
    }

    public StackValue Read(Variable variable) => Read(variable, 0, variable.Layout.Type);

    public void Write(Variable variable, int start, Type type, StackValue value, IlPlace place)
    {
        TypeLayout layout = TypeLayout.Of(type);
        Value[] leaves = Leaves(value, type, place);
        for (int i = 0; i < leaves.Length; i++) WriteSlot(variable.Slots[start + i], Coerce(leaves[i], layout.Leaves[i].Type, place));
    }

    public void Write(Variable variable, StackValue value, IlPlace place) => Write(variable, 0, variable.Layout.Type, value, place);

    public void Clear(Variable variable, int start, int count)
    {
        for (int i = start; i < start + count; i++)
        {
            IrType type = variable.Slots[i].Type;
            WriteSlot(variable.Slots[i], type == IrType.Ptr ? Kernel.Undefined(type) : Kernel.Constant(type, 0));
        }
    }

    /// <summary>The registers of a value that is to be a <paramref name="type"/>.</summary>
    public static Value[] Leaves(StackValue value, Type type, IlPlace place)
    {
        int expected = TypeLayout.Of(type).Leaves.Count;
        Value[]? leaves = value switch
        {
            Scalar scalar => [scalar.Value.Resolve()],
            StructValue structure => [.. structure.Leaves.Select(leaf => leaf.Resolve())],
            _ => null,
        };
        if (leaves is null) throw place.Error($"{Describe(value)} cannot be kept in a {IlPlace.NameOf(type)}");
        if (leaves.Length != expected) throw place.Error($"a value of {leaves.Length} scalars does not fit {IlPlace.NameOf(type)}, which has {expected}");
        return leaves;
    }

    /// <summary>A register as what a place of the given memory type holds: cut, extended or rounded as IL does on a store.</summary>
    public Value Coerce(Value value, IrType memory, IlPlace place)
    {
        IrType wanted = memory.InRegister();
        if (value.Type == IrType.I1) value = Builder.Emit(Op.ZeroExtend, IrType.I32, value);
        if (value.Type != wanted)
        {
            value = (value.Type, wanted) switch
            {
                (IrType.I32, IrType.I64) => Builder.Emit(Op.SignExtend, IrType.I64, value),
                (IrType.I64, IrType.I32) => Builder.Emit(Op.Cut, IrType.I32, value),
                (IrType.F32, IrType.F64) or (IrType.F64, IrType.F32) => Builder.Emit(Op.FloatToFloat, wanted, value),
                (IrType.Ptr, IrType.I64) => Builder.Emit(Op.PtrToInt, IrType.I64, value),
                _ => throw place.Error($"a value of type {value.Type.Text()} is used as {wanted.Text()}"),
            };
        }
        return memory != wanted && memory is not (IrType.I1 or IrType.Map) ? Builder.EmitSub(Op.Narrow, (int)memory, IrType.I32, value) : value;
    }

    public static StackValue FromLeaves(Type type, Value[] leaves) =>
        TypeLayout.Of(type).IsScalar ? new Scalar(leaves[0]) : new StructValue(type, leaves);

    public StackValue Zero(Type type) => FromLeaves(type, [.. TypeLayout.Of(type).Leaves.Select(leaf =>
        leaf.Type == IrType.Ptr ? Kernel.Undefined(IrType.Ptr) : Kernel.Constant(leaf.Type.InRegister(), 0))]);

    /// <summary>A .NET value as constants.</summary>
    public Value[] Constants(object value, IlPlace place)
    {
        Type type = value.GetType();
        TypeLayout layout = TypeLayout.Of(type);
        if (layout.Refusal is { } refusal) throw place.Error(refusal);
        if (layout.IsView) return Leaves(Zero(type), type, place);
        if (layout.IsScalar) return [Constant(value, layout.Leaves[0].Type.InRegister())];
        return [.. type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic).OrderBy(field => field.MetadataToken)
            .SelectMany(field => Constants(field.GetValue(value)!, place))];
    }

    private Value Constant(object value, IrType type) => value switch
    {
        float f => Kernel.Float(f),
        double d => Kernel.Double(d),
        ulong u => Kernel.Long((long)u),
        uint u => Kernel.Int((int)u),
        bool b => Kernel.Int(b ? 1 : 0),
        char c => Kernel.Int(c),
        nint n => Kernel.Long(n),
        nuint n => Kernel.Long((long)n),
        Enum e => Constant(Convert.ChangeType(e, Enum.GetUnderlyingType(e.GetType()), System.Globalization.CultureInfo.InvariantCulture), type),
        _ => Kernel.Constant(type, Convert.ToInt64(value, System.Globalization.CultureInfo.InvariantCulture)),
    };

    public static string Describe(StackValue value) => value switch
    {
        VariableRef reference => $"a reference to a local variable of type {IlPlace.NameOf(reference.Type)}",
        LocalArray array => $"a local array of {IlPlace.NameOf(array.Element)}",
        TypeValue => "a System.Type",
        TextValue => "a string",
        StructValue structure => $"a {IlPlace.NameOf(structure.Type)}",
        _ => "a number",
    };
}
