using System.Text.Json;

namespace OllmNative.Model;

/// <summary>Reads small JSON files of a model folder with errors a user can act on.</summary>
internal static class JsonFile
{
    // Four times the largest tokenizer.json of this family.
    private const long MaxBytes = 64L << 20;

    /// <summary>The bytes of a file, without a byte order mark.</summary>
    /// <exception cref="OllmException">It cannot be read, or is too large.</exception>
    public static ReadOnlyMemory<byte> ReadBytes(string path) => JsonFiles.ReadBytes(path, MaxBytes);

    /// <summary>Parses a file that must hold one JSON object; null when there is no such file.</summary>
    /// <exception cref="OllmException">It is no JSON, or not an object.</exception>
    public static JsonDocument? OpenObject(string path)
    {
        if (!File.Exists(path)) return null;
        try
        {
            JsonDocument document = JsonDocument.Parse(ReadBytes(path), new JsonDocumentOptions { AllowDuplicateProperties = false });
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? document
                : throw new OllmException($"{path}: expected a JSON object, found {document.RootElement.ValueKind}");
        }
        catch (JsonException e)
        {
            throw Malformed(path, e);
        }
        catch (InvalidOperationException e) // A key with half of a surrogate pair.
        {
            throw new OllmException($"{path}: a key in it is not valid Unicode", e);
        }
    }

    /// <summary>The text of a JSON string.</summary>
    /// <exception cref="OllmException">It is no valid Unicode, such as half of a surrogate pair as \u escape.</exception>
    public static string Text(JsonElement value, string path, string key)
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
    public static OllmException Malformed(string path, JsonException e) =>
        new($"{path}: not valid JSON at line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1}: {e.Message}", e);
}
