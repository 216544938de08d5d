using System.Text.Json;

namespace OllmNative.Model;

/// <summary>
/// A tokenizer.json as <see cref="Tokenizer"/> needs it. What would change the ids and is not known here is an error, never ignored.
/// The post_processor, truncation and padding are left aside: they apply to what a caller does with the ids.
/// </summary>
internal sealed class TokenizerFile
{
    private readonly Dictionary<string, JsonElement> sections = [];

    /// <summary>Where it was read from.</summary>
    public string Path { get; }

    /// <summary>Vocabulary (added tokens too) and merges.</summary>
    public BpeModel Model { get; }

    /// <summary>Tokens matched before anything else.</summary>
    public IReadOnlyList<AddedToken> AddedTokens { get; }

    /// <summary>Whether text is brought to NFC.</summary>
    public bool Nfc { get; }

    /// <summary>The pre-tokenizer, stage by stage.</summary>
    public IReadOnlyList<PreTokenizerStage> Stages { get; }

    private TokenizerFile(string path)
    {
        Path = path;
        Model = ReadSections(JsonFiles.ReadBytes(path).Span) ?? throw Error("model", "is missing");
        Nfc = ReadNormalizer(Section("normalizer"), "normalizer");
        Stages = ReadPreTokenizer();
        AddedTokens = ReadAddedTokens();
        if (Section("decoder") is { } decoder && TypeOf(decoder, "decoder") is var type and not "ByteLevel")
            throw Error("decoder.type", $"is \"{type}\"; expected \"ByteLevel\"");
    }

    /// <summary>Reads and checks the file.</summary>
    /// <exception cref="OllmException">It is missing, malformed, or asks for something else than byte-level BPE as Qwen's.</exception>
    public static TokenizerFile Read(string path)
    {
        try
        {
            return new TokenizerFile(path);
        }
        catch (JsonException e)
        {
            throw JsonFiles.Malformed(path, e);
        }
        catch (InvalidOperationException e)
        {
            // The JSON reader's way to report text that is no UTF-8, or half a surrogate pair as \u escape.
            throw new OllmException($"{path}: a string in it is not valid Unicode: {e.Message}", e);
        }
    }

