using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using OllmNative.Cli.Trials;
using OllmNative.Kernels;
using OllmNative.Model;
using OllmNative.Runtime.Language;

namespace OllmNative.Cli.Commands;

/// <summary><c>ollm bench kernels</c>: each kernel, its versions side by side, with its time and how near that comes to the device's limits.</summary>
internal static class BenchKernelsCommand
{
    /// <summary>A kernel that this device has trouble with; the others can still be measured, unless the device is lost.</summary>
    private sealed record Failure(string Kernel, string Why);

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
        Option<string[]> skip = new("--skip") { Description = "Leaves out the kernel of this name; may be given several times.", HelpName = "NAME" };
        var small = new Option<bool>("--small") { Description = "Tiny shapes, as the emulator always has: whether everything runs, not how fast." };
        var command = new Command("kernels", "Time, bandwidth, arithmetic and percent of the roofline of each kernel.") { device, repeats, only, skip, small };
        command.SetAction(parsed => Run(ui, parsed.GetValue(device)!, parsed.GetValue(repeats), parsed.GetValue(only), parsed.GetValue(skip) ?? [], parsed.GetValue(small)));
        return command;
    }

    private static int Run(Output ui, string device, int repeats, string? only, string[] skip, bool small)
    {
        using KernelMachine machine = KernelMachine.Open(device);
        Roofline? limits = Roofline.Of(machine.Accelerator);
        KernelTrialPlan[] plans = [.. KernelTrials.All.Where(plan => plan.RunsOn(machine.Accelerator)).Where(plan => only is null || plan.Kernel.Contains(only, StringComparison.OrdinalIgnoreCase))];
        if (plans.Length == 0) throw new OllmException($"--only {only}: no kernel that runs here has such a name");
        plans = [.. plans.Where(plan => !skip.Contains(plan.Kernel, StringComparer.OrdinalIgnoreCase))];
        (List<Row> rows, List<Failure> failures) = ([], []);
        bool lost = false;
        using (Progress bar = ui.Progress("bench kernels", plans.Length))
        {
            foreach (KernelTrialPlan plan in plans)
            {
                ui.Cancellation.ThrowIfCancellationRequested();
                try
                {
                    rows.Add(Measure(plan, machine, limits, repeats, small));
                }
                catch (Exception error) when (SelftestCommand.IsTheDevices(error))
                {
                    failures.Add(new Failure(plan.Kernel, error.Message));
                }
                bar.Report(rows.Count + failures.Count, plan.Kernel);
                if (lost = SelftestCommand.IsLost(machine.Accelerator)) break;
            }
        }
        Show(ui, machine, rows);
        foreach (Failure failure in failures) ui.Line($"{failure.Kernel}: FAILED: {failure.Why}");
        if (lost) ui.Line($"the device was lost there, and the rest was not measured; --skip '{failures[^1].Kernel}' leaves that one out");
        ui.Result(new
        {
            device = machine.Accelerator.Name,
            emulated = !machine.IsGpu,
            bytes_per_second = limits?.BytesPerSecond,
            flops_per_second = limits?.FlopsPerSecond,
            tensor_flops_per_second = limits?.TensorFlopsPerSecond,
            lost,
            lost_at = lost ? failures[^1].Kernel : null,
            failed = failures.Select(failure => new { failure.Kernel, failure.Why }),
            kernels = rows.Select(row => new { row.Kernel, row.Operation, row.Shape, row.Milliseconds, row.GigabytesPerSecond, row.TeraflopsPerSecond, row.RooflineFraction }),
        });
        return failures.Count == 0 ? 0 : 1;
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
