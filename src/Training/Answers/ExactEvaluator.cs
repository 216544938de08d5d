using System.Numerics;

namespace OllmNative.Training;

/// <summary>Evaluates an answer made of rational numbers exactly, so that 10^20 and 10^20 + 1 differ. Null when it is not rational or too long.</summary>
internal static class ExactEvaluator
{
    private const int MaxFactorial = 500;

    public static Rational? Evaluate(MathNode node, WorkBudget budget)
    {
        if (!budget.Spend(20)) return null;
        return node switch
        {
            NumberNode number => number.Value,
            BinaryNode binary => Binary(binary, budget),
            CallNode call => Call(call, budget),
            _ => null,
        };
    }

    private static Rational? Binary(BinaryNode node, WorkBudget budget)
    {
        if (Evaluate(node.Left, budget) is not { } left || Evaluate(node.Right, budget) is not { } right) return null;
        return node.Operation switch
        {
            Operation.Add => Rational.Add(left, right),
            Operation.Subtract => Rational.Add(left, right.Negate()),
            Operation.Multiply => Rational.Multiply(left, right),
            Operation.Divide => Rational.Divide(left, right),
            Operation.Power => Rational.Power(left, right),
            _ => null,
        };
    }

    private static Rational? Call(CallNode node, WorkBudget budget)
    {
        if (node.Function is not ("neg" or "abs" or "factorial" or "binom" or "floor" or "ceil" or "degree")) return null;
        if (Evaluate(node.Children[0], budget) is not { } x) return null;
        switch (node.Function)
        {
            case "neg": return x.Negate();
            case "degree": return x;
            case "abs": return x.Numerator.Sign < 0 ? x.Negate() : x;
            case "factorial": return Factorial(x, budget);
            case "floor": return Rational.FromInteger(Floor(x));
            case "ceil": return Rational.FromInteger(-Floor(x.Negate()));
            default: return Evaluate(node.Children[1], budget) is { } k ? Binomial(x, k, budget) : null;
        }
    }

    private static BigInteger Floor(Rational x) => BigInteger.DivRem(x.Numerator, x.Denominator, out BigInteger rest) - (rest.Sign < 0 ? 1 : 0);

    private static Rational? Factorial(Rational x, WorkBudget budget)
    {
        if (!x.IsInteger || x.Numerator.Sign < 0 || x.Numerator > MaxFactorial || !budget.Spend((int)x.Numerator)) return null;
        BigInteger product = BigInteger.One;
        for (int i = 2; i <= (int)x.Numerator; i++) product *= i;
        return Rational.FromInteger(product);
    }

    private static Rational? Binomial(Rational n, Rational k, WorkBudget budget)
    {
        if (!n.IsInteger || !k.IsInteger || k.Numerator.Sign < 0 || k.Numerator > MaxFactorial || BigInteger.Abs(n.Numerator) > 100_000) return null;
        if (!budget.Spend((int)k.Numerator)) return null;
        BigInteger value = BigInteger.One;
        for (int i = 1; i <= (int)k.Numerator; i++) value = value * (n.Numerator - i + 1) / i;
        return Rational.FromInteger(value);
    }
}
