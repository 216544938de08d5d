using System.Text;
using System.Text.Json;
using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>
/// The folder of an evaluation: <c>results.jsonl</c>, to which every row is appended as one whole line when it is graded, and
/// <c>eval.json</c>, the settings that the rows were graded with. Of several processes each appends to a file of its own
/// (<c>results.rank-0001.jsonl</c> and so on; the first one to results.jsonl), which the next run, of however many processes, or the end of
/// this one brings together. A run that was stopped in any way, killed too, goes on from the rows that are there; half a line at the end is dropped.
/// </summary>
public sealed class EvalLog : IDisposable
{
    /// <summary>Its files in the folder.</summary>
    public const string ResultsFile = "results.jsonl", SettingsFile = "eval.json";

    private const string PartPrefix = "results.rank-", PartExtension = ".jsonl";

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    private readonly string _folder, _path;
    private readonly bool _withOllm;
    private readonly ProcessGroup _group;
    private readonly SortedDictionary<int, EvalResult> _kept;
    private JsonLines? _lines;

    private EvalLog(string folder, bool withOllm, ProcessGroup group, SortedDictionary<int, EvalResult> kept)
    {
        (_folder, _path, _withOllm, _group, _kept) = (folder, Path.Combine(folder, ResultsFile), withOllm, group, kept);
        // Rows of parts are in results.jsonl before the parts go.
        if (group.IsFirst && (Parts(folder).Length > 0 || (group.IsDistributed && kept.Count > 0))) Replace(kept.Values);
        group.Barrier();
        if (group.LocalRank == 0) DeleteParts(folder);
        group.Barrier();
        _lines = new JsonLines(group.IsFirst ? _path : Path.Combine(folder, FormattableString.Invariant($"{PartPrefix}{group.Rank:D4}{PartExtension}")));
    }

    /// <summary>Rows of an earlier run by their numbers; the first process has them.</summary>
    public IReadOnlyDictionary<int, EvalResult> Kept => _kept;

    /// <summary>Whether a folder has rows of an earlier run.</summary>
    public static bool HasRows(string folder) => File.Exists(Path.Combine(folder, ResultsFile)) || Parts(folder).Length > 0;

    /// <summary>Opens a folder, which exists; all processes of the group together.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="settings">What must agree between runs that share their rows.</param>
    /// <param name="withOllm">Whether rows have the policy's, encoder's and oracle's counts.</param>
    /// <param name="resume">Keeps the rows that are there; otherwise they are deleted.</param>
    /// <param name="group">The processes; this one alone by default.</param>
    /// <exception cref="OllmException">The rows were graded with other settings, a line is malformed, or the folder cannot be written.</exception>
    public static EvalLog Open(string folder, IReadOnlyDictionary<string, string> settings, bool withOllm, bool resume, ProcessGroup? group = null)
    {
        group ??= ProcessGroup.Single;
        var kept = new SortedDictionary<int, EvalResult>();
        // The folder may be shared by all machines, or each may have its own: one process of each looks.
        if (group.LocalRank == 0) Guard(folder, () => Take(folder, settings, resume, kept));
        if (group.IsDistributed)
        {
            IEnumerable<EvalResult> all = EvalShare.GatherFirst(group, kept.Values, withOllm);
            kept = [];
            foreach (EvalResult result in all) kept[result.Row] = result;
        }
        EvalLog? log = null;
        Guard(folder, () => log = new EvalLog(folder, withOllm, group, kept));
        return log!;
    }

    /// <summary>The kept result of a row; null when there is none.</summary>
    /// <exception cref="OllmException">The kept result is that of another row.</exception>
    public EvalResult? Find(int row, string key)
    {
        if (!_kept.TryGetValue(row, out EvalResult? result)) return null;
        return result.Key == key ? result : throw new OllmException(
            $"{_path}: row {row} was graded with other contents (line {result.Line} of its file); expected the same --data, --max-length and filters. --force starts over");
    }

    /// <summary>Appends a row.</summary>
    public void Write(EvalResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        (_lines ?? throw new InvalidOperationException("the log is finished")).Write(result.Fields(_withOllm));
    }

