using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Tests;

/// <summary>The steady training step makes no garbage: GC counters over many steps after a few to warm up.</summary>
public sealed class TrainingAllocationTests : IDisposable
{
    private readonly TinyBackbone _tiny = new();

    public void Dispose() => _tiny.Dispose();

    [Theory]
    [InlineData(LatentMode.Gumbel, false)]
    [InlineData(LatentMode.Soft, false)]
    [InlineData(LatentMode.Marginal, false)]
    [InlineData(LatentMode.Gumbel, true)]
    public void Step_WarmedUp_AllocatesNothing(LatentMode mode, bool cached)
    {
        TokenRow[] rows = [.. Enumerable.Range(0, 11).Select(i => new TokenRow(_tiny.Tokens(12 + i % 5), i % 4, i + 1))];
        using OllmModel ollm = OllmModel.Create(_tiny.Model, 4, 32, 2);
        using var trainer = new Trainer(_tiny.Model, ollm, rows, new TrainOptions
        {
            Steps = 1000, BatchSize = 3, GradAccum = 2, Latent = mode, Seed = 3, CacheHidden = cached ? TestData.NewFolder() : null,
        });
        for (int step = 0; step < 20; step++) trainer.Step();
        // The step does its work on this thread and hands pieces to workers that run nothing but kernels.
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int step = 0; step < 100; step++) trainer.Step();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }
}
