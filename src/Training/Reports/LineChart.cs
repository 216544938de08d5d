using System.Globalization;
using System.Text;

namespace OllmNative.Training;

/// <summary>Draws line charts as SVG.</summary>
internal static class LineChart
{
    // More points than this cannot be told apart at the drawing's width.
    private const int MaxPoints = 1200;

    public static string Draw(string id, string title, string xLabel, string yLabel, IReadOnlyList<ChartSeries> series)
    {
        (double X, double Y)[] all = series.SelectMany(one => one.Points).Where(IsFinite).ToArray();
        if (all.Length == 0) return "<p class=\"empty\">no data</p>\n";
        var axes = new ChartAxes(all.Min(p => p.X), all.Max(p => p.X), all.Min(p => p.Y), all.Max(p => p.Y));
        string description = $"{yLabel} over {xLabel}. " + string.Join(" ", series.Select(Describe));
        StringBuilder svg = axes.Open(id, title, description, xLabel, yLabel);
        for (int i = 0; i < series.Count; i++) DrawSeries(svg, axes, Thin(series[i].Points), i % ChartAxes.Colours);
        return svg.Append("</svg>\n").ToString();
    }

    private static bool IsFinite((double X, double Y) point) => double.IsFinite(point.X) && double.IsFinite(point.Y);

    private static string Describe(ChartSeries series)
    {
        double[] values = series.Points.Where(IsFinite).Select(point => point.Y).ToArray();
        if (values.Length == 0) return $"{series.Name}: no data.";
        return $"{series.Name}: from {ChartAxes.Number(values[0])} to {ChartAxes.Number(values[^1])}, lowest {ChartAxes.Number(values.Min())}, highest {ChartAxes.Number(values.Max())}.";
    }

    // Keeps the lowest and the highest point of each run of points, so that spikes stay visible.
    private static List<(double X, double Y)> Thin(IReadOnlyList<(double X, double Y)> points)
    {
        if (points.Count <= MaxPoints) return points.ToList();
        var kept = new List<(double X, double Y)>();
        int run = (2 * points.Count + MaxPoints - 1) / MaxPoints;
        for (int start = 0; start < points.Count; start += run)
        {
            (double X, double Y)[] part = points.Skip(start).Take(run).Where(IsFinite).ToArray();
            if (part.Length == 0) continue;
            (double X, double Y) low = part.MinBy(point => point.Y);
            (double X, double Y) high = part.MaxBy(point => point.Y);
            kept.Add(low.X <= high.X ? low : high);
            if (low != high) kept.Add(low.X <= high.X ? high : low);
        }

        return kept;
    }

    private static void DrawSeries(StringBuilder svg, ChartAxes axes, List<(double X, double Y)> points, int colour)
    {
        var path = new StringBuilder();
        bool penDown = false;
        for (int i = 0; i < points.Count; i++)
        {
            if (!IsFinite(points[i]))
            {
                penDown = false;
                continue;
            }

            string x = axes.X(points[i].X).ToString("0.#", CultureInfo.InvariantCulture);
            string y = axes.Y(points[i].Y).ToString("0.#", CultureInfo.InvariantCulture);
            path.Append(penDown ? 'L' : 'M').Append(x).Append(' ').Append(y);
            bool alone = !penDown && (i + 1 == points.Count || !IsFinite(points[i + 1]));
            if (alone) svg.Append(CultureInfo.InvariantCulture, $"<circle class=\"dot s{colour}\" cx=\"{x}\" cy=\"{y}\" r=\"3\"/>");
            penDown = true;
        }

        svg.Append(CultureInfo.InvariantCulture, $"<path class=\"line s{colour}\" d=\"{path}\"/>\n");
    }
}
