using System.Text.Json;

namespace OllmNative.Model;

/// <summary>Reads small JSON files of a model folder with errors a user can act on.</summary>
internal static class JsonFile
{
    /// <summary>The bytes of a file, without a byte order mark.</summary>
    /// <exception cref="OllmException">It cannot be read.</exception>
    public static ReadOnlyMemory<byte> ReadBytes(string path)
    {
        try
        {
            ReadOnlyMemory<byte> bytes = File.ReadAllBytes(path);
            return bytes.Span.StartsWith("\uFEFF"u8) ? bytes[3..] : bytes;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new OllmException($"{path}: cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Parses a file that must hold one JSON object; null when there is no such file.</summary>
    /// <exception cref="OllmException">It is no JSON, or not an object.</exception>
    public static JsonDocument? OpenObject(string path)
    {
        if (!File.Exists(path)) return null;
        try
        {
            JsonDocument document = JsonDocument.Parse(ReadBytes(path));
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? document
                : throw new OllmException($"{path}: expected a JSON object, found {document.RootElement.ValueKind}");
        }
        catch (JsonException e)
        {
            throw Malformed(path, e);
        }
    }

    /// <summary>The error for a file that is no JSON, with the place.</summary>
    public static OllmException Malformed(string path, JsonException e) =>
        new($"{path}: not valid JSON at line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1}: {e.Message}", e);
}
