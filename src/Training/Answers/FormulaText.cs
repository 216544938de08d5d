namespace OllmNative.Training;

/// <summary>Finds formulas between LaTeX delimiters: $$...$$, $...$ within a line, \(...\) and \[...\].</summary>
internal static class FormulaText
{
    private static readonly (string Open, string Close)[] Delimiters = [("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]")];

    /// <summary>The content of the formula that the text begins with; null when it begins otherwise.</summary>
    public static string? Leading(string text) => At(text, 0) is { } formula ? formula.Content : null;

    /// <summary>The last formula and the index after its closing delimiter; null when there is none. Linear in the length of the text.</summary>
    public static (string Content, int End)? Last(string text)
    {
        (string Content, int End)? last = null;
        // Once a closing delimiter is missing it is missing for all later openings too; not looking again keeps this linear.
        bool noRound = false;
        bool noSquare = false;
        for (int at = 0; at < text.Length; at++)
        {
            bool round = text[at] == '\\' && at + 1 < text.Length && text[at + 1] == '(';
            bool square = text[at] == '\\' && at + 1 < text.Length && text[at + 1] == '[';
            if (text[at] == '\\' && at + 1 < text.Length && text[at + 1] is '\\' or '$') at++;
            else if (text[at] == '$' || (round && !noRound) || (square && !noSquare))
            {
                if (At(text, at) is { } formula)
                {
                    last = formula;
                    at = formula.End - 1;
                }
                else
                {
                    noRound |= round && text.IndexOf("\\)", at, StringComparison.Ordinal) < 0;
                    noSquare |= square && text.IndexOf("\\]", at, StringComparison.Ordinal) < 0;
                }
            }
        }

        return last;
    }

    private static (string Content, int End)? At(string text, int at)
    {
        foreach ((string open, string close) in Delimiters)
        {
            if (string.CompareOrdinal(text, at, open, 0, open.Length) != 0) continue;
            int from = at + open.Length;
            int end = open == "$" ? EndOfLineFormula(text, from) : text.IndexOf(close, from, StringComparison.Ordinal);
            if (end < 0 || text.AsSpan(from, end - from).IsWhiteSpace()) return null;
            return (text[from..end], end + close.Length);
        }

        return null;
    }

    private static int EndOfLineFormula(string text, int from)
    {
        for (int at = from; at < text.Length && text[at] != '\n'; at++)
        {
            if (text[at] == '\\') at++; // An escaped dollar is a currency sign.
            else if (text[at] == '$') return at;
        }
        return -1;
    }
}
