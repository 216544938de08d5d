namespace OllmNative.Model;

/// <summary>
/// The shape and constants of a backbone, from the config.json of a Qwen2, Qwen2.5, DeepSeek-R1-Distill-Qwen or Qwen3 folder.
/// What would change the maths in a way that is not implemented is refused at loading, not ignored.
/// </summary>
public sealed record ModelConfig
{
    /// <summary><c>qwen2</c> or <c>qwen3</c>.</summary>
    public required string ModelType { get; init; }

    /// <summary>Width of the hidden state (D).</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Width inside the gated MLP.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>Number of decoder layers.</summary>
    public required int Layers { get; init; }

    /// <summary>Query heads (H).</summary>
    public required int Heads { get; init; }

    /// <summary>Key and value heads (Hkv); each serves Heads / KvHeads query heads.</summary>
    public required int KvHeads { get; init; }

    /// <summary>Width of one head (Dh), even; Heads * HeadDim need not be HiddenSize.</summary>
    public required int HeadDim { get; init; }

    /// <summary>Rows of the embedding table (V), at least the tokenizer's ids.</summary>
    public required int VocabSize { get; init; }

    /// <summary>eps inside every RMS norm.</summary>
    public float RmsNormEps { get; init; } = 1e-6f;

    /// <summary>Base of the rotary position angles.</summary>
    public double RopeTheta { get; init; } = 10_000;

    /// <summary>Positions that the model was trained for.</summary>
    public int MaxPositions { get; init; } = 32_768;

    /// <summary>The head is the embedding table; there is no lm_head tensor.</summary>
    public bool TieWordEmbeddings { get; init; }

    /// <summary>q_proj, k_proj and v_proj have a bias.</summary>
    public bool QkvBias { get; init; }

    /// <summary>o_proj has a bias.</summary>
    public bool OutputBias { get; init; }

    /// <summary>Queries and keys are RMS-normalised per head before the rotation.</summary>
    public bool QkNorm { get; init; }

    /// <summary>config.json's beginning-of-text token; a tokenizer_config.json may know better.</summary>
    public int? BosTokenId { get; init; }

    /// <summary>Tokens that end a text; may be empty.</summary>
    public int[] EosTokenIds { get; init; } = [];

    /// <summary>What the file says under dtype or torch_dtype, for display: each tensor has its own type.</summary>
    public string? DeclaredDType { get; init; }

    /// <summary>The config.json that this came from; empty when built in code.</summary>
    public string Path { get; init; } = "";

    /// <summary>Reads and checks config.json.</summary>
    /// <param name="folder">The model's folder.</param>
    /// <exception cref="OllmException">Missing, malformed, contradictory, or a model that is not supported.</exception>
    public static ModelConfig Load(string folder) => ModelConfigReader.Read(System.IO.Path.Combine(folder, "config.json"));
}
