using System.Security.Cryptography;

namespace OllmNative.Runtime.Cuda;

/// <summary>
/// Compiled kernels on disk: files named by what they depend on, each with a checksum. A file appears by renaming, so another process sees
/// all of it or none; two that write the same entry write the same bytes. An entry that is damaged is taken for absent and written again, and
/// a folder that cannot be used is a cache that is always empty.
/// </summary>
internal sealed class KernelCache
{
    /// <summary>Kind of entry: PTX.</summary>
    public const string Text = ".ptx";

    /// <summary>Kind of entry: machine code.</summary>
    public const string Image = ".cubin";

    /// <summary>Kind of entry: what was measured.</summary>
    public const string Note = ".note";

    /// <summary>The environment variable: <c>off</c>, or a folder.</summary>
    public const string Variable = "OLLM_KERNEL_CACHE";

    private const long DefaultMaxBytes = 256L << 20;
    private static readonly byte[] Magic = "OLLMKRN1"u8.ToArray();
    private static readonly Lazy<KernelCache> FromEnvironment = new(() => new KernelCache(DefaultFolder(Environment.GetEnvironmentVariable)));

    private readonly string? _folder;
    private readonly long _maxBytes;
    private long _written;

    /// <summary>A cache in a folder, made at the first entry; null switches it off.</summary>
    public KernelCache(string? folder, long maxBytes = DefaultMaxBytes) => (_folder, _maxBytes) = (folder, maxBytes);

    /// <summary>The cache that the environment names.</summary>
    public static KernelCache Default => FromEnvironment.Value;

    /// <summary>Whether there is one.</summary>
    public bool IsEnabled => _folder is not null;

    /// <summary>Where it is; null when it is off.</summary>
    public string? Folder => _folder;

    /// <summary>The folder that the environment names: <c>OLLM_KERNEL_CACHE</c>, else the user's cache folder; null for off.</summary>
    public static string? DefaultFolder(Func<string, string?> environment)
    {
        if (environment(Variable) is { Length: > 0 } chosen) return chosen == "off" ? null : Path.GetFullPath(chosen);
        if (OperatingSystem.IsWindows()) return Under(environment("LOCALAPPDATA"));
        // The XDG specification has relative paths ignored.
        if (environment("XDG_CACHE_HOME") is { Length: > 0 } cache && Path.IsPathRooted(cache)) return Under(cache);
        return environment("HOME") is { Length: > 0 } home ? Under(Path.Combine(home, ".cache")) : null;
    }

    /// <summary>An entry's contents; null when there is none, or none that is whole.</summary>
    public byte[]? Read(string key, string kind)
    {
        if (_folder is null) return null;
        string file = FileOf(key, kind);
        try
        {
            if (!File.Exists(file)) return null;
            byte[] bytes = File.ReadAllBytes(file);
            int header = Magic.Length + SHA256.HashSizeInBytes;
            if (bytes.Length < header || !bytes.AsSpan(0, Magic.Length).SequenceEqual(Magic)) return null;
            ReadOnlySpan<byte> contents = bytes.AsSpan(header);
            if (!SHA256.HashData(contents).AsSpan().SequenceEqual(bytes.AsSpan(Magic.Length, SHA256.HashSizeInBytes))) return null;
            // What is used stays; the sweep takes the oldest first.
            File.SetLastWriteTimeUtc(file, DateTime.UtcNow);
            return contents.ToArray();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Writes an entry. A cache that cannot be written to stays as it is.</summary>
    public void Write(string key, string kind, ReadOnlySpan<byte> contents)
    {
        if (_folder is null) return;
        string file = FileOf(key, kind), temporary = $"{file}.{Environment.ProcessId}-{Guid.NewGuid():N}.tmp";
        try
        {
            Directory.CreateDirectory(_folder);
            using (FileStream stream = File.Create(temporary))
            {
                stream.Write(Magic);
                stream.Write(SHA256.HashData(contents));
                stream.Write(contents);
            }
            File.Move(temporary, file, overwrite: true);
            // Counting the folder at each entry would be slow; a part of the limit is allowed to pass in between.
            if (Interlocked.Add(ref _written, contents.Length) == contents.Length || _written > _maxBytes / 8) Sweep();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            TryDelete(temporary);
        }
    }

    /// <summary>Deletes the oldest entries until the folder is within its limit again, and what interrupted writers have left.</summary>
    private void Sweep()
    {
        _written = 1;
        var folder = new DirectoryInfo(_folder!);
        FileInfo[] files = [.. folder.EnumerateFiles().OrderBy(file => file.LastWriteTimeUtc)];
        foreach (FileInfo file in files.Where(file => file.Extension == ".tmp" && file.LastWriteTimeUtc < DateTime.UtcNow.AddHours(-1))) TryDelete(file.FullName);
        FileInfo[] entries = [.. files.Where(file => file.Extension is Text or Image or Note)];
        long total = entries.Sum(file => file.Length);
        foreach (FileInfo file in entries)
        {
            if (total <= _maxBytes) return;
            total -= file.Length;
            TryDelete(file.FullName);
        }
    }

    private static void TryDelete(string file)
    {
        try
        {
            File.Delete(file);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // Another process has it open or has deleted it: both are fine.
        }
    }

    private string FileOf(string key, string kind) => Path.Combine(_folder!, key + kind);

    private static string? Under(string? folder) => string.IsNullOrEmpty(folder) ? null : Path.Combine(folder, "ollm", "kernels");
}
