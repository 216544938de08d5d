using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>Cuts a file, gzipped or not, into lines of bytes. A line over <see cref="MaxLineBytes"/> is passed over and marked, never held.</summary>
internal sealed class LineReader : IDisposable
{
    /// <summary>The longest line that is read: 64 MB.</summary>
    public const int MaxLineBytes = 64 << 20;

    private readonly FileStream _file;
    private readonly GzipFile? _gzip;
    private readonly byte[] _chunk = new byte[64 << 10];
    private int _chunkAt;
    private int _chunkLength;
    private byte[] _line = new byte[4 << 10];
    private int _lineLength;
    private bool _insideLong;

    /// <summary>Opens a file; names ending in .gz are decompressed.</summary>
    /// <exception cref="OllmException">The file cannot be opened.</exception>
    public LineReader(string path)
    {
        Path = path;
        SpecialFile.RefuseToReadAsInput(path);
        try
        {
            _file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, 1, FileOptions.SequentialScan);
            if (path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase)) _gzip = new GzipFile(_file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new OllmException($"{path}: cannot be opened ({e.Message}); expected a readable file", e);
        }
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>Number of the current line, from 1.</summary>
    public int Line { get; private set; }

    /// <summary>Whether the current line is longer than allowed; its text is then empty.</summary>
    public bool IsTooLong { get; private set; }

    /// <summary>Bytes of the current line without its end; valid until the next <see cref="MoveNext"/>.</summary>
    public ReadOnlyMemory<byte> Text => _line.AsMemory(0, _lineLength);

    public bool IsBlank => !IsTooLong && Text.Span.IndexOfAnyExcept(" \t\r\n"u8) < 0;

    /// <summary>"FILE:LINE: " for messages.</summary>
    public string Place => $"{Path}:{Line}: ";

    /// <summary>Reads the next line; false at the end of the file.</summary>
    /// <exception cref="OllmException">The file cannot be read on or is not the gzip that its name says.</exception>
    public bool MoveNext()
    {
        _lineLength = 0;
        IsTooLong = false;
        bool any = false;
        if (_insideLong) PassOver();
        while (_chunkAt < _chunkLength || Fill())
        {
            any = true;
            ReadOnlySpan<byte> rest = _chunk.AsSpan(_chunkAt, _chunkLength - _chunkAt);
            int end = rest.IndexOf((byte)'\n');
            Append(end < 0 ? rest : rest[..end]);
            _chunkAt += end < 0 ? rest.Length : end + 1;
            _insideLong = IsTooLong && end < 0;
            if (end >= 0 || _insideLong) break;
        }

        if (!any) return false;
        Line++;
        if (Line == 1 && Text.Span.StartsWith("\uFEFF"u8)) DropByteOrderMark();
        return true;
    }

    /// <summary>Reads what is left of a line that was too long: only now, since whoever stops at such a line need not wait for its end.</summary>
    private void PassOver()
    {
        _insideLong = false;
        while (_chunkAt < _chunkLength || Fill())
        {
            int end = _chunk.AsSpan(_chunkAt, _chunkLength - _chunkAt).IndexOf((byte)'\n');
            _chunkAt = end < 0 ? _chunkLength : _chunkAt + end + 1;
            if (end >= 0) return;
        }
    }

    // A byte order mark is not part of the first row.
    private void DropByteOrderMark()
    {
        _line.AsSpan(3, _lineLength - 3).CopyTo(_line);
        _lineLength -= 3;
    }

    private bool Fill()
    {
        try
        {
            _chunkAt = 0;
            _chunkLength = _gzip?.Read(_chunk) ?? _file.Read(_chunk);
            return _chunkLength > 0;
        }
        catch (Exception e) when (e is IOException or InvalidDataException or UnauthorizedAccessException)
        {
            _chunkLength = 0;
            throw new OllmException($"{Path}: cannot be read after line {Line} ({e.Message}); expected a whole {(_gzip is null ? "file" : "gzip file")}", e);
        }
    }

    private void Append(ReadOnlySpan<byte> part)
    {
        if (IsTooLong) return;
        if (_lineLength + part.Length > MaxLineBytes)
        {
            IsTooLong = true;
            _lineLength = 0;
            return;
        }

        if (_lineLength + part.Length > _line.Length) Array.Resize(ref _line, Math.Max(2 * _line.Length, _lineLength + part.Length));
        part.CopyTo(_line.AsSpan(_lineLength));
        _lineLength += part.Length;
    }

    public void Dispose()
    {
        _gzip?.Dispose();
        _file.Dispose();
    }
}
