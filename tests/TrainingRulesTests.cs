using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Tests;

/// <summary>The learning rate, beta and the order of rows, step by step.</summary>
public sealed class TrainingRulesTests
{
    [Fact]
    public void LearningRate_WarmupThenCosine_FollowsTheFormula()
    {
        var rate = new LearningRate(2e-3, Warmup: 4, Steps: 12, ScheduleKind.Cosine);
        double[] expected = [5e-4, 1e-3, 1.5e-3, 2e-3, .. Enumerable.Range(0, 8).Select(i => 1e-3 * (1 + Math.Cos(Math.PI * i / 8)))];
        for (int step = 1; step <= 12; step++) Assert.Equal(expected[step - 1], rate.At(step), 1e-12);
        Assert.Equal(0, rate.At(13), 1e-12);
        Assert.Equal(0, rate.At(100), 1e-12);
    }

    [Fact]
    public void LearningRate_ConstantOrLongWarmup_StaysAtMostAtThePeak()
    {
        var constant = new LearningRate(1, 2, 5, ScheduleKind.Constant);
        Assert.Equal([0.5, 1, 1, 1, 1], Enumerable.Range(1, 5).Select(constant.At));
        var warming = new LearningRate(1, 10, 5, ScheduleKind.Cosine);
        Assert.Equal(0.5, warming.At(5));
    }

    [Fact]
    public void KlControl_Log_MovesTheLogarithmAndStaysInRange()
    {
        var control = new KlControl(KlAdaptation.Log, 0.2, 1);
        control.Update(1.2);
        Assert.Equal(0.02, Math.Log(control.Beta), 1e-12);
        control.Update(0);
        Assert.Equal(0.016, Math.Log(control.Beta), 1e-12);
        for (int i = 0; i < 500; i++) control.Update(2.3);
        Assert.Equal(4, Math.Log(control.Beta), 1e-12);
        for (int i = 0; i < 5000; i++) control.Update(0);
        Assert.Equal(-8, Math.Log(control.Beta), 1e-12);
    }

    [Fact]
    public void KlControl_MultAndFixed_FollowTheirRules()
    {
        var mult = new KlControl(KlAdaptation.Mult, 0.2, 1);
        foreach ((double kl, double beta) in (ReadOnlySpan<(double, double)>)[(0.23, 1.1), (0.2, 1.1), (0.219, 1.1), (0.183, 1.1), (0.18, 1), (0.1, 1 / 1.1)])
        {
            mult.Update(kl);
            Assert.Equal(beta, mult.Beta, 1e-12);
        }
        var stays = new KlControl(KlAdaptation.Fixed, 0.2, 0);
        stays.Update(9);
        Assert.Equal(0, stays.Beta);
    }

    [Theory]
    [InlineData(KlAdaptation.Log, -0.1, 1, "--kl-target")]
    [InlineData(KlAdaptation.Log, double.NaN, 1, "--kl-target")]
    [InlineData(KlAdaptation.Log, 0.2, 0, "--beta")]
    [InlineData(KlAdaptation.Mult, 0.2, double.PositiveInfinity, "--beta")]
    [InlineData(KlAdaptation.Fixed, 0.2, -1, "--beta")]
    public void KlControl_OutOfRange_IsRefused(KlAdaptation rule, double target, double beta, string flag) =>
        Assert.Contains(flag, FormatsFiles.Error(() => new KlControl(rule, target, beta).Update(0)), StringComparison.Ordinal);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(57)]
    public void RowOrder_EachEpoch_HasEveryRowOnceInAnotherOrder(int rows)
    {
        var order = new RowOrder(rows, 5);
        int[][] epochs = [.. Enumerable.Range(0, 4).Select(e => Enumerable.Range(0, rows).Select(i => order.At((long)e * rows + i)).ToArray())];
        foreach (int[] epoch in epochs) Assert.Equal(Enumerable.Range(0, rows), epoch.Order());
        if (rows > 10) Assert.Equal(4, epochs.Select(e => string.Join(' ', e)).Distinct().Count());
        // A continuation begins anywhere, and asks for places in any order.
        var again = new RowOrder(rows, 5);
        Assert.Equal(epochs[3], Enumerable.Range(0, rows).Select(i => again.At(3L * rows + i)));
        Assert.Equal(epochs[1], Enumerable.Range(0, rows).Select(i => again.At(rows + i)));
    }

    [Fact]
    public void RowOrder_ManySeeds_EveryRowIsFirstAboutEquallyOften()
    {
        var first = new int[5];
        for (ulong seed = 0; seed < 5000; seed++) first[new RowOrder(5, seed).At(0)]++;
        Assert.All(first, count => Assert.InRange(count, 1000 - 4 * 29, 1000 + 4 * 29));
    }

    [Fact]
    public void RowOrder_WithoutSeed_KeepsFileOrder()
    {
        var order = new RowOrder(3, null);
        Assert.Equal([0, 1, 2, 0, 1, 2, 0], Enumerable.Range(0, 7).Select(i => order.At(i)));
    }

    [Fact]
    public void TotalSteps_EpochsOrSteps_CountsRowsOfEveryStep()
    {
        Assert.Equal(7, new TrainOptions { Epochs = 2, BatchSize = 2, GradAccum = 2 }.TotalSteps(13));
        Assert.Equal(1, new TrainOptions { Epochs = 0.1, BatchSize = 8 }.TotalSteps(13));
        Assert.Equal(5, new TrainOptions { Steps = 5 }.TotalSteps(13));
    }
}
