namespace OllmNative.Training;

/// <summary>One node of a parsed answer. The tree holds what was written; nothing is simplified while parsing.</summary>
internal abstract class MathNode
{
    /// <summary>The nodes directly below this one, in the order they were written.</summary>
    public virtual IReadOnlyList<MathNode> Children => [];
}

/// <summary>A number as written. <paramref name="decimals"/> is the count of digits after the point, -1 without a point.</summary>
internal sealed class NumberNode(Rational value, int significantDigits, int decimals) : MathNode
{
    public Rational Value { get; } = value;

    public int SignificantDigits { get; } = significantDigits;

    public int Decimals { get; } = decimals;
}

/// <summary>A variable or any symbol without a known value; subscripts and primes are part of the name.</summary>
internal sealed class VariableNode(string name) : MathNode
{
    public string Name { get; } = name;
}

internal enum MathConstant { Pi, E, I, Infinity }

internal sealed class ConstantNode(MathConstant value) : MathNode
{
    public MathConstant Value { get; } = value;
}

internal enum Operation { Add, Subtract, Multiply, Divide, Power, PlusMinus, MinusPlus, Union, Intersection, Difference }

internal sealed class BinaryNode(Operation operation, MathNode left, MathNode right) : MathNode
{
    public Operation Operation { get; } = operation;

    public MathNode Left { get; } = left;

    public MathNode Right { get; } = right;

    public override IReadOnlyList<MathNode> Children { get; } = [left, right];
}

/// <summary>A named function of its arguments; also the prefix and postfix operators ("neg", "factorial", "percent", "degree", "abs").</summary>
internal sealed class CallNode(string function, params MathNode[] arguments) : MathNode
{
    public string Function { get; } = function;

    public override IReadOnlyList<MathNode> Children { get; } = arguments;
}

/// <summary>List: no brackets, any order. Set: braces, any order. Bracket: tuple or interval, in order, with its two bracket kinds.</summary>
internal enum SequenceKind { List, Set, Bracket }

internal sealed class SequenceNode(SequenceKind kind, IReadOnlyList<MathNode> items, char open = '(', char close = ')') : MathNode
{
    public SequenceKind Kind { get; } = kind;

    public char Open { get; } = open;

    public char Close { get; } = close;

    public override IReadOnlyList<MathNode> Children { get; } = items;
}

/// <summary>A matrix by rows; all rows have the same length.</summary>
internal sealed class MatrixNode(int rows, int columns, IReadOnlyList<MathNode> cells) : MathNode
{
    public int Rows { get; } = rows;

    public int Columns { get; } = columns;

    public override IReadOnlyList<MathNode> Children { get; } = cells;
}

/// <summary>A chain of n members joined by n-1 relations, such as <c>0 &lt; x &lt;= 1</c> or <c>x = 2+3 = 5</c>.</summary>
internal sealed class RelationNode(IReadOnlyList<MathNode> members, IReadOnlyList<string> relations) : MathNode
{
    public IReadOnlyList<string> Relations { get; } = relations;

    public override IReadOnlyList<MathNode> Children { get; } = members;
}
