using System.Globalization;
using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>
/// The final-norm hidden states of all target positions, bf16 on disk: the backbone is frozen, so the first epoch fills the
/// cache and later ones need no backbone. The file is <c>KEY.hidden</c>, named after what the states follow from (backbone,
/// weights, rows); while it is being filled it is <c>KEY.PROCESS.partial</c> and locked, and it is renamed when complete, so
/// that any number of processes can share a folder. What an interrupted run has left is checked record by record and used.
/// Format: <see cref="HiddenCacheLayout"/> and docs/hidden-cache.md.
/// </summary>
public sealed class HiddenCache : IDisposable
{
    private const string Extension = ".hidden", PartialExtension = ".partial";

    private readonly HiddenCacheLayout _layout;
    private readonly IReadOnlyList<TokenRow> _rows;
    private readonly Action<string> _log;
    private readonly string _folder, _name;
    private HiddenCacheFile? _file;

    private HiddenCache(string folder, byte[] key, int hiddenSize, IReadOnlyList<TokenRow> rows, Action<string>? log)
    {
        (_folder, _rows, _log) = (folder, rows, log ?? (_ => { }));
        _layout = new HiddenCacheLayout(rows, hiddenSize, key);
        _name = Convert.ToHexStringLower(key.AsSpan(0, 8));
    }

    /// <summary>Bytes of the whole cache.</summary>
    public long Bytes => _layout.FileBytes;

    /// <summary>The complete file's path.</summary>
    public string Path => System.IO.Path.Combine(_folder, _name + Extension);

    /// <summary>Rows that the cache holds.</summary>
    public int Count => _file?.Count ?? 0;

    /// <summary>Every row is there, and the file has its final name.</summary>
    public bool IsComplete { get; private set; }

    /// <summary>False once the disk has refused a write: the run goes on without the cache.</summary>
    public bool IsUsable => _file is not null;

    /// <summary>
    /// Opens the cache of these rows: a complete one, one that an interrupted run has left, or a new one. A stale, truncated or
    /// damaged file is reported and made again.
    /// </summary>
    /// <param name="folder">Where it lies; made when missing.</param>
    /// <param name="backbone">The model that the states come from.</param>
    /// <param name="rows">All rows of the run, in order; each has a target.</param>
    /// <param name="log">Is told the size first, then what was found.</param>
    /// <exception cref="OllmException">The folder cannot be written, or the disk has no room; the message has both sizes.</exception>
    public static HiddenCache Open(string folder, QwenBackbone backbone, IReadOnlyList<TokenRow> rows, Action<string>? log = null)
    {
        ArgumentNullException.ThrowIfNull(backbone);
        ArgumentNullException.ThrowIfNull(rows);
        var cache = new HiddenCache(folder, RowsIdentity.OfHiddenStates(backbone, rows), backbone.Config.HiddenSize, rows, log);
        try
        {
            Directory.CreateDirectory(folder);
            cache._log($"hidden-state cache: {Size(cache.Bytes)} in {folder}");
            if (!cache.OpenComplete() && !cache.Adopt()) cache.Create();
            return cache;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            cache.Dispose();
            throw new OllmException($"hidden-state cache {folder}: cannot be written ({e.Message}); expected a writable folder", e);
        }
    }

    /// <summary>Whether a row's states are there.</summary>
    public bool Has(int row) => _file is not null && _file.Has(row);

    /// <summary>Target positions of a row.</summary>
    public int TargetsOf(int row) => _rows[row].Targets;

    /// <summary>Reads a row's states [targets, D], as bf16 has them.</summary>
    public void Read(int row, Span<float> hidden) => Bf16Rows.Widen(Words(row), hidden);

    /// <summary>A row's states [targets, D] as bf16 bits, in the mapped file.</summary>
    internal ReadOnlySpan<ushort> Words(int row) => _file!.Words(row, TargetsOf(row));

    /// <summary>
    /// Writes a row's states [targets, D] and renames the file when it was the last one. Returns false when the disk refuses:
    /// that is reported, what was written is removed, and the cache is of no use any more.
    /// </summary>
    public bool Write(int row, ReadOnlySpan<float> hidden)
    {
        var words = new ushort[hidden.Length];
        Bf16Rows.Round(hidden, words);
        return Write(row, words);
    }

