using System.Numerics;

namespace OllmNative.Training;

/// <content>Numbers, names, functions, brackets and matrices.</content>
internal sealed partial class MathParser
{
    private MathNode ParsePrimary()
    {
        Enter();
        MathToken token = Next;
        _at++;
        MathNode node = token.Kind switch
        {
            TokenKind.Number => ParseNumber(token.Text),
            TokenKind.Variable => ParseVariable(token.Text),
            TokenKind.Function => ParseFunction(token.Text),
            TokenKind.Command => ParseCommand(token.Text),
            TokenKind.Environment => ParseMatrix(token.Text),
            TokenKind.Symbol => ParseBracket(token.Text),
            _ => throw new NotMathematicsException(),
        };
        _depth--;
        return node;
    }

    private MathNode ParseNumber(string text)
    {
        if (Next is { Kind: TokenKind.Command, Text: "overline" } && text.Contains('.')) return ParseRepeating(text);
        NumberNode number = Number(text);
        if (Next.Is("_")) return ParseBased(text);
        if (number.Decimals < 0 && MixedFraction() is { } fraction) return new BinaryNode(Operation.Add, number, fraction);
        return number;
    }

    private static NumberNode Number(string text)
    {
        Rational value = Rational.Parse(text) ?? throw new NotMathematicsException();
        int point = text.IndexOf('.');
        bool scientific = text.Contains('e') || text.Contains('E');
        int decimals = point < 0 || scientific ? -1 : text.Length - point - 1;
        return new NumberNode(value, text.Replace(".", "", StringComparison.Ordinal).TrimStart('0').Length, decimals);
    }

    // 0.1\overline{6}: the repeated block b of n digits adds b / (10^n - 1) at its place.
    private NumberNode ParseRepeating(string text)
    {
        _at++;
        bool braced = Accept("{");
        MathToken block = Next;
        if (block.Kind != TokenKind.Number || block.Text.Length > 50 || block.Text.Contains('.')) throw new NotMathematicsException();
        _at++;
        if (braced) Expect("}");
        NumberNode start = Number(text);
        BigInteger repeated = BigInteger.Parse(block.Text, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture);
        BigInteger scale = BigInteger.Pow(10, start.Decimals) * (BigInteger.Pow(10, block.Text.Length) - 1);
        Rational? value = Rational.Create(repeated, scale) is { } tail ? Rational.Add(start.Value, tail) : null;
        return new NumberNode(value ?? throw new NotMathematicsException(), start.SignificantDigits, -1);
    }

    // 204_5: the value in that base, marked so that it never equals a plain decimal number.
    private CallNode ParseBased(string digits)
    {
        string subscript = ParseSubscript();
        if (!int.TryParse(subscript, out int radix) || radix is < 2 or > 10 || digits.Any(c => c - '0' >= radix || c < '0')) throw new NotMathematicsException();
        BigInteger value = BigInteger.Zero;
        foreach (char digit in digits) value = value * radix + (digit - '0');
        return new CallNode("based", new NumberNode(Rational.FromInteger(value), digits.Length, -1));
    }

    // "3\frac{1}{2}" and "3 1/2" are sums; both parts must be written with plain digits.
    private BinaryNode? MixedFraction()
    {
        int start = _at;
        if (Next is { Kind: TokenKind.Command, Text: "frac" })
        {
            _at++;
            if (PlainArgument() is { } top && PlainArgument() is { } bottom) return new BinaryNode(Operation.Divide, Number(top), Number(bottom));
        }
        else if (Next is { Kind: TokenKind.Number, SpaceBefore: true } && Peek(1).Is("/") && Peek(2).Kind == TokenKind.Number)
        {
            _at += 3;
            return new BinaryNode(Operation.Divide, Number(_tokens[start].Text), Number(_tokens[start + 2].Text));
        }

        _at = start;
        return null;
    }

