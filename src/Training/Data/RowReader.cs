using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>Reads data sets row by row: one .jsonl or .jsonl.gz file, or a folder of them in the order of their names.</summary>
public static class RowReader
{
    /// <summary>
    /// Streams the rows of <paramref name="path"/>; at most one line is in memory. Blank lines are ignored.
    /// </summary>
    /// <param name="path">A file (gzip when its name ends in .gz) or a folder of *.jsonl and *.jsonl.gz shards.</param>
    /// <param name="skipBadRows">Passes over bad rows instead of throwing.</param>
    /// <param name="onSkipped">Called once for each row passed over, with the message that the exception would have had.</param>
    /// <exception cref="OllmException">
    /// The path does not exist or cannot be read, the folder has no shards, the gzip stream is damaged; or, without
    /// <paramref name="skipBadRows"/>, a row is bad: "FILE:LINE: what is wrong; what was expected".
    /// </exception>
    public static IEnumerable<DataRow> Read(string path, bool skipBadRows = false, Action<string>? onSkipped = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        return ReadFiles(Files(path), skipBadRows, onSkipped);
    }

    private static string[] Files(string path)
    {
        if (File.Exists(path)) return [path];
        if (!Directory.Exists(path)) throw new OllmException($"{path}: no such file or folder; expected a .jsonl or .jsonl.gz file, or a folder of them");
        string[] shards;
        try
        {
            shards = [.. Directory.EnumerateFiles(path).Where(IsShard).Order(StringComparer.Ordinal)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new OllmException($"{path}: cannot be listed ({e.Message}); expected a readable folder", e);
        }

        return shards.Length > 0 ? shards : throw new OllmException($"{path}: the folder has no data; expected *.jsonl or *.jsonl.gz files in it");
    }

    private static bool IsShard(string file) =>
        file.EndsWith(".jsonl", StringComparison.OrdinalIgnoreCase) || file.EndsWith(".jsonl.gz", StringComparison.OrdinalIgnoreCase);

    private static IEnumerable<DataRow> ReadFiles(string[] files, bool skipBadRows, Action<string>? onSkipped)
    {
        foreach (string file in files)
        {
            using var lines = new LineReader(file);
            while (lines.MoveNext())
            {
                if (lines.IsBlank) continue;
                (DataRow? row, string? problem) = RowParser.Parse(lines);
                if (row != null) yield return row;
                else if (skipBadRows) onSkipped?.Invoke(problem!);
                else throw new OllmException(problem!);
            }
        }
    }
}
