using System.Text.Json;
using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Tests;

/// <summary>Whole runs: what a stopped run leaves behind, and what its continuation makes of it.</summary>
public sealed class TrainerTests : IDisposable
{
    private static readonly TrainOptions Options = new()
    {
        Steps = 12, BatchSize = 3, LearningRate = 5e-3, Warmup = 3, Schedule = ScheduleKind.Cosine, WeightDecay = 0.01, Seed = 8, CheckpointEvery = 4,
    };

    private readonly TinyBackbone _tiny = new();
    private readonly TokenRow[] _rows;

    public TrainerTests() => _rows = [.. Enumerable.Range(0, 11).Select(i => new TokenRow(_tiny.Tokens(4 + i % 5), i % 4, i + 1))];

    public void Dispose() => _tiny.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Run_StoppedAndResumed_EqualsTheUninterruptedRun(bool crash)
    {
        string whole = TestData.NewFolder(), parts = TestData.NewFolder();
        float[] expected = Run(whole, resume: false);
        // A cancelled run writes a checkpoint where it stands; a crashed one falls back to the one after step 4 and loses two lines.
        using var stop = new CancellationTokenSource();
        void Stop(TrainMetrics line)
        {
            if (crash && line.Step == 6) throw new TimeoutException();
            if (!crash && line.Step == 5) stop.Cancel();
        }
        Exception? end = Record.Exception(() => Run(parts, resume: false, Stop, cancellation: stop.Token));
        Assert.IsType(crash ? typeof(TimeoutException) : typeof(OperationCanceledException), end);

        var steps = new List<int>();
        Assert.Equal(expected, Run(parts, resume: true, m => steps.Add(m.Step)));
        Assert.Equal(crash ? 5 : 6, steps[0]);
        Assert.Equal(Metrics(whole), Metrics(parts));
        Assert.Equal(Enumerable.Range(1, 12), Metrics(parts).Select(line => (int)line[0]));
        Assert.Equal(File.ReadAllBytes(Path.Combine(whole, "ollm.safetensors")), File.ReadAllBytes(Path.Combine(parts, "ollm.safetensors")));
        Assert.Equal(OllmManifest.Load(whole).TrainedTokens, OllmManifest.Load(parts).TrainedTokens);
    }

    [Fact]
    public void Run_Checkpoint_IsAnOllmFolderOfThatStep()
    {
        string folder = TestData.NewFolder();
        var tokens = new List<long>();
        Run(folder, false, m => tokens.Add(m.Tokens));
        string[] kept = [.. Directory.GetDirectories(Path.Combine(folder, "checkpoints")).Order()];
        Assert.Equal(["step-00000008", "step-00000012"], kept.Select(Path.GetFileName));
        using OllmModel early = OllmModel.Load(_tiny.Model, kept[0]), last = OllmModel.Load(_tiny.Model, kept[1]);
        Assert.Equal((tokens[7], tokens[11]), (early.TrainedTokens, last.TrainedTokens));
        Assert.Equal(tokens[11], OllmManifest.Load(folder).TrainedTokens);
    }

    [Fact]
    public void Run_Loss_Falls()
    {
        using OllmModel ollm = OllmModel.Create(_tiny.Model, 4, 32, 2);
        using var trainer = new Trainer(_tiny.Model, ollm, _rows, new TrainOptions { Steps = 60, BatchSize = 11, LearningRate = 5e-3, Latent = LatentMode.Marginal });
        double[] ce = [.. Enumerable.Range(0, 60).Select(_ => trainer.Step().Ce)];
        Assert.True(ce[^1] < 0.5 * ce[0], $"cross-entropy went from {ce[0]} to {ce[^1]}");
    }

