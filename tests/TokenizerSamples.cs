using System.Text;
using System.Text.Json.Nodes;
using FsCheck;
using FsCheck.Fluent;
using OllmNative.Model;

namespace OllmNative.Tests;

/// <summary>A small byte-level tokenizer and random texts, so that most tokenizer tests need no public data.</summary>
internal static class TokenizerSamples
{
    public const int End = 300, Start = 301, Note = 302;

    private static readonly string[] Merges =
        ["t h", "th e", "i n", "in g", "Ġ th", "Ġth e", "l l", "' ll", "Ġ Ġ", "ĠĠ ĠĠ", "a a", "aa a", "Ã ©", "æ Ĺ", "æĹ ¥"];

    /// <summary>256 bytes (ids 0-255), a few merges from 256 on, and three added tokens.</summary>
    public static JsonObject SmallFile()
    {
        var vocab = new JsonObject();
        for (int b = 0; b < 256; b++) vocab[ByteAlphabet.CharOf((byte)b).ToString()] = b;
        foreach (string merge in Merges) vocab[merge.Replace(" ", "", StringComparison.Ordinal)] = vocab.Count;
        return new JsonObject
        {
            ["version"] = "1.0",
            ["added_tokens"] = new JsonArray(
                Added(End, "<|end|>", special: true), Added(Start, "<|start|>", special: true), Added(Note, "<note>", special: false)),
            ["normalizer"] = new JsonObject { ["type"] = "NFC" },
            ["pre_tokenizer"] = new JsonObject
            {
                ["type"] = "Sequence",
                ["pretokenizers"] = new JsonArray(Split(QwenSplitter.Pattern), ByteLevel(useRegex: false)),
            },
            ["post_processor"] = ByteLevel(useRegex: false),
            ["decoder"] = ByteLevel(useRegex: false),
            ["model"] = new JsonObject
            {
                ["type"] = "BPE",
                ["vocab"] = vocab,
                ["merges"] = new JsonArray([.. Merges.Select(m => (JsonNode)m)]),
            },
        };
    }

    /// <summary>Merges as arrays of two, as newer writers of the format give them.</summary>
    public static JsonArray AsPairs(JsonArray merges) =>
        new([.. merges.Select(merge => new JsonArray([.. merge!.GetValue<string>().Split(' ').Select(part => (JsonNode)part)]))]);

    public static JsonObject Added(
        int id, string content, bool special, bool normalized = false, bool singleWord = false, bool left = false, bool right = false) => new()
    {
        ["id"] = id,
        ["content"] = content,
        ["single_word"] = singleWord,
        ["lstrip"] = left,
        ["rstrip"] = right,
        ["normalized"] = normalized,
        ["special"] = special,
    };

    public static JsonObject Split(string pattern) => new()
    {
        ["type"] = "Split",
        ["pattern"] = new JsonObject { ["Regex"] = pattern },
        ["behavior"] = "Isolated",
        ["invert"] = false,
    };

    public static JsonObject ByteLevel(bool useRegex, bool prefixSpace = false) => new()
    {
        ["type"] = "ByteLevel",
        ["add_prefix_space"] = prefixSpace,
        ["trim_offsets"] = false,
        ["use_regex"] = useRegex,
    };

    /// <summary>Writes the file, changed by <paramref name="change"/>, into a fresh folder and loads it.</summary>
    public static Tokenizer Load(Action<JsonObject>? change = null, string? config = null)
    {
        JsonObject file = SmallFile();
        change?.Invoke(file);
        return LoadText(file.ToJsonString(), config);
    }

    public static Tokenizer LoadText(string json, string? config = null)
    {
        string folder = TestData.NewFolder();
        File.WriteAllText(Path.Combine(folder, "tokenizer.json"), json);
        if (config is not null) File.WriteAllText(Path.Combine(folder, "tokenizer_config.json"), config);
        return Tokenizer.Load(folder);
    }

    /// <summary>Texts of the characters that pre-tokenizers, normalisation and UTF-8 trip over, and of any others.</summary>
    public static Arbitrary<string> Texts()
    {
        string[] tricky =
        [
            " ", "  ", "\n", "\r\n", "\t", "\u00A0", "\u3000", "'s", "'LL", "'\u017F", "'v", "'", "a", "the", "Thing",
            "é", "e\u0301", "\u0301", "\u0323", "\u1112\u1161\u11AB", "한", "日本", "٣", "7", "½", "Ⅷ",
            "\U0001D465", "\U0001D7D9", "\U00020BB7", "\U0001F9EE", "\U0001F468\u200D\U0001F469",
            "\U00016B5A", "\U000E0100", "!", "...", "_", "\u200B", "\uFEFF", "\0", "\U00010FFF", "\uE000",
        ];
        Gen<string> any = Gen.Choose(0, 0x10FFFF - 0x800).Select(point => new Rune(point < 0xD800 ? point : point + 0x800).ToString());
        Gen<string> word = Gen.Frequency((6, Gen.Elements(tricky)), (1, any));
        return Gen.ArrayOf(word).Select(string.Concat).ToArbitrary();
    }
}
