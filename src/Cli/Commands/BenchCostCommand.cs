using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Cli.Commands;

/// <summary><c>ollm bench cost</c>: how the time of a training step grows with the number of tokens and with K.</summary>
internal static class BenchCostCommand
{
    public static Command Create(Output ui)
    {
        var command = new Command("cost", "Time of a training step on cached hidden states against tokens and against K, each with its straight line.");
        var model = new ModelOptions(command, withOllm: false);
        Option<int> tokens = CommonOptions.Number("--tokens", "Longest row; three shorter ones are measured too.", 1024, 64, 1 << 16);
        Option<int> repeats = CommonOptions.Number("--repeats", "Repetitions, of which the median counts.", 3, 1, 1000);
        Option<string?> page = CommonOptions.OptionalPath("--page", "Write both curves to this HTML page.");
        foreach (Option option in (Option[])[tokens, repeats, page]) command.Add(option);
        command.SetAction(parsed =>
        {
            using ModelSession session = model.Open(parsed);
            int longest = parsed.GetValue(tokens), count = parsed.GetValue(repeats), middle = longest / 2;
            using Progress bar = ui.Progress("bench cost", 8);
            int done = 0;
            (double X, double Seconds)[] Measure(int[] values, Func<int, TrainBench> make) => [.. values.Select(value =>
            {
                double seconds = Seconds(make(value), session.Device, count, ui.Cancellation);
                bar.Report(++done, string.Create(CultureInfo.InvariantCulture, $"{value}: {seconds:F3} s"));
                return ((double)value, seconds);
            })];
            (double X, double Seconds)[] byTokens = Measure([longest / 8, longest / 4, middle, longest], n => new TrainBench(session, n, cached: true));
            (double X, double Seconds)[] byOptions = Measure([1, 10, 100, 1000], k => new TrainBench(session, middle, cached: true, options: k));
            Report(ui, "tokens", "tokens", byTokens);
            Report(ui, "options", $"K, {middle} tokens", byOptions);
            if (parsed.GetValue(page) is { } path) WritePage(path, middle, byTokens, byOptions);
            ui.Result(new { by_tokens = Points("tokens", byTokens), by_options = Points("options", byOptions), fit_tokens = Fit(byTokens), fit_options = Fit(byOptions) });
        });
        return command;
    }

    /// <summary>Least squares: seconds = fixed + each * x, and the largest relative distance of a point from it.</summary>
    private static StraightLine Fit((double X, double Seconds)[] points)
    {
        double meanX = points.Average(p => p.X), mean = points.Average(p => p.Seconds);
        double slope = points.Sum(p => (p.X - meanX) * (p.Seconds - mean)) / points.Sum(p => (p.X - meanX) * (p.X - meanX));
        double start = mean - slope * meanX;
        return new StraightLine(start, slope, points.Max(p => Math.Abs(start + slope * p.X - p.Seconds) / p.Seconds));
    }

    private sealed record StraightLine(double FixedSeconds, double SecondsEach, double LargestDeviation);

    private static double Seconds(TrainBench bench, ComputeDevice device, int repeats, CancellationToken cancellation)
    {
        using (bench)
        {
            // The first step fills the cache, the second one is the first that reads it.
            bench.Step();
            bench.Step();
            device.Synchronize();
            var seconds = new double[repeats];
            for (int i = 0; i < repeats; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                long start = Stopwatch.GetTimestamp();
                bench.Step();
                device.Synchronize();
                seconds[i] = Stopwatch.GetElapsedTime(start).TotalSeconds;
            }
            Array.Sort(seconds);
            return Median.OfSorted(seconds);
        }
    }

    private static void Report(Output ui, string name, string what, (double X, double Seconds)[] points)
    {
        StraightLine line = Fit(points);
        ui.Table([what, "seconds", "straight line"], points.Select(p => (IReadOnlyList<string>)
            [p.X.ToString(CultureInfo.InvariantCulture), Invariant($"{p.Seconds:F3}"), Invariant($"{line.FixedSeconds + line.SecondsEach * p.X:F3}")]), 0, 1, 2);
        ui.Line(Invariant($"{name}: {1000 * line.FixedSeconds:F1} ms + {1000 * line.SecondsEach:F4} ms each, within {100 * line.LargestDeviation:F1} %"));
    }

    private static object[] Points(string name, (double X, double Seconds)[] points) =>
        [.. points.Select(p => new Dictionary<string, double> { [name] = p.X, ["seconds"] = p.Seconds })];

    private static void WritePage(string path, int tokens, (double X, double Seconds)[] byTokens, (double X, double Seconds)[] byOptions)
    {
        var report = new ReportPage("Cost of a training step");
        report.AddText("A step on cached hidden states: head, loss, modules, optimizer. Half of the tokens are targets.");
        report.AddLineChart("Time against tokens", "tokens of the row", "seconds", Series(byTokens));
        report.AddLineChart($"Time against K ({tokens} tokens)", "K, options", "seconds", Series(byOptions));
        report.Save(path);
    }

    private static ChartSeries[] Series((double X, double Seconds)[] points)
    {
        StraightLine line = Fit(points);
        return [new("measured", points), new("straight line", [.. points.Select(p => (p.X, line.FixedSeconds + line.SecondsEach * p.X))])];
    }

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);
}
