using System.Text.Json.Nodes;

namespace OllmNative.Cli;

/// <summary>Configurations of public models, for random weights of a real shape: benchmarks and tests need no download.</summary>
internal static class KnownShapes
{
    private sealed record Shape(
        string Name, string ModelType, int Hidden, int Intermediate, int Layers, int Heads, int KvHeads, int? HeadDim,
        double RopeTheta, int MaxPositions, bool Tied, int EosTokenId);

    // The values of each model's own config.json. All of them: vocabulary 151,936, rms_norm_eps 1e-6, begin token 151643.
    private static readonly Shape[] All =
    [
        new("qwen2.5-0.5b", "qwen2", 896, 4864, 24, 14, 2, null, 1_000_000, 32_768, true, 151643),
        new("qwen2.5-1.5b", "qwen2", 1536, 8960, 28, 12, 2, null, 1_000_000, 131_072, true, 151643),
        new("deepseek-r1-distill-qwen-1.5b", "qwen2", 1536, 8960, 28, 12, 2, null, 10_000, 131_072, false, 151643),
        new("qwen3-0.6b", "qwen3", 1024, 3072, 28, 16, 8, 128, 1_000_000, 40_960, true, 151645),
        new("qwen3-1.7b", "qwen3", 2048, 6144, 28, 16, 8, 128, 1_000_000, 40_960, true, 151645),
    ];

    /// <summary>The names that <see cref="Config"/> takes.</summary>
    public static string[] Names => [.. All.Select(shape => shape.Name)];

    /// <summary>The config.json of a shape; null when the name is not known.</summary>
    public static JsonObject? Config(string name)
    {
        if (All.FirstOrDefault(shape => shape.Name == name) is not { } s) return null;
        var config = new JsonObject
        {
            ["architectures"] = new JsonArray(s.ModelType == "qwen3" ? "Qwen3ForCausalLM" : "Qwen2ForCausalLM"),
            ["attention_dropout"] = 0.0,
            ["bos_token_id"] = 151643,
            ["eos_token_id"] = s.EosTokenId,
            ["hidden_act"] = "silu",
            ["hidden_size"] = s.Hidden,
            ["initializer_range"] = 0.02,
            ["intermediate_size"] = s.Intermediate,
            ["max_position_embeddings"] = s.MaxPositions,
            ["max_window_layers"] = s.Layers,
            ["model_type"] = s.ModelType,
            ["num_attention_heads"] = s.Heads,
            ["num_hidden_layers"] = s.Layers,
            ["num_key_value_heads"] = s.KvHeads,
            ["rms_norm_eps"] = 1e-6,
            ["rope_theta"] = s.RopeTheta,
            ["sliding_window"] = null,
            ["tie_word_embeddings"] = s.Tied,
            ["use_cache"] = true,
            ["use_sliding_window"] = false,
            ["vocab_size"] = 151936,
        };
        if (s.HeadDim is { } headDim) (config["head_dim"], config["attention_bias"]) = (headDim, false);
        return config;
    }
}
