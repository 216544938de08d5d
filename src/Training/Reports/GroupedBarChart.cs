using System.Globalization;
using System.Text;

namespace OllmNative.Training;

/// <summary>Bars of one series in each group, side by side.</summary>
/// <param name="Name">The series' name in the legend.</param>
/// <param name="Values">A value for each group; one that is not finite leaves a gap, ends that are not finite leave out the whisker.</param>
public sealed record BarSeries(string Name, IReadOnlyList<Estimate> Values);

/// <summary>Draws groups of bars with their intervals as whiskers.</summary>
internal static class GroupedBarChart
{
    public static string Draw(string id, string title, string xLabel, string yLabel, IReadOnlyList<string> groups, IReadOnlyList<BarSeries> series)
    {
        double[] all = [.. series.SelectMany(one => one.Values).SelectMany(v => (double[])[v.Value, v.Low, v.High]).Where(double.IsFinite)];
        if (all.Length == 0) return "<p class=\"empty\">no data</p>\n";
        var axes = new ChartAxes(0, groups.Count, Math.Min(0, all.Min()), Math.Max(0, all.Max()));
        string description = $"{yLabel} by {xLabel}. " + string.Join(" ", series.Select(one => $"{one.Name}: {string.Join(", ", groups.Zip(one.Values, (group, v) => $"{group} {ChartAxes.Number(v.Value)}"))}."));
        StringBuilder svg = axes.Open(id, title, description, xLabel, yLabel, xNumbers: false);
        double width = 0.76 / series.Count;
        // Labels that do not fit side by side stand in two lines in turn.
        int fit = 85 / groups.Count;
        bool staggered = groups.Any(group => group.Length > fit);
        int labelLength = Math.Max(4, staggered ? 2 * fit : fit);
        for (int g = 0; g < groups.Count; g++)
        {
            for (int s = 0; s < series.Count; s++)
            {
                if (g < series[s].Values.Count) DrawBar(svg, axes, g + 0.12 + s * width, width, series[s].Values[g], s % ChartAxes.Colours, $"{groups[g]}, {series[s].Name}");
            }
            string label = groups[g].Length <= labelLength ? groups[g] : groups[g][..(labelLength - 1)] + "…";
            svg.Append(CultureInfo.InvariantCulture, $"<text class=\"tick\" text-anchor=\"middle\" x=\"{axes.X(g + 0.5):0.#}\" y=\"{axes.Y(axes.MinY) + (staggered && g % 2 == 1 ? 31 : 17):0.#}\">{ReportPage.Encode(label)}</text>\n");
        }
        return svg.Append("</svg>\n").ToString();
    }

    private static void DrawBar(StringBuilder svg, ChartAxes axes, double from, double width, Estimate value, int colour, string name)
    {
        if (!double.IsFinite(value.Value)) return;
        double left = axes.X(from + 0.04 * width), right = axes.X(from + 0.96 * width), top = axes.Y(Math.Max(0, value.Value)), bottom = axes.Y(Math.Min(0, value.Value));
        string interval = double.IsFinite(value.Low) ? $" ({ChartAxes.Number(Math.Round(value.Low, 4))} to {ChartAxes.Number(Math.Round(value.High, 4))})" : "";
        string text = ReportPage.Encode($"{name}: {ChartAxes.Number(Math.Round(value.Value, 4))}{interval}");
        svg.Append(CultureInfo.InvariantCulture, $"<rect class=\"fill{colour}\" x=\"{left:0.##}\" width=\"{right - left:0.##}\" y=\"{top:0.##}\" height=\"{bottom - top:0.##}\"><title>{text}</title></rect>\n");
        if (!double.IsFinite(value.Low) || !double.IsFinite(value.High)) return;
        double middle = (left + right) / 2, cap = Math.Min(5, (right - left) / 3), low = axes.Y(value.Low), high = axes.Y(value.High);
        svg.Append(CultureInfo.InvariantCulture, $"<path class=\"whisker\" d=\"M{middle:0.#} {low:0.#}V{high:0.#}M{middle - cap:0.#} {low:0.#}H{middle + cap:0.#}M{middle - cap:0.#} {high:0.#}H{middle + cap:0.#}\"/>\n");
    }
}
