using System.Text;

namespace OllmNative.Training;

internal enum TokenKind { Number, Variable, Function, Command, Word, Symbol, Environment, End }

/// <summary>One token; <paramref name="SpaceBefore"/> tells "1 1/2" from "11/2".</summary>
internal readonly record struct MathToken(TokenKind Kind, string Text, bool SpaceBefore)
{
    public bool Is(string symbol) => Kind == TokenKind.Symbol && Text == symbol;
}

/// <summary>How a comma between digits is read: see docs/answers.md, "Commas".</summary>
internal enum CommaReading { Thousands, Separator, Decimal }

/// <summary>Cuts an answer, in LaTeX or plain notation, into tokens. Never throws; unknown characters become variables.</summary>
internal sealed class MathLexer
{
    private readonly string _text;
    private readonly CommaReading _commas;
    private readonly List<MathToken> _tokens = [];
    private int _at;
    private int _brackets;
    private bool _space;

    private MathLexer(string text, CommaReading commas)
    {
        _text = text;
        _commas = commas;
    }

    /// <summary>The tokens of <paramref name="text"/>, ended by one <see cref="TokenKind.End"/>.</summary>
    public static List<MathToken> Read(string text, CommaReading commas = CommaReading.Thousands)
    {
        var lexer = new MathLexer(text, commas);
        while (lexer._at < text.Length) lexer.ReadOne();
        lexer.Emit(TokenKind.End, "");
        return lexer._tokens;
    }

    private char Current => _at < _text.Length ? _text[_at] : '\0';

    private void Emit(TokenKind kind, string text)
    {
        _tokens.Add(new MathToken(kind, text, _space));
        _space = false;
    }

    private void ReadOne()
    {
        char c = _text[_at];
        if (char.IsWhiteSpace(c) || c is '~' or '$')
        {
            _space = true;
            _at++;
        }
        else if (char.IsAsciiDigit(c) || (c == '.' && _at + 1 < _text.Length && char.IsAsciiDigit(_text[_at + 1]))) ReadNumber();
        else if (c == '\\') ReadCommand();
        else if (c == '{' && _at + 1 < _text.Length && _text[_at + 1] == '}') _at += 2;
        else if (char.IsAsciiLetter(c)) ReadLetters();
        else ReadSign(c);
    }

    private void ReadNumber()
    {
        var digits = new StringBuilder();
        TakeDigits(digits);
        bool canBeGrouped = digits.Length is > 0 and <= 3 && digits[0] != '0';
        while (canBeGrouped && ThousandsSeparator() is > 0 and int separator)
        {
            _at += separator;
            TakeDigits(digits);
        }

        bool decimalComma = _commas == CommaReading.Decimal && Current == ',' && NextIsDigit(1);
        if ((Current == '.' && (NextIsDigit(1) || digits.Length > 0) && !NextIsLetter(1)) || decimalComma)
        {
            _at++;
            digits.Append('.');
            TakeDigits(digits);
        }

        if (Current is 'e' or 'E')
        {
            int sign = _at + 1 < _text.Length && _text[_at + 1] is '+' or '-' ? 1 : 0;
            if (NextIsDigit(1 + sign))
            {
                digits.Append(_text, _at, 1 + sign);
                _at += 1 + sign;
                TakeDigits(digits);
            }
        }

        Emit(TokenKind.Number, digits.ToString());
    }

    private bool NextIsDigit(int ahead) => _at + ahead < _text.Length && char.IsAsciiDigit(_text[_at + ahead]);

    private bool NextIsLetter(int ahead) => _at + ahead < _text.Length && char.IsAsciiLetter(_text[_at + ahead]);

    private void TakeDigits(StringBuilder into)
    {
        while (char.IsAsciiDigit(Current)) into.Append(_text[_at++]);
    }

