using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using OllmNative.Model;

namespace OllmNative.Tests;

/// <summary>Model folders made to crash or fool the program: each is refused with exit code 2, a message that names the place, little time and little memory.</summary>
public class HostileFolderTests
{
    private const long MostBytes = 64 << 20;
    private readonly CliTextModel _model = new();

    [Theory]
    [InlineData("../outside.safetensors")]
    [InlineData("/etc/passwd.safetensors")]
    [InlineData("..\\\\outside.safetensors")]
    [InlineData("C:\\\\x.safetensors")]
    [InlineData("a\\u0000.safetensors")]
    [InlineData("sub/x.safetensors")]
    [InlineData("")]
    public void ShardIndex_NameLeadsOut_IsRefused(string shard)
    {
        UseIndex($$$"""{"weight_map": {"model.norm.weight": "{{{shard}}}"}}""");
        Refused("weight_map", "model.norm.weight");
    }

    [SkippableFact]
    public void ShardIndex_LinkLeadsOut_IsRefused()
    {
        Skip.If(OperatingSystem.IsWindows(), "links need rights on Windows");
        string outside = Path.Combine(TestData.NewFolder(), "secret.safetensors");
        File.Move(_model.At("model.safetensors"), outside);
        File.CreateSymbolicLink(_model.At("shard.safetensors"), outside);
        UseIndex("""{"weight_map": {"model.norm.weight": "shard.safetensors"}}""");
        Refused("link", "shard.safetensors");
    }

    [SkippableFact]
    public void ShardIndex_LinkIntoTheDownloadCache_IsFollowed()
    {
        Skip.If(OperatingSystem.IsWindows(), "links need rights on Windows");
        string root = TestData.NewFolder(), folder = Directory.CreateDirectory(Path.Combine(root, "snapshots", "abc")).FullName, blobs = Directory.CreateDirectory(Path.Combine(root, "blobs")).FullName;
        SafetensorsWriter.Write(Path.Combine(blobs, "0123"), [TensorToWrite.FromFloats("a", new float[2], 2)]);
        File.CreateSymbolicLink(Path.Combine(folder, "x.safetensors"), "../../blobs/0123");
        File.WriteAllText(Path.Combine(folder, "model.safetensors.index.json"), """{"weight_map": {"a": "x.safetensors"}}""");
        using Checkpoint checkpoint = Checkpoint.Open(folder);
        Assert.Equal("a", Assert.Single(checkpoint.Tensors).Name);
    }

    [Theory]
    [InlineData(1UL << 60)]
    [InlineData(ulong.MaxValue)]
    [InlineData(99_999_999UL)]
    public void Weights_HeaderPromisesMore_AllocatesNothing(ulong length)
    {
        File.WriteAllBytes(_model.At("model.safetensors"), [.. BitConverter.GetBytes(length), .. "{}"u8]);
        Refused("model.safetensors");
    }

    [Theory]
    [InlineData("[1152921504606846976]", 0L, 8L)]
    [InlineData("[4294967296, 4294967296]", 0L, 0L)]
    [InlineData("[-1]", 0L, 8L)]
    [InlineData("[2]", 8L, 0L)]
    [InlineData("[2]", 0L, 9223372036854775807L)]
    public void Weights_ShapeIsALie_IsRefused(string shape, long begin, long end)
    {
        byte[] header = Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{{\"a\": {{\"dtype\": \"F32\", \"shape\": {shape}, \"data_offsets\": [{begin}, {end}]}}}}"));
        File.WriteAllBytes(_model.At("model.safetensors"), [.. BitConverter.GetBytes((long)header.Length), .. header, .. new byte[8]]);
        Refused("model.safetensors");
    }