    /// <summary>
    /// Brings the rows into their order, kept rows beyond a smaller --limit too; the file is replaced as a whole. All processes call it,
    /// the first one with the results of all.
    /// </summary>
    /// <exception cref="OllmException">The file cannot be written; what is there stays.</exception>
    public void Finish(IEnumerable<EvalResult> results)
    {
        ArgumentNullException.ThrowIfNull(results);
        _lines?.Dispose();
        _lines = null;
        if (_group.IsFirst) Replace(results.UnionBy(_kept.Values, result => result.Row).OrderBy(result => result.Row));
        _group.Barrier();
        if (_group.LocalRank == 0) Guard(_folder, () => DeleteParts(_folder));
    }

    /// <inheritdoc/>
    public void Dispose() => _lines?.Dispose();

    private void Replace(IEnumerable<EvalResult> results) => DurableFiles.Write(_path, stream =>
    {
        foreach (EvalResult result in results) stream.Write(JsonLines.Text([result.Fields(_withOllm)]));
    });

    private static string[] Parts(string folder) =>
        Directory.Exists(folder) ? [.. Directory.EnumerateFiles(folder, $"{PartPrefix}*{PartExtension}").Order(StringComparer.Ordinal)] : [];

    private static void DeleteParts(string folder)
    {
        foreach (string part in Parts(folder)) File.Delete(part);
    }

    /// <summary>Reads the rows of a run that goes on, or clears the folder for a new one.</summary>
    private static void Take(string folder, IReadOnlyDictionary<string, string> settings, bool resume, SortedDictionary<int, EvalResult> kept)
    {
        string settingsFile = Path.Combine(folder, SettingsFile), results = Path.Combine(folder, ResultsFile);
        Directory.CreateDirectory(folder);
        DurableFiles.Sweep(folder);
        if (resume && HasRows(folder))
        {
            CheckSettings(settingsFile, settings);
            foreach (string file in Parts(folder).Append(results).Where(File.Exists)) ReadRows(file, kept);
            return;
        }
        File.Delete(results);
        DeleteParts(folder);
        DurableFiles.Write(settingsFile, stream => stream.Write(Encoding.UTF8.GetBytes(JsonSerializer.Serialize(settings, Indented) + "\n")));
    }

    private static void Guard(string folder, Action action)
    {
        try
        {
            action();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new OllmException($"{folder}: the results of the evaluation cannot be read or written there: {error.Message}", error);
        }
    }

    private static void CheckSettings(string path, IReadOnlyDictionary<string, string> settings)
    {
        JsonFields saved = JsonFiles.ReadObject(path);
        foreach ((string name, string value) in settings)
        {
            string? before = saved.OptionalString(name);
            if (before == value) continue;
            throw new OllmException($"{path}: the rows here were graded with {name} {before ?? "unknown"}, this run has {value}; give the same, or --force to start over");
        }
    }

    private static void ReadRows(string path, SortedDictionary<int, EvalResult> rows)
    {
        DropBrokenEnd(path);
        using var lines = new LineReader(path);
        while (lines.MoveNext())
        {
            if (lines.IsBlank) continue;
            try
            {
                using JsonDocument json = JsonDocument.Parse(lines.Text);
                EvalResult result = EvalResult.Parse(json.RootElement);
                rows[result.Row] = result;
            }
            catch (Exception error) when (error is JsonException or FormatException)
            {
                throw new OllmException($"{lines.Place}not a row of an evaluation ({error.Message}); expected what an earlier run wrote. --force starts over", error);
            }
        }
    }

    /// <summary>Cuts what follows the last line end: a line that was being written when the run was killed.</summary>
    private static void DropBrokenEnd(string path)
    {
        SpecialFile.RefuseToWrite(path);
        using FileStream file = DurableFiles.OpenWhenFree(() => File.Open(path, FileMode.Open, FileAccess.ReadWrite));
        var block = new byte[1 << 16];
        long end = file.Length;
        while (end > 0)
        {
            Span<byte> last = block.AsSpan(0, (int)Math.Min(block.Length, end));
            file.Position = end - last.Length;
            file.ReadExactly(last);
            int at = last.LastIndexOf((byte)'\n');
            end -= at < 0 ? last.Length : last.Length - at - 1;
            if (at >= 0) break;
        }
        if (end < file.Length) file.SetLength(end);
    }
}
