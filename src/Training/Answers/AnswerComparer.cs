namespace OllmNative.Training;

/// <summary>Compares two parsed answers by structure: lists, tuples, intervals, unions, matrices and relations; values go to <see cref="ScalarComparer"/>.</summary>
internal sealed class AnswerComparer
{
    private const int Steps = 400_000;

    private readonly WorkBudget _budget = new(Steps);
    private readonly ScalarComparer _scalars;
    private readonly RelationComparer _relations;

    public AnswerComparer()
    {
        _scalars = new ScalarComparer(_budget);
        _relations = new RelationComparer(this, _scalars);
    }

    public bool Same(MathNode a, MathNode b)
    {
        if (!_budget.Spend(10)) return false;
        return (a, b) switch
        {
            (SequenceNode { Kind: not SequenceKind.Bracket } x, SequenceNode { Kind: not SequenceKind.Bracket } y) => SameUnordered(x.Children, y.Children),
            (SequenceNode { Kind: not SequenceKind.Bracket, Children.Count: 1 } x, not SequenceNode) => Same(x.Children[0], b),
            (not SequenceNode, SequenceNode { Kind: not SequenceKind.Bracket, Children.Count: 1 } y) => Same(a, y.Children[0]),
            (SequenceNode { Kind: SequenceKind.List } x, _) => SameList(x, b),
            (_, SequenceNode { Kind: SequenceKind.List } y) => SameList(y, a),
            (RelationNode, _) or (_, RelationNode) => _relations.Same(a, b),
            (SequenceNode x, SequenceNode y) => SameBracket(x, y),
            (MatrixNode x, MatrixNode y) => x.Rows == y.Rows && x.Columns == y.Columns && SameOrdered(x.Children, y.Children),
            (MatrixNode x, SequenceNode y) => SameVector(x, y),
            (SequenceNode x, MatrixNode y) => SameVector(y, x),
            (SequenceNode or MatrixNode, _) or (_, SequenceNode or MatrixNode) => false,
            (BinaryNode { Operation: Operation.Union }, BinaryNode { Operation: Operation.Union }) => SameUnordered(Parts(a), Parts(b)),
            (BinaryNode { Operation: Operation.Difference or Operation.Intersection } x, BinaryNode y) when x.Operation == y.Operation => SameOrdered(x.Children, y.Children),
            _ => _scalars.Same(a, b),
        };
    }

    private static List<MathNode> Parts(MathNode union)
    {
        var parts = new List<MathNode>();
        while (union is BinaryNode { Operation: Operation.Union } node)
        {
            parts.Add(node.Right);
            union = node.Left;
        }

        parts.Add(union);
        return parts;
    }

    // Set semantics: each item has an equal one on the other side; repetition does not count.
    private bool SameUnordered(IReadOnlyList<MathNode> a, IReadOnlyList<MathNode> b) =>
        (a.Count == 0) == (b.Count == 0) && a.All(x => b.Any(y => Same(x, y))) && b.All(y => a.Any(x => Same(x, y)));

    private bool SameOrdered(IReadOnlyList<MathNode> a, IReadOnlyList<MathNode> b) => a.Count == b.Count && a.Zip(b).All(pair => Same(pair.First, pair.Second));

    // "1, 3" beside "(1, 3)": the brackets were left out, so the order holds. A list of one repeated value is that value.
    private bool SameList(SequenceNode list, MathNode other)
    {
        if (other is SequenceNode { Kind: SequenceKind.Bracket } tuple && SameOrdered(list.Children, tuple.Children)) return true;
        if (other is RelationNode && _relations.SameAsList(list, other)) return true;
        if (other is BinaryNode { Operation: Operation.Union } && _relations.SameAsUnion(list, Parts(other))) return true;
        return list.Children.All(item => Same(item, other));
    }

    // (a, b) and [a, b] differ, being intervals; longer tuples are the same in either kind of bracket.
    private bool SameBracket(SequenceNode a, SequenceNode b)
    {
        if (a.Kind != b.Kind) return false;
        bool sameBrackets = a.Children.Count != 2 || (a.Open == b.Open && a.Close == b.Close);
        return sameBrackets && SameOrdered(a.Children, b.Children);
    }

    private bool SameVector(MatrixNode matrix, SequenceNode tuple) =>
        tuple.Kind == SequenceKind.Bracket && tuple.Open == '(' && tuple.Close == ')' && Math.Min(matrix.Rows, matrix.Columns) == 1 && SameOrdered(matrix.Children, tuple.Children);
}
