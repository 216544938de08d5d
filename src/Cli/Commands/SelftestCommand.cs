using System.CommandLine;
using System.Globalization;
using OllmNative.Cli.Trials;
using OllmNative.Kernels;
using OllmNative.Model;
using OllmNative.Model.Cpu;
using OllmNative.Model.Cuda;
using OllmNative.Runtime.Language;

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
        var command = new Command("selftest", "Run every kernel and operation on random shapes and compare with a plain computation.") { device, rounds, seed };
        command.SetAction(parsed =>
        {
            (string name, int count, ulong first) = (parsed.GetValue(device)!, parsed.GetValue(rounds), parsed.GetValue(seed));
            return name == "cpu" ? TestCpu(ui, count, first) : TestKernels(ui, name, count, first);
        });
        return command;
    }

    private static int TestKernels(Output ui, string name, int rounds, ulong seed)
    {
        using KernelMachine machine = KernelMachine.Open(name);
        ui.Line($"kernels on {machine.Accelerator.Name}, against their equations in f64");
        List<Line> kernels = Run(ui, "kernels", KernelTrials.All.Where(plan => plan.RunsOn(machine.Accelerator)).Select(plan => (Func<Line>)(() => Try(plan, machine.Accelerator, rounds, seed))));
        ui.Line($"operations on {machine.Accelerator.Name}, against the processor's");
        using KernelMachine second = KernelMachine.Open(name);
        using var tested = new CudaDevice(second.Accelerator);
        using var reference = new CpuDevice();
        List<Line> operations = Operations(ui, tested, reference, seed, rounds);
        string[] covered = [.. KernelTrials.All.Select(plan => plan.Kernel)];
        string[] rest = [.. KernelCatalog.All.Select(kernel => kernel.Name).Except(covered)];
        if (rest.Length > 0) ui.Line($"tested through operations only: {string.Join(", ", rest)}");
        return Report(ui, machine.Accelerator.Name, kernels, operations);
    }

    private static int TestCpu(Output ui, int rounds, ulong seed)
    {
        using var tested = new CpuDevice();
        using KernelMachine machine = KernelMachine.Open("emulator");
        using var reference = new CudaDevice(machine.Accelerator);
        ui.Line($"operations on {tested.Description}, against the kernels in the emulator");
        return Report(ui, tested.Description, [], Operations(ui, tested, reference, seed, rounds));
    }

    private static List<Line> Operations(Output ui, ComputeDevice tested, ComputeDevice reference, ulong seed, int rounds)
    {
        // The worst round of each operation stands for it.
        List<Line> lines = Run(ui, "operations", Enumerable.Range(0, DeviceSelftest.Cases.Count * rounds).Select(i => (Func<Line>)(() =>
        {
            SelftestResult result = DeviceSelftest.Run(DeviceSelftest.Cases[i % DeviceSelftest.Cases.Count], tested, reference, (int)(Counter.Key(seed, (ulong)i) >> 33));
            return new Line(result.Operation, result.Shape, result.MaxError, result.Tolerance, result.Failure);
        })), show: false);
        List<Line> worst = [.. lines.GroupBy(line => line.Name).Select(group => group.OrderByDescending(line => line.Failure is not null).ThenByDescending(line => line.MaxError).First())];
        Show(ui, worst);
        return worst;
    }

    private static List<Line> Run(Output ui, string title, IEnumerable<Func<Line>> tests, bool show = true)
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
            catch (KernelException error)
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

    private static int Report(Output ui, string device, List<Line> kernels, List<Line> operations)
    {
        string[] wrong = [.. kernels.Concat(operations).Where(line => !line.Passed).Select(line => line.Name)];
        ui.Line(wrong.Length == 0 ? $"all {kernels.Count + operations.Count} are right" : $"{wrong.Length} are wrong: {string.Join(", ", wrong)}");
        ui.Result(new { device, passed = wrong.Length == 0, wrong, kernels = kernels.Select(Fields), operations = operations.Select(Fields) });
        return wrong.Length == 0 ? 0 : 1;
    }

    private static object Fields(Line line) => new { line.Name, line.Shape, line.MaxError, line.Tolerance, line.Passed, line.Failure };
}
