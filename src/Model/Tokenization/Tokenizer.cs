using System.Buffers;
using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace OllmNative.Model;

/// <summary>
/// A byte-level BPE tokenizer read from a Hugging Face tokenizer.json (Qwen2, Qwen2.5, Qwen3 and the DeepSeek-R1 distills).
/// Text becomes ids in five steps: added tokens are found in the raw text; what lies between is brought to NFC; the file's
/// pattern cuts it into pieces; each piece is taken as UTF-8 bytes; bytes are merged into tokens. No token is ever added
/// that the text does not contain: the beginning-of-sentence token is the caller's business.
/// One tokenizer may be used by many threads at once.
/// </summary>
public sealed class Tokenizer
{
    private readonly TokenizerFile file;
    private readonly Vocabulary vocabulary;
    private readonly AddedTokenMatcher rawTokens;
    private readonly AddedTokenMatcher normalizedTokens;
    private readonly AddedTokenMatcher templateTokens;
    private readonly bool[] special;
    private readonly ConcurrentBag<TextEncoder> encoders = [];

    private Tokenizer(TokenizerFile file, TokenizerConfigFile config)
    {
        this.file = file;
        vocabulary = file.Model.Vocabulary;
        rawTokens = new AddedTokenMatcher(file.AddedTokens.Where(t => !t.Normalized), content => content);
        normalizedTokens = new AddedTokenMatcher(file.AddedTokens.Where(t => t.Normalized), content => Normalize(content).ToString());
        templateTokens = new AddedTokenMatcher(file.AddedTokens, content => content);
        special = new bool[vocabulary.Size];
        foreach (AddedToken token in file.AddedTokens) special[token.Id] = token.Special;

        BosTokenId = config.IdOf(config.BosToken, "bos_token", this);
        EosTokenId = config.IdOf(config.EosToken, "eos_token", this);
        AddBosToken = config.AddBosToken;
    }

    /// <summary>
    /// Reads tokenizer.json, and tokenizer_config.json beside it when there is one.
    /// </summary>
    /// <param name="folderOrFile">A model folder, or the tokenizer.json itself.</param>
    /// <exception cref="OllmException">A file is missing, malformed, or asks for something that this tokenizer does not do.</exception>
    public static Tokenizer Load(string folderOrFile)
    {
        ArgumentNullException.ThrowIfNull(folderOrFile);
        string path = Directory.Exists(folderOrFile) ? Path.Combine(folderOrFile, "tokenizer.json") : folderOrFile;
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        return new Tokenizer(TokenizerFile.Read(path), TokenizerConfigFile.Read(folder));
    }

    /// <summary>Highest id + 1. A model's own vocabulary may be larger: it is often padded, and the ids above have no token.</summary>
    public int VocabularySize => vocabulary.Size;

    /// <summary>The beginning-of-sentence token that tokenizer_config.json names, if any. Chat templates may print it themselves.</summary>
    public int? BosTokenId { get; }

    /// <summary>The end-of-sentence token that tokenizer_config.json names, if any.</summary>
    public int? EosTokenId { get; }

    /// <summary>What tokenizer_config.json says under add_bos_token; <see cref="EncodeBeginning"/> heeds it, <see cref="Encode(string, bool)"/> never adds it.</summary>
    public bool AddBosToken { get; }

    /// <summary>The ids of a text.</summary>
    /// <param name="text">Any string; an unpaired surrogate counts as U+FFFD.</param>
    /// <param name="allowSpecial">Whether the text of added tokens (&lt;|im_end|&gt; and so on) means them; otherwise it is plain text.</param>
    /// <exception cref="OllmException">The vocabulary lacks a byte of the text.</exception>
    public int[] Encode(string text, bool allowSpecial = true)
    {
        ArgumentNullException.ThrowIfNull(text);
        var output = new List<int>(text.Length / 3 + 8);
        Encode(text, output, allowSpecial);
        return [.. output];
    }

    /// <summary>The ids of a text that begins a sequence: behind the beginning-of-sentence token where tokenizer_config.json asks for it (add_bos_token) and the text does not have it.</summary>
    /// <param name="text">Any string.</param>
    /// <param name="allowSpecial">As for <see cref="Encode(string, bool)"/>.</param>
    /// <exception cref="OllmException">The vocabulary lacks a byte of the text.</exception>
    public int[] EncodeBeginning(string text, bool allowSpecial = true)
    {
        int[] ids = Encode(text, allowSpecial);
        return AddBosToken && BosTokenId is int bos && (ids.Length == 0 || ids[0] != bos) ? [bos, .. ids] : ids;
    }

    /// <summary>Appends the ids of a text to <paramref name="output"/>, as <see cref="Encode(string, bool)"/> gives them.</summary>
    public void Encode(ReadOnlySpan<char> text, List<int> output, bool allowSpecial = true)
    {
        ArgumentNullException.ThrowIfNull(output);
        TextEncoder encoder = TakeEncoder();
        try
        {
            text = WellFormed(text);
            if (!allowSpecial) encoder.Encode(Normalize(text), output);
            else EncodeAround(rawTokens, text, [], output, between => EncodeNormalized(between, encoder, output));
        }
        finally
        {
            encoders.Add(encoder);
        }
    }

    /// <summary>
    /// The ids of a text in which special tokens mean themselves but in some stretches. What is said there is text; it still joins what
    /// stands beside it, as the file's pattern has it.
    /// </summary>
    internal int[] Encode(string text, (int Start, int End)[] literal)
    {
        var output = new List<int>(text.Length / 3 + 8);
        TextEncoder encoder = TakeEncoder();
        try
        {
            // U+FFFD takes one unit, as the unpaired surrogate in whose place it stands: the stretches stay where they are.
            EncodeAround(templateTokens, WellFormed(text), literal, output, between => encoder.Encode(Normalize(between), output));
        }
        finally
        {
            encoders.Add(encoder);
        }
        return [.. output];
    }

