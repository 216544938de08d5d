namespace OllmNative.Model;

/// <summary>One stage of pre-tokenization: cuts text into pieces that no merge may cross.</summary>
internal abstract class PieceSplitter
{
    /// <summary>Appends where each piece of <paramref name="text"/> (well-formed UTF-16) ends; the last end is the text's length.</summary>
    public abstract void Split(ReadOnlySpan<char> text, List<int> ends);

    /// <summary>The splitter for a pattern of a tokenizer.json: a scanner written for it when it is a known one, else the pattern itself.</summary>
    /// <exception cref="OllmException">The pattern is not one that .NET can run; <paramref name="place"/> says where it stands.</exception>
    public static PieceSplitter ForPattern(string pattern, string place) => pattern switch
    {
        QwenSplitter.Pattern => new QwenSplitter(),
        Gpt2Splitter.Pattern => new Gpt2Splitter(),
        _ => new RegexSplitter(pattern, place),
    };

    /// <summary>Where a run of one class that starts before <paramref name="at"/> ends.</summary>
    protected static int SkipRun(ReadOnlySpan<char> text, int at, CodePointClass run)
    {
        while (at < text.Length && CodePointClasses.At(text, at, out int width) == run) at += width;
        return at;
    }

    /// <summary>Where a run of white space, line breaks among it, ends; its characters are one unit each.</summary>
    protected static int SkipSpace(ReadOnlySpan<char> text, int at)
    {
        while (at < text.Length && CodePointClasses.At(text, at, out _) is CodePointClass.Space or CodePointClass.LineBreak) at++;
        return at;
    }

    /// <summary>
    /// The end that <c>\s+(?!\S)|\s+</c> finds in the white space [start, end): the last character is left to the word that follows,
    /// unless nothing follows or it is the only one.
    /// </summary>
    protected static int EndOfSpace(ReadOnlySpan<char> text, int start, int end) =>
        end == text.Length || end - start == 1 ? end : end - 1;

    /// <summary>Length of 's 't 're 've 'm 'll 'd at <paramref name="at"/>, or 0.</summary>
    protected static int ContractionLength(ReadOnlySpan<char> text, int at, bool ignoreCase)
    {
        if (text[at] != '\'' || at + 1 >= text.Length) return 0;
        char first = Fold(text[at + 1], ignoreCase);
        if (first is 's' or 't' or 'm' or 'd') return 2;
        char second = at + 2 < text.Length ? Fold(text[at + 2], ignoreCase) : '\0';
        return (first, second) is ('r', 'e') or ('v', 'e') or ('l', 'l') ? 3 : 0;
    }

    // The long s folds to s in Unicode, and the regular expression engines that define these patterns follow it.
    private static char Fold(char c, bool ignoreCase) =>
        !ignoreCase ? c : c == '\u017F' ? 's' : char.IsAsciiLetterUpper(c) ? (char)(c | 0x20) : c;
}
