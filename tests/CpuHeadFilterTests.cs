using OllmNative.Model;
using OllmNative.Model.Cpu;

namespace OllmNative.Tests;

/// <summary>What the head's gradient leaves out: nothing where nothing is negligible, and never more than its bound.</summary>
public sealed class CpuHeadFilterTests
{
    private const int Vocabulary = 9000, Width = 24, Chunk = 256;

    [Theory]
    [InlineData(3)]
    [InlineData(140)]
    public void HeadCrossEntropy_PeakedRows_GradientWithinTheBound(int n)
    {
        using var c = new CpuCase(21);
        foreach (DType type in CpuCase.WeightTypes)
        {
            (DeviceMatrix w, float[] weights) = c.Weight(type, Vocabulary, Width);
            // Inputs along a token's own weights make that token likely and most others impossible; every fourth row stays flat.
            int[] likely = [.. Enumerable.Range(0, n).Select(_ => c.Between(0, Vocabulary - 1))];
            float[] x = [.. Enumerable.Range(0, n * Width).Select(i => weights[likely[i / Width] * Width + i % Width] * (i / Width % 4 == 3 ? 0.1f : 6f))];
            int[] targets = [.. likely.Select((token, row) => row % 3 == 0 ? c.Between(0, Vocabulary - 1) : token)];
            (float[] exact, float[] exactLoss, int[] exactBest) = Gradient(c, w, x, targets, exact: true);
            (float[] filtered, float[] loss, int[] best) = Gradient(c, w, x, targets, exact: false);

            Assert.Equal(exactLoss, loss);
            Assert.Equal(exactBest, best);
            double largest = weights.Max(MathF.Abs), allowed = 2 * HeadFilter.Bound(Vocabulary, Chunk) * largest;
            for (int i = 0; i < exact.Length; i++) Assert.InRange(Math.Abs(filtered[i] - exact[i]), 0, allowed);
            Assert.NotEqual(exact, filtered);
        }
    }

    [Fact]
    public void HeadCrossEntropy_FlatRows_SameBitsAsExact()
    {
        using var c = new CpuCase(22);
        (DeviceMatrix w, _) = c.Weight(DType.BF16, Vocabulary, Width);
        float[] x = c.Numbers(100 * Width, 0.3);
        int[] targets = [.. Enumerable.Range(0, 100).Select(_ => c.Between(0, Vocabulary - 1))];
        Assert.Equal(Gradient(c, w, x, targets, exact: true).Gradient, Gradient(c, w, x, targets, exact: false).Gradient);
    }

    /// <summary>
    /// Every entry of the tail is below the threshold by itself, but together they are far more than the bound. Logit v is
    /// the first weight; the second is 1 everywhere, so that the second component of the gradient is the sum of all p_v - 1.
    /// </summary>
    [Theory]
    [InlineData(0)]
    [InlineData(8999)]
    public void HeadCrossEntropy_HeavyTail_LeavesOutNoMoreThanTheBound(int top)
    {
        using var c = new CpuCase(23);
        float[] weights = new float[Vocabulary * 2];
        for (int v = 0; v < Vocabulary; v++) (weights[2 * v], weights[2 * v + 1]) = (v == top ? 0 : -16.8f, 1);
        double tail = (Vocabulary - 1) * Math.Exp(-16.8), bound = HeadFilter.Bound(Vocabulary, Chunk);
        Assert.True(tail > 10 * bound);
        (float[] gradient, _, _) = Gradient(c, c.Device.Matrix(c.Of(weights).View, Vocabulary, 2), [1, 0], [top], exact: false);
        Assert.InRange(-gradient[1], 0.1 * bound, bound + 2e-6);
    }

    [Fact]
    public void HeadCrossEntropy_TargetFarAboveTheRest_IsFinite()
    {
        using var c = new CpuCase(24);
        float[] weights = new float[Vocabulary * 2];
        for (int v = 0; v < Vocabulary; v++) (weights[2 * v], weights[2 * v + 1]) = (v == 7000 ? 300 : -v % 90, 1);
        (float[] gradient, float[] loss, int[] best) = Gradient(c, c.Device.Matrix(c.Of(weights).View, Vocabulary, 2), [1, 0], [7000], exact: false);
        Assert.Equal((7000, 0f), (best[0], loss[0]));
        Assert.All(gradient, value => Assert.InRange(value, -1e-6f, 1e-6f));
    }

    [Fact]
    public void HeadCrossEntropy_NotANumber_ReachesTheGradient()
    {
        using var c = new CpuCase(25);
        (DeviceMatrix w, _) = c.Weight(DType.F32, Vocabulary, Width);
        float[] x = c.Numbers(2 * Width);
        x[Width] = float.NaN;
        float[] gradient = Gradient(c, w, x, [1, 1], exact: false).Gradient;
        Assert.All(gradient[..Width], value => Assert.True(float.IsFinite(value)));
        Assert.All(gradient[Width..], value => Assert.True(float.IsNaN(value)));
    }

    [Fact]
    public void HeadCrossEntropy_FilteredOnAnyNumberOfThreads_SameBits() => CpuCase.SameForAllThreads(26, c =>
    {
        (DeviceMatrix w, float[] weights) = c.Weight(DType.BF16, Vocabulary, Width);
        float[] x = [.. Enumerable.Range(0, 5 * Width).Select(i => weights[1700 * Width + i] * 5)];
        (float[] gradient, float[] loss, _) = Gradient(c, w, x, [3, 1701, 9, 1703, 8999], exact: false);
        return [gradient, loss];
    });

    private static (float[] Gradient, float[] Loss, int[] Best) Gradient(CpuCase c, DeviceMatrix w, float[] x, int[] targets, bool exact)
    {
        CpuTensor loss = c.Random(targets.Length), gradient = c.Random(x.Length);
        DeviceView<int> best = c.Upload(new int[targets.Length]);
        c.Device.ExactHeadGradient = exact;
        c.Device.HeadCrossEntropy(c.Of(x).View, w, c.Upload(targets), loss.View, best, gradient.View);
        return (gradient.Now(), loss.Now(), best.ToArray());
    }
}
