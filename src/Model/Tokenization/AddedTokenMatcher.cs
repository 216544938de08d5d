using System.Buffers;
using System.Globalization;
using System.Text;

namespace OllmNative.Model;

/// <summary>A token that stands outside the merges and is found in the text before anything else.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Content">The text that means it.</param>
/// <param name="Special">Left out when decoding without special tokens.</param>
/// <param name="SingleWord">Not matched inside a word.</param>
/// <param name="StripLeft">Takes the white space before it along.</param>
/// <param name="StripRight">Takes the white space after it along.</param>
/// <param name="Normalized">Looked for in the normalised text instead of the raw one.</param>
internal sealed record AddedToken(int Id, string Content, bool Special, bool SingleWord, bool StripLeft, bool StripRight, bool Normalized);

/// <summary>Finds added tokens in text: leftmost first, the longest of those that start at one place.</summary>
internal sealed class AddedTokenMatcher
{
    private readonly Dictionary<char, (string Content, AddedToken Token)[]> byFirstChar;
    private readonly SearchValues<char> firstChars;

    /// <summary>A found token: the text from Start to End is replaced by it.</summary>
    public readonly record struct Match(int Start, int End, AddedToken Token);

    /// <summary>Prepares the search; <paramref name="spelling"/> gives the text that each token is looked for as.</summary>
    public AddedTokenMatcher(IEnumerable<AddedToken> tokens, Func<string, string> spelling)
    {
        byFirstChar = tokens
            .Select(token => (Content: spelling(token.Content), Token: token))
            .GroupBy(entry => entry.Content[0])
            .ToDictionary(group => group.Key, group => group.OrderByDescending(entry => entry.Content.Length).ToArray());
        firstChars = SearchValues.Create([.. byFirstChar.Keys]);
    }

    /// <summary>Whether there is no token to find.</summary>
    public bool IsEmpty => byFirstChar.Count == 0;

    /// <summary>Finds the next token at or after <paramref name="from"/>, where the previous match ended.</summary>
    /// <param name="text">What is searched.</param>
    /// <param name="from">Where the search begins.</param>
    /// <param name="literal">Stretches, in their order, that no special token may touch.</param>
    /// <param name="match">The token and its place.</param>
    public bool TryFind(ReadOnlySpan<char> text, int from, ReadOnlySpan<(int Start, int End)> literal, out Match match)
    {
        for (int at = from; at < text.Length; at++)
        {
            int offset = text[at..].IndexOfAny(firstChars);
            if (offset < 0) break;
            at += offset;
            foreach ((string content, AddedToken token) in byFirstChar[text[at]])
            {
                if (!text[at..].StartsWith(content, StringComparison.Ordinal)) continue;
                int start = at, end = at + content.Length;
                if (token.Special && Touches(literal, start, end)) continue;
                if (token.SingleWord && (EndsWithWord(text[..start]) || StartsWithWord(text[end..])))
                {
                    at = end - 1;
                    break;
                }
                if (token.StripLeft) start = from + text[from..start].TrimEnd().Length;
                if (token.StripRight) end = text.Length - text[end..].TrimStart().Length;
                match = new Match(start, end, token);
                return true;
            }
        }
        match = default;
        return false;
    }

    private static bool Touches(ReadOnlySpan<(int Start, int End)> stretches, int start, int end)
    {
        // The first stretch that ends behind the start: no other can be nearer.
        int low = 0, high = stretches.Length;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (stretches[middle].End > start) high = middle;
            else low = middle + 1;
        }
        return low < stretches.Length && stretches[low].Start < end;
    }

    private static bool EndsWithWord(ReadOnlySpan<char> text) =>
        Rune.DecodeLastFromUtf16(text, out Rune rune, out _) == OperationStatus.Done && IsWord(rune);

    private static bool StartsWithWord(ReadOnlySpan<char> text) =>
        Rune.DecodeFromUtf16(text, out Rune rune, out _) == OperationStatus.Done && IsWord(rune);

    /// <summary>\w: letters, marks, digits, connectors.</summary>
    private static bool IsWord(Rune rune) => Rune.GetUnicodeCategory(rune) is
        <= UnicodeCategory.LetterNumber or UnicodeCategory.ConnectorPunctuation;
}
