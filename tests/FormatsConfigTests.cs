using OllmNative.Model;
using static OllmNative.Tests.FormatsFiles;

namespace OllmNative.Tests;

public class FormatsConfigTests
{
    private const string Minimal = """{"model_type":"qwen2","hidden_size":64,"intermediate_size":128,"num_hidden_layers":2,"num_attention_heads":4,"vocab_size":100}""";

    [SkippableTheory]
    [InlineData("qwen2.5-0.5b", 896, 4864, 24, 14, 2, 64, 151936, 1e6, 32768, true, 151643)]
    [InlineData("qwen2.5-1.5b", 1536, 8960, 28, 12, 2, 128, 151936, 1e6, 131072, true, 151643)]
    [InlineData("qwen2.5-1.5b-instruct", 1536, 8960, 28, 12, 2, 128, 151936, 1e6, 32768, true, 151645)]
    [InlineData("qwen2.5-1.5b_resaved_by_transformers5_style", 1536, 8960, 28, 12, 2, 128, 151936, 1e6, 131072, true, 151643)]
    [InlineData("deepseek-r1-distill-qwen-7b", 3584, 18944, 28, 28, 4, 128, 152064, 1e4, 131072, false, 151643)]
    [InlineData("qwen3-0.6b", 1024, 3072, 28, 16, 8, 128, 151936, 1e6, 40960, true, 151645)]
    [InlineData("qwen3-1.7b", 2048, 6144, 28, 16, 8, 128, 151936, 1e6, 40960, true, 151645)]
    public void Load_PublicConfig_HasItsValues(string name, int hidden, int inner, int layers, int heads, int kvHeads, int headDim, int vocabulary, double theta, int positions, bool tied, int eos)
    {
        string text = File.ReadAllText(TestData.Require("other_configs", name + ".json"));
        ModelConfig config = ModelConfig.Load(FolderWith("config.json", text));
        Assert.Equal((hidden, inner, layers, heads, kvHeads, headDim), (config.HiddenSize, config.IntermediateSize, config.Layers, config.Heads, config.KvHeads, config.HeadDim));
        Assert.Equal((vocabulary, theta, positions, tied), (config.VocabSize, config.RopeTheta, config.MaxPositions, config.TieWordEmbeddings));
        bool qwen3 = name.StartsWith("qwen3", StringComparison.Ordinal);
        Assert.Equal((qwen3 ? "qwen3" : "qwen2", !qwen3, false, qwen3), (config.ModelType, config.QkvBias, config.OutputBias, config.QkNorm));
        Assert.Equal((1e-6f, 151643, "bfloat16"), (config.RmsNormEps, config.BosTokenId, config.DeclaredDType));
        Assert.Equal([eos], config.EosTokenIds);
    }

    [SkippableFact]
    public void Load_RealFolders_HaveTheirValues()
    {
        ModelConfig qwen = ModelConfig.Load(TestData.Require("qwen2_5_0_5b_instruct"));
        Assert.Equal((896, 24, 2, 64, 1e6, true), (qwen.HiddenSize, qwen.Layers, qwen.KvHeads, qwen.HeadDim, qwen.RopeTheta, qwen.TieWordEmbeddings));
        Assert.Equal([151645], qwen.EosTokenIds);
        ModelConfig distill = ModelConfig.Load(TestData.Require("deepseek_r1_distill_qwen_1_5b"));
        Assert.Equal((1536, 28, 2, 128, 1e4, false), (distill.HiddenSize, distill.Layers, distill.KvHeads, distill.HeadDim, distill.RopeTheta, distill.TieWordEmbeddings));

        GenerationConfig sampling = GenerationConfig.Load(TestData.Require("qwen2_5_0_5b_instruct"));
        Assert.Equal((true, 0.7f, 20, 0.8f, 1.1f), (sampling.DoSample, sampling.Temperature, sampling.TopK, sampling.TopP, sampling.RepetitionPenalty));
        Assert.Equal([151645, 151643], sampling.EosTokenIds);
        GenerationConfig reasoning = GenerationConfig.Load(TestData.Require("deepseek_r1_distill_qwen_1_5b"));
        Assert.Equal((true, 0.6f, null, 0.95f, 151646), (reasoning.DoSample, reasoning.Temperature, reasoning.TopK, reasoning.TopP, reasoning.BosTokenId));
        Assert.Equal([151643], reasoning.EosTokenIds);
    }

    [Fact]
    public void Load_OnlyWhatMustBeThere_TakesTheDefaults()
    {
        ModelConfig config = ModelConfig.Load(FolderWith("config.json", "\uFEFF" + Minimal));
        Assert.Equal((4, 16, 10000.0, 1e-6f, false), (config.KvHeads, config.HeadDim, config.RopeTheta, config.RmsNormEps, config.TieWordEmbeddings));
        Assert.Equal((true, false, false), (config.QkvBias, config.OutputBias, config.QkNorm));
        Assert.Empty(config.EosTokenIds);
        Assert.Null(config.BosTokenId);
    }

