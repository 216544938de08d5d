using System.Text;
using System.Text.Json;

namespace OllmNative.Model;

/// <summary>
/// Reads the model section of a tokenizer.json token by token: its 300,000 strings never become objects.
/// </summary>
internal sealed class BpeModelReader(string path)
{
    private readonly Vocabulary vocabulary = new();
    private byte[] first = new byte[256];
    private byte[] second = new byte[256];
    private byte[] joined = new byte[512];

    /// <summary>Reads the object that the reader stands at the start of.</summary>
    /// <exception cref="OllmException">The model is of another kind, or its parts do not fit together.</exception>
    public BpeModel Read(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject) throw Error("model", "must be an object");
        Utf8JsonReader merges = default;
        bool hasVocabulary = false, hasMerges = false, ignoreMerges = false;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string key = reader.GetString()!;
            reader.Read();
            switch (key)
            {
                case "vocab":
                    ReadVocabulary(ref reader);
                    hasVocabulary = true;
                    break;
                case "merges":
                    // They may stand before the vocabulary, which they need; so come back to them at the end.
                    merges = reader;
                    hasMerges = true;
                    reader.Skip();
                    break;
                case "ignore_merges":
                    ignoreMerges = reader.TokenType == JsonTokenType.True;
                    break;
                default:
                    CheckOption(key, ref reader);
                    break;
            }
        }
        if (!hasVocabulary) throw Error("model.vocab", "is missing");
        if (!hasMerges) throw Error("model.merges", "is missing");
        return new BpeModel(path, vocabulary, ReadMerges(ref merges), ignoreMerges);
    }

    /// <summary>Options that would change the ids must be off.</summary>
    private void CheckOption(string key, ref Utf8JsonReader reader)
    {
        using JsonDocument document = JsonDocument.ParseValue(ref reader);
        JsonElement value = document.RootElement;
        bool off = value.ValueKind is JsonValueKind.Null or JsonValueKind.False;
        string? expected = key switch
        {
            "type" => value.ValueKind == JsonValueKind.String && value.ValueEquals("BPE") ? null : "\"BPE\"",
            "dropout" => off || (value.ValueKind == JsonValueKind.Number && value.GetDouble() == 0) ? null : "null",
            "continuing_subword_prefix" or "end_of_word_suffix" => off || (value.ValueKind == JsonValueKind.String && value.ValueEquals("")) ? null : "\"\"",
            "byte_fallback" => off ? null : "false",
            // They speak of characters outside the vocabulary, which bytes never are.
            "unk_token" or "fuse_unk" => null,
            _ => off ? null : "no such key: this program does not know it",
        };
        if (expected is not null) throw Error($"model.{key}", $"is {value.GetRawText()}; expected {expected}");
    }

    private void ReadVocabulary(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject) throw Error("model.vocab", "must be an object of token: id");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            ReadOnlySpan<byte> token = StringOf(ref reader, ref first);
            reader.Read();
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt32(out int id))
                throw Error($"model.vocab[\"{Encoding.UTF8.GetString(token)}\"]", $"must be a whole number from 0 to {Vocabulary.MaxId}");
            if (vocabulary.Add(token, id) is { } problem) throw Error($"model.vocab[\"{Encoding.UTF8.GetString(token)}\"]", problem);
        }
    }

    private MergeTable ReadMerges(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartArray) throw Error("model.merges", "must be an array");
        var merges = new List<(int Left, int Right, int Merged)>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray) merges.Add(ReadMerge(ref reader, merges.Count));

        var table = new MergeTable(merges.Count);
        for (int rank = 0; rank < merges.Count; rank++) table.Add(merges[rank].Left, merges[rank].Right, rank, merges[rank].Merged);
        return table;
    }

    /// <summary>A merge is <c>"a b"</c>, or <c>["a", "b"]</c> in files of newer writers.</summary>
    private (int Left, int Right, int Merged) ReadMerge(ref Utf8JsonReader reader, int index)
    {
        ReadOnlySpan<byte> left, right;
        if (reader.TokenType == JsonTokenType.String)
        {
            ReadOnlySpan<byte> pair = StringOf(ref reader, ref first);
            int space = pair.IndexOf((byte)' ');
            if (space < 0) throw Error($"model.merges[{index}]", $"is \"{Encoding.UTF8.GetString(pair)}\"; expected two tokens with a space between");
            left = pair[..space];
            right = pair[(space + 1)..];
        }
        else
        {
            if (reader.TokenType != JsonTokenType.StartArray) throw NoPair(index);
            left = NextString(ref reader, ref first, index);
            right = NextString(ref reader, ref second, index);
            if (!reader.Read() || reader.TokenType != JsonTokenType.EndArray) throw NoPair(index);
        }
        return Resolve(left, right, index);
    }

    private (int Left, int Right, int Merged) Resolve(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right, int index)
    {
        if (joined.Length < left.Length + right.Length) joined = new byte[left.Length + right.Length];
        Span<byte> buffer = joined;
        int leftId = ByteAlphabet.TryDecode(left, buffer, out int leftLength) ? vocabulary.IdOf(buffer[..leftLength]) : -1;
        if (leftId < 0) throw Unknown(left);
        int rightId = ByteAlphabet.TryDecode(right, buffer[leftLength..], out int rightLength)
            ? vocabulary.IdOf(buffer.Slice(leftLength, rightLength))
            : -1;
        if (rightId < 0) throw Unknown(right);
        int merged = vocabulary.IdOf(buffer[..(leftLength + rightLength)]);
        return merged >= 0 ? (leftId, rightId, merged) : throw Unknown([.. left, .. right]);

        OllmException Unknown(ReadOnlySpan<byte> token) =>
            Error($"model.merges[{index}]", $"needs the token \"{Encoding.UTF8.GetString(token)}\", which model.vocab does not have");
    }

    private ReadOnlySpan<byte> NextString(scoped ref Utf8JsonReader reader, scoped ref byte[] buffer, int index) =>
        reader.Read() && reader.TokenType == JsonTokenType.String ? StringOf(ref reader, ref buffer) : throw NoPair(index);

    /// <summary>The UTF-8 text of the string or name that the reader stands at, valid until the buffer is used again.</summary>
    private static ReadOnlySpan<byte> StringOf(scoped ref Utf8JsonReader reader, scoped ref byte[] buffer)
    {
        if (buffer.Length < reader.ValueSpan.Length) buffer = new byte[reader.ValueSpan.Length];
        return buffer.AsSpan(0, reader.CopyString(buffer));
    }

    private OllmException NoPair(int index) => Error($"model.merges[{index}]", "must be \"a b\" or [\"a\", \"b\"]");

    private OllmException Error(string place, string what) => new($"{path}: {place} {what}");
}
