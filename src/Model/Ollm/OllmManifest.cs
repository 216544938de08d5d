using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace OllmNative.Model;

/// <summary>The contents of <c>ollm.json</c>.</summary>
public sealed record OllmManifest
{
    /// <summary>Name of the file in an OLLM folder.</summary>
    public const string FileName = "ollm.json";

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// <summary>The file.</summary>
    public required string Path { get; init; }

    /// <summary>Version of the format; this program reads 1.</summary>
    public required int FormatVersion { get; init; }

    /// <summary>K.</summary>
    public required int Options { get; init; }

    /// <summary>M.</summary>
    public required int LatentWidth { get; init; }

    /// <summary>The mode of the last training.</summary>
    public LatentMode LatentMode { get; init; }

    /// <summary>D of the backbone.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>V of the backbone.</summary>
    public required int VocabSize { get; init; }

    /// <summary>Fingerprint of the backbone; null when unknown, then only the sizes are compared.</summary>
    public string? Fingerprint { get; init; }

    /// <summary>Target tokens seen in training.</summary>
    public long TrainedTokens { get; init; }

    /// <summary>Reads <c>ollm.json</c> of a folder.</summary>
    /// <exception cref="OllmException">The file is missing, malformed, or of another version.</exception>
    public static OllmManifest Load(string folder)
    {
        JsonFields json = JsonFiles.ReadObject(System.IO.Path.Combine(folder, FileName));
        int version = json.RequiredInt("format_version", 1, int.MaxValue);
        if (version != 1) throw json.Error("format_version", $"is {version}, expected 1: the folder was written by another version of the program");
        JsonFields backbone = json.OptionalObject("backbone") ?? throw json.Error("backbone", "is missing, expected an object with hidden_size and vocab_size");
        string mode = json.OptionalString("latent_mode") ?? "gumbel";
        return new OllmManifest
        {
            Path = json.Path,
            FormatVersion = version,
            Options = json.RequiredInt("options", 1, 1024),
            LatentWidth = json.RequiredInt("latent_width", 1, 1 << 20),
            LatentMode = mode switch
            {
                "gumbel" => LatentMode.Gumbel,
                "soft" => LatentMode.Soft,
                "marginal" => LatentMode.Marginal,
                _ => throw json.Error("latent_mode", $"is '{mode}', expected gumbel, soft or marginal"),
            },
            HiddenSize = backbone.RequiredInt("hidden_size", 1, 1 << 20),
            VocabSize = backbone.RequiredInt("vocab_size", 1, 1 << 24),
            Fingerprint = backbone.OptionalString("fingerprint"),
            TrainedTokens = json.OptionalCount("trained_tokens") ?? 0,
        };
    }

    /// <summary>Writes the file, replacing an older one in one step.</summary>
    /// <exception cref="OllmException">It cannot be written.</exception>
    public void Save()
    {
        var json = new JsonObject
        {
            ["format_version"] = FormatVersion,
            ["options"] = Options,
            ["latent_width"] = LatentWidth,
            ["latent_mode"] = LatentMode.ToString().ToLowerInvariant(),
            ["backbone"] = new JsonObject { ["hidden_size"] = HiddenSize, ["vocab_size"] = VocabSize, ["fingerprint"] = Fingerprint },
            ["trained_tokens"] = TrainedTokens,
        };
        DurableFiles.Write(Path, stream => stream.Write(Encoding.UTF8.GetBytes(json.ToJsonString(Indented) + "\n")));
    }
}