    private string? PlainArgument()
    {
        bool braced = Accept("{");
        if (Next.Kind != TokenKind.Number || Next.Text.Contains('.')) return null;
        string digits = Next.Text;
        _at++;
        return !braced || Accept("}") ? digits : null;
    }

    private MathNode ParseVariable(string name)
    {
        if (name == "mathbb R") return new SequenceNode(SequenceKind.Bracket, [new CallNode("neg", new ConstantNode(MathConstant.Infinity)), new ConstantNode(MathConstant.Infinity)]);
        string full = name + Suffix();
        return full switch
        {
            "e" => new ConstantNode(MathConstant.E),
            "i" => new ConstantNode(MathConstant.I),
            _ => new VariableNode(full),
        };
    }

    // Subscripts and primes are part of a name: x_1, x_{1}, f'.
    private string Suffix()
    {
        string suffix = "";
        while (true)
        {
            if (Next.Is("_")) suffix += "_" + ParseSubscript();
            else if (Accept("'")) suffix += "'";
            else if (Next.Is("^") && Peek(1) is { Kind: TokenKind.Command, Text: "prime" })
            {
                _at += 2;
                suffix += "'";
            }
            else return suffix;
        }
    }

    private string ParseSubscript()
    {
        Expect("_");
        if (!Next.Is("{")) return _tokens[_at++].Kind == TokenKind.End ? throw new NotMathematicsException() : _tokens[_at - 1].Text;
        string name = "";
        int depth = 0;
        do
        {
            if (Next.Kind == TokenKind.End) throw new NotMathematicsException();
            if (Next.Is("{")) depth++;
            else if (Next.Is("}")) depth--;
            else name += Next.Text;
            _at++;
        }
        while (depth > 0);
        return name;
    }

    private MathNode ParseCommand(string name)
    {
        if (MathSymbols.Unsupported.Contains(name)) throw new NotMathematicsException();
        switch (name)
        {
            case "pi": return new ConstantNode(MathConstant.Pi);
            case "infty": return new ConstantNode(MathConstant.Infinity);
            case "emptyset" or "varnothing": return new SequenceNode(SequenceKind.Set, []);
            case "frac": return new BinaryNode(Operation.Divide, ParseArgument(), ParseArgument());
            case "binom": return new CallNode("binom", ParseArgument(), ParseArgument());
            case "overline" or "bar": return Barred(ParseArgument());
            case "vec" or "hat" or "overrightarrow" or "widehat" or "underline": return ParseArgument();
            case "lfloor": return ParseFloor("floor", "rfloor");
            case "lceil": return ParseFloor("ceil", "rceil");
            case "rfloor" or "rceil": throw new NotMathematicsException();
            default: return new VariableNode(name + Suffix());
        }
    }

    // A conjugate or a mean is not the variable itself; a segment (\overline{AB}) may be written without its bar.
    private static MathNode Barred(MathNode node) => node is VariableNode { Name: [>= 'a' and <= 'z'] } variable ? new VariableNode("bar " + variable.Name) : node;

    private CallNode ParseFloor(string function, string close)
    {
        MathNode inside = ParseSum();
        if (Next.Kind != TokenKind.Command || Next.Text != close) throw new NotMathematicsException();
        _at++;
        return new CallNode(function, inside);
    }

    // One LaTeX argument: a braced expression or a single primary.
    private MathNode ParseArgument() => ParsePrimary();

    private MathNode ParseFunction(string name)
    {
        if (name is "sqrt" or "cbrt") return ParseRoot(name);
        MathNode? subscript = null;
        MathNode? power = null;
        while (Next.Is("_") || Next.Is("^"))
        {
            bool isSubscript = Next.Is("_");
            _at++;
            MathNode script = Next.Is("{") ? ParsePrimary() : ParseSigned();
            if (isSubscript) subscript = script;
            else power = script;
        }

        MathNode[] arguments = FunctionArguments();
        if (power is CallNode { Function: "neg" } or NumberNode { Value.Numerator.Sign: < 0 }) return new CallNode("arc" + name, arguments);
        MathNode call = subscript != null && name == "log" ? new CallNode("log", arguments[0], subscript) : new CallNode(name, arguments);
        return power == null ? call : new BinaryNode(Operation.Power, call, power);
    }

