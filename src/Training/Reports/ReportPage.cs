using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>
/// Builds one self-contained HTML page: no script, no network, styles and charts inline; follows the reader's light or dark
/// theme and prints well. Every text given is encoded. Sections appear in the order in which they are added.
/// </summary>
public sealed class ReportPage
{
    private readonly StringBuilder _body = new();
    private int _charts;

    /// <summary>Starts a page with this title, shown as its heading too.</summary>
    public ReportPage(string title) => Title = title;

    /// <summary>The page's title.</summary>
    public string Title { get; set; }

    /// <summary>Adds a section heading.</summary>
    public void AddHeading(string text) => _body.Append(CultureInfo.InvariantCulture, $"<h2>{Encode(text)}</h2>\n");

    /// <summary>Adds text; blank lines separate paragraphs.</summary>
    public void AddText(string text)
    {
        foreach (string paragraph in text.Replace("\r", "", StringComparison.Ordinal).Split("\n\n", StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            _body.Append(CultureInfo.InvariantCulture, $"<p>{Encode(paragraph)}</p>\n");
        }
    }

    /// <summary>Adds a list of names with their values, such as the settings of a run.</summary>
    public void AddKeyValues(IEnumerable<(string Key, string Value)> pairs)
    {
        _body.Append("<dl>\n");
        foreach ((string key, string value) in pairs) _body.Append(CultureInfo.InvariantCulture, $"<div><dt>{Encode(key)}</dt><dd>{Encode(value)}</dd></div>\n");
        _body.Append("</dl>\n");
    }

    /// <summary>Adds a table; columns of numbers are aligned to the right. Short rows are filled with empty cells.</summary>
    /// <exception cref="ArgumentException">A row has more cells than there are headers.</exception>
    public void AddTable(IReadOnlyList<string> headers, IEnumerable<IReadOnlyList<string>> rows, string? caption = null)
    {
        List<IReadOnlyList<string>> all = rows.ToList();
        if (all.Any(row => row.Count > headers.Count)) throw new ArgumentException($"a row has more cells than the {headers.Count} headers", nameof(rows));
        string[] classes = Enumerable.Range(0, headers.Count).Select(column => IsNumeric(all, column) ? " class=\"number\"" : "").ToArray();
        _body.Append("<div class=\"scroll\"><table>\n");
        if (caption != null) _body.Append(CultureInfo.InvariantCulture, $"<caption>{Encode(caption)}</caption>\n");
        _body.Append("<thead><tr>");
        for (int column = 0; column < headers.Count; column++) _body.Append(CultureInfo.InvariantCulture, $"<th scope=\"col\"{classes[column]}>{Encode(headers[column])}</th>");
        _body.Append("</tr></thead>\n<tbody>\n");
        foreach (IReadOnlyList<string> row in all)
        {
            _body.Append("<tr>");
            for (int column = 0; column < headers.Count; column++)
            {
                string cell = column < row.Count ? row[column] : "";
                _body.Append(CultureInfo.InvariantCulture, $"<td{classes[column]}>{Encode(cell)}</td>");
            }

            _body.Append("</tr>\n");
        }

        _body.Append("</tbody></table></div>\n");
    }

    private static bool IsNumeric(List<IReadOnlyList<string>> rows, int column)
    {
        IEnumerable<string> cells = rows.Where(row => row.Count > column && row[column].Length > 0).Select(row => row[column].TrimEnd('%', ' '));
        return cells.Any() && cells.All(cell => double.TryParse(cell, NumberStyles.Float | NumberStyles.AllowThousands, CultureInfo.InvariantCulture, out _));
    }

    /// <summary>Adds a line chart. Points that are not finite leave gaps; long series are thinned to what can be seen.</summary>
    public void AddLineChart(string title, string xLabel, string yLabel, IReadOnlyList<ChartSeries> series) =>
        AddFigure(title, LineChart.Draw(NextChart(), title, xLabel, yLabel, series), series.Select(one => one.Name).ToArray());

    /// <summary>Adds a chart of one bar per label; values that are not finite are drawn as missing.</summary>
    public void AddBarChart(string title, string xLabel, string yLabel, IReadOnlyList<(string Label, double Value)> bars) =>
        AddFigure(title, BarChart.Draw(NextChart(), title, xLabel, yLabel, bars), []);

    /// <summary>Adds bars in groups, one of each series side by side, with whiskers from the lower to the upper end of each estimate.</summary>
    public void AddGroupedBars(string title, string xLabel, string yLabel, IReadOnlyList<string> groups, IReadOnlyList<BarSeries> series) =>
        AddFigure(title, GroupedBarChart.Draw(NextChart(), title, xLabel, yLabel, groups, series), [.. series.Select(one => one.Name)], bars: true);

    /// <summary>Adds a histogram of the finite values in <paramref name="bins"/> bins of equal width.</summary>
    public void AddHistogram(string title, string xLabel, IReadOnlyCollection<double> values, int bins = 20) =>
        AddFigure(title, BarChart.DrawHistogram(NextChart(), title, xLabel, values, bins), []);

    /// <summary>Adds a strip with one column per step: the token taken and the options it was taken from, the chosen one marked.</summary>
    public void AddOptionSteps(string title, IReadOnlyList<OptionStep> steps) => _body.Append(OptionStrip.Draw(title, steps));

    /// <summary>Adds a text whose tokens are marked, each by its own strength; the hint says by what.</summary>
    public void AddTokenStrip(string title, string hint, IReadOnlyList<MarkedToken> tokens) => _body.Append(TokenStrip.Draw(title, hint, tokens));

    /// <summary>Adds a tree of texts, whose branches open and close; the hint says what the figures are.</summary>
    public void AddTree(string title, string hint, IReadOnlyList<TreeNode> roots) => _body.Append(TreeView.Draw(title, hint, roots));

    private string NextChart() => "chart" + (++_charts).ToString(CultureInfo.InvariantCulture);

    private void AddFigure(string title, string svg, string[] legend, bool bars = false)
    {
        _body.Append(CultureInfo.InvariantCulture, $"<figure><figcaption>{Encode(title)}</figcaption>\n{svg}");
        if (legend.Length > 1)
        {
            _body.Append("<ul class=\"legend\">");
            for (int i = 0; i < legend.Length; i++)
            {
                string shape = bars ? "<rect class=\"fill{0}\" x=\"6\" width=\"14\" height=\"10\"/>" : "<line class=\"line s{0}\" x1=\"1\" y1=\"5\" x2=\"25\" y2=\"5\"/>";
                string drawn = shape.Replace("{0}", (i % ChartAxes.Colours).ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal);
                _body.Append(CultureInfo.InvariantCulture, $"<li><svg width=\"26\" height=\"10\" aria-hidden=\"true\">{drawn}</svg> {Encode(legend[i])}</li>");
            }

            _body.Append("</ul>");
        }

        _body.Append("</figure>\n");
    }

    /// <summary>The whole page.</summary>
    public string ToHtml() =>
        $"""
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>{Encode(Title)}</title>
        <style>
        {ReportStyle.Css}
        </style>
        </head>
        <body>
        <main>
        <h1>{Encode(Title)}</h1>
        {_body}</main>
        </body>
        </html>

        """;

    /// <summary>Writes the page to <paramref name="path"/>, replacing what is there; the folder is created where missing.</summary>
    /// <exception cref="OllmException">The file cannot be written.</exception>
    public void Save(string path)
    {
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
            DurableFiles.WriteText(path, ToHtml());
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException) // Its folder cannot be made.
        {
            throw new OllmException($"{path}: cannot be written ({e.Message}); expected a path of a writable file", e);
        }
    }

    internal static string Encode(string text) => HtmlEncoder.Default.Encode(text);
}
