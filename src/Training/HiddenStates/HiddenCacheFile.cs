using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace OllmNative.Training;

/// <summary>
/// One cache file, open: records are written with plain writes, so that a full disk is an error and not a signal, and read
/// through a memory map. Holds an exclusive lock while it is being filled, a shared one afterwards.
/// </summary>
internal sealed unsafe class HiddenCacheFile : IDisposable
{
    private readonly HiddenCacheLayout _layout;
    private readonly SafeFileHandle _handle;
    private readonly byte[] _record;
    private readonly bool[] _has;
    private MemoryMappedFile? _map;
    private MemoryMappedViewAccessor? _view;
    private byte* _data;

    private HiddenCacheFile(string path, SafeFileHandle handle, HiddenCacheLayout layout)
    {
        (Path, _handle, _layout) = (path, handle, layout);
        _record = new byte[checked((int)layout.LargestRecord)];
        _has = new bool[layout.Rows];
    }

    public string Path { get; }

    /// <summary>Rows that are in the file.</summary>
    public int Count { get; private set; }

    public bool Has(int row) => _has[row];

    /// <summary>Creates an empty cache under a name that nobody has.</summary>
    /// <exception cref="IOException">The file cannot be made.</exception>
    public static HiddenCacheFile Create(string path, HiddenCacheLayout layout)
    {
        SafeFileHandle handle = File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None);
        var file = new HiddenCacheFile(path, handle, layout);
        try
        {
            RandomAccess.SetLength(handle, layout.FileBytes);
            RandomAccess.Write(handle, layout.Header, 0);
            file.Map();
            return file;
        }
        catch
        {
            file.Dispose();
            File.Delete(path);
            throw;
        }
    }

    /// <summary>
    /// Opens a cache that is there and checks every record in it. Without <paramref name="writable"/> a file with a missing or
    /// damaged record is refused; with it, such records are merely not there yet.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="layout">What it has to be.</param>
    /// <param name="writable">Take the lock and go on filling it.</param>
    /// <param name="problem">Why the result is null.</param>
    /// <exception cref="IOException">The file cannot be read, or another process holds the lock.</exception>
    public static HiddenCacheFile? Open(string path, HiddenCacheLayout layout, bool writable, out string problem)
    {
        SafeFileHandle handle = File.OpenHandle(
            path, FileMode.Open, writable ? FileAccess.ReadWrite : FileAccess.Read, writable ? FileShare.None : FileShare.Read | FileShare.Delete);
        var file = new HiddenCacheFile(path, handle, layout);
        try
        {
            problem = file.Check(writable) ?? "";
            if (problem.Length == 0)
            {
                file.Map();
                return file;
            }
        }
        catch
        {
            file.Dispose();
            throw;
        }
        file.Dispose();
        return null;
    }

    /// <summary>Writes a row: its target ids and hidden states [n, D] as bf16 bits.</summary>
    /// <exception cref="IOException">The disk is full or gone.</exception>
    public void Write(int row, ReadOnlySpan<int> targets, ReadOnlySpan<ushort> hidden)
    {
        Span<byte> record = _record.AsSpan(0, _layout.RecordBytes(row));
        record.Clear();
        MemoryMarshal.AsBytes(targets).CopyTo(record);
        MemoryMarshal.AsBytes(hidden).CopyTo(record[(targets.Length * sizeof(uint))..]);
        RandomAccess.Write(_handle, record, _layout.RecordAt(row));
        // The checksum comes last: a record that a crash cut short does not match it.
        ulong checksum = HiddenCacheLayout.Checksum(record, (ulong)row);
        RandomAccess.Write(_handle, MemoryMarshal.AsBytes(new ReadOnlySpan<ulong>(in checksum)), HiddenCacheLayout.ChecksumAt(row));
        if (_has[row]) return;
        _has[row] = true;
        Count++;
    }

    /// <summary>The hidden states [n, D] of a row of n targets that is there, as bf16 bits, where the file is mapped.</summary>
    public ReadOnlySpan<ushort> Words(int row, int targets)
    {
        if (!_has[row]) throw new InvalidOperationException($"row {row} is not in the cache");
        return new(_data + _layout.RecordAt(row) + (long)targets * sizeof(uint), targets * _layout.HiddenSize);
    }

    /// <summary>Waits until everything written is on the disk.</summary>
    public void Flush() => RandomAccess.FlushToDisk(_handle);

    public void Dispose()
    {
        if (_data != null) _view!.SafeMemoryMappedViewHandle.ReleasePointer();
        _data = null;
        _view?.Dispose();
        _map?.Dispose();
        _handle.Dispose();
    }

    private string? Check(bool writable)
    {
        var header = new byte[HiddenCacheLayout.HeaderBytes];
        int read = RandomAccess.Read(_handle, header, 0);
        if (_layout.Mismatch(header.AsSpan(0, read), RandomAccess.GetLength(_handle)) is { } problem) return problem;
        var sums = new ulong[_layout.Rows];
        ReadAll(MemoryMarshal.AsBytes(sums.AsSpan()), HiddenCacheLayout.HeaderBytes);
        for (int row = 0; row < sums.Length; row++)
        {
            Span<byte> record = _record.AsSpan(0, _layout.RecordBytes(row));
            if (sums[row] != 0) ReadAll(record, _layout.RecordAt(row));
            _has[row] = sums[row] != 0 && sums[row] == HiddenCacheLayout.Checksum(record, (ulong)row);
            if (_has[row]) Count++;
            else if (!writable) return $"is damaged: the record of row {row + 1} does not match its checksum";
        }
        return null;
    }

    private void ReadAll(Span<byte> target, long offset)
    {
        while (target.Length > 0)
        {
            int read = RandomAccess.Read(_handle, target, offset);
            if (read == 0) throw new EndOfStreamException($"{Path}: ends early");
            target = target[read..];
            offset += read;
        }
    }

    private void Map()
    {
        _map = MemoryMappedFile.CreateFromFile(_handle, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
        _view = _map.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _data);
    }
}
