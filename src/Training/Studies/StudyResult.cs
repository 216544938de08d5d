using System.Text.Json;
using System.Text.Json.Serialization;
using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>What one run of a study measured, as it lies in its file.</summary>
public sealed record StudyResult
{
    private static readonly JsonSerializerOptions Json = new() { WriteIndented = true, NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals };

    /// <summary>Name of the run, which is that of its file.</summary>
    public required string Name { get; init; }

    /// <summary>Everything that the figures depend on.</summary>
    public required IReadOnlyDictionary<string, string> Settings { get; init; }

    /// <summary>Figures by name; NaN where there is none.</summary>
    public required IReadOnlyDictionary<string, double> Figures { get; init; }

    /// <summary>Curves by name: pairs of x and y.</summary>
    public IReadOnlyDictionary<string, double[][]> Curves { get; init; } = new Dictionary<string, double[][]>();

    /// <summary>Writes the file; it is complete or absent.</summary>
    /// <exception cref="OllmException">It cannot be written.</exception>
    public void Save(string path) => DurableFiles.WriteText(path, JsonSerializer.Serialize(this, Json) + "\n");

    /// <summary>The result of a run that was done before; null when there is none.</summary>
    /// <exception cref="OllmException">The file is damaged, or was made with other settings: the message names the first that differs.</exception>
    public static StudyResult? Find(string path, IReadOnlyDictionary<string, string> settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        if (!File.Exists(path)) return null;
        StudyResult result = Read(path);
        foreach ((string name, string value) in settings)
        {
            string before = result.Settings.GetValueOrDefault(name, "nothing");
            if (before != value)
                throw new OllmException($"{path}: made with {name} {before}, this study has {value}; give the same settings, another --out, or --force to measure again");
        }
        return result;
    }

    /// <summary>A curve's points; none where the run has no such curve.</summary>
    public IReadOnlyList<(double X, double Y)> Curve(string name) => Curves.TryGetValue(name, out double[][]? points) ? [.. points.Select(p => (p[0], p[1]))] : [];

    private static StudyResult Read(string path)
    {
        try
        {
            return JsonSerializer.Deserialize<StudyResult>(File.ReadAllText(path), Json) ?? throw new JsonException("is null");
        }
        catch (JsonException error)
        {
            throw new OllmException($"{path}: is no result of a study ({error.Message}); delete it, and the run is made again", error);
        }
    }
}
