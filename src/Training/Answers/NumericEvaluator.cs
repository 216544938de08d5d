using System.Numerics;

namespace OllmNative.Training;

/// <summary>
/// Evaluates an answer in complex double precision at a numbered point: every variable gets a fixed pseudo-random value
/// that depends on its name and on the point alone. What has no value here (overflow, a set, a matrix) becomes NaN.
/// </summary>
internal sealed class NumericEvaluator(int point, WorkBudget budget)
{
    /// <summary>Points below this number give variables positive values; the points above it give them either sign.</summary>
    public const int PositivePoints = 3;

    private static readonly Complex NotANumber = new(double.NaN, double.NaN);

    private const double MostExactInteger = 1L << 53;
    private bool _insideTrigonometry;

    public Complex Evaluate(MathNode node)
    {
        if (!budget.Spend(1)) return NotANumber;
        return node switch
        {
            NumberNode number => number.Value.ToDouble(),
            VariableNode variable => ValueOf(variable.Name),
            ConstantNode constant => constant.Value switch
            {
                MathConstant.Pi => Math.PI,
                MathConstant.E => Math.E,
                MathConstant.I => Complex.ImaginaryOne,
                _ => NotANumber,
            },
            BinaryNode binary => Binary(binary),
            CallNode call => Call(call),
            _ => NotANumber,
        };
    }

    // FNV-1a over the name and the point: the same on every machine and run. Values are 0.6 to 3.1, away from 0 and from whole numbers.
    private double ValueOf(string name)
    {
        uint hash = 2166136261;
        foreach (char c in name) hash = (hash ^ c) * 16777619;
        hash = (hash ^ (uint)(point + 17)) * 16777619;
        hash ^= hash >> 15;
        hash *= 2246822519;
        hash ^= hash >> 13;
        double value = 0.6 + 2.5 * (hash / (double)uint.MaxValue);
        return point >= PositivePoints && (hash & 1) != 0 ? -value : value;
    }

    private Complex Binary(BinaryNode node)
    {
        Complex left = Evaluate(node.Left);
        Complex right = Evaluate(node.Right);
        return node.Operation switch
        {
            Operation.Add => left + right,
            Operation.Subtract => left - right,
            Operation.Multiply => left * right,
            Operation.Divide => right == Complex.Zero ? NotANumber : left / right,
            Operation.Power => Power(left, right),
            _ => NotANumber,
        };
    }

    private static Complex Power(Complex x, Complex y)
    {
        if (x == Complex.Zero) return y.Real > 0 ? Complex.Zero : NotANumber;
        if (x.Imaginary == 0 && y.Imaginary == 0 && (x.Real > 0 || y.Real == Math.Round(y.Real))) return Math.Pow(x.Real, y.Real);
        if (y.Imaginary == 0 && Math.Abs(y.Real) <= 64 && y.Real == Math.Round(y.Real)) return WholePower(x, (int)y.Real);
        return Complex.Pow(x, y);
    }

    private static Complex WholePower(Complex x, int exponent)
    {
        Complex product = Complex.One;
        for (int i = 0; i < Math.Abs(exponent); i++) product *= x;
        return exponent < 0 ? Complex.One / product : product;
    }

    private Complex Call(CallNode node)
    {
        bool outer = _insideTrigonometry;
        _insideTrigonometry = node.Function is "sin" or "cos" or "tan" or "cot" or "sec" or "csc" || (outer && node.Function is "neg" or "degree");
        Complex x = Evaluate(node.Children[0]);
        Complex? second = node.Children.Count > 1 ? Evaluate(node.Children[1]) : null;
        _insideTrigonometry = outer;
        if (double.IsNaN(x.Real)) return NotANumber;
        return node.Function switch
        {
            "neg" => -x,
            "percent" => x / 100,
            "degree" => outer ? x * (Math.PI / 180) : x,
            "based" => NotANumber,
            "sqrt" => x.Imaginary == 0 && x.Real >= 0 ? Math.Sqrt(x.Real) : Complex.Sqrt(x),
            "root" => Root(x, second ?? 2),
            "abs" => Complex.Abs(x),
            "exp" => Complex.Exp(x),
            "ln" => Logarithm(x),
            "log" => second is { } radix ? Logarithm(x) / Logarithm(radix) : Logarithm(x) / Math.Log(10),
            "lg" => Logarithm(x) / Math.Log(10),
            "binom" => second is { } k ? Gamma(x + 1) / (Gamma(k + 1) * Gamma(x - k + 1)) : NotANumber,
            "factorial" => Gamma(x + 1),
            "min" or "max" or "gcd" or "lcm" => Extreme(node),
            "floor" or "ceil" when x.Imaginary == 0 && ScalarComparer.HasVariable(node) => node.Function == "floor" ? Floor(x.Real) : -Floor(-x.Real),
            "floor" or "ceil" => x.Imaginary != 0 ? NotANumber : node.Function == "floor" ? Math.Floor(x.Real + 1e-9) : Math.Ceiling(x.Real - 1e-9),
            _ => Trigonometric(node.Function, x),
        };
    }

