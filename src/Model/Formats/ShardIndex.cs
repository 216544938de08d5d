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
        foreach (string shard in shards.Keys) RefuseLinkOutside(Path.GetDirectoryName(Path.GetFullPath(path))!, shard);
        return new ShardIndex(shards);
    }

    // Both separators and the drive colon are refused everywhere, so that a folder means the same on every system.
    private static bool IsPlainFileName(string name) =>
        name.Length > Extension.Length && name.EndsWith(Extension, StringComparison.Ordinal)
        && name.IndexOfAny(['/', '\\', ':']) < 0 && !name.Contains("..", StringComparison.Ordinal) && !name.Any(char.IsControl);

    /// <summary>
    /// An archive can carry links. One that a file names may lead to another place in the folder, or to where the Hugging Face
    /// cache keeps the contents (MODEL/snapshots/REVISION/name to MODEL/blobs/hash), nowhere else.
    /// </summary>
    private static void RefuseLinkOutside(string folder, string shard)
    {
        string path = Path.Combine(folder, shard);
        if (new FileInfo(path).LinkTarget is null) return;
        string? target = File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName;
        string within = RealFolder(folder), blobs = Path.GetFullPath(Path.Combine(within, "..", "..", "blobs"));
        bool cached = Path.GetFileName(Path.GetDirectoryName(within)) == "snapshots";
        if (target is not null && (IsIn(target, within) || IsIn(target, folder) || (cached && IsIn(target, blobs)))) return;
        throw new OllmException($"{path}: is a link that leads out of its folder, expected a file; copy the file itself there");
    }

    private static bool IsIn(string path, string folder) => path.StartsWith(folder.TrimEnd(Path.DirectorySeparatorChar) + Path.DirectorySeparatorChar, StringComparison.Ordinal);

    private static string RealFolder(string folder) => Directory.ResolveLinkTarget(folder, returnFinalTarget: true)?.FullName ?? folder;

    private static void RequireAll(string indexPath, string[] shards)
    {
        string folder = Path.GetDirectoryName(indexPath)!;
        string[] missing = [.. shards.Where(shard => !File.Exists(Path.Combine(folder, shard)))];
        if (missing.Length > 0) throw new OllmException($"{folder}: {missing.Length} of {shards.Length} shards are missing: {ErrorText.List(missing)}");
    }
}
