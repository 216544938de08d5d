using System.Numerics;

namespace OllmNative.Training;

/// <summary>Compares two answers that stand for one value each: exactly when both are rational, otherwise in double precision at fixed points.</summary>
internal sealed class ScalarComparer(WorkBudget budget)
{
    /// <summary>Relative tolerance between two values computed in double precision.</summary>
    public const double Tolerance = 1e-9;

    /// <summary>Significant digits that a decimal needs to stand for the exact value which it rounds.</summary>
    public const int RoundingDigits = 4;

    private const double Negligible = 1e-12;
    private const int Points = NumericEvaluator.PositivePoints + 2;

    public bool Same(MathNode a, MathNode b)
    {
        (MathNode left, bool leftPercent) = WithoutPercent(a);
        (MathNode right, bool rightPercent) = WithoutPercent(b);
        if (leftPercent == rightPercent) return SameValue(left, right);
        return SameValue(left, right) || (leftPercent ? SameValue(Hundredth(left), right) : SameValue(left, Hundredth(right)));
    }

    private static (MathNode Value, bool IsPercent) WithoutPercent(MathNode node) => node switch
    {
        CallNode { Function: "percent" } percent => (percent.Children[0], true),
        CallNode { Function: "neg" } negative when negative.Children[0] is CallNode { Function: "percent" } inner => (new CallNode("neg", inner.Children[0]), true),
        _ => (node, false),
    };

    private static BinaryNode Hundredth(MathNode node) => new(Operation.Divide, node, new NumberNode(Rational.FromInteger(100), 3, -1));

    private bool SameValue(MathNode a, MathNode b)
    {
        if (a is CallNode { Function: "based" } || b is CallNode { Function: "based" })
        {
            return a is CallNode { Function: "based" } && b is CallNode { Function: "based" } && SameValue(a.Children[0], b.Children[0]);
        }

        int infinite = InfinitySign(a);
        if (infinite != 0 || InfinitySign(b) != 0) return infinite == InfinitySign(b);
        if (ExactEvaluator.Evaluate(a, budget) is { } x && ExactEvaluator.Evaluate(b, budget) is { } y) return x.Equals(y) || IsRounding(a, b) || IsRounding(b, a);
        return AgreeAtPoints(a, b) || IsRounding(a, b) || IsRounding(b, a);
    }

    private static int InfinitySign(MathNode node) => node switch
    {
        ConstantNode { Value: MathConstant.Infinity } => 1,
        CallNode { Function: "neg" } negative => -InfinitySign(negative.Children[0]),
        _ => 0,
    };

    private bool AgreeAtPoints(MathNode a, MathNode b)
    {
        bool hasVariables = HasVariable(a) || HasVariable(b);
        int points = !hasVariables ? 1 : IsSignSensitive(a) || IsSignSensitive(b) ? NumericEvaluator.PositivePoints : Points;
        int agreed = 0;
        for (int point = 0; point < points; point++)
        {
            var evaluator = new NumericEvaluator(point, budget);
            Complex x = evaluator.Evaluate(a);
            Complex y = evaluator.Evaluate(b);
            if (!IsFinite(x) || !IsFinite(y)) continue;
            if (!Close(x, y)) return false;
            agreed++;
        }

        return agreed >= Math.Min(points, 2);
    }

    /// <summary>
    /// Whether a = c b with one constant c at every point, as it is for the two sides of one equation; an inequality needs c above zero.
    /// Both must depend on a variable.
    /// </summary>
    public bool Proportional(MathNode a, MathNode b, bool positive)
    {
        if (!HasVariable(a) || !HasVariable(b)) return false;
        Complex? ratio = null;
        int agreed = 0;
        for (int point = 0; point < Points; point++)
        {
            var evaluator = new NumericEvaluator(point, budget);
            Complex x = evaluator.Evaluate(a);
            Complex y = evaluator.Evaluate(b);
            if (!IsFinite(x) || !IsFinite(y) || Complex.Abs(x) < Negligible || Complex.Abs(y) < Negligible) continue;
            Complex here = x / y;
            ratio ??= here;
            if (Complex.Abs(here - ratio.Value) > 1e-8 * Complex.Abs(here) || (positive && here.Real <= 0)) return false;
            agreed++;
        }

        return agreed >= 3;
    }

    // A decimal of enough digits equals what it rounds (0.3333 and 1/3), unless that is itself a written number (5.001 and 5).
    private bool IsRounding(MathNode literal, MathNode exact)
    {
        NumberNode? number = literal as NumberNode ?? (literal as CallNode is { Function: "neg" } negative ? negative.Children[0] as NumberNode : null);
        if (number is not { Decimals: > 0 and < 300, SignificantDigits: >= RoundingDigits } || IsLiteral(exact) || HasVariable(exact)) return false;
        Complex value = new NumericEvaluator(0, budget).Evaluate(exact);
        Complex rounded = new NumericEvaluator(0, budget).Evaluate(literal);
        double half = 0.5 * Math.Pow(10, -number.Decimals);
        return IsFinite(value) && Complex.Abs(value - rounded) <= half * (1 + 1e-6) + 1e-15 * Complex.Abs(value);
    }

    private static bool IsLiteral(MathNode node) => node is NumberNode || (node is CallNode { Function: "neg" or "degree" } call && IsLiteral(call.Children[0]));

    private static bool IsFinite(Complex x) => double.IsFinite(x.Real) && double.IsFinite(x.Imaginary);

    private static bool Close(Complex x, Complex y)
    {
        double scale = Math.Max(Complex.Abs(x), Complex.Abs(y));
        return scale < Negligible || Complex.Abs(x - y) <= Tolerance * scale;
    }

    /// <summary>Whether a value depends on a variable.</summary>
    public static bool HasVariable(MathNode node) => node is VariableNode || node.Children.Any(HasVariable);

    // Roots, logarithms and broken powers of a variable are compared for positive variables only.
    private static bool IsSignSensitive(MathNode node) =>
        (node is CallNode { Function: "sqrt" or "root" or "ln" or "log" or "lg" or "factorial" or "binom" } && HasVariable(node)) ||
        (node is BinaryNode { Operation: Operation.Power } power && HasVariable(power.Left) && power.Right is not (NumberNode { Value.IsInteger: true } or CallNode { Function: "neg" })) ||
        node.Children.Any(IsSignSensitive);
}
