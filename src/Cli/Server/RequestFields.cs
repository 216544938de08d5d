using System.Globalization;
using System.Text.Json;

namespace OllmNative.Cli.Server;

/// <summary>
/// The fields of a JSON object that came in a request: absent and null mean the same, and a wrong type or value is refused by
/// name. Fields that nobody asks for are ignored, as other servers of this protocol do.
/// </summary>
/// <param name="json">The object.</param>
/// <param name="prefix">What stands before the names in messages.</param>
internal readonly struct RequestFields(JsonElement json, string prefix = "")
{
    /// <summary>The value of a field; null when it is absent.</summary>
    public JsonElement? Get(string name) =>
        json.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;

    /// <summary>true or false.</summary>
    public bool Flag(string name) => Get(name) is { } value && value.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Wrong(name, "true or false"),
    };

    /// <summary>A number in a range.</summary>
    public double? Number(string name, double min, double max)
    {
        if (Get(name) is not { } value) return null;
        if (value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && number >= min && number <= max) return number;
        throw Wrong(name, string.Create(CultureInfo.InvariantCulture, $"a number from {min} to {max}"));
    }

    /// <summary>A whole number in a range.</summary>
    public int? Integer(string name, int min, int max)
    {
        if (Get(name) is not { } value) return null;
        if (value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) && number >= min && number <= max) return number;
        throw Wrong(name, max == int.MaxValue ? $"an integer of at least {min}" : $"an integer from {min} to {max}");
    }

    /// <summary>A seed: any whole number of 64 bits.</summary>
    public ulong? Seed(string name)
    {
        if (Get(name) is not { } value) return null;
        if (value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out long number)) return unchecked((ulong)number);
        if (value.ValueKind == JsonValueKind.Number && value.TryGetUInt64(out ulong large)) return large;
        throw Wrong(name, "an integer of 64 bits");
    }

    /// <summary>A text.</summary>
    public string? Text(string name) => Get(name) is { } value ? TextOf(value, name) : null;

    /// <summary>A text or a list of texts.</summary>
    public string[] OneOrMoreTexts(string name, int most)
    {
        if (Get(name) is not { } value) return [];
        string expected = $"a text or up to {most} texts, none of them empty";
        if (value.ValueKind is not (JsonValueKind.String or JsonValueKind.Array)) throw Wrong(name, expected);
        if (value.ValueKind == JsonValueKind.Array && value.GetArrayLength() > most) throw Wrong(name, expected);
        RequestFields self = this;
        string[] texts = value.ValueKind == JsonValueKind.String ? [TextOf(value, name)] : [.. value.EnumerateArray().Select(item => self.TextOf(item, name))];
        return texts.Contains("") ? throw Wrong(name, expected) : texts;
    }

    /// <summary>A list of whole numbers in a range.</summary>
    public int[]? Integers(string name, int max)
    {
        if (Get(name) is not { } value) return null;
        return value.ValueKind == JsonValueKind.Array ? IntegersOf(value, name, max) : throw Wrong(name, "a list of integers");
    }

    /// <summary>The numbers of a list.</summary>
    public int[] IntegersOf(JsonElement list, string name, int max)
    {
        var numbers = new int[list.GetArrayLength()];
        int count = 0;
        foreach (JsonElement item in list.EnumerateArray())
        {
            bool fits = item.ValueKind == JsonValueKind.Number && item.TryGetInt32(out numbers[count]) && numbers[count] >= 0 && numbers[count] <= max;
            if (!fits) throw Wrong($"{name}[{count}]", $"an integer from 0 to {max}");
            count++;
        }
        return numbers;
    }

    /// <summary>An object's fields.</summary>
    public RequestFields? Object(string name)
    {
        if (Get(name) is not { } value) return null;
        return value.ValueKind == JsonValueKind.Object ? new RequestFields(value, $"{prefix}{name}.") : throw Wrong(name, "an object");
    }

    /// <summary>A string's text.</summary>
    public string TextOf(JsonElement value, string name)
    {
        if (value.ValueKind != JsonValueKind.String) throw Wrong(name, "a text");
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException) // An escaped half of a surrogate pair.
        {
            throw Wrong(name, "a text of whole Unicode characters");
        }
    }

    /// <summary>The refusal of a value.</summary>
    public ApiException Wrong(string name, string expected) =>
        new(400, $"'{prefix}{name}' is not valid: expected {expected}", prefix + name, "invalid_value");
}
