using System.Text.Json;
using System.Text.Unicode;

namespace OllmNative.Model;

/// <summary>Reads the JSON files beside a model. They come from anywhere, so size, depth, encoding and repeated keys are checked.</summary>
public static class JsonFiles
{
    /// <summary>Largest configuration file that is read: 64 MiB, a hundred times what real ones take.</summary>
    public const long MaxConfigBytes = 64L << 20;

    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false, MaxDepth = 64 };

    /// <summary>Reads a file whose top level is a JSON object.</summary>
    /// <param name="path">The file.</param>
    /// <param name="maxBytes">A larger file is refused before anything is allocated for it.</param>
    /// <exception cref="OllmException">The file is missing, too large, not JSON (with line and place), or not an object.</exception>
    public static JsonFields ReadObject(string path, long maxBytes = MaxConfigBytes) => new(path, "", ParseObject(path, maxBytes));

    /// <summary>The JSON object that a file holds; null when there is no such file.</summary>
    /// <exception cref="OllmException">The file is too large, not JSON (with line and place), or not an object.</exception>
    internal static JsonElement? FindObject(string path) => File.Exists(path) ? ParseObject(path, MaxConfigBytes) : null;

    /// <summary>The text of a JSON string.</summary>
    /// <exception cref="OllmException">It is no valid Unicode, such as half of a surrogate pair as \u escape.</exception>
    internal static string Text(JsonElement value, string path, string key)
    {
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException e)
        {
            throw new OllmException($"{path}: {key} is not valid Unicode: {e.Message}", e);
        }
    }

    /// <summary>The error for a file that is no JSON, with the place.</summary>
    internal static OllmException Malformed(string path, JsonException e)
    {
        string place = e.LineNumber is null ? "" : $" line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1}:";
        return new OllmException($"{path}:{place} not valid JSON: {Reason(e)}", e);
    }

    /// <summary>The reason inside a parser's message, without the position that .NET appends to it.</summary>
    internal static string Reason(JsonException e)
    {
        string reason = e.Message;
        foreach (string suffix in (string[])[" Path: ", " LineNumber: "])
            if (reason.IndexOf(suffix, StringComparison.Ordinal) is int cut and > 0) reason = reason[..cut];
        return reason.TrimEnd('.');
    }

    /// <summary>The bytes of a file, without a byte order mark.</summary>
    /// <exception cref="OllmException">It is missing, too large or cannot be read.</exception>
    internal static ReadOnlyMemory<byte> ReadBytes(string path, long maxBytes = MaxConfigBytes)
    {
        using FileStream stream = InputFile.Open(path);
        try
        {
            if (stream.Length > maxBytes) throw new OllmException($"{path}: {stream.Length} bytes, above the limit of {maxBytes} for such a file");
            byte[] bytes = new byte[stream.Length];
            stream.ReadExactly(bytes);
            ReadOnlyMemory<byte> text = bytes;
            return bytes.AsSpan().StartsWith("\uFEFF"u8) ? text[3..] : text; // Windows editors write this mark.
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new OllmException($"{path}: cannot be read: {e.Message}", e);
        }
    }

    private static JsonElement ParseObject(string path, long maxBytes)
    {
        JsonElement root = Parse(ReadBytes(path, maxBytes), path);
        return root.ValueKind == JsonValueKind.Object
            ? root
            : throw new OllmException($"{path}: expected a JSON object at the top, found {JsonFields.Kind(root)}");
    }

    private static JsonElement Parse(ReadOnlyMemory<byte> text, string path)
    {
        if (!Utf8.IsValid(text.Span)) throw new OllmException($"{path}: not valid UTF-8");
        try
        {
            using JsonDocument document = JsonDocument.Parse(text, Strict);
            return document.RootElement.Clone();
        }
        catch (JsonException e)
        {
            throw Malformed(path, e);
        }
        catch (InvalidOperationException e) // A key with half of a surrogate pair.
        {
            throw new OllmException($"{path}: not valid JSON: a key holds half of a surrogate pair", e);
        }
    }
}
