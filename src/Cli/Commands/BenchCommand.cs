using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using OllmNative.Model;
using OllmNative.Model.Cpu;
using OllmNative.Training;

namespace OllmNative.Cli.Commands;

/// <summary><c>ollm bench prefill|decode|train</c>: tokens per second beside the machine's own limit, measured in the same run.</summary>
internal static class BenchCommand
{
    public static Command Create(Output ui)
    {
        var command = new Command("bench", "Measure speed: prefill, decode or train, beside what the machine could do at best.");
        command.Add(Part(ui, "prefill", "A prompt of N tokens through the backbone and the head of its last position.", 256, Prefill));
        command.Add(Part(ui, "decode", "N tokens one by one; with --ollm the policy picks the option of each.", 32, Decode));
        command.Add(Part(ui, "train", "One training step on N tokens, half of them targets; without --ollm on a fresh OLLM.", 512, Train));
        return command;
    }

    private delegate Func<Cost> Setup(ModelSession session, int tokens);

    /// <summary>Arithmetic and memory traffic of one repetition over N tokens.</summary>
    private readonly record struct Cost(double Flops, double Bytes);

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
            int n = parsed.GetValue(tokens), count = parsed.GetValue(repeats), threads = session.Device is CpuDevice cpu ? cpu.Threads : 1;
            if (n >= session.Config.MaxPositions) throw new OllmException($"--tokens {n}: expected fewer than the model's context of {session.Config.MaxPositions}");
            Func<Cost> run = setup(session, n);
            Cost cost = run();
            session.Device.Synchronize();
            var rates = new double[count];
            using (Progress bar = ui.Progress($"bench {name}", count))
            {
                for (int i = 0; i < count; i++)
                {
                    ui.Cancellation.ThrowIfCancellationRequested();
                    long start = Stopwatch.GetTimestamp();
                    run();
                    session.Device.Synchronize();
                    rates[i] = n / Stopwatch.GetElapsedTime(start).TotalSeconds;
                    bar.Report(i + 1, string.Create(CultureInfo.InvariantCulture, $"{rates[i]:F1} tokens/s"));
                }
            }
            Array.Sort(rates);
            // Before the limits are measured: that needs memory of its own.
            long peak = Process.GetCurrentProcess().PeakWorkingSet64;
            double flops = MachineLimits.FlopsPerSecond(threads), bytes = MachineLimits.BytesPerSecond(threads);
            double limit = n / Math.Max(cost.Flops / flops, cost.Bytes / bytes), median = rates[count / 2];
            ui.Line(string.Create(CultureInfo.InvariantCulture,
                $"{name}: {median:F1} tokens/s (min {rates[0]:F1}, max {rates[^1]:F1}), {100 * median / limit:F0} % of {limit:F1}; "
                + $"limits here {flops / 1e9:F0} GFLOP/s, {bytes / 1e9:F1} GB/s; peak memory {Format.Bytes(peak)}"));
            ui.Result(new
            {
                tokens_per_second = median, min = rates[0], max = rates[^1], limit, limit_fraction = median / limit, peak_memory_bytes = peak,
                flops_per_second = flops, bytes_per_second = bytes, device = session.Device.Description,
            });
        });
        return command;
    }

    private static Func<Cost> Prefill(ModelSession session, int tokens)
    {
        var generator = new Generator(session.Backbone, null, 1, tokens + 1);
        double flops = tokens * BackboneFlops(session) + HeadFlops(session);
        return () =>
        {
            generator.Run([Request(session, tokens, 1, LatentChoice.Backbone)]);
            return new Cost(flops, session.Backbone.BytesPerToken);
        };
    }

    private static Func<Cost> Decode(ModelSession session, int tokens)
    {
        var generator = new Generator(session.Backbone, session.Ollm, 1, tokens + 2);
        LatentChoice latent = session.Ollm is null ? LatentChoice.Backbone : LatentChoice.Policy;
        return () =>
        {
            generator.Run([Request(session, 1, tokens, latent)]);
            return new Cost(tokens * (BackboneFlops(session) + HeadFlops(session)), (double)tokens * session.Backbone.BytesPerToken);
        };
    }

    private static Func<Cost> Train(ModelSession session, int tokens)
    {
        OllmModel ollm = session.Ollm ?? OllmModel.Create(session.Backbone, 10, null, 1);
        var row = new TokenRow(Ids(session, tokens), tokens / 2, 1);
        var trainer = new Trainer(session.Backbone, ollm, [row], new TrainOptions { Steps = int.MaxValue, BatchSize = 1 });
        // Forward through the backbone for every token; for targets the head twice (logits, gradient) and the modules three times.
        double flops = tokens * BackboneFlops(session) + row.Targets * (2 * HeadFlops(session) + 6.0 * ollm.Shape.ParameterCount);
        return () =>
        {
            trainer.Step();
            return new Cost(flops, session.Backbone.BytesPerToken);
        };
    }

    private static GenerationRequest Request(ModelSession session, int prompt, int generate, LatentChoice latent) =>
        new() { Prompt = Ids(session, prompt), MaxTokens = generate, Latent = latent };

    private static int[] Ids(ModelSession session, int count) =>
        [.. Enumerable.Range(0, count).Select(i => Counter.Below(7, (ulong)i, session.Config.VocabSize))];

    private static double BackboneFlops(ModelSession session)
    {
        ModelConfig c = session.Config;
        double attention = (double)c.HiddenSize * c.HeadDim * (2 * c.Heads + 2 * c.KvHeads);
        return 2 * c.Layers * (attention + 3.0 * c.HiddenSize * c.IntermediateSize);
    }

    private static double HeadFlops(ModelSession session) => 2.0 * session.Config.HiddenSize * session.Config.VocabSize;
}
