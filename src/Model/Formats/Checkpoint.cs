using System.Diagnostics.CodeAnalysis;

namespace OllmNative.Model;

/// <summary>
/// The tensors of a model: one safetensors file, or a folder with one file or with shards and their index. All files are
/// memory-mapped; nothing is copied. Safe to read from any number of threads.
/// </summary>
public sealed class Checkpoint : IDisposable
{
    private readonly IReadOnlyList<SafetensorsFile> maps;
    private readonly Dictionary<string, MappedTensor> byName = new(StringComparer.Ordinal);
    private bool disposed;

    private Checkpoint(string path, IReadOnlyList<SafetensorsFile> maps, IEnumerable<MappedTensor> tensors)
    {
        Path = path;
        this.maps = maps;
        Files = [.. maps.Select(map => map.Path)];
        Tensors = [.. tensors];
        foreach (MappedTensor tensor in Tensors) byName.Add(tensor.Name, tensor);
        TotalBytes = Tensors.Sum(tensor => tensor.ByteLength);
    }

    /// <summary>The file or folder that was opened.</summary>
    public string Path { get; }

    /// <summary>The files behind it, shards in name order.</summary>
    public IReadOnlyList<string> Files { get; }

    /// <summary>All tensors, file by file in the order of their data.</summary>
    public IReadOnlyList<MappedTensor> Tensors { get; }

    /// <summary>Bytes of all tensors' data.</summary>
    public long TotalBytes { get; }

    /// <summary>
    /// Opens a .safetensors file, or a folder: <c>model.safetensors</c>, else the shards of <c>model.safetensors.index.json</c>,
    /// else the only *.safetensors file in it.
    /// </summary>
    /// <exception cref="OllmException">Nothing there, more than one choice, or an invalid file, index or shard.</exception>
    public static Checkpoint Open(string path)
    {
        if (!Directory.Exists(path)) return OpenFile(path, path);
        string single = System.IO.Path.Combine(path, "model.safetensors");
        if (File.Exists(single)) return OpenFile(path, single);
        string index = System.IO.Path.Combine(path, ShardIndex.FileName);
        return File.Exists(index) ? OpenShards(path, ShardIndex.Read(index)) : OpenFile(path, OnlyFileIn(path));
    }

    /// <summary>The tensor of that name.</summary>
    /// <exception cref="OllmException">There is none; the message lists similar names.</exception>
    public MappedTensor Get(string name)
    {
        if (TryGet(name, out MappedTensor? tensor)) return tensor;
        string[] similar = SimilarNames.Find(name, byName.Keys);
        string hint = similar.Length == 0 ? "it has no tensors" : $"similar names there: {ErrorText.List(similar)}";
        throw new OllmException($"{Path}: tensor {ErrorText.Quote(name)} is missing; {hint}");
    }

    /// <summary>The tensor of that name, which must have exactly this shape (no extents: a scalar).</summary>
    /// <exception cref="OllmException">Missing, or of another shape.</exception>
    public MappedTensor Get(string name, params long[] shape)
    {
        MappedTensor tensor = Get(name);
        return tensor.Shape.SequenceEqual(shape)
            ? tensor
            : throw new OllmException($"{tensor.File}: tensor {ErrorText.Quote(name)} has shape {tensor.ShapeText}, expected [{string.Join(", ", shape)}]");
    }

    /// <summary>Finds a tensor by its exact name.</summary>
    public bool TryGet(string name, [NotNullWhen(true)] out MappedTensor? tensor)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        return byName.TryGetValue(name, out tensor);
    }

    /// <summary>Unmaps all files; the tensors' pointers are invalid from here on.</summary>
    public void Dispose()
    {
        disposed = true;
        foreach (SafetensorsFile map in maps) map.Dispose();
    }

    private static Checkpoint OpenFile(string path, string file)
    {
        SafetensorsFile map = SafetensorsFile.Open(file);
        return new Checkpoint(path, [map], map.Tensors);
    }

    private static Checkpoint OpenShards(string folder, ShardIndex index)
    {
        var maps = new List<SafetensorsFile>();
        try
        {
            var tensors = new List<MappedTensor>();
            foreach ((string shard, HashSet<string> names) in index.Shards)
            {
                SafetensorsFile map = SafetensorsFile.Open(System.IO.Path.Combine(folder, shard));
                maps.Add(map);
                string[] absent = [.. names.Where(name => !map.TryGet(name, out _)).Order(StringComparer.Ordinal)];
                if (absent.Length > 0)
                    throw new OllmException($"{map.Path}: {ShardIndex.FileName} says that this shard holds {ErrorText.List(absent)}, but it does not");
                // The index is the table of contents: what a shard holds beyond it is not part of the model.
                tensors.AddRange(map.Tensors.Where(tensor => names.Contains(tensor.Name)));
            }
            return new Checkpoint(folder, maps, tensors);
        }
        catch
        {
            foreach (SafetensorsFile map in maps) map.Dispose();
            throw;
        }
    }

    private static string OnlyFileIn(string folder)
    {
        string[] found;
        try
        {
            found = [.. Directory.EnumerateFiles(folder, "*.safetensors").Order(StringComparer.Ordinal)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new OllmException($"{folder}: cannot be listed: {e.Message}", e);
        }
        if (found.Length == 1) return found[0];
        string problem = found.Length == 0
            ? "no weights"
            : $"{found.Length} safetensors files ({ErrorText.List([.. found.Select(file => System.IO.Path.GetFileName(file))])}) and nothing to say which to use";
        throw new OllmException($"{folder}: {problem}: expected model.safetensors, {ShardIndex.FileName} with its shards, or one *.safetensors file");
    }
}
