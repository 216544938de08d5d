using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Frontend;

/// <summary>What a place of the IL stack, an argument or a local stands for during translation.</summary>
internal abstract record StackValue;

/// <summary>A register: a number or an address in memory; of a field's address less is known about its alignment than of an element's.</summary>
internal sealed record Scalar(Value Value, bool IsField = false) : StackValue;

/// <summary>A struct taken apart: one register for each scalar inside it.</summary>
internal sealed record StructValue(Type Type, Value[] Leaves) : StackValue;

/// <summary>A reference to (a part of) a local variable. It has no address: it must be known at each use which variable is meant.</summary>
internal sealed record VariableRef(Variable Variable, int Start, Type Type) : StackValue;

/// <summary>A local array of fixed length.</summary>
internal sealed record LocalArray(Value Pointer, Type Element, Value Length) : StackValue;

/// <summary>A type as a value: typeof(T), which generic kernels compare.</summary>
internal sealed record TypeValue(Type Type) : StackValue;

/// <summary>A string literal; only messages of checks that kernels leave out have them.</summary>
internal sealed record TextValue(string Text) : StackValue;

/// <summary>One scalar of a variable.</summary>
internal sealed class Slot(IrType type)
{
    public IrType Type { get; } = type;

    /// <summary>The blocks in which different writes meet, of a slot whose every write is known; null while code is being translated.</summary>
    public HashSet<Block>? Joins { get; init; }
}

/// <summary>A local, an argument that is assigned, or a temporary: a slot for each of its scalars.</summary>
internal sealed class Variable(TypeLayout layout)
{
    public TypeLayout Layout { get; } = layout;
    public Slot[] Slots { get; } = [.. layout.Leaves.Select(leaf => new Slot(leaf.Type.InRegister()))];
}
