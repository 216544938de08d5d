using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Tests;

/// <summary>Training on cached hidden states: the same run, but for bf16 rounding, without the backbone after the first epoch.</summary>
public sealed class TrainerCacheTests : IDisposable
{
    private static readonly TrainOptions Options = new()
    {
        Steps = 14, BatchSize = 3, LearningRate = 5e-3, Seed = 8, CheckpointEvery = 3, KeepCheckpoints = 100, Latent = LatentMode.Soft,
    };

    private readonly TinyBackbone _tiny = new();
    private readonly TokenRow[] _rows;

    public TrainerCacheTests() => _rows = [.. Enumerable.Range(0, 11).Select(i => new TokenRow(_tiny.Tokens(12 + i % 5), i % 4, i + 1))];

    public void Dispose() => _tiny.Dispose();

    /// <summary>
    /// bf16 moves a hidden state by at most 2^-8 of its size. Here that changes losses by less than 1e-3 and parameters by less
    /// than a tenth of what training moves them.
    /// </summary>
    [Fact]
    public void Run_Cached_EqualsTheRunWithoutCacheWithinBf16Rounding()
    {
        (float[] plain, double[] plainLoss) = Train(TestData.NewFolder(), null);
        (float[] cached, double[] cachedLoss) = Train(TestData.NewFolder(), TestData.NewFolder());
        Assert.NotEqual(plain, cached);
        for (int i = 0; i < plainLoss.Length; i++) Assert.Equal(plainLoss[i], cachedLoss[i], 2e-3 * plainLoss[i]);
        using OllmModel start = OllmModel.Create(_tiny.Model, 4, 32, 2);
        float[] before = start.Parameters.All.ToArray();
        double moved = Distance(plain, before), apart = Distance(plain, cached);
        Assert.True(apart < 0.1 * moved, $"the cached run ends {apart} from the plain one, which moved by {moved}");
    }

    [Theory]
    [InlineData(4, "kept")]
    [InlineData(4, "deleted")]
    [InlineData(2, "kept")]
    [InlineData(2, "deleted")]
    [InlineData(9, "deleted")]
    [InlineData(9, "complete")]
    public void Run_StoppedAndResumed_SameBitsWhateverTheCacheHolds(int steps, string cacheThen)
    {
        string cache = TestData.NewFolder(), folder = TestData.NewFolder();
        (float[] whole, double[] losses) = Train(TestData.NewFolder(), cache);
        Assert.Single(Directory.GetFiles(cache));
        string parts = TestData.NewFolder();
        Train(folder, parts, stopAfter: steps);
        if (cacheThen == "deleted") Directory.Delete(parts, recursive: true);
        (float[] resumed, double[] rest) = Train(folder, cacheThen == "complete" ? cache : parts, resume: true);
        Assert.Equal(whole, resumed);
        Assert.Equal(losses[^rest.Length..], rest);
        Assert.Equal(14 - steps, rest.Length);
    }

    [Fact]
    public void Run_CompleteCache_StatesComeFromIt()
    {
        string folder = TestData.NewFolder();
        using (HiddenCache cache = HiddenCache.Open(folder, _tiny.Model, _rows))
        {
            // Under h = 0 a fresh OLLM has h' = 0, so every token is as likely as any other.
            for (int row = 0; row < _rows.Length; row++) cache.Write(row, new float[_rows[row].Targets * 16]);
            Assert.True(cache.IsComplete);
        }
        using OllmModel ollm = OllmModel.Create(_tiny.Model, 4, 32, 2);
        using var trainer = new Trainer(_tiny.Model, ollm, _rows, Options with { CacheHidden = folder });
        Assert.Equal(Math.Log(_tiny.Model.Config.VocabSize), trainer.Step().Ce, 1e-6);
    }

