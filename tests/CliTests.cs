using System.Text.Json;
using OllmNative.Model;
using OllmNative.Model.Cpu;

namespace OllmNative.Tests;

/// <summary>The commands' results.</summary>
public class CliTests
{
    [Fact]
    public void NoArguments_PrintsTheVisibleCommands()
    {
        CliRun run = CliRun.Of();
        Assert.Equal(0, run.Code);
        Assert.Contains("ollm inspect", run.Out, StringComparison.Ordinal);
        Assert.DoesNotContain("init-backbone", run.Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("data", "tiny")]
    [InlineData("inspect")]
    [InlineData("tokenize")]
    [InlineData("init")]
    [InlineData("train")]
    [InlineData("rl")]
    [InlineData("eval")]
    [InlineData("generate")]
    [InlineData("chat")]
    [InlineData("options")]
    [InlineData("diagnose")]
    [InlineData("grade")]
    [InlineData("forward")]
    [InlineData("devices")]
    public void Help_OfEachCommand_NamesJsonAndSucceeds(params string[] command)
    {
        CliRun run = CliRun.Of([.. command, "--help"]);
        Assert.Equal(0, run.Code);
        Assert.Contains($"ollm {string.Join(' ', command)}", run.Out, StringComparison.Ordinal);
        Assert.Contains("--json", run.Out, StringComparison.Ordinal);
        Assert.Empty(run.Error);
    }

    [Fact]
    public void Inspect_ModelFolder_TellsTensorsAndSizes()
    {
        string model = CliRun.NewModel();
        JsonElement json = CliRun.Of("inspect", model, "--json").Json;
        // 2 tables of 50 x 16; per layer q 16x16+16, k and v 8x16+8, o 16x16, MLP 3x24x16, norms 2x16; final norm.
        Assert.Equal(2 * 800 + 2 * (272 + 2 * 136 + 256 + 1152 + 32) + 16, json.GetProperty("parameters").GetInt64());
        Assert.Equal(2 * json.GetProperty("parameters").GetInt64(), json.GetProperty("bytes").GetInt64());
        Assert.Equal(1000 * 2 * 2 * 2 * 4 * 4, json.GetProperty("memory").GetProperty("kv_cache_bytes_per_1000_tokens").GetInt64());
        JsonElement embedding = json.GetProperty("tensors").EnumerateArray().Single(t => t.GetProperty("name").GetString() == "model.embed_tokens.weight");
        Assert.Equal("BF16", embedding.GetProperty("dtype").GetString());
        Assert.Equal([50, 16], embedding.GetProperty("shape").EnumerateArray().Select(e => e.GetInt32()));

        CliRun people = CliRun.Of("inspect", model);
        Assert.Equal(0, people.Code);
        Assert.Contains("[50, 16]", people.Out, StringComparison.Ordinal);
    }

    [Fact]
    public void Inspect_ShapeOfThePaper_GivesThePapersTrainableShare()
    {
        string folder = TestData.NewFolder();
        File.WriteAllText(Path.Combine(folder, "config.json"), """
            {"model_type": "qwen2", "hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28, "num_attention_heads": 12,
             "num_key_value_heads": 2, "vocab_size": 151936, "tie_word_embeddings": false}
            """);
        CliRun run = CliRun.Of("inspect", folder);
        Assert.Contains("1,777.09 M parameters", run.Out, StringComparison.Ordinal);
        Assert.Contains("27.65 M = 1.56 %", run.Out, StringComparison.Ordinal);
        JsonElement json = CliRun.Of("inspect", folder, "--json").Json;
        Assert.Equal(JsonValueKind.Null, json.GetProperty("tensors").ValueKind);
        // Two bytes a number on a GPU: 28 layers, keys and values of two heads of 128.
        Assert.Equal(1000 * 28 * 2 * 2 * 128 * 2, json.GetProperty("memory").GetProperty("cuda_kv_cache_bytes_per_1000_tokens").GetInt64());
    }

    [Fact]
    public void Init_ThenInspect_TellsTheSameSizes()
    {
        string model = CliRun.NewModel(), ollm = Path.Combine(model, "ollm");
        JsonElement made = CliRun.Of("init", "--model", model, "--options", "3", "--latent-width", "8", "--out", ollm, "--json").Json;
        JsonElement seen = CliRun.Of("inspect", ollm, "--json").Json;
        Assert.Equal(made.GetProperty("parameters").GetInt64(), seen.GetProperty("parameters").GetInt64());
        Assert.Equal(3, seen.GetProperty("options").GetInt32());
        Assert.Equal(seen.GetProperty("parameters").GetInt64(), seen.GetProperty("modules").EnumerateObject().Sum(module => module.Value.GetInt64()));
        Assert.Equal(0, CliRun.Of("inspect", Path.Combine(ollm, "ollm.safetensors")).Code);
    }

    [Fact]
    public void Init_ExistingOllm_IsKeptUnlessForced()
    {
        string model = CliRun.NewModel(), ollm = Path.Combine(model, "ollm");
        Assert.Equal(0, CliRun.Of("init", "--model", model, "--out", ollm).Code);
        byte[] before = File.ReadAllBytes(Path.Combine(ollm, "ollm.safetensors"));
        CliRun.Of("init", "--model", model, "--out", ollm, "--seed", "1").AssertRefused(ollm, "--force");
        Assert.Equal(before, File.ReadAllBytes(Path.Combine(ollm, "ollm.safetensors")));
        Assert.Equal(0, CliRun.Of("init", "--model", model, "--out", ollm, "--seed", "1", "--force").Code);
        Assert.NotEqual(before, File.ReadAllBytes(Path.Combine(ollm, "ollm.safetensors")));
    }

    [Fact]
    public void Forward_WithFreshOllm_EveryOptionEqualsTheBackbone()
    {
        string model = CliRun.NewModel(), ollm = Path.Combine(model, "ollm"), file = Path.Combine(model, "new", "out.safetensors");
        Assert.Equal(0, CliRun.Of("init", "--model", model, "--options", "30", "--out", ollm).Code);
        int[] ids = [1, 2, 3, 49, 0];
        CliRun run = CliRun.Of("forward", "--model", model, "--ollm", ollm, "--tokens", string.Join(',', ids), "--out", file, "--json");
        Assert.True(run.Code == 0, run.Error);
        Assert.Equal(5, run.Json.GetProperty("tokens").GetInt32());

        using SafetensorsFile written = SafetensorsFile.Open(file);
        float[] hidden = Read(written, "hidden", 5, 16), logits = Read(written, "logits", 5, 50);
        float[] options = Read(written, "option_logits", 5, 30, 50), policy = Read(written, "policy_logits", 5, 30);
        Assert.All(policy, value => Assert.True(float.IsFinite(value)));
        float[] head = HeadOf(model);
        for (int t = 0; t < 5; t++)
        {
            for (int v = 0; v < 50; v++)
            {
                double expected = 0;
                for (int i = 0; i < 16; i++) expected += (double)hidden[t * 16 + i] * head[v * 16 + i];
                Assert.Equal(expected, logits[t * 50 + v], 1e-4);
                for (int k = 0; k < 30; k++) Assert.Equal(logits[t * 50 + v], options[(t * 30 + k) * 50 + v], 1e-4);
            }
        }
    }

    [Fact]
    public void Forward_MoreTokensThanOneChunk_EqualsOnePass()
    {
        const int count = 600;
        string model = CliRun.NewModel(CliRun.TinyConfig.Replace("\"max_position_embeddings\": 64", "\"max_position_embeddings\": 1000", StringComparison.Ordinal));
        string file = Path.Combine(model, "out.st");
        int[] ids = [.. Enumerable.Range(0, count).Select(i => i * i % 50)];
        Assert.Equal(0, CliRun.Of("forward", "--model", model, "--tokens", string.Join(',', ids), "--out", file).Code);
        using SafetensorsFile written = SafetensorsFile.Open(file);

        using var device = new CpuDevice(1);
        using QwenBackbone backbone = QwenBackbone.Load(device, model);
        using var batch = new TokenBatch(device, count);
        using var cache = new KvCache(device, backbone.Config, count);
        using var buffers = new ForwardBuffers(device, backbone.Config, count);
        using DeviceBuffer<float> hidden = device.Allocate<float>(count * 16);
        batch.Add(ids, past: 0, cacheRow: 0);
        batch.Upload();
        backbone.Forward(batch, cache, buffers, hidden.View);
        float[] expected = hidden.View.ToArray(), actual = Read(written, "hidden", count, 16);
        for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], 1e-4f);
    }

    [Fact]
    public void Forward_TokensFromFileAndStdin_GivesTheSameFile()
    {
        string model = CliRun.NewModel(), list = Path.Combine(model, "ids.txt");
        File.WriteAllText(list, "4 5,6\n7\n");
        string a = Path.Combine(model, "a.st"), b = Path.Combine(model, "b.st"), c = Path.Combine(model, "c.st");
        Assert.Equal(0, CliRun.Of("forward", "--model", model, "--tokens-file", list, "--out", a).Code);
        Assert.Equal(0, CliRun.With("4 5 6 7\n", "forward", "--model", model, "--tokens-file", "-", "--out", b).Code);
        Assert.Equal(0, CliRun.Of("forward", "--model", model, "--tokens", "4,5,6,7", "--threads", "1", "--out", c).Code);
        Assert.Equal(File.ReadAllBytes(a), File.ReadAllBytes(b));
        Assert.Equal(File.ReadAllBytes(a), File.ReadAllBytes(c));
    }

    [Fact]
    public void InitBackbone_Shards_HoldTheWeightsOfOneFile()
    {
        using Checkpoint single = Checkpoint.Open(CliRun.NewModel()), sharded = Checkpoint.Open(CliRun.NewModel(CliRun.TinyConfig, "--shards", "3"));
        Assert.Equal(3, sharded.Files.Count);
        Assert.Equal(single.Tensors.Count, sharded.Tensors.Count);
        Assert.All(single.Tensors, tensor => Assert.Equal(tensor.ToFloats(), sharded.Get(tensor.Name).ToFloats()));
    }

    [Theory]
    [InlineData("bf16")]
    [InlineData("f16")]
    [InlineData("f32")]
    public void InitBackbone_Weights_AreNormalAndNormsOne(string type)
    {
        using Checkpoint weights = Checkpoint.Open(CliRun.NewModel(CliRun.TinyConfig.Replace("50,", "5000,", StringComparison.Ordinal), "--dtype", type));
        float[] values = weights.Get("model.embed_tokens.weight", 5000, 16).ToFloats();
        double mean = values.Average(v => (double)v), deviation = Math.Sqrt(values.Average(v => v * (double)v));
        Assert.InRange(mean, -0.0004, 0.0004);
        Assert.InRange(deviation, 0.0195, 0.0205);
        Assert.InRange(values.Count(v => Math.Abs(v) < 0.02) / (double)values.Length, 0.67, 0.695);
        Assert.All(weights.Get("model.norm.weight", 16).ToFloats(), gain => Assert.Equal(1, gain));
    }

    [Fact]
    public void Devices_AnyMachine_DescribesTheProcessorAndCuda()
    {
        CliRun run = CliRun.Of("devices", "--json");
        Assert.Equal(0, run.Code);
        Assert.True(run.Json.GetProperty("cpu").GetProperty("cores").GetInt32() >= 1);
        Assert.NotEmpty(run.Json.GetProperty("cuda").GetProperty("message").GetString()!);
    }

    [Fact]
    public void DataTiny_Json_CountsTheRows()
    {
        string file = Path.Combine(TestData.NewFolder(), "new", "rows.jsonl");
        CliRun run = CliRun.Of("--json", "data", "tiny", "--rows", "25", "--out", file);
        Assert.Equal(25, run.Json.GetProperty("rows").GetInt32());
        Assert.Equal(25, File.ReadAllLines(file).Length);
    }

    [SkippableFact]
    public void Tokenize_ThereAndBack_IsTheIdentity()
    {
        string model = Path.GetDirectoryName(TestData.Require("qwen2_5_0_5b_instruct", "tokenizer.json"))!;
        const string text = "Hello, wörld!\n<|im_end|> 1+1\n";
        CliRun ids = CliRun.With(text, "tokenize", "--model", model);
        Assert.Equal(0, ids.Code);
        Assert.Single(ids.Out.TrimEnd('\n').Split('\n'));
        Assert.Contains("151645", ids.Out, StringComparison.Ordinal);
        Assert.Equal(text, CliRun.With(ids.Out, "tokenize", "--model", model, "--decode").Out);
        Assert.DoesNotContain("151645", CliRun.With(text, "tokenize", "--model", model, "--no-special").Out, StringComparison.Ordinal);
        Assert.Equal(ids.Out.Trim(), string.Join(' ', CliRun.Of("tokenize", "--model", model, "--text", text, "--json").Json.GetProperty("tokens").EnumerateArray()));
    }

    private static float[] HeadOf(string model)
    {
        using Checkpoint weights = Checkpoint.Open(model);
        return weights.Get("lm_head.weight", 50, 16).ToFloats();
    }

    private static float[] Read(SafetensorsFile file, string name, params long[] shape)
    {
        Assert.True(file.TryGet(name, out MappedTensor? tensor));
        Assert.Equal(shape, tensor.Shape);
        Assert.Equal(DType.F32, tensor.DType);
        return tensor.ToFloats();
    }
}
