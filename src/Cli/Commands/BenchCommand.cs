using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using OllmNative.Model;
using OllmNative.Model.Cpu;
using OllmNative.Model.Cuda;
using OllmNative.Training;
#if !ILGPU
using OllmNative.Cli.Trials;
#endif

namespace OllmNative.Cli.Commands;

/// <summary><c>ollm bench prefill|decode|train</c>: tokens per second beside the machine's own limit, measured in the same run.</summary>
internal static class BenchCommand
{
    public static Command Create(Output ui)
    {
        var command = new Command("bench", "Measure speed: prefill, decode, train or kernels, beside what the machine could do at best.");
        command.Add(Part(ui, "prefill", "A prompt of N tokens through the backbone and the head of its last position.", 256, Prefill));
        Option<int> sequences = CommonOptions.Number("--sequences", "Sequences decoded together, N tokens each; the rate counts all of them.", 1, 1, 1024);
        var explain = new Option<bool>("--explain") { Description = "Also every option of each token, as ollm options shows them; one sequence, with --ollm." };
        Command decode = Part(
            ui, "decode", "N tokens one by one; with --ollm the policy picks the option of each.", 32,
            (session, tokens, parsed) => parsed.GetValue(explain) ? Explain(session, tokens) : Decode(session, tokens, parsed.GetValue(sequences)));
        decode.Add(sequences);
        decode.Add(explain);
        command.Add(decode);
        var cached = new Option<bool>("--cached") { Description = "With hidden states from the cache, as from the second epoch on." };
        Command train = Part(
            ui, "train", "One training step on N tokens, half of them targets; without --ollm on a fresh OLLM.", 512, (session, tokens, parsed) => Train(session, tokens, parsed.GetValue(cached)));
        train.Add(cached);
        command.Add(train);
        command.Add(BenchCostCommand.Create(ui));
#if !ILGPU
        command.Add(BenchKernelsCommand.Create(ui));
#endif
        return command;
    }

    private delegate Work Setup(ModelSession session, int tokens, ParseResult parsed);

    /// <summary>What is done <paramref name="Rounds"/> times in one repetition, and what it needs until the last one is done; N tokens of so many sequences.</summary>
    private sealed record Work(Func<Cost> Run, IDisposable Owned, int Rounds = 1, int Sequences = 1);

    /// <summary>Arithmetic and memory traffic of one round over N tokens.</summary>
    private readonly record struct Cost(double Flops, double Bytes);

    /// <summary>Training steps in one repetition where the host runs ahead of them.</summary>
    private const int StepsAhead = 4;

    private static Command Part(Output ui, string name, string description, int defaultTokens, Setup setup)
    {
        var command = new Command(name, description);
        var model = new ModelOptions(command, withQuantize: true);
        Option<int> tokens = CommonOptions.Number("--tokens", "Tokens of one repetition.", defaultTokens, 2, 1 << 20);
        Option<int> repeats = CommonOptions.Number("--repeats", "Repetitions, after one to warm up.", 5, 1, 10_000);
        command.Add(tokens);
        command.Add(repeats);
        command.SetAction(parsed =>
        {
            using ModelSession session = model.Open(parsed);
            int n = parsed.GetValue(tokens), count = parsed.GetValue(repeats), threads = Plain(session.Device) is CpuDevice cpu ? cpu.Threads : 1;
            if (n >= session.Config.MaxPositions) throw new OllmException($"--tokens {n}: expected fewer than the model's context of {session.Config.MaxPositions}");
            Work work = setup(session, n, parsed);
            using IDisposable owned = work.Owned;
            Cost cost = work.Run();
            session.Device.Synchronize();
            // With few tokens: what a user waits for the first ones.
            double sinceStart = (DateTime.Now - Process.GetCurrentProcess().StartTime).TotalSeconds;
            var rates = new double[count];
            using (Progress bar = ui.Progress($"bench {name}", count))
            {
                for (int i = 0; i < count; i++)
                {
                    ui.Cancellation.ThrowIfCancellationRequested();
                    long start = Stopwatch.GetTimestamp();
                    for (int round = 0; round < work.Rounds; round++) work.Run();
                    session.Device.Synchronize();
                    rates[i] = (double)n * work.Sequences * work.Rounds / Stopwatch.GetElapsedTime(start).TotalSeconds;
                    bar.Report(i + 1, string.Create(CultureInfo.InvariantCulture, $"{rates[i]:F1} tokens/s"));
                }
            }
            Array.Sort(rates);
            // Before the limits are measured: that needs memory of its own.
            long host = Process.GetCurrentProcess().PeakWorkingSet64, peak = PeakOnGpu(session.Device) ?? host;
            (double flops, double bytes) = Limits(session.Device, threads);
            double unit = Plain(session.Device) is CpuDevice ? MachineLimits.MatrixUnitFlopsPerSecond(threads) : 0;
            double limit = n * work.Sequences / Math.Max(cost.Flops / flops, cost.Bytes / bytes), median = Median.OfSorted(rates);
            ui.Line(string.Create(CultureInfo.InvariantCulture,
                $"{name}: {median:F1} tokens/s (min {rates[0]:F1}, max {rates[^1]:F1}), {100 * median / limit:F0} % of {limit:F1}; "
                + $"limits here {flops / 1e9:F0} GFLOP/s{(unit > 0 ? $" ({unit / 1e9:F0} on the matrix unit)" : "")}, {bytes / 1e9:F1} GB/s; peak memory {Format.Bytes(peak)}"));
            ui.Result(new
            {
                tokens_per_second = median, min = rates[0], max = rates[^1], limit, limit_fraction = median / limit, peak_memory_bytes = peak,
                flops_per_second = flops, matrix_unit_flops_per_second = unit, bytes_per_second = bytes, device = session.Device.Description,
                gpu_memory_bytes = GpuMemory(session.Device), host_peak_memory_bytes = host, seconds_from_start_through_first_run = sinceStart,
            });
        });
        return command;
    }

