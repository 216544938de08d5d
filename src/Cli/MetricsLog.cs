using OllmNative.Training;

namespace OllmNative.Cli;

/// <summary>metrics.jsonl as curves: one number for each name and step.</summary>
internal sealed class MetricsLog
{
    /// <summary>Its name in an output folder.</summary>
    public const string FileName = "metrics.jsonl";

    private readonly List<Dictionary<string, double>> _lines;

    private MetricsLog(List<Dictionary<string, double>> lines) => _lines = lines;

    /// <summary>Reads a folder's metrics.jsonl; null values become NaN.</summary>
    /// <exception cref="OllmNative.Model.OllmException">It cannot be read, or a line is no JSON object.</exception>
    public static MetricsLog Read(string folder) => new([.. JsonLines.Numbers(Path.Combine(folder, FileName))]);

    /// <summary>Whether any line has the name.</summary>
    public bool Has(string name) => _lines.Exists(line => line.ContainsKey(name));

    /// <summary>The value of the last line that has the name; NaN when none has.</summary>
    public double Last(string name) => _lines.FindLast(line => line.ContainsKey(name)) is { } line ? line[name] : double.NaN;

    /// <summary>The mean over all lines.</summary>
    public double Mean(string name) => _lines.Where(line => line.ContainsKey(name)).Select(line => line[name]).DefaultIfEmpty(double.NaN).Average();

    /// <summary>A curve over the steps whose lines have the name.</summary>
    public ChartSeries Curve(string name) => new(name, [.. _lines.Where(line => line.ContainsKey(name) && line.ContainsKey("step")).Select(line => (line["step"], line[name]))]);

    /// <summary>Several curves over the steps.</summary>
    public ChartSeries[] Curves(params string[] names) => [.. names.Select(Curve)];
}
