using System.CommandLine;
using System.Globalization;
using OllmNative.Cli.Trials;
using OllmNative.Model;
using OllmNative.Model.Cpu;
using OllmNative.Model.Cuda;
using OllmNative.Runtime.Compiler;
using OllmNative.Runtime.Cuda;
using OllmNative.Runtime.Language;
using CudaDevice = OllmNative.Model.Cuda.CudaDevice;

namespace OllmNative.Cli.Commands;

/// <summary><c>ollm selftest</c>: does this machine compute rightly? Kernels against plain C#, operations against another device.</summary>
internal static class SelftestCommand
{
    private sealed record Line(string Name, string Shape, double MaxError, double Tolerance, string? Failure)
    {
        public bool Passed => Failure is null && MaxError <= Tolerance;
    }

    public static Command Create(Output ui)
    {
        Option<string> device = CommonOptions.Choice("--device", "What to test; auto takes a GPU if there is one, else the emulator.", "auto", "auto", "cuda", "emulator", "cpu");
        Option<int> rounds = CommonOptions.Number("--rounds", "How often each kernel and operation runs, with other shapes.", 2, 1, 1000);
        Option<ulong> seed = CommonOptions.Seed("Gives shapes and values.");
        Option<string?> only = CommonOptions.OptionalPath("--only", "Kernels and operations whose name contains this.", "TEXT");
        Option<string[]> skip = new("--skip") { Description = "Leaves out the kernel or operation of this name; may be given several times.", HelpName = "NAME" };
        Option<bool> forget = new("--forget") { Description = "Only forget which versions have been right or wrong on the GPUs here: the next start tries them anew." };
        var command = new Command("selftest", "Run every kernel and operation on random shapes and compare with a plain computation.") { device, rounds, seed, only, skip, forget };
        command.SetAction(parsed =>
        {
            if (parsed.GetValue(forget)) return Forget(ui);
            (string name, int count, ulong first) = (parsed.GetValue(device)!, parsed.GetValue(rounds), parsed.GetValue(seed));
            (string? part, string[] without) = (parsed.GetValue(only), parsed.GetValue(skip) ?? []);
            bool Wanted(string test) => (part is null || test.Contains(part, StringComparison.OrdinalIgnoreCase)) && !without.Contains(test, StringComparer.OrdinalIgnoreCase);
            // A name that is misspelt must not pass for a test that has passed.
            bool any = DeviceSelftest.Cases.Any(test => Wanted(test.Operation)) || (name != "cpu" && KernelTrials.All.Any(plan => Wanted(plan.Kernel)));
            if (!any) throw new OllmException($"--only {part}: no kernel or operation that is tested has such a name");
            return name == "cpu" ? TestCpu(ui, count, first, Wanted) : TestKernels(ui, name, count, first, Wanted);
        });
        return command;
    }

    private static int TestKernels(Output ui, string name, int rounds, ulong seed, Func<string, bool> wanted)
    {
        using KernelMachine machine = KernelMachine.Open(name);
        ui.Line($"kernels on {machine.Accelerator.Name}, against their equations in f64");
        KernelTrialPlan[] plans = [.. KernelTrials.All.Where(plan => plan.RunsOn(machine.Accelerator) && wanted(plan.Kernel))];
        List<Line> kernels = Run(ui, "kernels", plans.Select(plan => (Func<Line>)(() => Try(plan, machine.Accelerator, rounds, seed))), machine.Accelerator);
        // A context that an error has spoilt serves nobody in this process any more.
        if (IsLost(machine.Accelerator)) return Report(ui, machine.Accelerator, machine.Accelerator.Name, kernels, []);
        ui.Line($"operations on {machine.Accelerator.Name}, against the processor's");
        using KernelMachine second = KernelMachine.Open(name);
        using var tested = new CudaDevice(second.Accelerator);
        using var reference = new CpuDevice();
        List<Line> operations = Operations(ui, tested, reference, seed, rounds, wanted, second.Accelerator);
        ui.Line($"tested through operations only: {string.Join(", ", ThroughOperations.All.Keys)}");
        if (!second.IsGpu || IsLost(second.Accelerator)) return Report(ui, second.Accelerator, machine.Accelerator.Name, kernels, operations);
        using KernelMachine third = KernelMachine.Open(name);
        return Report(ui, third.Accelerator, machine.Accelerator.Name, kernels, operations, Versions(ui, (CudaAccelerator)third.Accelerator, wanted));
    }

