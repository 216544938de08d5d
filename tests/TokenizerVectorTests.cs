using System.Text.Json;
using System.Text.Json.Nodes;
using OllmNative.Model;

namespace OllmNative.Tests;

/// <summary>Both public tokenizers against published ids.</summary>
public class TokenizerVectorTests
{
    private const string Qwen = "qwen2_5_0_5b_instruct", DeepSeek = "deepseek_r1_distill_qwen_1_5b";

    private static readonly Dictionary<string, Tokenizer> Loaded = [];

    private static Tokenizer Load(string name)
    {
        string folder = TestData.Require(name);
        lock (Loaded) return Loaded.TryGetValue(name, out Tokenizer? known) ? known : Loaded[name] = Tokenizer.Load(folder);
    }

    private static List<JsonElement> Rows(string file) =>
        [.. File.ReadLines(TestData.Require("tokenizer_vectors", file)).Select(line => JsonDocument.Parse(line).RootElement)];

    private static int[] Ids(JsonElement row) => [.. row.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32())];

    [SkippableTheory]
    [InlineData(Qwen)]
    [InlineData(DeepSeek)]
    public void Encode_PublishedTexts_GiveTheirIds(string name)
    {
        Tokenizer tokenizer = Load(name);
        const string file = "ggml-vocab-deepseek-r1-qwen.gguf";
        string[] texts = File.ReadAllText(TestData.Require("tokenizer_vectors", file + ".inp")).Split("\n__ggml_vocab_test__\n");
        string[] lines = File.ReadAllLines(TestData.Require("tokenizer_vectors", file + ".out"));
        Assert.Equal(46, lines.Length);
        for (int i = 0; i < lines.Length; i++)
        {
            int[] expected = [.. lines[i].Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse)];
            Assert.Equal(expected, tokenizer.Encode(texts[i], allowSpecial: false));
            Assert.Equal(texts[i], tokenizer.Decode(expected));
        }
    }

    [SkippableTheory]
    [InlineData("derived_vectors.jsonl")]
    [InlineData("deepseek_chat_vectors.jsonl")]
    public void Encode_DeepSeekTexts_GiveTheirIds(string file)
    {
        Tokenizer tokenizer = Load(DeepSeek);
        foreach (JsonElement row in Rows(file))
        {
            string text = row.GetProperty("text").GetString()!;
            int[] ids = Ids(row);
            if (row.TryGetProperty("text_skip_special", out JsonElement withoutSpecial))
            {
                Assert.Equal(text, tokenizer.Decode(ids));
                Assert.Equal(withoutSpecial.GetString(), tokenizer.Decode(ids, skipSpecial: true));
                StreamDecoder stream = tokenizer.NewStreamDecoder();
                Assert.Equal(text, string.Concat(ids.Select(stream.Append)) + stream.Flush());
            }
            else
            {
                Assert.Equal(ids, tokenizer.Encode(text));
            }
        }
    }

    [SkippableFact]
    public void Encode_TextsWithoutAddedTokens_AreTheSameForQwen()
    {
        Tokenizer tokenizer = Load(Qwen);
        List<JsonElement> rows = [.. Rows("derived_vectors.jsonl")
            .Where(row => !row.GetProperty("text").GetString()!.Contains("<|", StringComparison.Ordinal))];
        Assert.True(rows.Count > 60);
        foreach (JsonElement row in rows) Assert.Equal(Ids(row), tokenizer.Encode(row.GetProperty("text").GetString()!));
    }

    [SkippableFact]
    public void Load_PublicFiles_GiveTheirSizesAndEnds()
    {
        Tokenizer qwen = Load(Qwen), deepSeek = Load(DeepSeek);
        Assert.Equal((151665, null, 151645), (qwen.VocabularySize, qwen.BosTokenId, qwen.EosTokenId));
        Assert.Equal((151665, 151646, 151643), (deepSeek.VocabularySize, deepSeek.BosTokenId, deepSeek.EosTokenId));
        Assert.False(qwen.AddBosToken);
        Assert.True(deepSeek.AddBosToken);
        Assert.False(deepSeek.IsSpecial(deepSeek.IdOf("<think>")!.Value));
        Assert.Throws<OllmException>(() => qwen.Decode([151665]));
    }

    [SkippableFact]
    public void Load_FileSavedAgainByTransformers_GivesTheSameIds()
    {
        string path = TestData.Require(DeepSeek, "tokenizer_structure_resaved_by_transformers.json");
        Assert.Equal(151665, Tokenizer.Load(path).VocabularySize); // its vocabulary is emptied, so only added tokens are left

        JsonNode saved = JsonNode.Parse(File.ReadAllText(path))!;
        JsonNode original = JsonNode.Parse(File.ReadAllText(TestData.Require(DeepSeek, "tokenizer.json")))!;
        saved["model"]!["vocab"] = original["model"]!["vocab"]!.DeepClone();
        saved["model"]!["merges"] = TokenizerSamples.AsPairs(original["model"]!["merges"]!.AsArray());
        Tokenizer tokenizer = TokenizerSamples.LoadText(saved.ToJsonString());
        foreach (JsonElement row in Rows("derived_vectors.jsonl")) Assert.Equal(Ids(row), tokenizer.Encode(row.GetProperty("text").GetString()!));
    }
}
