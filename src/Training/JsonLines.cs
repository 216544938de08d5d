using System.Buffers;
using System.Text.Json;
using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>
/// Appends one JSON object per line to a file (metrics.jsonl, per-row results) and flushes each line, so that a reader
/// following the file sees whole rows and a killed run keeps them. NaN and infinities, which JSON lacks, become null.
/// </summary>
public sealed class JsonLines : IDisposable
{
    private readonly FileStream _file;
    private readonly ArrayBufferWriter<byte> _buffer = new();

    /// <summary>Opens <paramref name="path"/> for appending; creates the file and its folder where missing.</summary>
    /// <exception cref="OllmException">The file cannot be written.</exception>
    public JsonLines(string path)
    {
        SpecialFile.RefuseToWrite(path);
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
            // No buffer: a row goes out in one write, and closing after a failed one has nothing left to write.
            _file = DurableFiles.OpenWhenFree(() => new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0));
            EndBrokenLine();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new OllmException($"{path}: cannot be written ({e.Message}); expected a path of a writable file", e);
        }
    }

    // A run that was killed may have left half a line; what follows starts on a line of its own.
    private void EndBrokenLine()
    {
        if (_file.Length == 0) return;
        _file.Seek(-1, SeekOrigin.End);
        bool isWhole = _file.ReadByte() == '\n';
        _file.Seek(0, SeekOrigin.End);
        if (!isWhole) _file.WriteByte((byte)'\n');
    }

    /// <summary>Appends one row: names and values in the order given. Values are null, bool, numbers, strings or sequences of these.</summary>
    /// <exception cref="ArgumentException">A value of another type.</exception>
    /// <exception cref="OllmException">The file cannot be written: the disk is full, say.</exception>
    public void Write(IEnumerable<KeyValuePair<string, object?>> row)
    {
        _buffer.ResetWrittenCount();
        WriteObject(_buffer, row);
        _buffer.Write("\n"u8);
        long before = _file.Position;
        try
        {
            Guard(() => _file.Write(_buffer.WrittenSpan));
        }
        catch (OllmException)
        {
            CutBack(before);
            throw;
        }
    }

    /// <summary>A line that the disk had no room for goes away again as a whole.</summary>
    private void CutBack(long length)
    {
        try
        {
            _file.SetLength(length);
        }
        catch (IOException)
        {
            // The first error is the one to be told; whoever reads the file passes over half a line.
        }
    }

    /// <summary>Makes sure that all lines are on the disk and returns the length of the file in bytes.</summary>
    /// <exception cref="OllmException">The disk fails.</exception>
    public long Flush()
    {
        Guard(() => _file.Flush(flushToDisk: true));
        return _file.Length;
    }

    /// <summary>The numbers of each line of a file by their names; what is no number becomes NaN. At most one line is in memory.</summary>
    /// <param name="path">The file.</param>
    /// <param name="skipBroken">Passes over lines that are no JSON objects, as a killed run leaves one at the end.</param>
    /// <exception cref="OllmException">The file cannot be read, or a line is no JSON object.</exception>
    public static IEnumerable<Dictionary<string, double>> Numbers(string path, bool skipBroken = false)
    {
        using var lines = new LineReader(path);
        while (lines.MoveNext())
        {
            if (lines.IsBlank) continue;
            if (NumbersOf(lines.Text) is { } numbers) yield return numbers;
            else if (!skipBroken) throw new OllmException($"{lines.Place}not a line of figures; expected one JSON object, as the run has written it");
        }
    }

    private static Dictionary<string, double>? NumbersOf(ReadOnlyMemory<byte> line)
    {
        try
        {
            using JsonDocument json = JsonDocument.Parse(line);
            if (json.RootElement.ValueKind != JsonValueKind.Object) return null;
            var numbers = new Dictionary<string, double>(StringComparer.Ordinal);
            foreach (JsonProperty field in json.RootElement.EnumerateObject())
                numbers[field.Name] = field.Value.ValueKind == JsonValueKind.Number ? field.Value.GetDouble() : double.NaN;
            return numbers;
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException) // The latter for a name that is half a character.
        {
            return null;
        }
    }

    /// <summary>Cuts a file back to a length, if it is there and longer; returns the length that it has then.</summary>
    /// <exception cref="OllmException">The file cannot be written.</exception>
    public static long CutTo(string path, long length)
    {
        if (!File.Exists(path)) return 0;
        SpecialFile.RefuseToWrite(path);
        try
        {
            using FileStream file = DurableFiles.OpenWhenFree(() => new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite));
            if (file.Length > length) file.SetLength(length);
            return file.Length;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new OllmException($"{path}: cannot be written: {e.Message}", e);
        }
    }

    /// <summary>Opens the lines of a run; when it is at its first step, those of an earlier run in the folder go.</summary>
    /// <exception cref="OllmException">The file cannot be written.</exception>
    public static JsonLines OfRun(string path, int stepsDone)
    {
        if (stepsDone == 0) CutTo(path, 0);
        return new JsonLines(path);
    }

    /// <summary>Cuts the lines of a run back to what its checkpoint knows of them.</summary>
    /// <param name="path">The file.</param>
    /// <param name="length">Bytes when the checkpoint was written.</param>
    /// <param name="warn">Takes a line when some are missing.</param>
    /// <exception cref="OllmException">The file cannot be written.</exception>
    public static void CutToCheckpoint(string path, long length, Action<string>? warn)
    {
        long there = CutTo(path, length);
        if (there < length) warn?.Invoke($"warning: {path} has {there} bytes, the checkpoint knows {length}: lines of earlier steps are missing");
    }

    private void Guard(Action write)
    {
        try
        {
            write();
        }
        catch (Exception e) when (DurableFiles.IsRefusal(e))
        {
            throw new OllmException($"{_file.Name}: cannot be written: {e.Message}", e);
        }
    }

    /// <summary>Rows as the text that a file of them would have, for another process.</summary>
    public static byte[] Text(IEnumerable<IEnumerable<KeyValuePair<string, object?>>> rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        var buffer = new ArrayBufferWriter<byte>();
        foreach (IEnumerable<KeyValuePair<string, object?>> row in rows)
        {
            WriteObject(buffer, row);
            buffer.Write("\n"u8);
        }
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>Appends one row given as (name, value) pairs.</summary>
    public void Write(params ReadOnlySpan<(string Name, object? Value)> row)
    {
        var pairs = new List<KeyValuePair<string, object?>>(row.Length);
        foreach ((string name, object? value) in row) pairs.Add(new(name, value));
        Write(pairs);
    }

    /// <summary>The object of a row as text, without a line end.</summary>
    /// <exception cref="ArgumentException">A value of a type that <see cref="Write(IEnumerable{KeyValuePair{string, object?}})"/> does not take.</exception>
    public static string Text(IEnumerable<KeyValuePair<string, object?>> row)
    {
        var buffer = new ArrayBufferWriter<byte>();
        WriteObject(buffer, row);
        return System.Text.Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private static void WriteObject(ArrayBufferWriter<byte> buffer, IEnumerable<KeyValuePair<string, object?>> row)
    {
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        foreach ((string name, object? value) in row)
        {
            json.WritePropertyName(name);
            WriteValue(json, value);
        }
        json.WriteEndObject();
    }

    private static void WriteValue(Utf8JsonWriter json, object? value)
    {
        switch (value)
        {
            case null: json.WriteNullValue(); break;
            case bool flag: json.WriteBooleanValue(flag); break;
            case string text: json.WriteStringValue(text); break;
            case int number: json.WriteNumberValue(number); break;
            case long number: json.WriteNumberValue(number); break;
            case ulong number: json.WriteNumberValue(number); break;
            case float number when float.IsFinite(number): json.WriteNumberValue(number); break;
            case double number when double.IsFinite(number): json.WriteNumberValue(number); break;
            case float or double: json.WriteNullValue(); break;
            case System.Collections.IEnumerable items:
                json.WriteStartArray();
                foreach (object? item in items) WriteValue(json, item);
                json.WriteEndArray();
                break;
            default: throw new ArgumentException($"a value of type {value.GetType().Name} has no JSON form here; expected null, bool, number, string or a sequence");
        }
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _file.Dispose();
}
