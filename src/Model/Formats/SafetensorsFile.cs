using System.Diagnostics.CodeAnalysis;
using System.IO.MemoryMappedFiles;

namespace OllmNative.Model;

/// <summary>
/// One memory-mapped safetensors file (<see href="https://github.com/huggingface/safetensors"/>). Only the header is read
/// at opening; the data stay in the page cache and are used in place. Safe to read from any number of threads.
/// </summary>
public sealed unsafe class SafetensorsFile : IDisposable
{
    private readonly MemoryMappedFile map;
    private readonly MemoryMappedViewAccessor view;
    private readonly Dictionary<string, MappedTensor> byName = new(StringComparer.Ordinal);
    private bool disposed;

    private SafetensorsFile(string path, FileStream stream)
    {
        Path = path;
        long length = stream.Length;
        Span<byte> prefix = stackalloc byte[SafetensorsHeader.PrefixBytes];
        if (length >= prefix.Length) stream.ReadExactly(prefix);
        int headerBytes = SafetensorsHeader.ReadLength(prefix, length, path);

        map = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
        view = map.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read);
        byte* start = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        try
        {
            byte* header = start + view.PointerOffset + SafetensorsHeader.PrefixBytes;
            byte* data = header + headerBytes;
            long dataBytes = length - SafetensorsHeader.PrefixBytes - headerBytes;
            SafetensorsHeader parsed = SafetensorsHeader.Parse(new ReadOnlySpan<byte>(header, headerBytes), dataBytes, path);
            Metadata = parsed.Metadata;
            MappedTensor[] tensors = [.. parsed.Tensors.Select(entry => new MappedTensor(entry, data + entry.Begin, path))];
            foreach (MappedTensor tensor in tensors) byName.Add(tensor.Name, tensor);
            Tensors = Array.AsReadOnly(tensors);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Where the file was opened.</summary>
    public string Path { get; }

    /// <summary>All tensors, in the order of their data in the file.</summary>
    public IReadOnlyList<MappedTensor> Tensors { get; }

    /// <summary>The file's <c>__metadata__</c>; empty when it has none.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Maps a file and checks its header against every rule of the format.</summary>
    /// <exception cref="OllmException">The file cannot be read or is not a valid safetensors file.</exception>
    public static SafetensorsFile Open(string path)
    {
        using FileStream stream = InputFile.Open(path);
        try
        {
            return new SafetensorsFile(path, stream);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new OllmException($"{path}: cannot be mapped into memory: {e.Message}", e);
        }
    }

    /// <summary>Finds a tensor by its exact name.</summary>
    /// <exception cref="ObjectDisposedException">The file was closed.</exception>
    public bool TryGet(string name, [NotNullWhen(true)] out MappedTensor? tensor)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        return byName.TryGetValue(name, out tensor);
    }

    /// <summary>Unmaps the file; the pointers of its tensors are invalid from here on.</summary>
    public void Dispose()
    {
        if (disposed) return;
        disposed = true;
        view.SafeMemoryMappedViewHandle.ReleasePointer();
        view.Dispose();
        map.Dispose();
    }
}
