namespace OllmNative.Model;

/// <summary>Turns config.json, in the dialects that real files use, into a <see cref="ModelConfig"/>.</summary>
internal static class ModelConfigReader
{
    // Far above any real model; beyond them a file is broken, and products of sizes stay inside 64 bits.
    private const int MaxWidth = 1 << 20, MaxLayers = 1 << 12, MaxHeads = 1 << 12, MaxHeadDim = 1 << 12;
    private const int MaxVocabulary = 1 << 24, MaxContext = 1 << 28;

    // What Qwen2's own code assumes when use_sliding_window is on and no window is given.
    private const int DefaultWindow = 4096;

    public static ModelConfig Read(string path)
    {
        JsonFields json = JsonFiles.ReadObject(path);
        string type = ReadModelType(json);
        bool qwen3 = type == "qwen3", attentionBias = json.OptionalBool("attention_bias") ?? false;
        RefuseUnsupported(json);
        int hidden = json.RequiredInt("hidden_size", 1, MaxWidth);
        int heads = json.RequiredInt("num_attention_heads", 1, MaxHeads);
        int vocabulary = json.RequiredInt("vocab_size", 1, MaxVocabulary);
        var config = new ModelConfig
        {
            ModelType = type,
            HiddenSize = hidden,
            IntermediateSize = json.RequiredInt("intermediate_size", 1, MaxWidth),
            Layers = json.RequiredInt("num_hidden_layers", 1, MaxLayers),
            Heads = heads,
            KvHeads = ReadKvHeads(json, heads),
            HeadDim = ReadHeadDim(json, hidden, heads),
            VocabSize = vocabulary,
            RmsNormEps = (float)(json.OptionalNumber("rms_norm_eps", 1e-12, 1) ?? 1e-6),
            RopeTheta = ReadRopeTheta(json),
            MaxPositions = json.OptionalInt("max_position_embeddings", 1, MaxContext) ?? 32_768,
            TieWordEmbeddings = json.OptionalBool("tie_word_embeddings") ?? false,
            QkvBias = !qwen3 || attentionBias,
            OutputBias = qwen3 && attentionBias,
            QkNorm = qwen3,
            BosTokenId = json.OptionalInt("bos_token_id", 0, vocabulary - 1),
            EosTokenIds = json.OneOrMoreInts("eos_token_id", 0, vocabulary - 1),
            DeclaredDType = json.OptionalString("dtype") ?? json.OptionalString("torch_dtype"),
            Path = path,
        };
        RefuseSlidingWindow(json, config.MaxPositions);
        return config;
    }

    private static string ReadModelType(JsonFields json)
    {
        string type = json.OptionalString("model_type") ?? throw json.Error("model_type", "is missing, expected \"qwen2\" or \"qwen3\"");
        string architecture = type switch
        {
            "qwen2" => "Qwen2ForCausalLM",
            "qwen3" => "Qwen3ForCausalLM",
            _ => throw json.Error("model_type", $"is {ErrorText.Quote(type)}, which is not supported, expected \"qwen2\" or \"qwen3\""),
        };
        string[] stated = json.Strings("architectures");
        if (stated.Length > 0 && !stated.Contains(architecture))
            throw json.Error("architectures", $"is {ErrorText.List(stated)}, which is not supported, expected \"{architecture}\"");
        return type;
    }

    private static void RefuseUnsupported(JsonFields json)
    {
        if (json.OptionalString("hidden_act") is string act && act != "silu")
            throw json.Error("hidden_act", $"is {ErrorText.Quote(act)}, which is not supported, expected \"silu\"");
        if (json.OptionalBool("use_mrope") == true) throw json.Error("use_mrope", "is true, which is not supported: only plain rotary positions are");
        if (json.Has("quantization_config"))
            throw json.Error("quantization_config", "is set, but quantised checkpoints are not supported, expected F32, F16 or BF16 weights");
    }

    private static int ReadKvHeads(JsonFields json, int heads)
    {
        int kvHeads = json.OptionalInt("num_key_value_heads", 1, MaxHeads) ?? heads;
        return heads % kvHeads == 0
            ? kvHeads
            : throw json.Error("num_key_value_heads", $"is {kvHeads}, expected a divisor of num_attention_heads = {heads}");
    }

    private static int ReadHeadDim(JsonFields json, int hidden, int heads)
    {
        int? stated = json.OptionalInt("head_dim", 1, MaxHeadDim);
        if (stated is null && hidden % heads != 0)
            throw json.Error("hidden_size", $"is {hidden}, expected a multiple of num_attention_heads = {heads} where head_dim is not given");
        int headDim = stated ?? hidden / heads;
        string found = $"is {headDim}{(stated is null ? " (hidden_size / num_attention_heads)" : "")}";
        if (headDim % 2 != 0) throw json.Error("head_dim", $"{found}, expected an even number: rotary positions turn pairs");
        return headDim <= MaxHeadDim ? headDim : throw json.Error("head_dim", $"{found}, expected at most {MaxHeadDim}");
    }

    /// <summary>Older files have rope_theta at the top and rope_scaling beside it; newer ones hold both in rope_parameters, which wins.</summary>
    private static double ReadRopeTheta(JsonFields json)
    {
        double? theta = Theta(json);
        foreach (string key in (string[])["rope_scaling", "rope_parameters"])
        {
            if (json.OptionalObject(key) is not JsonFields rope) continue;
            string? type = rope.OptionalString("rope_type") ?? rope.OptionalString("type");
            if (type is not null and not "default")
                throw json.Error(key, $"asks for {ErrorText.Quote(type)}, which is not supported, expected null or the type \"default\"");
            if (type is null && rope.Keys.Any(name => name != "rope_theta"))
                throw json.Error(key, "is not supported: it states no rope_type, expected null or the type \"default\"");
            if (rope.OptionalNumber("partial_rotary_factor", 0, 1) is not (null or 1.0))
                throw rope.Error("partial_rotary_factor", "is not supported, expected 1: all of a head is rotated");
            theta = Theta(rope) ?? theta;
        }
        return theta ?? 10_000;

        static double? Theta(JsonFields fields) => fields.OptionalNumber("rope_theta", 1, 1e15);
    }

    private static void RefuseSlidingWindow(JsonFields json, int maxPositions)
    {
        int? window = json.OptionalInt("sliding_window", 1, MaxContext);
        if (json.OptionalBool("use_sliding_window") == true)
        {
            // An explicit null means no window; an absent key means the default one.
            int effective = window ?? (json.Keys.Contains("sliding_window") ? maxPositions : DefaultWindow);
            if (effective < maxPositions)
                throw json.Error("use_sliding_window", $"is true with a window of {effective} below max_position_embeddings = {maxPositions}: "
                    + "sliding-window attention is not supported");
        }
        string[] other = [.. json.Strings("layer_types").Where(type => type != "full_attention").Distinct()];
        if (other.Length > 0 && !(window >= maxPositions))
            throw json.Error("layer_types", $"holds {ErrorText.List(other)}, which is not supported, expected \"full_attention\" only");
    }
}