    /// <summary>Reads the large model section in place and keeps the others, which are small.</summary>
    private BpeModel? ReadSections(ReadOnlySpan<byte> json)
    {
        BpeModel? model = null;
        var reader = new Utf8JsonReader(json);
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject) throw Error("the file", "must be one JSON object");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string key = reader.GetString()!;
            reader.Read();
            if (key == "model") model = new BpeModelReader(Path).Read(ref reader);
            else sections[key] = JsonElement.ParseValue(ref reader);
        }
        // Reads to the end, so that trailing garbage is found.
        while (reader.Read()) { }

        string? unknown = sections.Keys.FirstOrDefault(key => Section(key) is not null && key is not ("version" or "truncation" or "padding"
            or "added_tokens" or "normalizer" or "pre_tokenizer" or "post_processor" or "decoder"));
        return unknown is null ? model : throw Error(unknown, "is a key that this program does not know");
    }

    private bool ReadNormalizer(JsonElement? section, string place)
    {
        if (section is not { } normalizer) return false;
        string type = TypeOf(normalizer, place);
        if (type == "NFC") return true;
        if (type != "Sequence") throw Error($"{place}.type", $"is \"{type}\"; expected \"NFC\" or a \"Sequence\" of it");

        bool nfc = false;
        int index = 0;
        foreach (JsonElement part in Items(normalizer, "normalizers", place)) nfc |= ReadNormalizer(part, $"{place}.normalizers[{index++}]");
        return nfc;
    }

    private List<PreTokenizerStage> ReadPreTokenizer()
    {
        const string place = "pre_tokenizer";
        JsonElement root = Section(place) ?? throw Error(place, "is missing; expected ByteLevel, or a Sequence of Split and ByteLevel");
        var stages = new List<PreTokenizerStage>();
        bool closed = false;
        AddStages(root, place);
        return closed ? stages : throw Error(place, "must end with a ByteLevel");

        void AddStages(JsonElement part, string at)
        {
            string type = TypeOf(part, at);
            if (type == "Sequence")
            {
                int index = 0;
                foreach (JsonElement item in Items(part, "pretokenizers", at)) AddStages(item, $"{at}.pretokenizers[{index++}]");
                return;
            }
            if (closed) throw Error(at, "comes after a ByteLevel, which must be the last");
            closed = type == "ByteLevel";
            stages.Add(type switch
            {
                "ByteLevel" => new PreTokenizerStage(Flag(part, "add_prefix_space", at, false),
                    Flag(part, "use_regex", at, true) ? new Gpt2Splitter() : null),
                "Split" => new PreTokenizerStage(false, ReadSplit(part, at)),
                _ => throw Error($"{at}.type", $"is \"{type}\"; expected \"Split\", \"ByteLevel\" or a \"Sequence\" of them"),
            });
        }
    }

    private PieceSplitter ReadSplit(JsonElement split, string place)
    {
        if (Text(split, "behavior", place) is var behavior and not "Isolated")
            throw Error($"{place}.behavior", $"is \"{behavior}\"; expected \"Isolated\"");
        if (Flag(split, "invert", place, false)) throw Error($"{place}.invert", "is true; expected false");
        if (!split.TryGetProperty("pattern", out JsonElement pattern) || pattern.ValueKind != JsonValueKind.Object
            || !pattern.TryGetProperty("Regex", out JsonElement expression) || expression.ValueKind != JsonValueKind.String)
            throw Error($"{place}.pattern", "must be {\"Regex\": \"…\"}");
        return PieceSplitter.ForPattern(expression.GetString()!, $"{Path}: {place}.pattern.Regex");
    }

    private List<AddedToken> ReadAddedTokens()
    {
        var tokens = new List<AddedToken>();
        var ids = new HashSet<int>();
        if (Section("added_tokens") is not { } section) return tokens;
        if (section.ValueKind != JsonValueKind.Array) throw Error("added_tokens", "must be an array");

        foreach (JsonElement item in section.EnumerateArray())
        {
            string place = $"added_tokens[{tokens.Count}]";
            string content = Text(item, "content", place);
            if (!item.TryGetProperty("id", out JsonElement number) || number.ValueKind != JsonValueKind.Number || !number.TryGetInt32(out int id))
                throw Error($"{place}.id", $"must be a whole number from 0 to {Vocabulary.MaxId}");
            bool special = Flag(item, "special", place, false);
            var token = new AddedToken(id, content, special, Flag(item, "single_word", place, false), Flag(item, "lstrip", place, false),
                Flag(item, "rstrip", place, false), Flag(item, "normalized", place, !special));
            if (!ids.Add(id)) throw Error($"{place}.id", $"is {id}, as in an earlier one");
            tokens.Add(token);
            AddToVocabulary(token, place);
        }
        return tokens;
    }

    /// <summary>An added token may stand in the vocabulary too, but then under the same id.</summary>
    private void AddToVocabulary(AddedToken token, string place)
    {
        if (Model.Vocabulary.IdOfWritten(token.Content) is { } known)
        {
            if (known != token.Id) throw Error($"{place}.id", $"is {token.Id}, but \"{token.Content}\" has the id {known} already");
        }
        else if (Model.Vocabulary.AddText(token.Content, token.Id) is { } problem)
        {
            throw Error($"{place} \"{token.Content}\"", problem);
        }
    }

    /// <summary>A section of the file; null when it is absent or null.</summary>
    private JsonElement? Section(string key) =>
        sections.TryGetValue(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private string TypeOf(JsonElement element, string place) => Text(element, "type", place);

    private string Text(JsonElement element, string key, string place) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(key, out JsonElement value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()!
            : throw Error($"{place}.{key}", "must be a string");

    private bool Flag(JsonElement element, string key, string place, bool absent) => !element.TryGetProperty(key, out JsonElement value)
        ? absent
        : value.ValueKind switch
        {
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            _ => throw Error($"{place}.{key}", "must be true or false"),
        };

    private JsonElement.ArrayEnumerator Items(JsonElement element, string key, string place) =>
        element.TryGetProperty(key, out JsonElement items) && items.ValueKind == JsonValueKind.Array
            ? items.EnumerateArray()
            : throw Error($"{place}.{key}", "must be an array");

    private OllmException Error(string place, string what) => new($"{Path}: {place} {what}");
}
