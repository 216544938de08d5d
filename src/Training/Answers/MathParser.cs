namespace OllmNative.Training;

/// <summary>
/// Recursive-descent parser of final answers, from the loosest binding to the tightest:
/// list (<c>, ; and or</c>), relation chain, union, ratio (<c>:</c>), sum, product (also by juxtaposition), sign, power, primary.
/// Anything it does not understand makes the whole answer unparsed, and the answer is then compared as text.
/// </summary>
internal sealed partial class MathParser
{
    private const int MaxTokens = 2000;
    private const int MaxDepth = 120;
    private static readonly string[] RelationSigns = ["=", "<", ">", "<=", ">=", "!=", "≈", "∈"];

    private readonly List<MathToken> _tokens;
    private int _at;
    private int _depth;
    private int _openBars;

    private MathParser(List<MathToken> tokens) => _tokens = tokens;

    /// <summary>The tree of an answer, or null when it is not (only) mathematics that this parser knows.</summary>
    public static MathNode? TryParse(string text, CommaReading commas = CommaReading.Thousands)
    {
        List<MathToken> tokens = MathLexer.Read(text, commas);
        if (tokens.Count is 1 or > MaxTokens) return null;
        var parser = new MathParser(tokens);
        try
        {
            if (parser.Next.Is("=")) parser._at++;
            MathNode answer = parser.ParseList();
            return parser.Next.Kind == TokenKind.End ? answer : null;
        }
        catch (NotMathematicsException)
        {
            return null;
        }
    }

    private MathToken Next => _tokens[_at];

    private MathToken Peek(int ahead) => _tokens[Math.Min(_at + ahead, _tokens.Count - 1)];

    private bool Accept(string symbol)
    {
        if (!Next.Is(symbol)) return false;
        _at++;
        return true;
    }

    private void Expect(string symbol)
    {
        if (!Accept(symbol)) throw new NotMathematicsException();
    }

    // "p=5,q=2; p=7,q=2": when semicolons and commas are mixed, the commas bind tighter and make tuples.
    private MathNode ParseList()
    {
        var groups = new List<List<MathNode>> { new() };
        do
        {
            SkipDecoration();
            if (Next.Kind == TokenKind.End) break;
            groups[^1].Add(ParseRelation());
            SkipDecoration();
            if (Next.Is(";")) groups.Add([]);
        }
        while (AcceptSeparator());

        groups.RemoveAll(group => group.Count == 0);
        if (groups.Count == 0) throw new NotMathematicsException();
        IEnumerable<MathNode> items = groups.Count == 1
            ? groups[0]
            : groups.Select(group => group.Count == 1 ? group[0] : new SequenceNode(SequenceKind.Bracket, group));
        MathNode[] all = items.ToArray();
        return all.Length == 1 ? all[0] : new SequenceNode(SequenceKind.List, all);
    }

    private bool AcceptSeparator()
    {
        if (!Next.Is(",") && !Next.Is(";") && !Next.Is("and")) return false;
        while (Accept(",") || Accept(";") || Accept("and")) { }
        return true;
    }

    // Full stops and stray backslashes around an answer carry nothing.
    private void SkipDecoration()
    {
        while (Next.Is(".")) _at++;
    }

    private MathNode ParseRelation()
    {
        MathNode first = ParseUnion();
        if (!IsRelation(Next)) return first;
        var members = new List<MathNode> { first };
        var relations = new List<string>();
        while (IsRelation(Next))
        {
            relations.Add(Next.Text);
            _at++;
            members.Add(ParseUnion());
        }

        return new RelationNode(members, relations);
    }

    private static bool IsRelation(MathToken token) => token.Kind == TokenKind.Symbol && Array.IndexOf(RelationSigns, token.Text) >= 0;

    private MathNode ParseUnion()
    {
        MathNode left = ParseRatio();
        while (Next.Is("∪") || Next.Is("∩") || Next.Is("∖"))
        {
            Operation operation = Next.Text switch { "∪" => Operation.Union, "∩" => Operation.Intersection, _ => Operation.Difference };
            _at++;
            left = new BinaryNode(operation, left, ParseRatio());
        }

        return left;
    }

    private MathNode ParseRatio()
    {
        MathNode left = ParseSum();
        while (Accept(":")) left = new BinaryNode(Operation.Divide, left, ParseSum());
        return left;
    }

