using System.Text.Json;
using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>
/// The folder of an evaluation: <c>results.jsonl</c>, to which every row is appended as one whole line when it is graded, and
/// <c>eval.json</c>, the settings that the rows were graded with. A run that was stopped in any way, killed too, goes on from the
/// rows that are there; half a line at the end is dropped.
/// </summary>
public sealed class EvalLog : IDisposable
{
    /// <summary>Its files in the folder.</summary>
    public const string ResultsFile = "results.jsonl", SettingsFile = "eval.json";

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    private readonly string _path;
    private readonly bool _withOllm;
    private readonly Dictionary<int, EvalResult> _kept;
    private JsonLines? _lines;

    private EvalLog(string path, bool withOllm, Dictionary<int, EvalResult> kept)
    {
        (_path, _withOllm, _kept) = (path, withOllm, kept);
        _lines = new JsonLines(path);
    }

    /// <summary>Rows of an earlier run by their numbers.</summary>
    public IReadOnlyDictionary<int, EvalResult> Kept => _kept;

    /// <summary>Opens a folder, which exists.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="settings">What must agree between runs that share their rows.</param>
    /// <param name="withOllm">Whether rows have the policy's, encoder's and oracle's counts.</param>
    /// <param name="resume">Keeps the rows that are there; otherwise they are deleted.</param>
    /// <exception cref="OllmException">The rows were graded with other settings, or a line is malformed.</exception>
    public static EvalLog Open(string folder, IReadOnlyDictionary<string, string> settings, bool withOllm, bool resume)
    {
        string results = Path.Combine(folder, ResultsFile), settingsFile = Path.Combine(folder, SettingsFile);
        Dictionary<int, EvalResult> kept = [];
        if (resume && File.Exists(results))
        {
            CheckSettings(settingsFile, settings);
            kept = ReadRows(results);
        }
        else
        {
            File.Delete(results);
            WriteSettings(settingsFile, settings);
        }
        return new EvalLog(results, withOllm, kept);
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

    /// <summary>Brings the rows into their order, kept rows beyond a smaller --limit too; the file is replaced as a whole.</summary>
    public void Finish(IEnumerable<EvalResult> results)
    {
        ArgumentNullException.ThrowIfNull(results);
        _lines?.Dispose();
        _lines = null;
        string temporary = _path + ".tmp";
        File.Delete(temporary);
        using (var lines = new JsonLines(temporary))
        {
            foreach (EvalResult result in results.UnionBy(_kept.Values, result => result.Row).OrderBy(result => result.Row)) lines.Write(result.Fields(_withOllm));
        }
        File.Move(temporary, _path, overwrite: true);
    }

    /// <inheritdoc/>
    public void Dispose() => _lines?.Dispose();

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

    private static void WriteSettings(string path, IReadOnlyDictionary<string, string> settings)
    {
        string temporary = path + ".tmp";
        File.WriteAllText(temporary, JsonSerializer.Serialize(settings, Indented) + "\n");
        File.Move(temporary, path, overwrite: true);
    }

    private static Dictionary<int, EvalResult> ReadRows(string path)
    {
        DropBrokenEnd(path);
        var rows = new Dictionary<int, EvalResult>();
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
        return rows;
    }

    /// <summary>Cuts what follows the last line end: a line that was being written when the run was killed.</summary>
    private static void DropBrokenEnd(string path)
    {
        using FileStream file = File.Open(path, FileMode.Open, FileAccess.ReadWrite);
        long end = file.Length;
        while (end > 0)
        {
            file.Position = end - 1;
            if (file.ReadByte() == '\n') break;
            end--;
        }
        file.SetLength(end);
    }
}
