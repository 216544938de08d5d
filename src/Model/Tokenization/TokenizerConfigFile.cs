using System.Text.Json;

namespace OllmNative.Model;

/// <summary>What tokenizer_config.json beside a tokenizer.json says about the ends of a text; all empty when there is no such file.</summary>
internal sealed record TokenizerConfigFile(string Path, string? BosToken, string? EosToken, bool AddBosToken)
{
    /// <summary>Reads the file of a model folder.</summary>
    /// <exception cref="OllmException">The file is there and malformed.</exception>
    public static TokenizerConfigFile Read(string folder)
    {
        string path = System.IO.Path.Combine(folder, "tokenizer_config.json");
        if (JsonFiles.FindObject(path) is not { } root) return new TokenizerConfigFile(path, null, null, false);
        return new TokenizerConfigFile(path, TokenOf(root, "bos_token", path), TokenOf(root, "eos_token", path),
            root.TryGetProperty("add_bos_token", out JsonElement add) && add.ValueKind == JsonValueKind.True);
    }

    /// <summary>The id of a token that the file names, null when it names none.</summary>
    /// <exception cref="OllmException">The tokenizer does not have it.</exception>
    public int? IdOf(string? token, string key, Tokenizer tokenizer) => token is null
        ? null
        : tokenizer.IdOf(token) ?? throw new OllmException($"{Path}: {key} is \"{token}\", which tokenizer.json does not have");

    /// <summary>A token is given as its text, or as an object with its text under <c>content</c>.</summary>
    private static string? TokenOf(JsonElement root, string key, string path)
    {
        if (!root.TryGetProperty(key, out JsonElement value)) return null;
        if (value.ValueKind == JsonValueKind.Object && value.TryGetProperty("content", out JsonElement content)) value = content;
        return value.ValueKind switch
        {
            JsonValueKind.Null => null,
            JsonValueKind.String => JsonFiles.Text(value, path, key),
            _ => throw new OllmException($"{path}: {key} must be a string, null, or an object with a string under \"content\""),
        };
    }
}