    /// <summary>The device itself, where a profile goes along.</summary>
    private static ComputeDevice Plain(ComputeDevice device) => device is ProfiledDevice profiled ? profiled.Inner : device;

    /// <summary>A GPU's by its clocks and units, the processor's as measured now.</summary>
    private static (double Flops, double Bytes) Limits(ComputeDevice device, int threads)
    {
#if !ILGPU
        if (Plain(device) is CudaDevice cuda && Roofline.Of(cuda.Accelerator) is { } limits)
            return (limits.TensorFlopsPerSecond, limits.BytesPerSecond);
#endif
        return (MachineLimits.FlopsPerSecond(threads), MachineLimits.BytesPerSecond(threads));
    }

    /// <summary>The most that the device's own buffers have taken of a GPU's memory; null without one.</summary>
    private static long? PeakOnGpu(ComputeDevice device)
    {
#if !ILGPU
        if (Plain(device) is CudaDevice { Accelerator: Runtime.Cuda.CudaAccelerator gpu }) return gpu.PeakBufferBytes;
#endif
        return null;
    }

    /// <summary>Memory of the GPU that is in use, the driver's own included; null without one.</summary>
    private static long? GpuMemory(ComputeDevice device)
    {
#if !ILGPU
        if ((device is ProfiledDevice profiled ? profiled.Inner : device) is CudaDevice { Accelerator: Runtime.Cuda.CudaAccelerator gpu })
            return gpu.MemorySize - gpu.GetFreeMemory();
#endif
        return null;
    }

    private static Work Prefill(ModelSession session, int tokens, ParseResult _)
    {
        var generator = new Generator(session.Backbone, null, 1, tokens + 1);
        double flops = tokens * ModelCost.Backbone(session.Config) + ModelCost.Head(session.Config);
        return new Work(() =>
        {
            generator.Run([new GenerationRequest { Prompt = TrainBench.Ids(session.Config, tokens), MaxTokens = 1 }]);
            return new Cost(flops, session.Backbone.BytesPerToken);
        }, generator);
    }

    private static Work Decode(ModelSession session, int tokens, int sequences)
    {
        var generator = new Generator(session.Backbone, session.Ollm, sequences, tokens + 2);
        LatentChoice latent = session.Ollm is null ? LatentChoice.Backbone : LatentChoice.Policy;
        int[] first = TrainBench.Ids(session.Config, sequences);
        return new Work(() =>
        {
            generator.Run([.. first.Select(token => new GenerationRequest { Prompt = [token], MaxTokens = tokens, Latent = latent })]);
            return CostOf(session, tokens, sequences);
        }, generator, Sequences: sequences);
    }

    private static Work Explain(ModelSession session, int tokens)
    {
        OllmModel ollm = session.Ollm ?? throw new OllmException("--explain: there are no options without an OLLM, expected --ollm DIR");
        var explorer = new OptionExplorer(session.Backbone, ollm, tokens + 1);
        int[] prompt = TrainBench.Ids(session.Config, 1);
        return new Work(() =>
        {
            foreach (ExploredStep _ in explorer.Run(prompt, tokens, []))
            {
            }
            return CostOf(session, tokens, 1);
        }, explorer);
    }

    /// <summary>The weights are read once for all sequences; options and modules are left out.</summary>
    private static Cost CostOf(ModelSession session, int tokens, int sequences) => new(
        (double)tokens * sequences * (ModelCost.Backbone(session.Config) + ModelCost.Head(session.Config)), (double)tokens * session.Backbone.BytesPerToken);

    private static Work Train(ModelSession session, int tokens, bool cached)
    {
        var bench = new TrainBench(session, tokens, cached);
        return new Work(() =>
        {
            bench.Step();
            return new Cost(bench.Flops, bench.Bytes);
        }, bench, session.Device.RunsAhead ? StepsAhead : 1);
    }
}
