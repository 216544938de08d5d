using System.Text;

namespace OllmNative.Training;

/// <summary>Spelling of answers as text: what is removed before parsing, and the comparison of answers that are words.</summary>
internal static class AnswerText
{
    private const int ShortText = 256;
    private static readonly string[] Delimiters = ["$$", "\\[", "\\]", "\\(", "\\)", "**"];

    /// <summary>
    /// The answer without mathematics delimiters, currency signs, surrounding white space and a final full stop;
    /// doubled backslashes (escaped twice) become single ones where no matrix needs them.
    /// </summary>
    public static string Clean(string text)
    {
        bool hasEnvironment = text.Contains("\\begin", StringComparison.Ordinal);
        if (!hasEnvironment) text = UndoubleBackslashes(text);
        foreach (string delimiter in Delimiters)
        {
            // "\\[2pt]" inside a matrix is a row end, not a delimiter.
            if (hasEnvironment && text.Contains("\\" + delimiter, StringComparison.Ordinal)) continue;
            text = text.Replace(delimiter, " ", StringComparison.Ordinal);
        }

        text = text.Replace("\\$", " ", StringComparison.Ordinal).Replace('$', ' ').Trim();
        string before;
        do
        {
            before = text;
            text = text.TrimEnd('.', ',', ';', ':', ' ', '\n', '\r', '\t');
            if (text.EndsWith('\\')) text = text.TrimEnd('\\');
        }
        while (text != before);
        return Unbox(text);
    }

    private static string UndoubleBackslashes(string text)
    {
        if (!text.Contains("\\\\", StringComparison.Ordinal)) return text;
        var result = new StringBuilder(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            bool doubled = text[i] == '\\' && i + 2 < text.Length && text[i + 1] == '\\' && (char.IsAsciiLetter(text[i + 2]) || text[i + 2] is '{' or '}' or '%' or '$' or '(' or ')');
            if (!doubled) result.Append(text[i]);
        }

        return result.ToString();
    }

    // "\boxed{x}" alone stands for x; the extractor has taken boxes out of longer texts already.
    private static string Unbox(string text)
    {
        foreach (string box in (ReadOnlySpan<string>)["\\boxed{", "\\fbox{", "\\text{", "\\mathrm{", "\\textbf{", "\\mathbf{"])
        {
            if (text.StartsWith(box, StringComparison.Ordinal) && BracedText.End(text, box.Length - 1) == text.Length - 1) return Clean(text[box.Length..^1]);
        }

        return text;
    }

    /// <summary>Two answers that are words: equal without LaTeX commands for text, braces, white space and final punctuation; case counts only where there are no words.</summary>
    public static bool Same(string a, string b)
    {
        string left = Skeleton(a);
        return left.Length > 0 && left == Skeleton(b);
    }

    // Commands for text, spacing and size; a fraction is a fraction in any size.
    private static string WithoutCommands(string text)
    {
        foreach (string command in MathSymbols.Text) text = text.Replace("\\" + command + "{", " {", StringComparison.Ordinal);
        foreach (string command in (ReadOnlySpan<string>)["\\left", "\\right", "\\displaystyle", "\\,", "\\!", "\\;", "\\:", "\\ ", "\\quad", "\\(", "\\)", "\\[", "\\]"]) text = text.Replace(command, "", StringComparison.Ordinal);
        text = text.Replace("\\dfrac", "\\frac", StringComparison.Ordinal).Replace("\\tfrac", "\\frac", StringComparison.Ordinal);
        foreach (string dots in (ReadOnlySpan<string>)["\\ldots", "\\cdots", "\\dots"]) text = text.Replace(dots, "...", StringComparison.Ordinal);
        return text;
    }

    private static string Skeleton(string text)
    {
        if (text.Contains('\\', StringComparison.Ordinal)) text = WithoutCommands(text);
        text = text.Replace("…", "...", StringComparison.Ordinal);
        text = BracedText.WithoutIdleBraces(text);
        Span<char> letters = text.Length <= ShortText ? stackalloc char[ShortText] : new char[text.Length];
        int count = 0;
        int run = 0;
        int longestWord = 0;
        bool inCommand = false;
        foreach (char c in text)
        {
            inCommand = c == '\\' || (inCommand && char.IsLetter(c));
            run = char.IsLetter(c) && !inCommand ? run + 1 : 0;
            longestWord = Math.Max(longestWord, run);
            if (!char.IsWhiteSpace(c) && c is not ('$' or '~' or '"')) letters[count++] = c;
        }

        string skeleton = letters[..count].TrimEnd(".,;:").ToString();
        return longestWord >= 3 || skeleton.Equals("no", StringComparison.OrdinalIgnoreCase) ? skeleton.ToLowerInvariant() : skeleton;
    }
}