    // Length of a thousands separator here, followed by exactly three digits; 0 when there is none.
    private int ThousandsSeparator()
    {
        foreach (string separator in (ReadOnlySpan<string>)["{,}", ",\\!", "\\,", "\\;", "\\ ", "\\!", "~", " ", ","])
        {
            if (string.CompareOrdinal(_text, _at, separator, 0, separator.Length) != 0) continue;
            if (separator == "," && (_commas != CommaReading.Thousands || _brackets > 0)) continue;
            int from = _at + separator.Length;
            while (separator == ",\\!" && from < _text.Length && _text[from] == ' ') from++;
            int digits = 0;
            while (from + digits < _text.Length && char.IsAsciiDigit(_text[from + digits])) digits++;
            if (digits == 3) return from - _at;
        }

        return 0;
    }

    private void ReadLetters()
    {
        int from = _at;
        while (char.IsAsciiLetter(Current)) _at++;
        EmitLetters(_text[from.._at]);
    }

    // "no" and "No" are words; "NO" is more likely the segment from N to O.
    private static bool IsShortWord(string run, string lower) => MathSymbols.ShortWords.Contains(lower) && run[1..] == lower[1..];

    // A run of letters is a function, a word, or a product of one-letter variables.
    private void EmitLetters(string run)
    {
        string lower = run.ToLowerInvariant();
        if (MathSymbols.Functions.Contains(run)) Emit(TokenKind.Function, run);
        else if (run is "pi" or "infty" or "inf" or "infinity") Emit(TokenKind.Command, run == "pi" ? "pi" : "infty");
        else if (lower is "and" or "or") Emit(TokenKind.Symbol, "and");
        else if (run.Length >= 4 || MathSymbols.ShortUnits.Contains(run) || IsShortWord(run, lower)) Emit(TokenKind.Word, lower);
        else if (run.StartsWith("or", StringComparison.Ordinal) && run.Length > 2)
        {
            Emit(TokenKind.Symbol, "and");
            EmitLetters(run[2..]);
        }
        else foreach (char letter in run) Emit(TokenKind.Variable, letter.ToString());
    }

    private void ReadSign(char c)
    {
        string pair = _at + 1 < _text.Length ? _text.Substring(_at, 2) : "";
        int superscript = MathSymbols.Superscripts.IndexOf(c, StringComparison.Ordinal);
        _at++;
        if (pair is "<=" or ">=" or "!=" or "**" or "==")
        {
            _at++;
            Emit(TokenKind.Symbol, pair switch { "**" => "^", "==" => "=", _ => pair });
        }
        else if (superscript >= 0)
        {
            Emit(TokenKind.Symbol, "^");
            Emit(TokenKind.Number, superscript.ToString(System.Globalization.CultureInfo.InvariantCulture));
        }
        else if (MathSymbols.Unicode.TryGetValue(c.ToString(), out string? sign)) EmitSymbol(sign);
        else if (MathSymbols.Greek.TryGetValue(c, out string? name)) EmitNamed(name);
        else if (c is '€' or '£' or '¥' or '₹' or '¢' or '"' or '`' or '\u200B') _space = true;
        else if (char.IsLetter(c)) Emit(TokenKind.Variable, c.ToString());
        else EmitSymbol(c.ToString());
    }

    private void EmitNamed(string name)
    {
        if (MathSymbols.Functions.Contains(name)) Emit(TokenKind.Function, name);
        else Emit(TokenKind.Command, name);
    }

    private void EmitSymbol(string symbol)
    {
        if (symbol is "(" or "[" or "\\{") _brackets++;
        if (symbol is ")" or "]" or "\\}" && _brackets > 0) _brackets--;
        Emit(TokenKind.Symbol, symbol);
    }

