namespace OllmNative.Model;

/// <summary>
/// The sampling defaults that a model's authors ship in generation_config.json. Null means that the file does not say;
/// the command line's own default applies then.
/// </summary>
public sealed record GenerationConfig
{
    /// <summary>Sample instead of taking the most probable token.</summary>
    public bool? DoSample { get; init; }

    /// <summary>Divisor of the logits, at least 0.</summary>
    public float? Temperature { get; init; }

    /// <summary>Keep this many most probable tokens; 0 keeps all.</summary>
    public int? TopK { get; init; }

    /// <summary>Keep the most probable tokens up to this mass, in [0, 1].</summary>
    public float? TopP { get; init; }

    /// <summary>Keep tokens of at least this share of the best one's probability, in [0, 1].</summary>
    public float? MinP { get; init; }

    /// <summary>Divisor of the positive (factor of the negative) logits of tokens that were seen; 1 does nothing.</summary>
    public float? RepetitionPenalty { get; init; }

    /// <summary>Tokens that end a text; empty when the file does not say.</summary>
    public int[] EosTokenIds { get; init; } = [];

    /// <summary>Beginning-of-text token.</summary>
    public int? BosTokenId { get; init; }

    /// <summary>Padding token.</summary>
    public int? PadTokenId { get; init; }

    /// <summary>The file that this came from; empty when there is none.</summary>
    public string Path { get; init; } = "";

    /// <summary>Reads generation_config.json of a model folder; a folder without one gives an empty configuration.</summary>
    /// <exception cref="OllmException">The file is malformed or a value has the wrong type or range.</exception>
    public static GenerationConfig Load(string folder)
    {
        string path = System.IO.Path.Combine(folder, "generation_config.json");
        if (!System.IO.Path.Exists(path)) return new GenerationConfig();
        JsonFields json = JsonFiles.ReadObject(path);
        return new GenerationConfig
        {
            DoSample = json.OptionalBool("do_sample"),
            Temperature = (float?)json.OptionalNumber("temperature", 0, 1000),
            TopK = json.OptionalInt("top_k", 0, int.MaxValue),
            TopP = (float?)json.OptionalNumber("top_p", 0, 1),
            MinP = (float?)json.OptionalNumber("min_p", 0, 1),
            RepetitionPenalty = (float?)json.OptionalNumber("repetition_penalty", 1e-3, 1000),
            EosTokenIds = json.OneOrMoreInts("eos_token_id", 0, int.MaxValue),
            BosTokenId = json.OptionalInt("bos_token_id", 0, int.MaxValue),
            PadTokenId = json.OptionalInt("pad_token_id", 0, int.MaxValue),
            Path = path,
        };
    }
}