    /// <summary>The same for states that are bf16 already.</summary>
    internal bool Write(int row, ReadOnlySpan<ushort> hidden)
    {
        if (_file is null) return false;
        string path = _file.Path;
        try
        {
            TokenRow tokens = _rows[row];
            _file.Write(row, tokens.Tokens.AsSpan(tokens.FirstTarget), hidden);
            if (_file.Count == _rows.Count && !IsComplete) Publish();
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _log($"hidden-state cache: cannot be written ({e.Message}); training goes on without it");
            CloseFile();
            TryDelete(path);
            return false;
        }
    }

    /// <summary>Closes the file; a partial one stays for the run that goes on.</summary>
    public void Dispose() => CloseFile();

    private bool OpenComplete()
    {
        if (!File.Exists(Path)) return false;
        if ((_file = HiddenCacheFile.Open(Path, _layout, writable: false, out string problem)) is not null)
        {
            IsComplete = true;
            _log($"hidden-state cache: complete, {_rows.Count} rows; the backbone is not needed");
            return true;
        }
        _log($"hidden-state cache: {Path} {problem}; it is made again");
        File.Delete(Path);
        return false;
    }

    /// <summary>Takes over what an interrupted run has left; files that a running process fills are locked and stay its own.</summary>
    private bool Adopt()
    {
        foreach (string path in Directory.EnumerateFiles(_folder, $"{_name}.*{PartialExtension}").Order(StringComparer.Ordinal))
        {
            try
            {
                _file = HiddenCacheFile.Open(path, _layout, writable: true, out string problem);
                if (_file is null)
                {
                    _log($"hidden-state cache: {path} {problem}; it is removed");
                    File.Delete(path);
                    continue;
                }
            }
            catch (IOException)
            {
                continue;
            }
            // Between finding and locking it, its owner may have finished and renamed it.
            if (!File.Exists(path)) CloseFile();
            if (_file is null) return OpenComplete();
            _log($"hidden-state cache: {_file.Count} of {_rows.Count} rows are there from an interrupted run");
            if (_file.Count == _rows.Count) Publish();
            return true;
        }
        return OpenComplete();
    }

    private void Create()
    {
        ReportOthers();
        long free = new DriveInfo(System.IO.Path.GetFullPath(_folder)).AvailableFreeSpace;
        if (free < Bytes)
        {
            throw new OllmException(
                $"hidden-state cache {_folder}: needs {Size(Bytes)}, but {Size(free)} are free there; expected more room, another folder (--cache-hidden), or --no-cache-hidden");
        }
        string path = System.IO.Path.Combine(_folder, $"{_name}.{Guid.NewGuid():N}{PartialExtension}");
        _file = HiddenCacheFile.Create(path, _layout);
    }

    private void ReportOthers()
    {
        FileInfo[] others = [.. new DirectoryInfo(_folder).EnumerateFiles("*" + Extension)];
        if (others.Length > 0)
            _log($"hidden-state cache: {_folder} has {others.Length} of another model or other rows ({Size(others.Sum(f => f.Length))}), which this run cannot use");
    }

    private void Publish()
    {
        string partial = _file!.Path;
        _file.Flush();
        CloseFile();
        try
        {
            File.Move(partial, Path, overwrite: true);
        }
        catch (IOException) when (File.Exists(Path))
        {
            // Another process was first and holds its own; both have the same contents.
            TryDelete(partial);
        }
        _file = HiddenCacheFile.Open(Path, _layout, writable: false, out string problem) ?? throw new IOException($"{Path} {problem}");
        IsComplete = true;
    }

    private void CloseFile()
    {
        _file?.Dispose();
        (_file, IsComplete) = (null, false);
    }

    private static void TryDelete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It is reported already that the disk does not do what it should.
        }
    }

    private static string Size(long bytes) => bytes < 1_000_000_000
        ? string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:F1} MB")
        : string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e9:F2} GB");
}