    private void ReadCommand()
    {
        _at++;
        char c = Current;
        if (!char.IsAsciiLetter(c))
        {
            _at++;
            if (c is '{' or '}') EmitSymbol("\\" + c);
            else if (c == '%') Emit(TokenKind.Symbol, "%");
            else if (c == '\\') Emit(TokenKind.Symbol, "\\\\");
            else if (c == '|') Emit(TokenKind.Symbol, "|");
            else _space = true;
            return;
        }

        int from = _at;
        while (char.IsAsciiLetter(Current)) _at++;
        string name = _text[from.._at];
        if (MathSymbols.Ignored.Contains(name))
        {
            _space = true;
            if (name is "left" or "right" && Current == '.') _at++;
        }
        else if (MathSymbols.IgnoredWithBraces.Contains(name))
        {
            _space = true;
            ReadBraces();
        }
        else if (name is "text" or "textrm" or "mathrm" or "mbox" && IsUnitLetter()) Emit(TokenKind.Word, ReadBraces());
        else if (MathSymbols.Text.Contains(name)) ReadText(ReadBraces());
        else if (name is "begin" or "end") Emit(TokenKind.Environment, name + " " + ReadBraces().Trim('*'));
        else if (name is "mathbb" or "mathcal" or "mathfrak") Emit(TokenKind.Variable, name + " " + ReadBraces().Trim());
        else if (name is "dfrac" or "tfrac" or "cfrac" or "frac") ReadFractionName();
        else if (name is "dbinom" or "tbinom") Emit(TokenKind.Command, "binom");
        else if (MathSymbols.Commands.TryGetValue(name, out string? symbol)) EmitSymbol(symbol is "{" or "}" ? "\\" + symbol : symbol is "or" ? "and" : symbol);
        else EmitNamed(name);
    }

    // "\frac12" has one-digit arguments: its digits are split here, where they are still text.
    private void ReadFractionName()
    {
        Emit(TokenKind.Command, "frac");
        for (int argument = 0; argument < 2; argument++)
        {
            int at = _at;
            while (at < _text.Length && char.IsWhiteSpace(_text[at])) at++;
            if (at >= _text.Length || !char.IsAsciiDigit(_text[at])) return;
            Emit(TokenKind.Number, _text[at].ToString());
            _at = at + 1;
        }
    }

    // The content of the braces that follow, or the one character without braces; nested braces are kept.
    private string ReadBraces()
    {
        while (char.IsWhiteSpace(Current)) _at++;
        if (Current != '{') return _at < _text.Length ? _text[_at++].ToString() : "";
        int depth = 0;
        int from = _at + 1;
        for (; _at < _text.Length; _at++)
        {
            if (_text[_at] == '{') depth++;
            else if (_text[_at] == '}' && --depth == 0) return _text[from.._at++];
        }

        return _text[Math.Min(from, _text.Length)..];
    }

    // "5\text{ m}": one letter behind a number. "2\mathrm{i}" and "x_\text{A}" are names.
    private bool IsUnitLetter()
    {
        if (_tokens.Count == 0 || !(_tokens[^1].Kind == TokenKind.Number || _tokens[^1].Is("}") || _tokens[^1].Is(")"))) return false;
        int from = _at;
        string content = ReadBraces().Trim(' ', '~', '\\', '.', ',');
        _at = from;
        return content.Length == 1 && MathSymbols.LetterUnits.Contains(content[0]);
    }

    private void ReadText(string content)
    {
        string trimmed = content.Trim(' ', '\t', '\n', '\r', '.', '~', '\\');
        string bare = trimmed.Trim('(', ')');
        if (trimmed.Length == 0) _space = true;
        else if (bare.Length == 1 && char.IsAsciiLetter(bare[0])) Emit(TokenKind.Variable, bare);
        else if (MathSymbols.Functions.Contains(trimmed)) Emit(TokenKind.Function, trimmed);
        else if (trimmed.Any(char.IsAsciiDigit) && !trimmed.Any(char.IsAsciiLetter)) ReadNested(trimmed);
        else if (IsConnector(trimmed)) Emit(TokenKind.Symbol, "and");
        else Emit(TokenKind.Word, trimmed.ToLowerInvariant());
    }

    private static bool IsConnector(string text) =>
        text.Trim(',', ' ').ToLowerInvariant() is "and" or "or" or "" || text.EndsWith(" and", StringComparison.OrdinalIgnoreCase) ||
        text.EndsWith(" or", StringComparison.OrdinalIgnoreCase);

    private void ReadNested(string text)
    {
        foreach (MathToken token in Read(text, _commas))
        {
            if (token.Kind != TokenKind.End) Emit(token.Kind, token.Text);
        }
    }
}
