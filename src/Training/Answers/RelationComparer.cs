namespace OllmNative.Training;

/// <summary>
/// Compares equations and inequalities: <c>x = 5</c> with its value, equations up to a factor, inequalities up to a positive factor,
/// and inequalities about one name with intervals.
/// </summary>
internal sealed class RelationComparer(AnswerComparer answers, ScalarComparer scalars)
{
    /// <summary>What a relation says: a value, perhaps with the name that it belongs to.</summary>
    private readonly record struct Statement(MathNode? Label, MathNode Value);

    /// <summary>Compares two answers of which at least one is a relation.</summary>
    public bool Same(MathNode a, MathNode b)
    {
        Statement? left = Read(a);
        Statement? right = Read(b);
        if (left is { } x && right is { } y && SameStatement(x, y)) return true;
        if (a is RelationNode first && b is RelationNode second) return SameRelation(first, second);
        return false;
    }

    /// <summary>"x = a list" against that list.</summary>
    public bool SameAsList(SequenceNode list, MathNode relation) => Read(relation) is { Value: SequenceNode value } && answers.Same(list, value);

    // An equation with a name on one side is its value; a chain is its last exact member; "in" gives the set; "about" is dropped.
    private static Statement? Read(MathNode node)
    {
        if (node is not RelationNode relation) return new Statement(null, node);
        if (ToInterval(relation) is { } interval) return interval;
        if (!relation.Relations.All(sign => sign is "=" or "≈" or "∈")) return null;
        IReadOnlyList<MathNode> members = relation.Children;
        int exact = 1;
        while (exact < members.Count && relation.Relations[exact - 1] != "≈") exact++;
        if (exact == 1) return IsLabel(members[0]) ? new Statement(members[0], members[1]) : new Statement(null, members[0]);
        MathNode last = members[exact - 1];
        if (IsLabel(members[0])) return new Statement(members[0], last);
        bool isCalculation = !ScalarComparer.HasVariable(members[0]) && !ScalarComparer.HasVariable(last);
        if (exact > 2 || isCalculation) return new Statement(null, last);
        return IsLabel(last) ? new Statement(last, members[0]) : null;
    }

    private static bool IsLabel(MathNode node) => node switch
    {
        VariableNode or ConstantNode { Value: MathConstant.E or MathConstant.I } => true,
        BinaryNode { Operation: Operation.Multiply } product => IsLabel(product.Left) && (IsLabel(product.Right) || product.Right is NumberNode),
        BinaryNode { Operation: Operation.Divide } ratio => IsLabel(ratio.Left) && IsLabel(ratio.Right),
        CallNode { Function: "abs" } size => IsLabel(size.Children[0]),
        SequenceNode { Kind: SequenceKind.Bracket } tuple => tuple.Children.All(item => IsLabel(item) || item is NumberNode),
        _ => false,
    };

    private bool SameStatement(Statement a, Statement b)
    {
        if (a.Label is null || b.Label is null || answers.Same(a.Label, b.Label)) return answers.Same(a.Value, b.Value);
        return Function(a.Label) is var (f, x) && Function(b.Label) is var (g, y) && f == g && answers.Same(a.Value, Renamed(b.Value, y, x));
    }

    // f(x) = 2x and f(n) = 2n are the same function.
    private static (string Name, string Argument)? Function(MathNode node) => node is BinaryNode
    {
        Operation: Operation.Multiply, Left: VariableNode { Name: "f" or "g" or "h" or "F" or "G" or "H" or "P" or "Q" or "W" } function, Right: VariableNode argument,
    }
        ? (function.Name, argument.Name) : null;

