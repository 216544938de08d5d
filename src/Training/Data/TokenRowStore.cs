using System.Collections;
using System.Runtime.InteropServices;
using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>
/// The token ids of a data set: in memory while they are few, then in a temporary file, of which only the places of rows stay in
/// memory (24 bytes each). The file is in the folder for temporary files (TMPDIR) and goes away with the object.
/// </summary>
public sealed class TokenRowStore : ITokenRows, IDisposable
{
    /// <summary>So many tokens stay in memory: 64 MiB.</summary>
    public const long DefaultMemoryTokens = 16 << 20;

    private readonly record struct Entry(long Start, int Length, int PromptLength, int Line);

    private readonly List<Entry> _entries = [];
    private readonly List<TokenRow> _memory = [];
    private readonly long _memoryTokens;
    private FileStream? _file;
    private bool _flushed = true;

    /// <summary>An empty store that keeps up to <paramref name="memoryTokens"/> tokens in memory.</summary>
    public TokenRowStore(long memoryTokens = DefaultMemoryTokens) => _memoryTokens = memoryTokens;

    /// <summary>The rows that have a target, all in memory.</summary>
    public static TokenRowStore Of(IEnumerable<TokenRow> rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        var store = new TokenRowStore(int.MaxValue);
        foreach (TokenRow row in rows) store.Add(row);
        return store;
    }

    /// <inheritdoc/>
    public int Count => _entries.Count;

    /// <inheritdoc/>
    public int Longest { get; private set; }

    /// <summary>Rows that were not kept because they have no target.</summary>
    public int WithoutTargets { get; private set; }

    /// <summary>Tokens of all rows.</summary>
    public long Tokens { get; private set; }

    /// <summary>Whether the tokens are in a file.</summary>
    public bool IsOnDisk => _file is not null;

    /// <inheritdoc/>
    /// <exception cref="OllmException">The temporary file cannot be read.</exception>
    public TokenRow this[int index]
    {
        get
        {
            if (_file is null) return _memory[index];
            Entry entry = _entries[index];
            var tokens = new int[entry.Length];
            ReadFile(_file, entry, tokens);
            return new TokenRow(tokens, entry.PromptLength, entry.Line);
        }
    }

    /// <summary>Appends a row, unless it has no target.</summary>
    /// <exception cref="OllmException">The temporary file cannot be written.</exception>
    public void Add(TokenRow row)
    {
        ArgumentNullException.ThrowIfNull(row);
        if (row.Targets == 0)
        {
            WithoutTargets++;
            return;
        }
        _entries.Add(new Entry(Tokens, row.Tokens.Length, row.PromptLength, row.Line));
        if (_file is null && Tokens + row.Tokens.Length > _memoryTokens) MoveToFile();
        if (_file is null) _memory.Add(row);
        else WriteFile(row.Tokens);
        Tokens += row.Tokens.Length;
        Longest = Math.Max(Longest, row.Tokens.Length);
    }

    /// <inheritdoc/>
    public IEnumerator<TokenRow> GetEnumerator()
    {
        for (int i = 0; i < Count; i++) yield return this[i];
    }

    /// <inheritdoc/>
    public void Dispose() => _file?.Dispose();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private void MoveToFile()
    {
        string path = Path.Combine(Path.GetTempPath(), $"ollm-rows-{Environment.ProcessId}-{Guid.NewGuid():N}.tmp");
        try
        {
            _file = new FileStream(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.Read | FileShare.Delete, 1 << 20, FileOptions.DeleteOnClose);
            // Where an open file may lose its name it does so now: a killed run then leaves nothing behind.
            if (!OperatingSystem.IsWindows()) File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unwritable(path, e);
        }
        foreach (TokenRow row in _memory) WriteFile(row.Tokens);
        _memory.Clear();
        _memory.TrimExcess();
    }

    private void WriteFile(ReadOnlySpan<int> tokens)
    {
        try
        {
            _file!.Write(MemoryMarshal.AsBytes(tokens));
            _flushed = false;
        }
        catch (IOException e)
        {
            throw Unwritable(_file!.Name, e);
        }
    }

    private void ReadFile(FileStream file, Entry entry, int[] tokens)
    {
        try
        {
            if (!_flushed) file.Flush();
            _flushed = true;
            Span<byte> bytes = MemoryMarshal.AsBytes(tokens.AsSpan());
            for (int at = 0; at < bytes.Length;)
            {
                int read = RandomAccess.Read(file.SafeFileHandle, bytes[at..], entry.Start * sizeof(int) + at);
                at += read > 0 ? read : throw new EndOfStreamException("the file is shorter than what was written");
            }
        }
        catch (IOException e)
        {
            throw new OllmException($"{file.Name}: the temporary file of token ids cannot be read ({e.Message})", e);
        }
    }

    private static OllmException Unwritable(string path, Exception e) =>
        new($"{path}: the token ids of the data do not fit in memory and cannot be written here ({e.Message}); expected room for 4 bytes a token (TMPDIR names another folder)", e);
}
