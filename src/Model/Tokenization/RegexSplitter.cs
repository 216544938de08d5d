using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace OllmNative.Model;

/// <summary>
/// Splits by any pattern of a tokenizer.json: every match is a piece, and so is what lies between two matches.
/// .NET matches UTF-16 units, to which \p{L} on a surrogate pair means nothing. So a code point beyond the basic plane is shown
/// to the expression as a stand-in, one character of the same general category, and the boundaries found are mapped back.
/// </summary>
internal sealed class RegexSplitter : PieceSplitter
{
    // Real patterns have some hundred characters and split millions of characters in a second. One that needs this long for a
    // match backtracks without end; one that needs long for each of many matches is stopped by the time of the whole text.
    private const int MaxPattern = 1 << 14;
    private const double SecondsPerCharacter = 20e-6;
    private static readonly TimeSpan MatchLimit = TimeSpan.FromSeconds(2);
    private static readonly char[] StandIns = ChooseStandIns();

    private readonly Regex expression;
    private readonly string place;

    /// <summary>Compiles the pattern; <paramref name="place"/> names the file and key that it comes from.</summary>
    /// <exception cref="OllmException">.NET does not understand the pattern.</exception>
    public RegexSplitter(string pattern, string place)
    {
        this.place = place;
        if (pattern.Length > MaxPattern) throw new OllmException($"{place}: the pattern has {pattern.Length} characters, expected at most {MaxPattern}");
        try
        {
            expression = Compile(pattern);
        }
        catch (ArgumentException e)
        {
            throw new OllmException($"{place}: the pattern cannot be used: {e.Message}", e);
        }
    }

    /// <inheritdoc/>
    public override void Split(ReadOnlySpan<char> text, List<int> ends)
    {
        int firstSurrogate = text.IndexOfAnyInRange('\uD800', '\uDFFF');
        if (firstSurrogate < 0)
        {
            AddMatches(text, text.Length, ends);
            return;
        }

        // shown[i] stands for the code point that starts at origin[i]; one more entry closes the text.
        var shown = new char[text.Length];
        var origin = new int[text.Length + 1];
        int count = 0;
        for (int i = 0; i < text.Length;)
        {
            bool pair = char.IsHighSurrogate(text[i]) && i + 1 < text.Length;
            origin[count] = i;
            shown[count++] = pair ? StandIns[(int)CharUnicodeInfo.GetUnicodeCategory(char.ConvertToUtf32(text[i], text[i + 1]))] : text[i];
            i += pair ? 2 : 1;
        }
        origin[count] = text.Length;

        int from = ends.Count;
        AddMatches(shown.AsSpan(0, count), count, ends);
        for (int i = from; i < ends.Count; i++) ends[i] = origin[ends[i]];
    }

    private void AddMatches(ReadOnlySpan<char> text, int length, List<int> ends)
    {
        int last = 0;
        long start = Stopwatch.GetTimestamp();
        double limit = MatchLimit.TotalSeconds + SecondsPerCharacter * length;
        try
        {
            foreach (ValueMatch match in expression.EnumerateMatches(text))
            {
                if (Stopwatch.GetElapsedTime(start).TotalSeconds > limit) throw new RegexMatchTimeoutException();
                if (match.Length == 0) continue;
                if (match.Index > last) ends.Add(match.Index);
                last = match.Index + match.Length;
                ends.Add(last);
            }
        }
        catch (RegexMatchTimeoutException e)
        {
            throw new OllmException($"{place}: the pattern needs more than {MatchLimit.TotalSeconds} s for a match; it backtracks without end", e);
        }
        if (last < length) ends.Add(length);
    }

    private static Regex Compile(string pattern)
    {
        const RegexOptions options = RegexOptions.CultureInvariant;
        try
        {
            return new Regex(pattern, options | RegexOptions.NonBacktracking, MatchLimit);
        }
        catch (NotSupportedException)
        {
            // Look-around and atomic groups need the backtracking engine, which the time limit keeps in bounds.
            return new Regex(pattern, options | RegexOptions.Compiled, MatchLimit);
        }
    }

    /// <summary>One character for each general category, taken past the Yi syllables, where no pattern names characters one by one.</summary>
    private static char[] ChooseStandIns()
    {
        const int begin = 0xA490;
        var standIns = new char[(int)UnicodeCategory.OtherNotAssigned + 1];
        for (int i = char.MaxValue; i >= 0; i--)
        {
            char c = (char)((begin + i) & char.MaxValue);
            standIns[(int)char.GetUnicodeCategory(c)] = c;
        }
        return standIns;
    }
}
