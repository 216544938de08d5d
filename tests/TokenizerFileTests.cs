using System.Text.Json.Nodes;
using OllmNative.Model;

namespace OllmNative.Tests;

public class TokenizerFileTests
{
    public static TheoryData<string, Action<JsonObject>> BadFiles => new()
    {
        { "model is missing", f => f.Remove("model") },
        { "model.type is \"WordPiece\"", f => f["model"]!["type"] = "WordPiece" },
        { "model.vocab is missing", f => f["model"]!.AsObject().Remove("vocab") },
        { "model.merges is missing", f => f["model"]!.AsObject().Remove("merges") },
        { "model.byte_fallback is true", f => f["model"]!["byte_fallback"] = true },
        { "model.dropout is 0.1", f => f["model"]!["dropout"] = 0.1 },
        { "model.end_of_word_suffix is \"</w>\"", f => f["model"]!["end_of_word_suffix"] = "</w>" },
        { "model.unheard_of is 1", f => f["model"]!["unheard_of"] = 1 },
        { "model.vocab[\"zz\"] id 5 is taken already", f => f["model"]!["vocab"]!["zz"] = 5 },
        { "model.vocab[\"zz\"] id -1 is not between", f => f["model"]!["vocab"]!["zz"] = -1 },
        { "model.vocab[\"zz\"] id 2147483647 is not between", f => f["model"]!["vocab"]!["zz"] = int.MaxValue },
        { "model.vocab[\"zz\"] must be a whole number", f => f["model"]!["vocab"]!["zz"] = 1e300 },
        { "model.vocab[\"zz\"] must be a whole number", f => f["model"]!["vocab"]!["zz"] = "7" },
        { "model.vocab[\"\"] a token must not be empty", f => f["model"]!["vocab"]![""] = 290 },
        { "model.merges[15] needs the token \"zz\"", f => f["model"]!["merges"]!.AsArray().Add("z z") },
        { "model.merges[15] needs the token \"qqq\"", f => f["model"]!["merges"]!.AsArray().Add("qqq a") },
        { "model.merges[15] needs the token \"日\"", f => f["model"]!["merges"]!.AsArray().Add("a 日") },
        { "model.merges[15] is \"ab\"; expected two tokens", f => f["model"]!["merges"]!.AsArray().Add("ab") },
        { "model.merges[15] must be", f => f["model"]!["merges"]!.AsArray().Add(3) },
        { "model.merges[15] must be", f => f["model"]!["merges"]!.AsArray().Add(new JsonArray("a", "b", "c")) },
        { "normalizer.type is \"NFKC\"", f => f["normalizer"]!["type"] = "NFKC" },
        { "pre_tokenizer is missing", f => f["pre_tokenizer"] = null },
        { "pre_tokenizer.type is \"Whitespace\"", f => f["pre_tokenizer"] = new JsonObject { ["type"] = "Whitespace" } },
        { "pre_tokenizer.pretokenizers[0].behavior is \"Removed\"", f => f["pre_tokenizer"]!["pretokenizers"]![0]!["behavior"] = "Removed" },
        { "pre_tokenizer.pretokenizers[0].invert is true", f => f["pre_tokenizer"]!["pretokenizers"]![0]!["invert"] = true },
        { "pre_tokenizer.pretokenizers[0].pattern.Regex: the pattern", f => f["pre_tokenizer"]!["pretokenizers"]![0]!["pattern"]!["Regex"] = "(" },
        { "pre_tokenizer must end with a ByteLevel", f => f["pre_tokenizer"]!["pretokenizers"]!.AsArray().RemoveAt(1) },
        { "decoder.type is \"Metaspace\"", f => f["decoder"]!["type"] = "Metaspace" },
        { "added_tokens must be an array", f => f["added_tokens"] = 3 },
        { "added_tokens[0].content must be a string", f => f["added_tokens"]![0]!["content"] = null },
        { "added_tokens[0].id must be a whole number", f => f["added_tokens"]![0]!["id"] = "7" },
        { "added_tokens[0] \"<|end|>\" id 1000000000 is not between", f => f["added_tokens"]![0]!["id"] = 1_000_000_000 },
        { "added_tokens[0] \"<|end|>\" id 5 is taken already", f => f["added_tokens"]![0]!["id"] = 5 },
        { "added_tokens[1].id is 300, as in an earlier one", f => f["added_tokens"]![1]!["id"] = TokenizerSamples.End },
        { "added_tokens[0].id is 300, but \"the\" has the id 257 already", f => f["added_tokens"]![0]!["content"] = "the" },
        { "added_tokens[1].id is 301, but \"<|end|>\" has the id 300 already", f => f["added_tokens"]![1]!["content"] = "<|end|>" },
        { "added_tokens[0].special must be true or false", f => f["added_tokens"]![0]!["special"] = 1 },
        { "post_normalizer is a key that this program does not know", f => f["post_normalizer"] = new JsonObject() },
    };

