using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using OllmNative.Cli.Trials;
using OllmNative.Kernels;
using OllmNative.Runtime.Language;

namespace OllmNative.Cli.Commands;

/// <summary><c>ollm bench kernels</c>: each kernel, its versions side by side, with its time and how near that comes to the device's limits.</summary>
internal static class BenchKernelsCommand
{
    private sealed record Row(string Kernel, string Operation, string Shape, double Milliseconds, double Bytes, double Flops, double? RooflineFraction)
    {
        public double GigabytesPerSecond => Bytes / Milliseconds / 1e6;
        public double TeraflopsPerSecond => Flops / Milliseconds / 1e9;
    }

    public static Command Create(Output ui)
    {
        Option<string> device = CommonOptions.Choice("--device", "Where to run; auto takes a GPU if there is one.", "auto", "auto", "cuda", "emulator");
        Option<int> repeats = CommonOptions.Number("--repeats", "Launches that are timed, after some to warm up.", 20, 1, 100_000);
        Option<string?> only = CommonOptions.OptionalPath("--only", "Kernels whose name contains this.", "TEXT");
        var small = new Option<bool>("--small") { Description = "Tiny shapes, as the emulator always has: whether everything runs, not how fast." };
        var command = new Command("kernels", "Time, bandwidth, arithmetic and percent of the roofline of each kernel.") { device, repeats, only, small };
        command.SetAction(parsed => Run(ui, parsed.GetValue(device)!, parsed.GetValue(repeats), parsed.GetValue(only), parsed.GetValue(small)));
        return command;
    }

    private static void Run(Output ui, string device, int repeats, string? only, bool small)
    {
        using KernelMachine machine = KernelMachine.Open(device);
        Roofline? limits = Roofline.Of(machine.Accelerator);
        KernelTrialPlan[] plans = [.. KernelTrials.All.Where(plan => plan.RunsOn(machine.Accelerator)).Where(plan => only is null || plan.Kernel.Contains(only, StringComparison.OrdinalIgnoreCase))];
        var rows = new List<Row>();
        using (Progress bar = ui.Progress("bench kernels", plans.Length))
        {
            foreach (KernelTrialPlan plan in plans)
            {
                ui.Cancellation.ThrowIfCancellationRequested();
                rows.Add(Measure(plan, machine, limits, repeats, small));
                bar.Report(rows.Count, plan.Kernel);
            }
        }
        Show(ui, machine, rows);
        ui.Result(new
        {
            device = machine.Accelerator.Name,
            emulated = !machine.IsGpu,
            bytes_per_second = limits?.BytesPerSecond,
            flops_per_second = limits?.FlopsPerSecond,
            tensor_flops_per_second = limits?.TensorFlopsPerSecond,
            kernels = rows.Select(row => new { row.Kernel, row.Operation, row.Shape, row.Milliseconds, row.GigabytesPerSecond, row.TeraflopsPerSecond, row.RooflineFraction }),
        });
    }

    private static Row Measure(KernelTrialPlan plan, KernelMachine machine, Roofline? limits, int repeats, bool small)
    {
        // The emulator needs seconds for what a GPU does in microseconds.
        TrialSize size = machine.IsGpu && !small ? plan.Large : new TrialSize(Math.Min(plan.Large.Rows, 4), Math.Min(plan.Large.Columns, 64), Math.Min(plan.Large.Depth, 16));
        using KernelTrial trial = plan.On(machine.Accelerator, size, seed: 1);
        double milliseconds = machine.IsGpu ? OnGpu(trial, repeats) : InEmulator(trial);
        double? fraction = limits is null ? null : 1000 * limits.Seconds(trial) / milliseconds;
        return new Row(plan.Kernel, KernelCatalog.Get(plan.Kernel)?.Operation ?? plan.Kernel, size.ToString(), milliseconds, trial.Bytes, trial.Flops, fraction);
    }

    /// <summary>The mean of launches that follow each other, between two events.</summary>
    private static double OnGpu(KernelTrial trial, int repeats)
    {
        const int warmUp = 3;
        for (int i = 0; i < warmUp; i++) trial.Launch();
        using ProfilingMarker start = trial.Accelerator.AddProfilingMarker();
        for (int i = 0; i < repeats; i++) trial.Launch();
        using ProfilingMarker end = trial.Accelerator.AddProfilingMarker();
        return (end - start).TotalMilliseconds / repeats;
    }

    private static double InEmulator(KernelTrial trial)
    {
        trial.Launch();
        long start = Stopwatch.GetTimestamp();
        trial.Launch();
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }

    private static void Show(Output ui, KernelMachine machine, List<Row> rows)
    {
        ui.Line(machine.IsGpu
            ? $"kernels on {machine.Accelerator.Name}; the roofline is the slower of memory and arithmetic at the device's clocks"
            : "kernels in the emulator, on tiny shapes: these times say nothing about a GPU");
        static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
        ui.Table(
            ["kernel", "shape", "ms", "GB/s", "TFLOP/s", "roofline"],
            rows.Select(row => (IReadOnlyList<string>)
            [
                row.Kernel, row.Shape, Number(row.Milliseconds, "F3"), Number(row.GigabytesPerSecond, "F1"), Number(row.TeraflopsPerSecond, "F3"),
                row.RooflineFraction is { } fraction ? Number(100 * fraction, "F0") + " %" : "-",
            ]), 2, 3, 4, 5);
    }
}