    [Theory]
    [InlineData("ollm.safetensors")]
    [InlineData("optimizer.safetensors")]
    public void TryResume_NewestDamaged_GoesOnFromTheOneBeforeAndEndsTheSame(string file)
    {
        string folder = TestData.NewFolder();
        float[] expected = Run(folder, false);
        string path = Path.Combine(folder, "checkpoints", "step-00000012", file);
        byte[] bytes = File.ReadAllBytes(path);
        bytes[^7] ^= 4;
        File.WriteAllBytes(path, bytes);
        Assert.Contains("damaged", FormatsFiles.Error(() => OllmModel.Load(_tiny.Model, Path.GetDirectoryName(path)!).Dispose()), StringComparison.Ordinal);
        var warnings = new List<string>();
        var steps = new List<int>();
        Assert.Equal(expected, Run(folder, resume: true, m => steps.Add(m.Step), warn: warnings.Add));
        Assert.Equal([9, 10, 11, 12], steps);
        string warning = Assert.Single(warnings);
        Assert.Contains(path, warning, StringComparison.Ordinal);
        Assert.Contains("damaged", warning, StringComparison.Ordinal);
    }

    [Fact]
    public void TryResume_OtherSettings_IsRefused()
    {
        string folder = TestData.NewFolder();
        Run(folder, false);
        using OllmModel ollm = OllmModel.Create(_tiny.Model, 4, 32, 2);
        using var trainer = new Trainer(_tiny.Model, ollm, _rows, Options with { Seed = 9 });
        Assert.Contains("other settings", FormatsFiles.Error(() => trainer.TryResume(folder)), StringComparison.Ordinal);
    }

    [Fact]
    public void TryResume_NoCheckpoint_ReturnsFalse()
    {
        using OllmModel ollm = OllmModel.Create(_tiny.Model, 4, 32, 2);
        using var trainer = new Trainer(_tiny.Model, ollm, _rows, Options);
        Assert.False(trainer.TryResume(TestData.NewFolder()));
    }

    [Fact]
    public void Step_LossNotANumber_StopsAndKeepsParameters()
    {
        using OllmModel ollm = OllmModel.Create(_tiny.Model, 4, 32, 2);
        ollm.Parameters["decoder.out.bias"].Slice(3, 1).Upload([float.NaN]);
        float[] before = ollm.Parameters.All.ToArray();
        using var trainer = new Trainer(_tiny.Model, ollm, _rows, Options);
        Assert.Contains("step 1", FormatsFiles.Error(() => trainer.Step()), StringComparison.Ordinal);
        Assert.Equal(before, ollm.Parameters.All.ToArray());
        Assert.Equal(0, trainer.StepsDone);
    }

    [Fact]
    public void Trainer_NothingToLearn_IsRefused()
    {
        using OllmModel ollm = OllmModel.Create(_tiny.Model, 4, 32, 2);
        Assert.Contains("no row", FormatsFiles.Error(() => new Trainer(_tiny.Model, ollm, [new TokenRow([1, 2], 2, 1)], Options).Dispose()), StringComparison.Ordinal);
    }

    /// <summary>Trains fresh modules of a fixed seed in the folder and returns their parameters.</summary>
    private float[] Run(string folder, bool resume, Action<TrainMetrics>? onStep = null, Action<string>? warn = null, CancellationToken cancellation = default)
    {
        using OllmModel ollm = OllmModel.Create(_tiny.Model, 4, 32, 2);
        using var trainer = new Trainer(_tiny.Model, ollm, _rows, Options);
        if (resume) Assert.True(trainer.TryResume(folder, warn));
        trainer.Run(folder, onStep, cancellation);
        return ollm.Parameters.All.ToArray();
    }

    /// <summary>The numbers of metrics.jsonl, without the speed.</summary>
    private static double[][] Metrics(string folder) =>
    [
        .. File.ReadLines(Path.Combine(folder, "metrics.jsonl")).Select(line =>
        {
            using JsonDocument json = JsonDocument.Parse(line);
            return json.RootElement.EnumerateObject().Where(p => p.Name != "tokens_per_second").Select(p => p.Value.GetDouble()).ToArray();
        }),
    ];
}