    [Theory]
    [MemberData(nameof(BadFiles))]
    public void Load_BadFile_NamesFileAndPlace(string expected, Action<JsonObject> change)
    {
        var e = Assert.Throws<OllmException>(() => TokenizerSamples.Load(change));
        Assert.Contains($"tokenizer.json: {expected}", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{\"model\": {\"vocab\": {\"a\": 0,}}}")]
    [InlineData("{\"model\": 3}")]
    [InlineData("{\"model\": {\"vocab\": [], \"merges\": []}}")]
    [InlineData("{\"model\": {\"vocab\": {\"\\ud800\": 1}, \"merges\": []}}")]
    [InlineData("{\"model\": {\"vocab\": {\"a\": 0, \"a\": 1}, \"merges\": []}}")]
    [InlineData("{\"version\": \"1.0\"} trailing")]
    public void Load_MalformedJson_IsAnErrorThatNamesTheFile(string json)
    {
        var e = Assert.Throws<OllmException>(() => TokenizerSamples.LoadText(json));
        Assert.Contains("tokenizer.json", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_EveryTruncation_IsAnError()
    {
        string json = TokenizerSamples.SmallFile().ToJsonString();
        for (int length = 0; length < json.Length; length += 97)
            Assert.Throws<OllmException>(() => TokenizerSamples.LoadText(json[..length]));
    }

    [Fact]
    public void Load_NoFile_IsAnErrorThatNamesIt() =>
        Assert.Contains("tokenizer.json", Assert.Throws<OllmException>(() => Tokenizer.Load(TestData.NewFolder())).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("{\"eos_token\": 3}", "eos_token")]
    [InlineData("{\"bos_token\": \"<none>\"}", "bos_token is \"<none>\"")]
    [InlineData("{", "not valid JSON")]
    [InlineData("[]", "expected a JSON object")]
    [InlineData("{\"eos_token\": \"\\ud800\"}", "eos_token is not valid Unicode")]
    public void Load_BadConfig_NamesFileAndKey(string config, string expected)
    {
        var e = Assert.Throws<OllmException>(() => TokenizerSamples.Load(config: config));
        Assert.Contains("tokenizer_config.json", e.Message, StringComparison.Ordinal);
        Assert.Contains(expected, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_HarmlessVariants_AreRead()
    {
        Tokenizer tokenizer = TokenizerSamples.Load(f =>
        {
            f["normalizer"] = new JsonObject { ["type"] = "Sequence", ["normalizers"] = new JsonArray(new JsonObject { ["type"] = "NFC" }) };
            f["truncation"] = null;
            f["post_processor"] = new JsonObject { ["type"] = "TemplateProcessing" };
            f["model"]!["continuing_subword_prefix"] = "";
            f["model"]!["dropout"] = null;
            f["model"]!["unk_token"] = null;
            f["model"]!["fuse_unk"] = false;
            f["model"]!["vocab"]!["<|start|>"] = TokenizerSamples.Start;
        });
        Assert.Equal([TokenizerSamples.Start, tokenizer.IdOf("Ã©")!.Value], tokenizer.Encode("<|start|>e\u0301"));
    }

    [Fact]
    public void Encode_ByteWithoutToken_NamesTheByte()
    {
        Tokenizer tokenizer = TokenizerSamples.Load(f => f["model"]!["vocab"]!.AsObject().Remove("z"));
        Assert.Contains("0x7A", Assert.Throws<OllmException>(() => tokenizer.Encode("az")).Message, StringComparison.Ordinal);
    }
}