    [Fact]
    public void Load_DialectsOfOneValue_AreUnderstood()
    {
        Assert.Equal([3, 5], With("\"eos_token_id\":[3,5,3]").EosTokenIds);
        Assert.Equal([7], With("\"eos_token_id\":7").EosTokenIds);
        Assert.Empty(With("\"eos_token_id\":null").EosTokenIds);
        Assert.Equal(1e6, With("\"rope_theta\":1000000").RopeTheta);
        Assert.Equal(5e5, With("\"rope_theta\":1e4,\"rope_parameters\":{\"rope_theta\":5e5,\"rope_type\":\"default\"}").RopeTheta);
        Assert.Equal(2e4, With("\"rope_theta\":2e4,\"rope_scaling\":{\"type\":\"default\"}").RopeTheta);
        Assert.Equal(3e4, With("\"rope_parameters\":{\"rope_theta\":30000}").RopeTheta);
        Assert.Equal("float16", With("\"torch_dtype\":\"float16\"").DeclaredDType);
        Assert.Equal(32_768, With("\"use_sliding_window\":true,\"sliding_window\":null").MaxPositions);
        Assert.Equal(4096, With("\"use_sliding_window\":true,\"sliding_window\":4096,\"max_position_embeddings\":4096").MaxPositions);
        Assert.Equal(12, With("\"head_dim\":12").HeadDim);
        ModelConfig biased = ModelConfig.Load(FolderWith("config.json", Minimal.Replace("qwen2", "qwen3", StringComparison.Ordinal)[..^1] + ",\"attention_bias\":true}"));
        Assert.Equal((true, true, true), (biased.QkvBias, biased.OutputBias, biased.QkNorm));
    }

