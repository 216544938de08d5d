namespace OllmNative.Model;

/// <summary>
/// <c>model.safetensors.index.json</c>: its <c>weight_map</c> says which shard, a file of the same folder, holds which tensor.
/// </summary>
internal sealed class ShardIndex
{
    public const string FileName = "model.safetensors.index.json";
    private const string Extension = ".safetensors";

    private ShardIndex(SortedDictionary<string, HashSet<string>> shards) => Shards = shards;

    /// <summary>Shard file names, sorted, each with the tensors that it must hold.</summary>
    public SortedDictionary<string, HashSet<string>> Shards { get; }

    /// <exception cref="OllmException">Not an index, a shard outside of the folder, or shards that are missing.</exception>
    public static ShardIndex Read(string path)
    {
        JsonFields map = JsonFiles.ReadObject(path).OptionalObject("weight_map")
            ?? throw new OllmException($"{path}: \"weight_map\" is missing, expected an object from tensor names to shard files");
        var shards = new SortedDictionary<string, HashSet<string>>(StringComparer.Ordinal);
        foreach ((string tensor, string shard) in map.StringEntries)
        {
            if (!IsPlainFileName(shard))
                throw map.Error(tensor, $"names the shard {ErrorText.Quote(shard)}, expected the plain name of a *{Extension} file in the same folder");
            if (!shards.TryGetValue(shard, out HashSet<string>? names))
                shards.Add(shard, names = new HashSet<string>(StringComparer.Ordinal));
            names.Add(tensor);
        }
        if (shards.Count == 0) throw new OllmException($"{path}: \"weight_map\" is empty, expected tensor names and their shards");
        RequireAll(path, [.. shards.Keys]);
        return new ShardIndex(shards);
    }

    // Both separators and the drive colon are refused everywhere, so that a folder means the same on every system.
    private static bool IsPlainFileName(string name) =>
        name.Length > Extension.Length && name.EndsWith(Extension, StringComparison.Ordinal)
        && name.IndexOfAny(['/', '\\', ':']) < 0 && !name.Contains("..", StringComparison.Ordinal) && !name.Any(char.IsControl);

    private static void RequireAll(string indexPath, string[] shards)
    {
        string folder = Path.GetDirectoryName(indexPath)!;
        string[] missing = [.. shards.Where(shard => !File.Exists(Path.Combine(folder, shard)))];
        if (missing.Length > 0) throw new OllmException($"{folder}: {missing.Length} of {shards.Length} shards are missing: {ErrorText.List(missing)}");
    }
}
