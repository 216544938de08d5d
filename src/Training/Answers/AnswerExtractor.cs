using System.Buffers;
using System.Collections.Frozen;
using System.Text.RegularExpressions;

namespace OllmNative.Training;

/// <summary>
/// Finds the final answer in a worked solution. First match wins: (1) the last balanced <c>\boxed{...}</c>, joined with boxes
/// that only commas or "and" separate from it; (2) the last "final answer is", "answer is" or "answer:"; (3) a line "#### N";
/// (4) a text that is nothing but an answer, as it stands; (5) the last formula or number, whichever ends later.
/// A closing <c>&lt;/think&gt;</c> hides what precedes it as long as something that follows gives an answer by (1)-(3).
/// </summary>
public static partial class AnswerExtractor
{
    private const int MaxBareAnswer = 300;
    private const int MaxGap = 40;
    private static readonly SearchValues<char> LettersAndSpaces = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz \t\n\r\"");
    private static readonly string[] EndMarks = ["<|im_end|>", "<|im_start|>user", "<|endoftext|>", "<|eot_id|>", "<｜end▁of▁sentence｜>"];

    private static readonly FrozenSet<string>.AlternateLookup<ReadOnlySpan<char>> Functions = MathSymbols.Functions.GetAlternateLookup<ReadOnlySpan<char>>();
    private static readonly FrozenSet<string>.AlternateLookup<ReadOnlySpan<char>> ShortUnits = MathSymbols.ShortUnits.GetAlternateLookup<ReadOnlySpan<char>>();
    private static readonly FrozenSet<string>.AlternateLookup<ReadOnlySpan<char>> ShortWords = MathSymbols.ShortWords.GetAlternateLookup<ReadOnlySpan<char>>();

    /// <summary>The final answer of <paramref name="text"/>, trimmed; null when there is none. Never throws; linear in the length of the text.</summary>
    public static string? Extract(string? text)
    {
        if (string.IsNullOrWhiteSpace(text)) return null;
        text = WithoutEndMarks(text);
        int thought = text.LastIndexOf("</think>", StringComparison.Ordinal);
        if (thought >= 0 && Marked(text[(thought + "</think>".Length)..]) is { } afterThought) return afterThought;
        return Marked(text) ?? Unmarked(text);
    }

    private static string WithoutEndMarks(string text)
    {
        foreach (string mark in EndMarks)
        {
            int at = text.IndexOf(mark, StringComparison.Ordinal);
            if (at > 0 && !text.AsSpan(0, at).IsWhiteSpace()) text = text[..at];
        }

        return text;
    }

    private static string? Marked(string text) => LastBoxed(text) ?? AfterPhrase(text) ?? AfterHashes(text);

    private static string? LastBoxed(string text)
    {
        string? answer = null;
        int before = text.Length;
        int limit = text.Length;
        while (limit > 0 && FindBox(text, limit - 1) is { } box)
        {
            if (answer != null && !IsJoin(text, box.End, before)) break;
            string content = text[box.Start..box.ContentEnd].Trim();
            if (content.Length > 0) answer = answer == null ? content : content + ", " + answer;
            before = box.At;
            limit = box.At;
        }

        return answer;
    }

    // The last box that begins at or before the index; one without a closing brace ends with its line.
    private static (int At, int Start, int ContentEnd, int End)? FindBox(string text, int from)
    {
        for (int at = text.LastIndexOf("\\boxed", from, StringComparison.Ordinal); at >= 0; at = at == 0 ? -1 : text.LastIndexOf("\\boxed", at - 1, StringComparison.Ordinal))
        {
            int open = at + "\\boxed".Length;
            while (open < text.Length && text[open] == ' ') open++;
            if (open >= text.Length) continue;
            if (text[open] != '{') return char.IsAsciiDigit(text[open]) ? (at, open, open + 1, open + 1) : null;
            int close = BracedText.End(text, open);
            if (close >= 0) return (at, open + 1, close, close + 1);
            int line = text.IndexOf('\n', open);
            int end = line < 0 ? text.Length : line;
            return (at, open + 1, end, end);
        }

        return null;
    }

    private static bool IsJoin(string text, int from, int to)
    {
        if (to < from || to - from > MaxGap) return false;
        string gap = text[from..to];
        if (gap.Contains("\n\n", StringComparison.Ordinal) || gap.Contains(". ", StringComparison.Ordinal)) return false;
        return !NewStatement().IsMatch(gap) && (string.IsNullOrWhiteSpace(Glue().Replace(gap, "")) || Joiner().IsMatch(gap));
    }

    private static string? AfterPhrase(string text)
    {
        int end = -1;
        foreach (ValueMatch match in Phrase().EnumerateMatches(text)) end = match.Index + match.Length;
        if (end < 0) return null;
        string rest = text[end..].TrimStart(' ', ':', '*', '\n', '\r', '\t', '"');
        if (rest.Length == 0) return null;
        if (FormulaText.Leading(rest) is { } formula) return Trim(formula);
        string sentence = Trim(rest[..SentenceEnd(rest)]);
        return sentence.Length == 0 ? null : IsProse(sentence) ? LastValue(sentence) ?? sentence : sentence;
    }

    // A full stop ends a sentence where white space follows it; so does a line end.
    private static int SentenceEnd(string text)
    {
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] == '\n' || (text[i] == '.' && (i + 1 == text.Length || char.IsWhiteSpace(text[i + 1])))) return i;
        }

        return text.Length;
    }

    private static string? AfterHashes(string text)
    {
        int at = text.LastIndexOf("####", StringComparison.Ordinal);
        if (at < 0) return null;
        string line = text[(at + 4)..];
        int end = line.IndexOf('\n');
        string answer = Trim(end < 0 ? line : line[..end]);
        return answer.Length == 0 ? null : answer;
    }

    private static string? Unmarked(string text)
    {
        string trimmed = Trim(text);
        if (trimmed.Length == 0) return null;
        bool bare = trimmed.Length <= MaxBareAnswer && !IsProse(trimmed);
        return bare ? trimmed : LastValue(text) ?? (trimmed.Length <= MaxBareAnswer ? trimmed : null);
    }

    // Sentences: a word before any formula, or several words, outside of \text{...} and not a name of a function or unit.
    private static bool IsProse(string text)
    {
        string plain = LatexWords().Replace(text, " ");
        int words = 0;
        Span<char> lower = stackalloc char[MathSymbols.LongestName];
        foreach (ValueMatch match in Word().EnumerateMatches(plain))
        {
            ReadOnlySpan<char> written = plain.AsSpan(match.Index, match.Length);
            if (match.Length <= lower.Length)
            {
                ReadOnlySpan<char> word = lower[..written.ToLowerInvariant(lower)];
                if (word is "and" or "or" or "pi" or "infty" || Functions.Contains(word) || ShortUnits.Contains(written)) continue;
                if (match.Length < 4 && !ShortWords.Contains(word)) continue;
            }
            words++;
            bool leads = plain.AsSpan(0, match.Index).IndexOfAnyExcept(LettersAndSpaces) < 0;
            if (leads || words >= 3) return true;
        }

        return false;
    }

    private static string? LastValue(string text)
    {
        (int number, int length) = (-1, 0);
        foreach (ValueMatch match in Number().EnumerateMatches(text)) (number, length) = (match.Index, match.Length);
        if (FormulaText.Last(text) is { } formula && number < formula.End) return Trim(formula.Content);
        return number < 0 ? null : Trim(text.Substring(number, length));
    }

    private static string Trim(string text) => text.Trim().TrimEnd('.', ',', ';').Trim('*', '"', ' ', '\n', '\r', '\t');

    [GeneratedRegex(@"(final\s+answer|answer)\s*(is\s*:?|:|=)", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Phrase();

    [GeneratedRegex(@"(?<![A-Za-z0-9.])(?<!\d,)-?(\d[\d,]{0,60}(\.\d{1,60})?|\.\d{1,60})(\s?/\s?\d{1,60})?(\s?\\?%)?(?![A-Za-z]{0,8}\d)", RegexOptions.CultureInvariant)]
    private static partial Regex Number();

    [GeneratedRegex(@"\\[A-Za-z]+\s*(\{[^{}]*\})?", RegexOptions.CultureInvariant)]
    private static partial Regex LatexWords();

    [GeneratedRegex(@"[A-Za-z]{2,}", RegexOptions.CultureInvariant)]
    private static partial Regex Word();

    [GeneratedRegex(@"\b(is|are|so|thus|hence|therefore|then|but|which|we|not|answer|because|gives|get|no|wait|hmm|actually|sorry|correct|correction|instead|rather|should|let|recheck|check)\b", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex NewStatement();

    [GeneratedRegex(@"\\text\s*\{\s*\}|\\q?quad|\\[,;:! ()\[\]]|[\s$]", RegexOptions.CultureInvariant)]
    private static partial Regex Glue();

    [GeneratedRegex(@"[,;]|\b(and|or)\b", RegexOptions.CultureInvariant)]
    private static partial Regex Joiner();
}
