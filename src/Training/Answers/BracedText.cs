namespace OllmNative.Training;

/// <summary>Finding balanced braces in text.</summary>
internal static class BracedText
{
    /// <summary>Index of the brace that closes the one at <paramref name="open"/>; -1 when none does. Escaped braces do not count.</summary>
    public static int End(string text, int open)
    {
        int depth = 0;
        for (int i = open; i < text.Length; i++)
        {
            if (text[i] == '\\' && i + 1 < text.Length && text[i + 1] is '{' or '}' or '\\') i++;
            else if (text[i] == '{') depth++;
            else if (text[i] == '}' && --depth == 0) return i;
        }

        return -1;
    }

    /// <summary>
    /// The text without braces that only group. Those of an exponent, an index or an argument stay, unless they hold one character:
    /// 2^{n-1} is not 2^n-1, but 2^{n} is 2^n.
    /// </summary>
    public static string WithoutIdleBraces(string text)
    {
        if (!text.Contains('{', StringComparison.Ordinal)) return text;
        var idle = new bool[text.Length];
        var open = new Stack<(int At, bool Argument, int Before)>();
        int characters = 0; // That stay, blanks not counted.
        bool argument = false; // Whether a brace here begins an argument.
        for (int i = 0; i < text.Length; i++)
        {
            char c = text[i];
            if (c == '\\' && i + 1 < text.Length)
            {
                int from = i++;
                while (i + 1 < text.Length && char.IsAsciiLetter(text[i]) && char.IsAsciiLetter(text[i + 1])) i++;
                argument = char.IsAsciiLetter(text[i]);
                characters += i + 1 - from;
            }
            else if (c == '{') open.Push((i, argument, characters));
            else if (c == '}' && open.TryPop(out (int At, bool Argument, int Before) start))
            {
                bool keep = start.Argument && characters - start.Before != 1;
                (idle[start.At], idle[i]) = (!keep, !keep);
                if (keep) characters += 2;
                argument = start.Argument;
            }
            else
            {
                argument = c is '^' or '_' or ']';
                if (!char.IsWhiteSpace(c)) characters++;
            }
            if (c == '{') argument = false;
        }
        return string.Concat(text.Where((_, i) => !idle[i]));
    }
}