    // Few points do not tell step functions apart: n/t and log n often lie between the same whole numbers. So a smooth function stands for
    // the floor of what has a variable. Its wave has period 1, so that floor(x + 1) = floor(x) + 1 holds, and floor(a) = floor(b) only if a = b.
    private static double Floor(double x) => x - 0.5 + 0.2 * Math.Sin(2 * Math.PI * x) + 0.1 * Math.Cos(2 * Math.PI * x);

    private static Complex Logarithm(Complex x) => x == Complex.Zero ? NotANumber : Complex.Log(x);

    // An odd root of a negative real is real, as school books have it.
    private static Complex Root(Complex x, Complex index)
    {
        if (index == Complex.Zero) return NotANumber;
        bool oddRoot = index.Imaginary == 0 && Math.Abs(index.Real % 2) == 1;
        return x.Imaginary == 0 && x.Real < 0 && oddRoot ? -Math.Pow(-x.Real, 1 / index.Real) : Power(x, 1 / index);
    }

    private Complex Extreme(CallNode node)
    {
        var values = new List<double>();
        foreach (MathNode child in node.Children)
        {
            Complex value = Evaluate(child);
            if (value.Imaginary != 0 || double.IsNaN(value.Real)) return NotANumber;
            values.Add(value.Real);
        }

        return node.Function switch
        {
            "min" => values.Min(),
            "max" => values.Max(),
            _ when !values.TrueForAll(value => Math.Abs(value) < MostExactInteger && value == Math.Floor(value)) => NotANumber,
            "gcd" => values.Aggregate(Gcd),
            _ => values.Aggregate((a, b) => a == 0 || b == 0 ? 0 : Math.Abs(a / Gcd(a, b) * b)),
        };
    }

    private static double Gcd(double a, double b) => b == 0 ? Math.Abs(a) : Gcd(b, a % b);

    private static Complex Trigonometric(string function, Complex x) => function switch
    {
        "sin" => Complex.Sin(x),
        "cos" => Complex.Cos(x),
        "tan" => Complex.Tan(x),
        "cot" => Complex.One / Complex.Tan(x),
        "sec" => Complex.One / Complex.Cos(x),
        "csc" => Complex.One / Complex.Sin(x),
        "arcsin" or "asin" => Complex.Asin(x),
        "arccos" or "acos" => Complex.Acos(x),
        "arctan" or "atan" => Complex.Atan(x),
        "sinh" => Complex.Sinh(x),
        "cosh" => Complex.Cosh(x),
        "tanh" => Complex.Tanh(x),
        _ => NotANumber,
    };

    // Lanczos' approximation (g = 7, nine terms), reflected for the left half plane; about 15 digits.
    private static Complex Gamma(Complex z)
    {
        if (double.IsNaN(z.Real)) return NotANumber;
        if (z.Real < 0.5)
        {
            Complex sine = Complex.Sin(Math.PI * z);
            return sine == Complex.Zero || z.Real < -150 ? NotANumber : Math.PI / (sine * Gamma(1 - z));
        }

        ReadOnlySpan<double> terms =
        [
            676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
            12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
        ];
        z -= 1;
        Complex sum = 0.99999999999980993;
        for (int i = 0; i < terms.Length; i++) sum += terms[i] / (z + i + 1);
        Complex t = z + 7.5;
        return Math.Sqrt(2 * Math.PI) * Complex.Pow(t, z + 0.5) * Complex.Exp(-t) * sum;
    }
}