    [Fact]
    public void Run_CacheCannotBeMade_SameNumbersFromTheBackboneOrRefused()
    {
        string file = Path.Combine(TestData.NewFolder(), "file");
        File.WriteAllText(file, "");
        (float[] cached, _) = Train(TestData.NewFolder(), TestData.NewFolder());
        var log = new List<string>();
        using OllmModel ollm = OllmModel.Create(_tiny.Model, 4, 32, 2);
        using (var trainer = new Trainer(_tiny.Model, ollm, _rows, Options with { CacheHidden = file, RequireCache = false }, log: log.Add))
        {
            for (int step = 0; step < 14; step++) trainer.Step();
        }
        Assert.Contains(log, line => line.Contains(file, StringComparison.Ordinal) && line.Contains("every epoch", StringComparison.Ordinal));
        Assert.True(Distance(cached, ollm.Parameters.All.ToArray()) < 1e-3, "the backbone's states were not rounded as the cache rounds them");
        Assert.Contains(file, FormatsFiles.Error(() => new Trainer(_tiny.Model, ollm, _rows, Options with { CacheHidden = file }).Dispose()), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--lr was 0.005 and is 0.004")]
    [InlineData("--seed was 8 and is 9")]
    [InlineData("--kl-target was 0.2 and is 0.3")]
    [InlineData("--schedule was Constant and is Cosine")]
    [InlineData("data was ")]
    [InlineData("hidden states was f32 and is bf16")]
    [InlineData("rows per step was 3 and is 6")]
    public void TryResume_ChangedSetting_IsNamed(string message)
    {
        string folder = TestData.NewFolder();
        Train(folder, null, stopAfter: 2);
        TrainOptions changed = message.Split(' ')[0] switch
        {
            "--lr" => Options with { LearningRate = 0.004 },
            "--seed" => Options with { Seed = 9 },
            "--kl-target" => Options with { KlTarget = 0.3 },
            "--schedule" => Options with { Schedule = ScheduleKind.Cosine },
            "hidden" => Options with { CacheHidden = TestData.NewFolder() },
            "rows" => Options with { GradAccum = 2 },
            _ => Options,
        };
        TokenRow[] rows = message.StartsWith("data", StringComparison.Ordinal) ? [.. _rows.Reverse()] : _rows;
        using OllmModel ollm = OllmModel.Create(_tiny.Model, 4, 32, 2);
        using var trainer = new Trainer(_tiny.Model, ollm, rows, changed);
        string error = FormatsFiles.Error(() => trainer.TryResume(folder));
        Assert.Contains(message, error, StringComparison.Ordinal);
        Assert.Contains("other settings", error, StringComparison.Ordinal);
    }

    [Fact]
    public void TryResume_LongerRunOtherSplitOtherCheckpoints_GoesOn()
    {
        string folder = TestData.NewFolder();
        Train(folder, null, stopAfter: 2);
        using OllmModel ollm = OllmModel.Create(_tiny.Model, 4, 32, 2);
        using var trainer = new Trainer(_tiny.Model, ollm, _rows, Options with { Steps = 40, BatchSize = 1, GradAccum = 3, CheckpointEvery = 7 });
        Assert.True(trainer.TryResume(folder));
        Assert.Equal(2, trainer.StepsDone);
    }

    private (float[] Parameters, double[] Losses) Train(string folder, string? cache, bool resume = false, int stopAfter = int.MaxValue)
    {
        using OllmModel ollm = OllmModel.Create(_tiny.Model, 4, 32, 2);
        using var trainer = new Trainer(_tiny.Model, ollm, _rows, Options with { CacheHidden = cache });
        if (resume) Assert.True(trainer.TryResume(folder));
        using var stop = new CancellationTokenSource();
        var losses = new List<double>();
        try
        {
            trainer.Run(folder, line =>
            {
                losses.Add(line.Loss);
                if (line.Step == stopAfter) stop.Cancel();
            }, stop.Token);
        }
        catch (OperationCanceledException)
        {
            Assert.Equal(stopAfter, trainer.StepsDone);
        }
        return (ollm.Parameters.All.ToArray(), [.. losses]);
    }

    private static double Distance(float[] a, float[] b) => Math.Sqrt(a.Zip(b, (x, y) => ((double)x - y) * ((double)x - y)).Sum());
}
