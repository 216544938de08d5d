using System.Globalization;
using System.Text;

namespace OllmNative.Training;

/// <summary>Draws bar charts and histograms as SVG.</summary>
internal static class BarChart
{
    public static string Draw(string id, string title, string xLabel, string yLabel, IReadOnlyList<(string Label, double Value)> bars)
    {
        double[] finite = bars.Select(bar => bar.Value).Where(double.IsFinite).ToArray();
        if (finite.Length == 0) return "<p class=\"empty\">no data</p>\n";
        var axes = new ChartAxes(0, bars.Count, Math.Min(0, finite.Min()), Math.Max(0, finite.Max()));
        string description = $"{yLabel} by {xLabel}: " + string.Join(", ", bars.Select(bar => $"{bar.Label} {ChartAxes.Number(bar.Value)}"));
        StringBuilder svg = axes.Open(id, title, description, xLabel, yLabel, xNumbers: false);
        // Labels that would touch are left out at regular distances; the description keeps them all.
        int longest = bars.Max(bar => Math.Min(bar.Label.Length, 16));
        int every = Math.Max(1, (int)Math.Ceiling(bars.Count * (longest * 7.0 + 8) / 630));
        for (int i = 0; i < bars.Count; i++)
        {
            double middle = axes.X(i + 0.5);
            if (double.IsFinite(bars[i].Value)) DrawBar(svg, axes, i + 0.15, i + 0.85, bars[i].Value);
            if (i % every != 0) continue;
            string label = bars[i].Label.Length <= 16 ? bars[i].Label : bars[i].Label[..15] + "…";
            svg.Append(CultureInfo.InvariantCulture, $"<text class=\"tick\" text-anchor=\"middle\" x=\"{middle:0.#}\" y=\"{axes.Y(axes.MinY) + 20:0.#}\">{ReportPage.Encode(label)}</text>\n");
            if (bars.Count <= 12 && double.IsFinite(bars[i].Value))
            {
                double above = axes.Y(Math.Max(0, bars[i].Value)) - 4;
                svg.Append(CultureInfo.InvariantCulture, $"<text class=\"tick\" text-anchor=\"middle\" x=\"{middle:0.#}\" y=\"{above:0.#}\">{ChartAxes.Number(Math.Round(bars[i].Value, 3))}</text>\n");
            }
        }

        return svg.Append("</svg>\n").ToString();
    }

    public static string DrawHistogram(string id, string title, string xLabel, IReadOnlyCollection<double> values, int bins)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bins, 1);
        double[] finite = values.Where(double.IsFinite).ToArray();
        if (finite.Length == 0) return "<p class=\"empty\">no data</p>\n";
        double low = finite.Min();
        double high = finite.Max();
        if (high <= low) (low, high) = (low - 0.5, high + 0.5);
        var counts = new int[bins];
        foreach (double value in finite) counts[Math.Clamp((int)((value - low) / (high - low) * bins), 0, bins - 1)]++;
        var axes = new ChartAxes(low, high, 0, counts.Max());
        int top = Array.IndexOf(counts, counts.Max());
        double width = (high - low) / bins;
        string description = $"{finite.Length} values of {xLabel} from {ChartAxes.Number(low)} to {ChartAxes.Number(high)}; most, {counts[top]}, from {ChartAxes.Number(low + top * width)} to {ChartAxes.Number(low + (top + 1) * width)}";
        StringBuilder svg = axes.Open(id, title, description, xLabel, "count");
        for (int i = 0; i < bins; i++) DrawBar(svg, axes, low + (i + 0.03) * width, low + (i + 0.97) * width, counts[i]);
        return svg.Append("</svg>\n").ToString();
    }

    private static void DrawBar(StringBuilder svg, ChartAxes axes, double from, double to, double value)
    {
        double top = axes.Y(Math.Max(0, value));
        double bottom = axes.Y(Math.Min(0, value));
        svg.Append(CultureInfo.InvariantCulture, $"<rect class=\"bar\" x=\"{axes.X(from):0.##}\" width=\"{axes.X(to) - axes.X(from):0.##}\" y=\"{top:0.##}\" height=\"{bottom - top:0.##}\"><title>{ChartAxes.Number(value)}</title></rect>\n");
    }
}
