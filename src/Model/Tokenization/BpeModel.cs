namespace OllmNative.Model;

/// <summary>A byte-level BPE model as a tokenizer.json gives it; immutable once loaded, so threads share it.</summary>
/// <param name="File">The file it was read from, for messages.</param>
/// <param name="Vocabulary">Tokens and ids.</param>
/// <param name="Merges">Ranks of the pairs.</param>
/// <param name="IgnoreMerges">Whether a piece that is a token as a whole becomes it without merging.</param>
internal sealed record BpeModel(string File, Vocabulary Vocabulary, MergeTable Merges, bool IgnoreMerges)
{
    /// <summary>The id of each single byte, -1 where the vocabulary has none.</summary>
    public int[] ByteIds { get; } = [.. Enumerable.Range(0, 256).Select(b => Vocabulary.IdOf([(byte)b]))];
}
