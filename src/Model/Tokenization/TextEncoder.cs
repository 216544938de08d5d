using System.Text;

namespace OllmNative.Model;

/// <summary>One stage of the file's pre_tokenizer: perhaps a space put before the text, perhaps a split.</summary>
internal sealed record PreTokenizerStage(bool AddPrefixSpace, PieceSplitter? Splitter);

/// <summary>
/// Text between added tokens to ids: the pre-tokenizer stages one within the other, then byte pair encoding.
/// Holds scratch memory, so one object serves one thread at a time.
/// </summary>
internal sealed class TextEncoder(BpeModel model, IReadOnlyList<PreTokenizerStage> stages)
{
    // Scratch above this many entries is not kept for the life of the tokenizer.
    private const int KeepEntries = 1 << 18;

    private readonly BytePairEncoder pairs = new(model);
    private readonly List<int>[] ends = [.. stages.Select(_ => new List<int>())];
    private byte[] utf8 = new byte[256];

    /// <summary>Appends the ids of well-formed, normalised text.</summary>
    public void Encode(ReadOnlySpan<char> text, List<int> output)
    {
        EncodeStage(text, 0, output);
        foreach (List<int> list in ends)
            if (list.Capacity > KeepEntries) list.Capacity = 0;
        if (utf8.Length > KeepEntries) utf8 = new byte[256];
    }

    private void EncodeStage(ReadOnlySpan<char> text, int stage, List<int> output)
    {
        if (text.IsEmpty) return;
        if (stage == stages.Count)
        {
            EncodePiece(text, output);
            return;
        }
        if (stages[stage].AddPrefixSpace && text[0] != ' ') text = string.Concat(" ", text);
        if (stages[stage].Splitter is not { } splitter)
        {
            EncodeStage(text, stage + 1, output);
            return;
        }

        List<int> pieceEnds = ends[stage];
        pieceEnds.Clear();
        splitter.Split(text, pieceEnds);
        int start = 0;
        foreach (int end in pieceEnds)
        {
            EncodeStage(text[start..end], stage + 1, output);
            start = end;
        }
    }

    private void EncodePiece(ReadOnlySpan<char> piece, List<int> output)
    {
        int room = Encoding.UTF8.GetMaxByteCount(piece.Length);
        if (utf8.Length < room) utf8 = new byte[room];
        pairs.Encode(utf8.AsSpan(0, Encoding.UTF8.GetBytes(piece, utf8)), output);
    }
}
