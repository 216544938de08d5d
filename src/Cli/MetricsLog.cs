using System.Text.Json;
using OllmNative.Training;

namespace OllmNative.Cli;

/// <summary>metrics.jsonl as curves: one number for each name and step.</summary>
internal sealed class MetricsLog
{
    /// <summary>Its name in an output folder.</summary>
    public const string FileName = "metrics.jsonl";

    private readonly List<Dictionary<string, double>> _lines = [];

    private MetricsLog()
    {
    }

    /// <summary>Reads a folder's metrics.jsonl; null values become NaN.</summary>
    public static MetricsLog Read(string folder)
    {
        var log = new MetricsLog();
        foreach (string line in File.ReadLines(Path.Combine(folder, FileName)))
        {
            using JsonDocument json = JsonDocument.Parse(line);
            log._lines.Add(json.RootElement.EnumerateObject().ToDictionary(
                field => field.Name, field => field.Value.ValueKind == JsonValueKind.Number ? field.Value.GetDouble() : double.NaN));
        }
        return log;
    }

    /// <summary>Whether any line has the name.</summary>
    public bool Has(string name) => _lines.Exists(line => line.ContainsKey(name));

    /// <summary>The value of the last line that has the name; NaN when none has.</summary>
    public double Last(string name) => _lines.FindLast(line => line.ContainsKey(name)) is { } line ? line[name] : double.NaN;

    /// <summary>The mean over all lines.</summary>
    public double Mean(string name) => _lines.Count == 0 ? double.NaN : _lines.Average(line => line[name]);

    /// <summary>A curve over the steps whose lines have the name.</summary>
    public ChartSeries Curve(string name) => new(name, [.. _lines.Where(line => line.ContainsKey(name)).Select(line => (line["step"], line[name]))]);

    /// <summary>Several curves over the steps.</summary>
    public ChartSeries[] Curves(params string[] names) => [.. names.Select(Curve)];
}