    private MathNode ParseSum()
    {
        MathNode left = Accept("±") || Accept("∓") ? new BinaryNode(Operation.PlusMinus, Zero, ParseProduct()) : ParseProduct();
        while (true)
        {
            if (Accept("+")) left = new BinaryNode(Operation.Add, left, ParseProduct());
            else if (Accept("-")) left = new BinaryNode(Operation.Subtract, left, ParseProduct());
            else if (Accept("±")) left = new BinaryNode(Operation.PlusMinus, left, ParseProduct());
            else if (Accept("∓")) left = new BinaryNode(Operation.MinusPlus, left, ParseProduct());
            else return left;
        }
    }

    private MathNode ParseProduct()
    {
        MathNode left = ParseSigned();
        while (true)
        {
            if (Accept("*")) left = new BinaryNode(Operation.Multiply, left, ParseSigned());
            else if (Accept("/")) left = new BinaryNode(Operation.Divide, left, ParseSigned());
            else if (StartsPrimary(Next))
            {
                bool twoNumbers = Next.Kind == TokenKind.Number && _tokens[_at - 1].Kind == TokenKind.Number;
                if (twoNumbers) throw new NotMathematicsException();
                left = new BinaryNode(Operation.Multiply, left, ParsePower());
            }
            else return left;
        }
    }

    private MathNode ParseSigned()
    {
        Enter();
        bool negative = false;
        while (Next.Is("-") || Next.Is("+"))
        {
            negative ^= Next.Is("-");
            _at++;
        }

        MathNode operand = ParsePower();
        _depth--;
        return negative ? new CallNode("neg", operand) : operand;
    }

    private MathNode ParsePower()
    {
        MathNode node = ParsePostfix(ParsePrimary());
        if (!AcceptOrdinal() && Accept("^"))
        {
            bool braced = Next.Is("{");
            int degreeAt = braced ? 1 : 0;
            if (IsDegree(Peek(degreeAt)))
            {
                _at += degreeAt + 1;
                if (braced) Expect("}");
                node = new CallNode("degree", node);
            }
            else node = new BinaryNode(Operation.Power, node, ParseSigned());
        }

        return DropUnits(ParsePostfix(node));
    }

    // 7^{\text{th}} is 7.
    private bool AcceptOrdinal()
    {
        bool ordinal = Next.Is("^") && Peek(1).Is("{") && Peek(2) is { Kind: TokenKind.Word, Text: "st" or "nd" or "rd" or "th" } && Peek(3).Is("}");
        if (ordinal) _at += 4;
        return ordinal;
    }

    private bool IsDegree(MathToken token) =>
        token is { Kind: TokenKind.Command, Text: "circ" } || (token is { Kind: TokenKind.Variable, Text: "o" } && Peek(1).Is("}"));

    private MathNode ParsePostfix(MathNode node)
    {
        while (true)
        {
            if (Accept("!")) node = new CallNode("factorial", node);
            else if (Accept("%")) node = new CallNode("percent", node);
            else if (Accept("°")) node = new CallNode("degree", node);
            else return node;
        }
    }

    // "15 cm^2", "17 \text{ apples}", "3 million": words after a value are its unit and carry no value, save number words.
    private MathNode DropUnits(MathNode node)
    {
        while (Next.Kind == TokenKind.Word)
        {
            string word = Next.Text;
            if (word.Split(' ').Any(MathSymbols.Conditions.Contains)) throw new NotMathematicsException();
            _at++;
            if (MathSymbols.Scales.TryGetValue(word, out int scale)) node = new BinaryNode(Operation.Multiply, node, Integer(scale));
            else if (word is "percent" or "pct" or "percentage" or "per cent") node = new CallNode("percent", node);
            if (Accept("^")) ParseSigned();
        }

        return node;
    }

    private bool StartsPrimary(MathToken token) => token.Kind switch
    {
        TokenKind.Number or TokenKind.Variable or TokenKind.Function => true,
        TokenKind.Command => token.Text is not ("rfloor" or "rceil" or "choose"),
        TokenKind.Environment => token.Text.StartsWith("begin", StringComparison.Ordinal),
        TokenKind.Symbol => token.Text is "(" or "[" or "{" or "\\{" || (token.Text == "|" && _openBars == 0),
        _ => false,
    };

    private void Enter()
    {
        if (++_depth > MaxDepth) throw new NotMathematicsException();
    }

    private static NumberNode Zero => Integer(0);

    private static NumberNode Integer(int value) => new(Rational.FromInteger(value), 1, -1);

    /// <summary>Leaves the parser at the first thing that it cannot read; never seen outside <see cref="TryParse"/>.</summary>
    private sealed class NotMathematicsException : Exception;
}
