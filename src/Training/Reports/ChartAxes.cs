using System.Globalization;
using System.Text;

namespace OllmNative.Training;

/// <summary>One line of a chart: its name in the legend and its points, in order of x.</summary>
public sealed record ChartSeries(string Name, IReadOnlyList<(double X, double Y)> Points);

/// <summary>The frame that all charts share: plot area, scales with ticks at round numbers, grid and labels.</summary>
internal sealed class ChartAxes
{
    /// <summary>How many series colours the style sheet has; more series begin again with the first.</summary>
    public const int Colours = 7;

    public const int Width = 720;
    public const int Height = 320;
    private const int Left = 70;
    private const int Right = 16;
    private const int Top = 12;
    private const int Bottom = 52;

    public ChartAxes(double minX, double maxX, double minY, double maxY)
    {
        YTicks = RoundTicks(minY, maxY, 6);
        XTicks = RoundTicks(minX, maxX, 8);
        (MinX, MaxX) = maxX > minX ? (minX, maxX) : (XTicks[0], XTicks[^1]);
        (MinY, MaxY) = (YTicks[0], YTicks[^1]);
    }

    public double MinX { get; }

    public double MaxX { get; }

    public double MinY { get; }

    public double MaxY { get; }

    public double[] XTicks { get; }

    public double[] YTicks { get; }

    public double X(double value) => Left + (value - MinX) / (MaxX - MinX) * (Width - Left - Right);

    public double Y(double value) => Height - Bottom - (value - MinY) / (MaxY - MinY) * (Height - Top - Bottom);

    /// <summary>Multiples of 1, 2 or 5 times a power of ten that cover [low, high], about <paramref name="count"/> of them.</summary>
    public static double[] RoundTicks(double low, double high, int count)
    {
        if (!double.IsFinite(low) || !double.IsFinite(high)) (low, high) = (0, 1);
        if (high < low) (low, high) = (high, low);
        double magnitude = Math.Max(Math.Abs(low), Math.Abs(high));
        // A flat line still needs a scale around it, and one wide enough for doubles to tell the ticks apart.
        if (high - low <= magnitude * 1e-9 || high == low)
        {
            double pad = magnitude == 0 ? 0.5 : magnitude * 0.1;
            (low, high) = (low - pad, high + pad);
        }

        double raw = high / count - low / count;
        double power = Math.Pow(10, Math.Floor(Math.Log10(raw)));
        double step = power * ((raw / power) switch { <= 1.0001 => 1, <= 2.0001 => 2, <= 5.0001 => 5, _ => 10 });
        double first = Math.Floor(low / step + 1e-9);
        double last = Math.Ceiling(high / step - 1e-9);
        var ticks = new double[(int)Math.Min(last - first, 50) + 1];
        for (int i = 0; i < ticks.Length; i++) ticks[i] = (first + i) * step;
        return ticks;
    }

    /// <summary>Opens the drawing: its accessible name, the grid, both axes' numbers and labels. <paramref name="xNumbers"/> is false for named bars.</summary>
    public StringBuilder Open(string id, string title, string description, string xLabel, string yLabel, bool xNumbers = true)
    {
        var svg = new StringBuilder();
        svg.Append(CultureInfo.InvariantCulture, $"<svg viewBox=\"0 0 {Width} {Height}\" role=\"img\" aria-labelledby=\"{id}t {id}d\">\n");
        svg.Append(CultureInfo.InvariantCulture, $"<title id=\"{id}t\">{ReportPage.Encode(title)}</title><desc id=\"{id}d\">{ReportPage.Encode(description)}</desc>\n");
        foreach (double tick in YTicks)
        {
            svg.Append(CultureInfo.InvariantCulture, $"<line class=\"grid\" x1=\"{Left}\" x2=\"{Width - Right}\" y1=\"{Y(tick):0.#}\" y2=\"{Y(tick):0.#}\"/>");
            svg.Append(CultureInfo.InvariantCulture, $"<text class=\"tick\" text-anchor=\"end\" x=\"{Left - 8}\" y=\"{Y(tick) + 4:0.#}\">{Number(tick)}</text>\n");
        }

        foreach (double tick in xNumbers ? XTicks : [])
        {
            if (tick < MinX - 1e-9 * (MaxX - MinX) || tick > MaxX + 1e-9 * (MaxX - MinX)) continue;
            svg.Append(CultureInfo.InvariantCulture, $"<line class=\"axis\" x1=\"{X(tick):0.#}\" x2=\"{X(tick):0.#}\" y1=\"{Height - Bottom}\" y2=\"{Height - Bottom + 5}\"/>");
            svg.Append(CultureInfo.InvariantCulture, $"<text class=\"tick\" text-anchor=\"middle\" x=\"{X(tick):0.#}\" y=\"{Height - Bottom + 20}\">{Number(tick)}</text>\n");
        }

        int middle = (Height - Bottom + Top) / 2;
        svg.Append(CultureInfo.InvariantCulture, $"<line class=\"axis\" x1=\"{Left}\" x2=\"{Width - Right}\" y1=\"{Height - Bottom}\" y2=\"{Height - Bottom}\"/>");
        svg.Append(CultureInfo.InvariantCulture, $"<text class=\"label\" text-anchor=\"middle\" x=\"{(Left + Width - Right) / 2}\" y=\"{Height - 8}\">{ReportPage.Encode(xLabel)}</text>");
        svg.Append(CultureInfo.InvariantCulture, $"<text class=\"label\" text-anchor=\"middle\" transform=\"translate(14 {middle}) rotate(-90)\">{ReportPage.Encode(yLabel)}</text>\n");
        return svg;
    }

    /// <summary>A number as short as its value allows.</summary>
    public static string Number(double value)
    {
        if (!double.IsFinite(value)) return "missing";
        double size = Math.Abs(value);
        if (size != 0 && (size >= 1e6 || size < 1e-4)) return value.ToString("0.###e+0", CultureInfo.InvariantCulture);
        return Math.Round(value, 6).ToString(size >= 10_000 ? "#,0.###" : "0.######", CultureInfo.InvariantCulture);
    }
}