    private CallNode ParseRoot(string name)
    {
        MathNode? index = name == "cbrt" ? Integer(3) : null;
        if (Accept("["))
        {
            index = ParseSum();
            Expect("]");
        }

        MathNode radicand = ParsePrimary();
        return index == null ? new CallNode("sqrt", radicand) : new CallNode("root", radicand, index);
    }

    // "f(x, y)", or without brackets the factors that follow: \sin 2x is sin(2x), but 2\sin b\cos a has two factors.
    private MathNode[] FunctionArguments()
    {
        if (Next.Is("(") || Next.Is("[") || Next.Is("{") || Next.Is("\\{"))
        {
            MathNode bracket = ParsePrimary();
            return bracket is SequenceNode { Children.Count: > 0 } sequence ? sequence.Children.ToArray() : [bracket];
        }

        bool negative = Accept("-");
        MathNode argument = ParsePower();
        while (StartsPrimary(Next) && Next.Kind is not (TokenKind.Function or TokenKind.Environment)) argument = new BinaryNode(Operation.Multiply, argument, ParsePower());
        return [negative ? new CallNode("neg", argument) : argument];
    }

    private MathNode ParseBracket(string open)
    {
        switch (open)
        {
            case "(" or "[" or "{" or "\\{":
                break;
            case "|":
                _openBars++;
                MathNode inside = ParseSum();
                Expect("|");
                _openBars--;
                return new CallNode("abs", inside);
            default:
                throw new NotMathematicsException();
        }

        int bars = _openBars;
        _openBars = 0;
        var items = new List<MathNode>();
        if (!ClosesBracket(open))
        {
            do items.Add(ParseRelation());
            while (AcceptSeparator());
        }

        if (open == "{" && items.Count == 1 && Next is { Kind: TokenKind.Command, Text: "choose" })
        {
            _at++;
            items[0] = new CallNode("binom", items[0], ParseSum());
        }

        if (!ClosesBracket(open)) throw new NotMathematicsException();
        string close = Next.Text;
        _at++;
        _openBars = bars;
        if (open == "\\{") return new SequenceNode(SequenceKind.Set, items);
        if (items.Count == 0) throw new NotMathematicsException();
        if (items.Count == 1) return items[0];
        return open == "{" ? new SequenceNode(SequenceKind.List, items) : new SequenceNode(SequenceKind.Bracket, items, open[0], close[0]);
    }

    private bool ClosesBracket(string open) => open switch
    {
        "{" => Next.Is("}"),
        "\\{" => Next.Is("\\}"),
        _ => Next.Is(")") || Next.Is("]"),
    };

    private MatrixNode ParseMatrix(string environment)
    {
        string name = environment["begin ".Length..];
        if (!environment.StartsWith("begin", StringComparison.Ordinal) || !MathSymbols.Matrices.Contains(name)) throw new NotMathematicsException();
        if (name == "array" && Next.Is("{")) SkipColumnFormat();
        var cells = new List<MathNode>();
        int rows = 0;
        int columns = 0;
        while (Next.Kind != TokenKind.Environment)
        {
            int before = cells.Count;
            do cells.Add(ParseSum());
            while (Accept("&"));
            rows++;
            if (columns != 0 && cells.Count - before != columns) throw new NotMathematicsException();
            columns = cells.Count - before;
            if (!Accept("\\\\") && Next.Kind != TokenKind.Environment) throw new NotMathematicsException();
        }

        if (Next.Text != "end " + name || rows == 0) throw new NotMathematicsException();
        _at++;
        return new MatrixNode(rows, columns, cells);
    }

    private void SkipColumnFormat()
    {
        while (!Accept("}"))
        {
            if (Next.Kind == TokenKind.End) throw new NotMathematicsException();
            _at++;
        }
    }
}
