namespace OllmNative.Model;

/// <summary>The pattern of Qwen2, Qwen2.5, Qwen3 and the DeepSeek-R1 distills, as one pass over code points.</summary>
internal sealed class QwenSplitter : PieceSplitter
{
    /// <summary>The pattern as it stands in tokenizer.json.</summary>
    public const string Pattern =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    /// <inheritdoc/>
    public override void Split(ReadOnlySpan<char> text, List<int> ends)
    {
        for (int at = 0; at < text.Length;)
        {
            at = NextEnd(text, at);
            ends.Add(at);
        }
    }

    /// <summary>Tries the alternatives of the pattern in their order.</summary>
    private static int NextEnd(ReadOnlySpan<char> text, int at)
    {
        // (?i:'s|'t|'re|'ve|'m|'ll|'d)
        int contraction = ContractionLength(text, at, ignoreCase: true);
        if (contraction > 0) return at + contraction;

        CodePointClass first = CodePointClasses.At(text, at, out int width);
        int next = at + width;
        // [^\r\n\p{L}\p{N}]?\p{L}+
        if (first == CodePointClass.Letter) return SkipRun(text, next, CodePointClass.Letter);
        // \p{N}
        if (first == CodePointClass.Number) return next;
        CodePointClass second = next < text.Length ? CodePointClasses.At(text, next, out _) : CodePointClass.LineBreak;
        if (second == CodePointClass.Letter && first != CodePointClass.LineBreak) return SkipRun(text, next, CodePointClass.Letter);

        //  ?[^\s\p{L}\p{N}]+[\r\n]*
        if (first == CodePointClass.Other || (text[at] == ' ' && second == CodePointClass.Other))
            return SkipRun(text, SkipRun(text, next, CodePointClass.Other), CodePointClass.LineBreak);

        // \s*[\r\n]+ gives back what follows the last line break; without one, \s+(?!\S)|\s+
        int end = SkipSpace(text, next);
        int lastBreak = text[at..end].LastIndexOfAny('\r', '\n');
        return lastBreak >= 0 ? at + lastBreak + 1 : EndOfSpace(text, at, end);
    }
}
