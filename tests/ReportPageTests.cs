using System.Xml.Linq;
using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Tests;

public sealed class ReportPageTests
{
    private static ReportPage Sample(int points = 300)
    {
        var page = new ReportPage("Tiny run <1> & more");
        page.AddKeyValues([("options (K)", "10"), ("backbone", "tiny-qwen2"), ("learning rate", "0.002"), ("steps", "800")]);
        page.AddHeading("Losses");
        page.AddText("The decoder learns from the first step on.\n\nA second paragraph with <script>alert(1)</script> in it.");
        page.AddLineChart("Losses over time", "step", "loss (nats)",
        [
            new ChartSeries("ce", Enumerable.Range(0, points).Select(i => ((double)i, 0.2 * Math.Exp(-i / 80.0) + 0.01)).ToList()),
            new ChartSeries("kl", Enumerable.Range(0, points).Select(i => ((double)i, i == 100 ? double.NaN : 0.1 + 0.05 * Math.Sin(i / 20.0))).ToList()),
            new ChartSeries("policy_ce", Enumerable.Range(0, points).Select(i => ((double)i, 0.23 - i * 0.0002)).ToList()),
        ]);
        page.AddBarChart("Answer accuracy", "name", "accuracy", [("backbone_greedy", 0.49), ("policy_greedy", 0.93), ("policy_pass@8", 0.98), ("k1", double.NaN)]);
        page.AddHistogram("Entropy", "entropy (nats)", Enumerable.Range(0, 500).Select(i => i * i / 100000.0).Append(double.NaN).ToList());
        page.AddTable(["name", "accuracy", "note"], [["policy_greedy", "93.1%", "after <RL>"], ["backbone", "49.0%"]], "Evaluation");
        OptionChoice[] options = [new("7", 0.98, 0.55), new(" so", 0.6, 0.3), new("\n", 0.2, 0.1499), new("<b>", 0.05, 0.0001)];
        page.AddOptionSteps("Sample options", [new OptionStep("7", options, 0), new OptionStep(" so", options, 1), new OptionStep("", options, -1)]);
        return page;
    }

    [Fact]
    public void ToHtml_AllSections_IsWellFormedEncodedAndSelfContained()
    {
        string html = Sample().ToHtml();
        string? folder = Environment.GetEnvironmentVariable("OLLM_REPORT_SAMPLE");
        if (folder != null) Sample().Save(Path.Combine(folder, "sample.html"));

        Assert.DoesNotContain("<script", html, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("http", html, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("NaN", html, StringComparison.Ordinal);
        Assert.Contains("Tiny run &lt;1&gt; &amp; more", html, StringComparison.Ordinal);
        Assert.Contains("prefers-color-scheme: dark", html, StringComparison.Ordinal);
        XElement body = Body(html);
        Assert.Equal(3, body.Descendants("desc").Count());
        Assert.Equal(3, body.Descendants("li").Count(item => item.Parent!.Attribute("class")?.Value == "legend"));
        Assert.Equal(2, body.Descendants("li").Count(item => item.Attribute("class")?.Value == "chosen"));
        Assert.Contains(body.Descendants("code"), code => code.Value == "␣so");
        Assert.Contains(body.Descendants("code"), code => code.Value == "<b>");
    }

    private static XElement Body(string html)
    {
        int from = html.IndexOf("<body>", StringComparison.Ordinal);
        int to = html.IndexOf("</body>", StringComparison.Ordinal);
        return XElement.Parse(html[from..to] + "</body>");
    }

    [Fact]
    public void AddLineChart_NonFinitePoint_LeavesGap()
    {
        XElement path = Body(Sample().ToHtml()).Descendants("path").ElementAt(1);
        Assert.Equal(2, path.Attribute("d")!.Value.Count(c => c == 'M'));
    }

    [Fact]
    public void AddLineChart_HundredThousandPoints_IsThinnedAndKeepsSpike()
    {
        var page = new ReportPage("t");
        page.AddLineChart("t", "x", "y", [new ChartSeries("s", Enumerable.Range(0, 100_000).Select(i => ((double)i, i == 54_321 ? 9.0 : 1.0)).ToList())]);
        string html = page.ToHtml();
        Assert.InRange(html.Length, 5_000, 60_000);
        Assert.Contains("highest 9", html, StringComparison.Ordinal);
        Assert.Contains(" 37.6", html, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, 1, "0 0.2 0.4 0.6 0.8 1")]
    [InlineData(0.013, 0.19, "0 0.05 0.1 0.15 0.2")]
    [InlineData(-3, 12, "-5 0 5 10 15")]
    [InlineData(0, 0, "-0.6 -0.4 -0.2 0 0.2 0.4 0.6")]
    [InlineData(1000, 2000, "1000 1200 1400 1600 1800 2000")]
    public void RoundTicks_Range_AreRoundAndCoverIt(double low, double high, string expected)
    {
        IEnumerable<string> ticks = ChartTicks(low, high);
        Assert.Equal(expected, string.Join(' ', ticks));
    }

    private static IEnumerable<string> ChartTicks(double low, double high)
    {
        var page = new ReportPage("t");
        page.AddLineChart("t", "x", "y", [new ChartSeries("s", [(0, low), (1, high)])]);
        return Body(page.ToHtml()).Descendants("text").Where(text => text.Attribute("text-anchor")?.Value == "end").Select(text => text.Value);
    }

    [Theory]
    [InlineData(double.NaN, double.NaN)]
    [InlineData(double.MaxValue, -double.MaxValue)]
    [InlineData(5e-324, 0)]
    [InlineData(1e300, 1e300)]
    public void Charts_ExtremeValues_StillMakeWellFormedPages(double a, double b)
    {
        var page = new ReportPage("t");
        page.AddLineChart("t", "x", "y", [new ChartSeries("s", [(0, a), (1, b)]), new ChartSeries("empty", [])]);
        page.AddBarChart("t", "x", "y", [("a", a), ("b", b)]);
        page.AddHistogram("t", "x", [a, b], 4);
        Assert.NotNull(Body(page.ToHtml()));
    }

    [Fact]
    public void AddHistogram_Values_CountsEachOnce()
    {
        var page = new ReportPage("t");
        page.AddHistogram("t", "x", [0, 0.1, 0.9, 1, 1], 2);
        Assert.Equal(["2", "3"], Body(page.ToHtml()).Descendants("rect").Select(bar => bar.Value));
    }

    [Fact]
    public void AddTable_RowLongerThanHeaders_Throws() =>
        Assert.Throws<ArgumentException>(() => new ReportPage("t").AddTable(["one"], [["1", "2"]]));

    [Fact]
    public void Save_FolderInTheWay_ThrowsOllmException()
    {
        string folder = TestData.NewFolder();
        Assert.Contains(folder, Assert.Throws<OllmException>(() => Sample().Save(folder)).Message, StringComparison.Ordinal);
    }
}
