namespace OllmNative.Model;

/// <summary>The pattern of GPT-2, which a ByteLevel pre-tokenizer with <c>use_regex</c> means, as one pass over code points.</summary>
internal sealed class Gpt2Splitter : PieceSplitter
{
    /// <summary>The pattern that the scanner follows.</summary>
    public const string Pattern = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    /// <inheritdoc/>
    public override void Split(ReadOnlySpan<char> text, List<int> ends)
    {
        for (int at = 0; at < text.Length;)
        {
            at = NextEnd(text, at);
            ends.Add(at);
        }
    }

    private static int NextEnd(ReadOnlySpan<char> text, int at)
    {
        int contraction = ContractionLength(text, at, ignoreCase: false);
        if (contraction > 0) return at + contraction;

        //  ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+: a run of one class, with one space before it.
        int start = text[at] == ' ' && at + 1 < text.Length ? at + 1 : at;
        CodePointClass run = CodePointClasses.At(text, start, out int width);
        if (run is not (CodePointClass.Space or CodePointClass.LineBreak)) return SkipRun(text, start + width, run);

        return EndOfSpace(text, at, SkipSpace(text, at));
    }
}
