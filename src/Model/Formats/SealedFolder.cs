using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace OllmNative.Model;

/// <summary>
/// A folder that can tell whether it is whole. Its <c>state.json</c> holds the SHA-256 of every other file under "sha256"
/// and, under "checksum", that of its own text with the checksum written as zeros. Guards against torn writes, lost sectors
/// and edits by mistake; whoever can write the folder can seal it anew, so it proves nothing about where it came from.
/// </summary>
public static class SealedFolder
{
    /// <summary>The file that seals the folder.</summary>
    public const string StateFile = "state.json";

    private const long MaxBytes = 1 << 20;
    private static readonly string Zeros = new('0', 64);
    private static readonly JsonSerializerOptions Readable = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes state.json over the files that are in the folder now, flushed to the disk.</summary>
    /// <param name="folder">The folder, already filled.</param>
    /// <param name="state">What to remember beside the checksums; the names sha256 and checksum are taken.</param>
    /// <exception cref="OllmException">It cannot be written.</exception>
    public static void Seal(string folder, JsonObject state)
    {
        ArgumentNullException.ThrowIfNull(state);
        var sums = new JsonObject();
        foreach (string file in Directory.EnumerateFiles(folder).Order(StringComparer.Ordinal))
            if (Path.GetFileName(file) is var name && name != StateFile) sums[name] = ChecksumOfFile(file);
        var whole = (JsonObject)state.DeepClone();
        whole["sha256"] = sums;
        whole["checksum"] = Zeros;
        string text = whole.ToJsonString(Readable) + "\n";
        string signed = text.Replace($"\"{Zeros}\"", $"\"{ChecksumOf(text)}\"", StringComparison.Ordinal);
        DurableFiles.Write(Path.Combine(folder, StateFile), stream => stream.Write(Encoding.UTF8.GetBytes(signed)));
    }

    /// <summary>Checks every file and returns what state.json remembers.</summary>
    /// <exception cref="OllmException">A file is missing or damaged; the message names it.</exception>
    public static JsonFields Open(string folder)
    {
        string path = Path.Combine(folder, StateFile);
        JsonFields state = JsonFiles.ReadObject(path, MaxBytes);
        string checksum = state.OptionalString("checksum") ?? throw state.Error("checksum", "is missing, expected the checksum of this file");
        string text = Encoding.UTF8.GetString(JsonFiles.ReadBytes(path, MaxBytes).Span);
        if (checksum.Length != Zeros.Length || ChecksumOf(text.Replace($"\"{checksum}\"", $"\"{Zeros}\"", StringComparison.Ordinal)) != checksum)
            throw new OllmException($"{path}: the contents do not match their checksum; the file is damaged");
        JsonFields sums = state.OptionalObject("sha256") ?? throw state.Error("sha256", "is missing, expected the checksums of the other files");
        foreach ((string name, string expected) in sums.StringEntries)
        {
            if (!IsPlainName(name)) throw state.Error("sha256", $"names {ErrorText.Quote(name)}, expected plain names of files in the same folder");
            string file = Path.Combine(folder, name);
            if (!File.Exists(file)) throw new OllmException($"{file}: missing; the folder is damaged");
            if (ChecksumOfFile(file) != expected) throw new OllmException($"{file}: the contents do not match the checksum in {path}; the file is damaged");
        }
        return state;
    }

    /// <summary>Separators of either kind and the drive colon are refused everywhere, so that a folder means the same on every system.</summary>
    internal static bool IsPlainName(string name) =>
        name.Length > 0 && name.IndexOfAny(['/', '\\', ':']) < 0 && name is not ("." or "..") && !name.Any(char.IsControl);

    private static string ChecksumOfFile(string path)
    {
        using FileStream stream = InputFile.Open(path);
        try
        {
            return Convert.ToHexStringLower(SHA256.HashData(stream));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new OllmException($"{path}: cannot be read: {e.Message}", e);
        }
    }

    private static string ChecksumOf(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}