    // Both names change places, so that a constant of the name that is put in stays another one.
    private static MathNode Renamed(MathNode node, string from, string to)
    {
        MathNode[] children = [.. node.Children.Select(child => Renamed(child, from, to))];
        return node switch
        {
            VariableNode variable => variable.Name == from ? new VariableNode(to) : variable.Name == to ? new VariableNode(from) : variable,
            BinaryNode binary => new BinaryNode(binary.Operation, children[0], children[1]),
            CallNode call => new CallNode(call.Function, children),
            SequenceNode sequence => new SequenceNode(sequence.Kind, children, sequence.Open, sequence.Close),
            MatrixNode matrix => new MatrixNode(matrix.Rows, matrix.Columns, children),
            RelationNode relation => new RelationNode(children, relation.Relations),
            _ => node,
        };
    }

    /// <summary>"x &lt; 0 or x = 2" against a union of intervals and sets.</summary>
    public bool SameAsUnion(SequenceNode list, IReadOnlyList<MathNode> union)
    {
        var parts = new List<Statement>();
        foreach (MathNode item in list.Children)
        {
            if (item is not RelationNode || Read(item) is not { Label: { } label, Value: var value }) return false;
            if (parts.Count > 0 && !answers.Same(parts[0].Label!, label)) return false;
            parts.Add(new Statement(label, value is SequenceNode ? value : new SequenceNode(SequenceKind.Set, [value])));
        }
        return parts.All(part => union.Any(other => answers.Same(part.Value, other))) && union.All(other => parts.Any(part => answers.Same(part.Value, other)));
    }

    private bool SameRelation(RelationNode a, RelationNode b)
    {
        List<(MathNode Difference, string Sign)> left = Links(a);
        List<(MathNode Difference, string Sign)> right = Links(b);
        return left.Count == right.Count && left.All(x => right.Any(y => SameLink(x, y))) && right.All(y => left.Any(x => SameLink(x, y)));
    }

    private bool SameLink((MathNode Difference, string Sign) a, (MathNode Difference, string Sign) b) =>
        a.Sign == b.Sign && scalars.Proportional(a.Difference, b.Difference, positive: a.Sign is ">" or ">=");

    // Each link of a chain as "difference sign 0" with the sign one of =, !=, >, >=.
    private static List<(MathNode Difference, string Sign)> Links(RelationNode relation)
    {
        var links = new List<(MathNode, string)>();
        for (int i = 0; i < relation.Relations.Count; i++)
        {
            (MathNode left, MathNode right) = (relation.Children[i], relation.Children[i + 1]);
            string sign = relation.Relations[i];
            links.Add(sign is "<" or "<="
                ? (new BinaryNode(Operation.Subtract, right, left), sign == "<" ? ">" : ">=")
                : (new BinaryNode(Operation.Subtract, left, right), sign));
        }

        return links;
    }

    // "x > 5" is (5, inf) and "0 < x <= 1" is (0, 1], said of x.
    private static Statement? ToInterval(RelationNode relation)
    {
        IReadOnlyList<MathNode> members = relation.Children;
        IReadOnlyList<string> signs = relation.Relations;
        if (!signs.All(sign => sign is "<" or "<=") && !signs.All(sign => sign is ">" or ">=")) return null;
        var infinity = new ConstantNode(MathConstant.Infinity);
        var minusInfinity = new CallNode("neg", infinity);
        bool rising = signs[0][0] == '<';
        if (members.Count == 3 && IsLabel(members[1]))
        {
            (int low, int high) = rising ? (0, 1) : (1, 0);
            return Interval(members[1], members[low * 2], signs[low].Length == 1, members[high * 2], signs[high].Length == 1);
        }

        if (members.Count != 2 || IsLabel(members[0]) == IsLabel(members[1])) return null;
        bool open = signs[0].Length == 1;
        bool nameFirst = IsLabel(members[0]);
        (MathNode name, MathNode bound) = nameFirst ? (members[0], members[1]) : (members[1], members[0]);
        return rising == nameFirst ? Interval(name, minusInfinity, true, bound, open) : Interval(name, bound, open, infinity, true);
    }

    private static Statement Interval(MathNode name, MathNode low, bool openLow, MathNode high, bool openHigh) =>
        new(name, new SequenceNode(SequenceKind.Bracket, [low, high], openLow ? '(' : '[', openHigh ? ')' : ']'));
}