    private TextEncoder TakeEncoder() => encoders.TryTake(out TextEncoder? encoder) ? encoder : new TextEncoder(file.Model, file.Stages);

    /// <summary>The text of some ids. Bytes that are no UTF-8 become U+FFFD.</summary>
    /// <param name="ids">Ids of this tokenizer.</param>
    /// <param name="skipSpecial">Leaves out added tokens that the file calls special.</param>
    /// <exception cref="OllmException">No token has one of the ids.</exception>
    public string Decode(ReadOnlySpan<int> ids, bool skipSpecial = false)
    {
        int length = 0;
        foreach (int id in ids) length += skipSpecial && IsSpecial(id) ? 0 : TokenBytes(id).Length;
        byte[] bytes = ArrayPool<byte>.Shared.Rent(length);
        int at = 0;
        foreach (int id in ids)
        {
            if (skipSpecial && IsSpecial(id)) continue;
            ReadOnlySpan<byte> token = TokenBytes(id);
            token.CopyTo(bytes.AsSpan(at));
            at += token.Length;
        }
        string text = Encoding.UTF8.GetString(bytes, 0, length);
        ArrayPool<byte>.Shared.Return(bytes);
        return text;
    }

    /// <summary>A decoder for text that arrives token by token.</summary>
    public StreamDecoder NewStreamDecoder(bool skipSpecial = false) => new(this, skipSpecial);

    /// <summary>The id of a token as tokenizer.json writes it (an added token's content, or byte-level text such as "Ġthe"), or null.</summary>
    public int? IdOf(string token)
    {
        ArgumentNullException.ThrowIfNull(token);
        return vocabulary.IdOfWritten(token);
    }

    /// <summary>Whether the file calls this token special; false for an id without a token.</summary>
    public bool IsSpecial(int id) => (uint)id < (uint)special.Length && special[id];

    /// <summary>The bytes that a token stands for: a piece of UTF-8, possibly of a single character.</summary>
    /// <exception cref="OllmException">No token has this id.</exception>
    public ReadOnlySpan<byte> TokenBytes(int id) => vocabulary.Contains(id)
        ? vocabulary.BytesOf(id)
        : throw new OllmException($"token id {id} is not in {file.Path}, whose ids are below {VocabularySize}");

    /// <summary>
    /// A token in one printable line, for tables: a space shows as ␣, a line break as \n, other invisible characters as \u{…},
    /// bytes of an incomplete character as \x….
    /// </summary>
    /// <exception cref="OllmException">No token has this id.</exception>
    public string TokenText(int id)
    {
        var text = new StringBuilder();
        ReadOnlySpan<byte> bytes = TokenBytes(id);
        while (!bytes.IsEmpty)
        {
            bool valid = Rune.DecodeFromUtf8(bytes, out Rune rune, out int used) == System.Buffers.OperationStatus.Done;
            if (valid) AppendPrintable(text, rune);
            else foreach (byte b in bytes[..used]) text.Append(CultureInfo.InvariantCulture, $"\\x{b:X2}");
            bytes = bytes[used..];
        }
        return text.ToString();
    }

    private static void AppendPrintable(StringBuilder text, Rune rune)
    {
        _ = rune.Value switch
        {
            ' ' => text.Append('␣'),
            '\n' => text.Append("\\n"),
            '\r' => text.Append("\\r"),
            '\t' => text.Append("\\t"),
            _ => Rune.GetUnicodeCategory(rune)
                is (>= UnicodeCategory.SpaceSeparator and <= UnicodeCategory.PrivateUse) or UnicodeCategory.OtherNotAssigned
                ? text.Append(CultureInfo.InvariantCulture, $"\\u{{{rune.Value:X}}}")
                : text.Append(rune.ToString()),
        };
    }

    private delegate void SpanAction(ReadOnlySpan<char> text);

    /// <summary>Adds the ids of the tokens that the matcher finds, and hands on the text between them.</summary>
    private static void EncodeAround(
        AddedTokenMatcher matcher, ReadOnlySpan<char> text, ReadOnlySpan<(int Start, int End)> literal, List<int> output, SpanAction encodeBetween)
    {
        int from = 0;
        while (!matcher.IsEmpty && matcher.TryFind(text, from, literal, out AddedTokenMatcher.Match match))
        {
            encodeBetween(text[from..match.Start]);
            output.Add(match.Token.Id);
            from = match.End;
        }
        encodeBetween(text[from..]);
    }

    private void EncodeNormalized(ReadOnlySpan<char> text, TextEncoder encoder, List<int> output)
    {
        if (text.IsEmpty) return;
        EncodeAround(normalizedTokens, Normalize(text), [], output, between => encoder.Encode(between, output));
    }

    private ReadOnlySpan<char> Normalize(ReadOnlySpan<char> text) => file.Nfc ? NfcNormalizer.Normalize(text) : text;

    /// <summary>The text with U+FFFD in place of unpaired surrogates, which have no UTF-8.</summary>
    private static ReadOnlySpan<char> WellFormed(ReadOnlySpan<char> text)
    {
        if (text.IndexOfAnyInRange('\uD800', '\uDFFF') < 0) return text;
        var copy = new StringBuilder(text.Length);
        Span<char> units = stackalloc char[2];
        // The enumerator gives U+FFFD for each unpaired surrogate.
        foreach (Rune rune in text.EnumerateRunes()) copy.Append(units[..rune.EncodeToUtf16(units)]);
        return copy.ToString();
    }
}