    /// <summary>Every version of what the device does, whatever is known of it; the verdicts are noted for the commands that follow.</summary>
    private static List<Line> Versions(Output ui, CudaAccelerator gpu, Func<string, bool> wanted)
    {
        const string kind = "version ";
        ui.Line($"versions on {gpu.Name}: what it uses from now on");
        (List<Line> lines, string at) = ([], "");
        try
        {
            foreach ((VersionReport report, TimeSpan time) in DeviceTrust.TryAgain(gpu, name => wanted(kind + (at = name))))
            {
                ui.Cancellation.ThrowIfCancellationRequested();
                lines.Add(new Line(kind + report.Name, string.Create(CultureInfo.InvariantCulture, $"{report.Title}, {time.TotalSeconds:F1} s"), report.Why is null ? 0 : double.PositiveInfinity, 0, report.Why));
            }
        }
        catch (Exception error) when (IsTheDevices(error))
        {
            lines.Add(new Line(kind + at, "", double.PositiveInfinity, 0, error.Message));
        }
        Show(ui, lines);
        return lines;
    }

    private static int Forget(Output ui)
    {
        CudaProbe probe = CudaDriver.Probe();
        CudaGpu[] gpus = [.. probe.Gpus.Where(gpu => gpu.Refusal is null)];
        if (gpus.Length == 0) throw new OllmException($"--forget: {probe.Message}; expected a GPU whose versions could be forgotten");
        foreach (CudaGpu gpu in gpus) DeviceTrust.Forget(gpu, probe.DriverNumber);
        ui.Line($"forgotten for {string.Join(", ", gpus.Select(gpu => gpu.Name).Distinct())}; the next start tries every version anew");
        ui.Result(new { forgotten = gpus.Select(gpu => gpu.Name) });
        return 0;
    }

    internal static bool IsLost(Accelerator accelerator) => accelerator is CudaAccelerator { IsLost: true };

    private static int TestCpu(Output ui, int rounds, ulong seed, Func<string, bool> wanted)
    {
        using var tested = new CpuDevice();
        using KernelMachine machine = KernelMachine.Open("emulator");
        using var reference = new CudaDevice(machine.Accelerator);
        ui.Line($"operations on {tested.Description}, against the kernels in the emulator");
        return Report(ui, machine.Accelerator, tested.Description, [], Operations(ui, tested, reference, seed, rounds, wanted, machine.Accelerator));
    }

    private static List<Line> Operations(Output ui, ComputeDevice tested, ComputeDevice reference, ulong seed, int rounds, Func<string, bool> wanted, Accelerator accelerator)
    {
        // The worst round of each operation stands for it.
        int[] cases = [.. Enumerable.Range(0, DeviceSelftest.Cases.Count * rounds).Where(i => wanted(DeviceSelftest.Cases[i % DeviceSelftest.Cases.Count].Operation))];
        List<Line> lines = Run(ui, "operations", cases.Select(i => (Func<Line>)(() => Try(DeviceSelftest.Cases[i % DeviceSelftest.Cases.Count], tested, reference, (int)(Counter.Key(seed, (ulong)i) >> 33)))), accelerator, show: false);
        List<Line> worst = [.. lines.GroupBy(line => line.Name).Select(group => group.OrderByDescending(line => line.Failure is not null).ThenByDescending(line => line.MaxError).First())];
        Show(ui, worst);
        return worst;
    }

