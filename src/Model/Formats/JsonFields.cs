using System.Text.Json;

namespace OllmNative.Model;

/// <summary>
/// The fields of one JSON object in a file. Each accessor checks type and range, and its error names the file and the key.
/// A key that is absent and one that is null mean the same: not stated.
/// </summary>
public sealed class JsonFields
{
    private readonly JsonElement element;
    private readonly string prefix;

    internal JsonFields(string path, string prefix, JsonElement element) => (Path, this.prefix, this.element) = (path, prefix, element);

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>The keys, in the order of the file.</summary>
    public IEnumerable<string> Keys => element.EnumerateObject().Select(NameOf);

    /// <summary>The whole object as a map of strings, in the order of the file.</summary>
    /// <exception cref="OllmException">A value is no string.</exception>
    public IEnumerable<KeyValuePair<string, string>> StringEntries => element.EnumerateObject().Select(entry =>
    {
        string key = NameOf(entry);
        return KeyValuePair.Create(key, AsString(key, entry.Value));
    });

    /// <summary>True when the key is there and not null.</summary>
    public bool Has(string key) => Find(key) is not null;

    /// <summary>An integer that must be there.</summary>
    /// <exception cref="OllmException">Missing, no integer or out of range.</exception>
    public int RequiredInt(string key, int min, int max) =>
        OptionalInt(key, min, max) ?? throw Error(key, $"is missing, expected {Range(min, max)}");

    /// <summary>An integer, or null when not stated.</summary>
    /// <exception cref="OllmException">No integer or out of range.</exception>
    public int? OptionalInt(string key, int min, int max) => Find(key) is JsonElement value ? AsInt(key, value, min, max) : null;

    /// <summary>A 64-bit integer of at least 0, or null when not stated.</summary>
    /// <exception cref="OllmException">No integer, negative or too large.</exception>
    public long? OptionalCount(string key)
    {
        if (Find(key) is not JsonElement value) return null;
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out long count) && count >= 0
            ? count
            : throw Error(key, $"is {Kind(value)}, expected a non-negative integer");
    }

    /// <summary>A finite number, written as integer or not, or null when not stated.</summary>
    /// <exception cref="OllmException">No number, or outside [min, max].</exception>
    public double? OptionalNumber(string key, double min, double max)
    {
        if (Find(key) is not JsonElement value) return null;
        if (value.ValueKind != JsonValueKind.Number) throw Error(key, $"is {Kind(value)}, expected a number");
        return value.TryGetDouble(out double number) && number >= min && number <= max
            ? number
            : throw Error(key, $"is {Raw(value)}, expected a number from {min:R} to {max:R}");
    }

    /// <summary>True or false, or null when not stated.</summary>
    /// <exception cref="OllmException">Anything else.</exception>
    public bool? OptionalBool(string key) => Find(key) is not JsonElement value ? null : value.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Error(key, $"is {Kind(value)}, expected true or false"),
    };

    /// <summary>A string, or null when not stated.</summary>
    /// <exception cref="OllmException">Anything else.</exception>
    public string? OptionalString(string key) => Find(key) is JsonElement value ? AsString(key, value) : null;

    /// <summary>The strings of an array; empty when not stated.</summary>
    /// <exception cref="OllmException">No array, or an item that is no string.</exception>
    public string[] Strings(string key)
    {
        if (Find(key) is not JsonElement value) return [];
        if (value.ValueKind != JsonValueKind.Array) throw Error(key, $"is {Kind(value)}, expected an array of strings");
        return [.. value.EnumerateArray().Select(item => AsString(key, item))];
    }

    /// <summary>Integers that the file writes as one integer or as an array; empty when not stated, repeats removed.</summary>
    /// <exception cref="OllmException">Anything else, or a value out of range.</exception>
    public int[] OneOrMoreInts(string key, int min, int max)
    {
        if (Find(key) is not JsonElement value) return [];
        return value.ValueKind == JsonValueKind.Array
            ? [.. value.EnumerateArray().Select(item => AsInt(key, item, min, max)).Distinct()]
            : [AsInt(key, value, min, max)];
    }

    /// <summary>A nested object, or null when not stated.</summary>
    /// <exception cref="OllmException">Anything else.</exception>
    public JsonFields? OptionalObject(string key)
    {
        if (Find(key) is not JsonElement value) return null;
        return value.ValueKind == JsonValueKind.Object
            ? new JsonFields(Path, $"{prefix}{key}.", value)
            : throw Error(key, $"is {Kind(value)}, expected an object");
    }

    /// <summary>An error about one key of this file, to be thrown: <c>config.json: "key" text</c>.</summary>
    public OllmException Error(string key, string text) => new($"{Path}: {ErrorText.Quote(prefix + key)} {text}");

    /// <summary>What a value is, in words.</summary>
    internal static string Kind(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "an array",
        JsonValueKind.String => "a string",
        JsonValueKind.Number => $"the number {Raw(value)}",
        JsonValueKind.Null => "null",
        _ => value.GetRawText(),
    };

    private JsonElement? Find(string key) =>
        element.TryGetProperty(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private int AsInt(string key, JsonElement value, int min, int max)
    {
        if (value.ValueKind != JsonValueKind.Number) throw Error(key, $"is {Kind(value)}, expected {Range(min, max)}");
        return value.TryGetInt32(out int number) && number >= min && number <= max
            ? number
            : throw Error(key, $"is {Raw(value)}, expected {Range(min, max)}");
    }

    private string AsString(string key, JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.String) throw Error(key, $"is {Kind(value)}, expected a string");
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException e)
        {
            throw new OllmException($"{Path}: {ErrorText.Quote(prefix + key)} holds half of a surrogate pair, expected text", e);
        }
    }

    private string NameOf(JsonProperty entry)
    {
        try
        {
            return entry.Name;
        }
        catch (InvalidOperationException e)
        {
            throw new OllmException($"{Path}: a key below {ErrorText.Quote(prefix)} holds half of a surrogate pair, expected text", e);
        }
    }

    private static string Range(int min, int max) => $"an integer from {min} to {max}";

    private static string Raw(JsonElement value)
    {
        string text = value.GetRawText();
        return text.Length <= 40 ? text : $"{text[..40]}…";
    }
}