    /// <summary>Tens of thousands of letters, dimensions or tensors that cost nothing to write and much to keep or to show.</summary>
    [Theory]
    [InlineData(1, 100_001, 1, "100000 tensors")]
    [InlineData(1, 1, 20_000_000, "name has 20000001 bytes")]
    [InlineData(500_000, 1, 1, "more than 32 integers")]
    public void Weights_HeaderBeyondAnyModel_IsRefusedBriefly(int dimensions, int tensors, int letters, string word)
    {
        string shape = string.Join(',', Enumerable.Repeat('1', dimensions)), name = new('x', letters);
        byte[] header = Encoding.UTF8.GetBytes($"{{{string.Join(',', Enumerable.Range(0, tensors).Select(i => $"\"{name}{i}\":{{\"dtype\":\"F32\",\"shape\":[{shape}],\"data_offsets\":[0,0]}}"))}}}");
        File.WriteAllBytes(_model.At("model.safetensors"), [.. BitConverter.GetBytes((long)header.Length), .. header]);
        CliRun run = Measured(() => CliRun.Of("inspect", _model.Folder), most: MostBytes + 2 * header.Length);
        run.AssertRefused("model.safetensors", word);
        Assert.InRange(run.Error.Length, 1, 2000);
    }

    [Theory]
    [InlineData("config.json", "{\"a\": ", "}", "config.json")]
    [InlineData("tokenizer.json", "[", "]", "tokenizer.json")]
    [InlineData("tokenizer_config.json", "{\"a\": ", "}", "tokenizer_config.json")]
    public void Json_NestedAMillionTimes_IsRefused(string file, string open, string close, string word)
    {
        string deep = string.Concat(Enumerable.Repeat(open, 1_000_000)) + "1" + string.Concat(Enumerable.Repeat(close, 1_000_000));
        File.WriteAllText(_model.At(file), deep);
        Refused(word);
    }

    [Theory]
    [InlineData("hidden_size", "1048576")]
    [InlineData("hidden_size", "1e999")]
    [InlineData("num_hidden_layers", "4096")]
    [InlineData("vocab_size", "16777216")]
    [InlineData("intermediate_size", "99999999999999999999")]
    [InlineData("num_attention_heads", "0")]
    [InlineData("head_dim", "-8")]
    [InlineData("rope_theta", "-1")]
    [InlineData("rms_norm_eps", "\"NaN\"")]
    [InlineData("eos_token_id", "[1, 2, 99999999]")]
    public void Config_SizesTheWeightsLack_AreRefused(string key, string value)
    {
        var config = JsonNode.Parse(File.ReadAllText(_model.At("config.json")))!.AsObject();
        config.Remove(key);
        string text = config.ToJsonString();
        File.WriteAllText(_model.At("config.json"), $"{text[..^1]}, \"{key}\": {value}}}");
        Refused();
    }

    [Fact]
    public void Config_KeyTwice_IsRefused()
    {
        string text = File.ReadAllText(_model.At("config.json")).TrimEnd();
        File.WriteAllText(_model.At("config.json"), $"{text[..^1]}, \"hidden_size\": 8}}");
        Refused("config.json", "hidden_size");
    }

    [SkippableFact]
    public void Config_Pipe_IsRefusedWithoutWaiting()
    {
        Skip.If(OperatingSystem.IsWindows(), "there are no such pipes on Windows");
        foreach (string file in (string[])["config.json", "tokenizer.json", "model.safetensors"])
        {
            var model = new CliTextModel();
            File.Delete(model.At(file));
            using (Process made = Process.Start("mkfifo", model.At(file))) made.WaitForExit();
            Refuse(model, file, "pipe");
        }
    }

    [Theory]
    [InlineData("(a+)+$")]
    [InlineData("(a|a)*b|(?=x)x")]
    [InlineData("(?=((a+)+)+c)a")]
    [InlineData("((((((((((a{1,20}){1,20}){1,20}){1,20}){1,20}){1,20}){1,20}){1,20}){1,20}){1,20})$")]
    public void Tokenizer_PatternThatBacktracks_EndsInTime(string pattern)
    {
        JsonObject tokenizer = JsonNode.Parse(File.ReadAllText(_model.At("tokenizer.json")))!.AsObject();
        tokenizer["pre_tokenizer"] = JsonNode.Parse("""{"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": ""}, "behavior": "Isolated", "invert": false}, {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]}""");
        tokenizer["pre_tokenizer"]!["pretokenizers"]![0]!["pattern"]!["Regex"] = pattern;
        File.WriteAllText(_model.At("tokenizer.json"), tokenizer.ToJsonString());
        long start = Stopwatch.GetTimestamp();
        CliRun run = CliRun.Of("tokenize", "--model", _model.Folder, "--text", new string('a', 3000) + "!");
        Assert.InRange(Stopwatch.GetElapsedTime(start).TotalSeconds, 0, 15);
        Assert.True(run.Code is 0 or 2, run.Error);
    }

    [Fact]
    public void Tokenizer_IdsFarApart_AllocateLittle()
    {
        JsonObject tokenizer = JsonNode.Parse(File.ReadAllText(_model.At("tokenizer.json")))!.AsObject();
        tokenizer["model"]!["vocab"]!.AsObject()["zzz"] = 2_000_000_000;
        File.WriteAllText(_model.At("tokenizer.json"), tokenizer.ToJsonString());
        Refused("tokenizer.json", "2000000000");
    }

    [Theory]
    [InlineData("\"latent_width\": 1048576")]
    [InlineData("\"options\": 1024, \"latent_width\": 1048576")]
    [InlineData("\"options\": 0")]
    [InlineData("\"trained_tokens\": -5")]
    [InlineData("\"format_version\": 99")]
    public void Manifest_SizesTheTensorsLack_AllocateNothing(string fields)
    {
        string ollm = _model.NewOllm(), path = Path.Combine(ollm, "ollm.json");
        var json = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        foreach ((string key, JsonNode? value) in JsonNode.Parse($"{{{fields}}}")!.AsObject()) json[key] = value!.DeepClone();
        File.WriteAllText(path, json.ToJsonString());
        CliRun run = Measured(() => CliRun.Of("forward", "--model", _model.Folder, "--ollm", ollm, "--tokens", "1", "--out", _model.At("x.safetensors")));
        run.AssertRefused(ollm);
    }

    [Theory]
    [InlineData("""{"tokens": [1, 2, 320], "prompt_length": 0}""", "320")]
    [InlineData("""{"tokens": [1, -2], "prompt_length": 0}""", "tokens[1]")]
    [InlineData("""{"tokens": [1, 99999999999], "prompt_length": 0}""", "tokens[1]")]
    [InlineData("""{"tokens": [1, 2], "prompt_length": 3}""", "prompt_length")]
    public void Rows_IdsOutsideOfTheVocabulary_AreRefused(string row, string word)
    {
        File.WriteAllText(_model.At("rows.jsonl"), row + "\n");
        CliRun.Of("train", "--model", _model.Folder, "--data", _model.At("rows.jsonl"), "--out", _model.At("out")).AssertRefused("rows.jsonl:1", word);
    }

    [Theory]
    [InlineData("320")]
    [InlineData("-1")]
    [InlineData("99999999999")]
    public void Forward_IdOutsideOfTheVocabulary_IsRefused(string id) =>
        CliRun.Of("forward", "--model", _model.Folder, "--tokens", "1," + id, "--out", _model.At("x.safetensors")).AssertRefused(id);

    [Fact]
    public void Message_HostileText_IsShortAndCannotDriveTheTerminal()
    {
        File.WriteAllText(_model.At("config.json"), $$"""{"model_type": "\u001b[2J\u0007{{new string('x', 500_000)}}"}""");
        CliRun run = CliRun.Of("inspect", _model.Folder);
        run.AssertRefused("model_type");
        Assert.DoesNotContain('\u001b', run.Error);
        Assert.InRange(run.Error.Length, 1, 6000);
    }

    private void UseIndex(string json)
    {
        File.Delete(_model.At("model.safetensors"));
        File.WriteAllText(_model.At("model.safetensors.index.json"), json);
    }

    private void Refused(params string[] words) => Refuse(_model, words);

    private static void Refuse(CliTextModel model, params string[] words) =>
        Measured(() => CliRun.Of("generate", "--model", model.Folder, "--prompt", "1 + 2", "--max-tokens", "2", "--chat-format", "auto")).AssertRefused(words);

    private static CliRun Measured(Func<CliRun> run, long most = MostBytes)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        CliRun result = run();
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, most);
        return result;
    }
}