    [Theory]
    [InlineData("\"model_type\":\"llama\"", "\"model_type\" is \"llama\"")]
    [InlineData("\"model_type\":null", "\"model_type\" is missing")]
    [InlineData("\"architectures\":[\"Qwen2ForSequenceClassification\"]", "\"architectures\"")]
    [InlineData("\"hidden_act\":\"gelu\"", "\"hidden_act\" is \"gelu\"")]
    [InlineData("\"rope_scaling\":{\"type\":\"yarn\",\"factor\":4.0}", "\"rope_scaling\" asks for \"yarn\"")]
    [InlineData("\"rope_scaling\":{\"factor\":4.0}", "\"rope_scaling\" is not supported")]
    [InlineData("\"rope_scaling\":\"yarn\"", "\"rope_scaling\" is a string, expected an object")]
    [InlineData("\"rope_parameters\":{\"rope_type\":\"llama3\"}", "\"rope_parameters\" asks for \"llama3\"")]
    [InlineData("\"rope_parameters\":{\"rope_type\":\"default\",\"partial_rotary_factor\":0.5}", "\"rope_parameters.partial_rotary_factor\"")]
    [InlineData("\"use_mrope\":true", "\"use_mrope\"")]
    [InlineData("\"quantization_config\":{}", "\"quantization_config\"")]
    [InlineData("\"use_sliding_window\":true,\"sliding_window\":1024", "\"use_sliding_window\" is true with a window of 1024")]
    [InlineData("\"use_sliding_window\":true", "\"use_sliding_window\" is true with a window of 4096")]
    [InlineData("\"layer_types\":[\"full_attention\",\"sliding_attention\"]", "\"layer_types\" holds \"sliding_attention\"")]
    [InlineData("\"num_key_value_heads\":3", "\"num_key_value_heads\" is 3, expected a divisor")]
    [InlineData("\"head_dim\":15", "\"head_dim\" is 15, expected an even number")]
    [InlineData("\"hidden_size\":20", "\"head_dim\" is 5 (hidden_size / num_attention_heads)")]
    [InlineData("\"hidden_size\":66", "\"hidden_size\" is 66, expected a multiple")]
    [InlineData("\"hidden_size\":0", "\"hidden_size\" is 0")]
    [InlineData("\"hidden_size\":64.0", "\"hidden_size\" is 64.0")]
    [InlineData("\"hidden_size\":\"64\"", "\"hidden_size\" is a string")]
    [InlineData("\"num_hidden_layers\":-2", "\"num_hidden_layers\" is -2")]
    [InlineData("\"vocab_size\":99999999999999999999", "\"vocab_size\" is 99999999999999999999")]
    [InlineData("\"intermediate_size\":2000000000", "\"intermediate_size\" is 2000000000")]
    [InlineData("\"rms_norm_eps\":0", "\"rms_norm_eps\" is 0")]
    [InlineData("\"rms_norm_eps\":1e999", "\"rms_norm_eps\" is 1e999")]
    [InlineData("\"rope_theta\":-1", "\"rope_theta\" is -1")]
    [InlineData("\"tie_word_embeddings\":\"yes\"", "\"tie_word_embeddings\" is a string, expected true or false")]
    [InlineData("\"eos_token_id\":[1,\"2\"]", "\"eos_token_id\" is a string")]
    [InlineData("\"eos_token_id\":100", "\"eos_token_id\" is 100, expected an integer from 0 to 99")]
    [InlineData("\"bos_token_id\":-1", "\"bos_token_id\" is -1")]
    [InlineData("\"hidden_act\":\"\\ud800\"", "\"hidden_act\" holds half of a surrogate pair")]
    public void Load_UnsupportedOrAbsurdValue_NamesFileAndKey(string fields, string words)
    {
        string message = Error(() => With(fields));
        Assert.Contains(words, message, StringComparison.Ordinal);
        Assert.Contains("config.json: ", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("hidden_size")]
    [InlineData("intermediate_size")]
    [InlineData("num_hidden_layers")]
    [InlineData("num_attention_heads")]
    [InlineData("vocab_size")]
    public void Load_RequiredKeyMissing_NamesIt(string key) => Assert.Contains($"\"{key}\" is missing", Error(() => With($"\"{key}\":null")), StringComparison.Ordinal);

    [Theory]
    [InlineData("{\n  \"a\": 1,\n  oops\n}", "config.json: line 3, byte 3: not valid JSON")]
    [InlineData("{\"a\":1,\"a\":2}", "not valid JSON")]
    [InlineData("{\"\\ud800\":1}", "config.json")]
    [InlineData("[]", "expected a JSON object at the top, found an array")]
    [InlineData("", "not valid JSON")]
    public void Load_MalformedJson_SaysWhere(string text, string words) => Assert.Contains(words, Error(() => ModelConfig.Load(FolderWith("config.json", text))), StringComparison.Ordinal);

    [Fact]
    public void Load_UnreadableFile_SaysWhy()
    {
        string folder = TestData.NewFolder();
        Assert.Contains("config.json: no such file", Error(() => ModelConfig.Load(folder)), StringComparison.Ordinal);
        File.WriteAllBytes(Path.Combine(folder, "config.json"), [(byte)'{', 0xFF, (byte)'}']);
        Assert.Contains("UTF-8", Error(() => ModelConfig.Load(folder)), StringComparison.Ordinal);
        using (FileStream stream = File.Create(Path.Combine(folder, "config.json"))) stream.SetLength(JsonFiles.MaxConfigBytes + 1);
        Assert.Contains("above the limit", Error(() => ModelConfig.Load(folder)), StringComparison.Ordinal);
    }

    [Fact]
    public void GenerationLoad_MissingFileOrNulls_StatesNothing()
    {
        Assert.Equal(new GenerationConfig().ToString(), GenerationConfig.Load(TestData.NewFolder()).ToString());
        GenerationConfig config = GenerationConfig.Load(FolderWith("generation_config.json", """{"temperature":null,"eos_token_id":null,"min_p":0.05,"top_k":0,"pad_token_id":4}"""));
        Assert.Equal((null, 0.05f, 0, 4), (config.Temperature, config.MinP, config.TopK, config.PadTokenId));
        Assert.Empty(config.EosTokenIds);
    }

    [Theory]
    [InlineData("""{"temperature":"hot"}""", "\"temperature\" is a string, expected a number")]
    [InlineData("""{"top_p":1.5}""", "\"top_p\" is 1.5")]
    [InlineData("""{"top_k":1.5}""", "\"top_k\" is 1.5")]
    [InlineData("""{"do_sample":1}""", "\"do_sample\" is the number 1, expected true or false")]
    [InlineData("""{"eos_token_id":{"a":1}}""", "\"eos_token_id\" is an object")]
    [InlineData("""{"repetition_penalty":0}""", "\"repetition_penalty\" is 0")]
    public void GenerationLoad_WrongType_NamesTheKey(string text, string words) =>
        Assert.Contains(words, Error(() => GenerationConfig.Load(FolderWith("generation_config.json", text))), StringComparison.Ordinal);

    /// <summary>Loads the minimal configuration with these fields put in, replacing fields of the same name.</summary>
    private static ModelConfig With(string fields)
    {
        var json = System.Text.Json.Nodes.JsonNode.Parse(Minimal)!.AsObject();
        string[] kept = [.. json.Where(field => !fields.Contains($"\"{field.Key}\":", StringComparison.Ordinal)).Select(field => $"\"{field.Key}\":{field.Value!.ToJsonString()}")];
        return ModelConfig.Load(FolderWith("config.json", $"{{{string.Join(',', [.. kept, fields])}}}"));
    }
}