    private static Line Try(SelftestCase test, ComputeDevice tested, ComputeDevice reference, int seed)
    {
        try
        {
            SelftestResult result = DeviceSelftest.Run(test, tested, reference, seed);
            return new Line(result.Operation, result.Shape, result.MaxError, result.Tolerance, result.Failure);
        }
        catch (Exception error) when (IsTheDevices(error))
        {
            return new Line(test.Operation, "", double.PositiveInfinity, test.Tolerance, error.Message);
        }
    }

    /// <summary>What one test may run into while the next ones can still pass.</summary>
    internal static bool IsTheDevices(Exception error) => error is KernelException or CudaException or KernelCompileException or OllmException;

    private static List<Line> Run(Output ui, string title, IEnumerable<Func<Line>> tests, Accelerator accelerator, bool show = true)
    {
        Func<Line>[] all = [.. tests];
        var lines = new List<Line>(all.Length);
        using (Progress bar = ui.Progress(title, all.Length))
        {
            foreach (Func<Line> test in all)
            {
                ui.Cancellation.ThrowIfCancellationRequested();
                lines.Add(test());
                bar.Report(lines.Count, lines[^1].Name);
                if (IsLost(accelerator)) break;
            }
        }
        if (show) Show(ui, lines);
        return lines;
    }

    private static Line Try(KernelTrialPlan plan, Accelerator accelerator, int rounds, ulong seed)
    {
        (double worst, string shape) = (0, "");
        for (int round = 0; round < rounds; round++)
        {
            int number = (int)(Counter.Key(Counter.Key(seed, (ulong)round), (ulong)plan.Kernel.Length) >> 33);
            var random = new Random(number);
            TrialSize size = plan.LargeTiles && accelerator.AcceleratorType == AcceleratorType.Cuda ? TrialSize.LargerRandom(random) : TrialSize.Random(random);
            try
            {
                using KernelTrial trial = plan.On(accelerator, size, number);
                double error = trial.MaxError();
                if (error >= worst) (worst, shape) = (error, size.ToString());
            }
            catch (Exception error) when (IsTheDevices(error))
            {
                return new Line(plan.Kernel, size.ToString(), double.PositiveInfinity, plan.Tolerance, error.Message);
            }
        }
        return new Line(plan.Kernel, shape, worst, plan.Tolerance, null);
    }

    private static void Show(Output ui, List<Line> lines) => ui.Table(
        ["", "shape", "max error", "tolerance", ""],
        lines.Select(line => (IReadOnlyList<string>)
        [
            line.Name, line.Shape, line.MaxError.ToString("0.0e+00", CultureInfo.InvariantCulture), line.Tolerance.ToString("0.0e+00", CultureInfo.InvariantCulture),
            line.Passed ? "ok" : line.Failure is null ? "WRONG" : $"FAILED: {line.Failure}",
        ]), 2, 3);

    private static int Report(Output ui, Accelerator accelerator, string device, List<Line> kernels, List<Line> operations, List<Line>? versions = null)
    {
        versions ??= [];
        bool lost = IsLost(accelerator);
        string[] wrong = [.. kernels.Concat(operations).Concat(versions).Where(line => !line.Passed).Select(line => line.Name)];
        ui.Line(wrong.Length == 0 ? $"all {kernels.Count + operations.Count + versions.Count} are right" : $"{wrong.Length} are wrong: {string.Join(", ", wrong)}");
        string? last = lost ? kernels.Concat(operations).Concat(versions).Last().Name : null;
        if (lost) ui.Line($"the device was lost there, and the rest was not tested; --skip '{last}' leaves that one out");
        ui.Result(new { device, passed = wrong.Length == 0, lost, lost_at = last, wrong, kernels = kernels.Select(Fields), operations = operations.Select(Fields), versions = versions.Select(Fields) });
        return wrong.Length == 0 ? 0 : 1;
    }

    private static object Fields(Line line) => new { line.Name, line.Shape, line.MaxError, line.Tolerance, line.Passed, line.Failure };
}
