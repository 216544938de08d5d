namespace OllmNative.Training;

/// <summary>Brings a parsed answer into the form that is compared: ± written out, lists flat, matrix sums and products carried out.</summary>
internal static class MathRewriter
{
    private const int MaxCells = 64;

    public static MathNode Expand(MathNode node)
    {
        if (node is SequenceNode sequence)
        {
            IEnumerable<MathNode> items = sequence.Children.Select(Expand);
            if (sequence.Kind != SequenceKind.Bracket) items = items.SelectMany(item => item is SequenceNode { Kind: SequenceKind.List } list ? list.Children : [item]);
            else if (HasChoice(sequence)) return BothChoices(sequence);
            return new SequenceNode(sequence.Kind, items.ToArray(), sequence.Open, sequence.Close);
        }

        if (node is RelationNode relation)
        {
            return HasChoice(node) ? BothChoices(node) : new RelationNode(relation.Children.Select(Expand).ToArray(), relation.Relations);
        }

        if (HasChoice(node)) return BothChoices(node);
        return Reduce(node);
    }

    private static bool HasChoice(MathNode node) =>
        node is BinaryNode { Operation: Operation.PlusMinus or Operation.MinusPlus } || node.Children.Any(HasChoice);

    // All upper signs, then all lower signs: 1 ± 2 ∓ 3 stands for two values, not four.
    private static SequenceNode BothChoices(MathNode node) => new(SequenceKind.List, [Expand(Choose(node, true)), Expand(Choose(node, false))]);

    private static MathNode Choose(MathNode node, bool upper)
    {
        MathNode[] children = node.Children.Select(child => Choose(child, upper)).ToArray();
        return node switch
        {
            BinaryNode { Operation: Operation.PlusMinus } => new BinaryNode(upper ? Operation.Add : Operation.Subtract, children[0], children[1]),
            BinaryNode { Operation: Operation.MinusPlus } => new BinaryNode(upper ? Operation.Subtract : Operation.Add, children[0], children[1]),
            BinaryNode binary => new BinaryNode(binary.Operation, children[0], children[1]),
            CallNode call => new CallNode(call.Function, children),
            SequenceNode sequence => new SequenceNode(sequence.Kind, children, sequence.Open, sequence.Close),
            MatrixNode matrix => new MatrixNode(matrix.Rows, matrix.Columns, children),
            RelationNode relation => new RelationNode(children, relation.Relations),
            _ => node,
        };
    }

    private static MathNode Reduce(MathNode node)
    {
        if (node is CallNode { Function: "neg" } negative && Reduce(negative.Children[0]) is MatrixNode inner)
        {
            return Map(inner, cell => new CallNode("neg", cell));
        }

        if (node is not BinaryNode binary || !HasMatrix(binary)) return node;
        MathNode left = Reduce(binary.Left);
        MathNode right = Reduce(binary.Right);
        return (binary.Operation, left, right) switch
        {
            (Operation.Add or Operation.Subtract, MatrixNode a, MatrixNode b) when a.Rows == b.Rows && a.Columns == b.Columns =>
                new MatrixNode(a.Rows, a.Columns, a.Children.Zip(b.Children, MathNode (x, y) => new BinaryNode(binary.Operation, x, y)).ToArray()),
            (Operation.Multiply, MatrixNode a, MatrixNode b) when a.Columns == b.Rows && a.Rows * b.Columns * a.Columns <= MaxCells => Product(a, b),
            (Operation.Multiply, MatrixNode a, not MatrixNode) => Map(a, cell => new BinaryNode(Operation.Multiply, cell, right)),
            (Operation.Multiply, not MatrixNode, MatrixNode b) => Map(b, cell => new BinaryNode(Operation.Multiply, left, cell)),
            (Operation.Divide, MatrixNode a, not MatrixNode) => Map(a, cell => new BinaryNode(Operation.Divide, cell, right)),
            _ => node,
        };
    }

    private static bool HasMatrix(MathNode node) => node is MatrixNode || (node is BinaryNode or CallNode && node.Children.Any(HasMatrix));

    private static MatrixNode Map(MatrixNode matrix, Func<MathNode, MathNode> cell) => new(matrix.Rows, matrix.Columns, matrix.Children.Select(cell).ToArray());

    private static MatrixNode Product(MatrixNode a, MatrixNode b)
    {
        var cells = new List<MathNode>();
        for (int row = 0; row < a.Rows; row++)
        {
            for (int column = 0; column < b.Columns; column++)
            {
                MathNode? sum = null;
                for (int k = 0; k < a.Columns; k++)
                {
                    var term = new BinaryNode(Operation.Multiply, a.Children[row * a.Columns + k], b.Children[k * b.Columns + column]);
                    sum = sum == null ? term : new BinaryNode(Operation.Add, sum, term);
                }

                cells.Add(sum!);
            }
        }

        return new MatrixNode(a.Rows, b.Columns, cells);
    }
}
