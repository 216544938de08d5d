using OllmNative.Model;
using OllmNative.Model.Cuda;
using OllmNative.Runtime.Cuda;
using OllmNative.Training;
using Xunit.Abstractions;
using CudaDevice = OllmNative.Model.Cuda.CudaDevice;

namespace OllmNative.Tests.Cuda;

/// <summary>
/// A whole program, opening, loading, training and decoding, with one call of the driver failing: it ends with the call's name or comes out as if
/// nothing had been, gives everything back, and leaves whole checkpoints.
/// </summary>
public sealed class DriverSweepTests(ITestOutputHelper output) : IDisposable
{
    /// <summary>What happens before there is a device; <see cref="CudaFaultTests"/> has them.</summary>
    private static readonly string[] Before = ["Init", "DriverGetVersion", "DeviceGetCount", "DeviceGet", "DeviceGetName", "DeviceTotalMem", "DeviceGetAttribute"];

    /// <summary>Calls that give something back: what one of them has refused stays where it is.</summary>
    private static readonly string[] Returns = ["MemFree", "MemFreeHost", "StreamDestroy", "EventDestroy", "ModuleUnload", "GraphDestroy", "GraphExecDestroy", "LinkDestroy", "DevicePrimaryCtxRelease"];

    private readonly TinyBackbone _tiny = new(hidden: 16, vocabulary: 41, layers: 1, seed: 4);
    private readonly string _kernels = TestData.NewFolder();

    private sealed record Outcome(double[] Losses, int[] Tokens, float[] Probabilities)
    {
        public bool Is(Outcome other) => Losses.SequenceEqual(other.Losses) && Tokens.SequenceEqual(other.Tokens) && Probabilities.SequenceEqual(other.Probabilities);
    }

    public void Dispose() => _tiny.Dispose();

    /// <summary>Each kind of call once, at a place that moves through the program; with OLLM_SOAK=1 every kind at many places and with several codes.</summary>
    [Fact]
    public void Program_OneCallFails_SaysSoOrIsRightAndGivesAllBack()
    {
        using var sound = new PtxDriver();
        Outcome expected = Run(sound, TestData.NewFolder());
        Assert.Empty(sound.Leaks());
        (string Name, int Count)[] calls = [.. sound.Called.Except(Before).Where(name => !name.StartsWith("GetError", StringComparison.Ordinal)).Order(StringComparer.Ordinal).Select(name => (name, sound.Calls(name)))];
        bool all = Environment.GetEnvironmentVariable("OLLM_SOAK") == "1";
        CuResult[] codes = [CuResult.InvalidValue, CuResult.OutOfMemory, CuResult.LaunchFailed];
        var wrong = new List<string>();
        foreach ((int index, (string name, int count)) in calls.Index())
        {
            int[] places = all ? [.. Enumerable.Range(0, 12).Select(i => i * Math.Max(1, count - 1) / 11).Where(place => place < count).Distinct()] : [(index % 4) * (count - 1) / 3];
            foreach (int place in places)
            {
                foreach (CuResult code in all ? codes : [codes[index % codes.Length]])
                {
                    string? trouble = Trouble(name, place, code, expected);
                    output.WriteLine($"{name}, {place + 1} of {count}, {code}: {trouble ?? "as it should be"}");
                    if (trouble is not null) wrong.Add($"{name}, {place + 1} of {count}, {code}: {trouble}");
                }
            }
        }
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
        Assert.True(calls.Length > 25);
    }

    private string? Trouble(string name, int place, CuResult code, Outcome expected)
    {
        using var driver = new PtxDriver();
        driver.Fail(name, code, place);
        string folder = TestData.NewFolder();
        try
        {
            Outcome found = Run(driver, folder);
            if (!found.Is(expected)) return "ended well with other numbers";
        }
        catch (Exception error) when (error is CudaException or OllmException)
        {
            if (!error.Message.Contains($"cu{name}", StringComparison.Ordinal)) return $"does not name the call: {error.Message}";
        }
        if (code != CuResult.LaunchFailed && !Returns.Contains(name) && driver.Leaks() is { Length: > 0 } leaks) return $"keeps {string.Join(", ", leaks)}";
        // Throws for one that is not whole.
        _ = TrainingCheckpoint.Newest(folder);
        return null;
    }

    private Outcome Run(PtxDriver driver, string folder)
    {
        using var gpu = new PtxGpu(driver, new KernelCache(_kernels));
        VersionNotes notes = VersionNotes.Read(gpu.Accelerator.Notes);
        foreach (DeviceVersion version in DeviceVersion.All)
            if (!notes.IsTried(version)) notes.Decide(version, null);
        using var device = new CudaDevice(gpu.Accelerator, DeviceTrust.Settle(gpu.Accelerator, null) with { MeasureProducts = false });
        using QwenBackbone backbone = QwenBackbone.Load(device, _tiny.Folder);
        using OllmModel ollm = OllmModel.Create(backbone, 3, 8, 2);
        TokenRow[] rows = [.. Enumerable.Range(0, 4).Select(i => new TokenRow([1 + i, 7, 30 - i, 12, 5], 1, i + 1))];
        var losses = new List<double>();
        using (var trainer = new Trainer(backbone, ollm, rows, new TrainOptions { Steps = 2, BatchSize = 2, LearningRate = 5e-3, CheckpointEvery = 1 }))
            trainer.Run(folder, line => losses.Add(line.Loss));
        var request = new GenerationRequest { Prompt = [3, 9, 20], MaxTokens = 4, Latent = LatentChoice.Policy, Explain = true, StopTokens = [-1] };
        using var engine = new DecodeEngine(backbone, ollm, new DecodeEngineOptions { Slots = 1, Capacity = 16, ExplainSlots = 1 });
        engine.Add(request);
        while (engine.Active > 0) engine.Step();
        return new Outcome([.. losses], [.. request.Generated], [.. request.Explained.SelectMany(token => token.Options).Select(option => (float)option.Probability)]);
    }
}
