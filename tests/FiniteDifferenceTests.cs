using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Tests;

/// <summary>The hand-written gradients of encoder, decoder and policy against central differences of the objective in double precision.</summary>
public sealed class FiniteDifferenceTests
{
    private const int Hidden = 12, Width = 16, Vocabulary = 23;
    private const double Step = 1e-5;

    [Theory]
    [InlineData(LatentMode.Soft, 4, 7, 1024)]
    [InlineData(LatentMode.Marginal, 4, 7, 1024)]
    [InlineData(LatentMode.Gumbel, 4, 7, 1024)]
    [InlineData(LatentMode.Soft, 1, 7, 1024)]
    [InlineData(LatentMode.Marginal, 1, 7, 1024)]
    [InlineData(LatentMode.Gumbel, 1, 7, 1024)]
    [InlineData(LatentMode.Gumbel, 4, 3, 1024)]
    [InlineData(LatentMode.Soft, 4, 7, 3)]
    [InlineData(LatentMode.Marginal, 4, 7, 12)]
    [InlineData(LatentMode.Gumbel, 4, 7, 5)]
    public void OllmLoss_EveryParameter_GradientEqualsDifferences(LatentMode mode, int options, int rows, int rowsPerPass)
    {
        const float Beta = 0.6f;
        using var tiny = new TinyBackbone(Hidden, Vocabulary, layers: 1, seed: 11 + options);
        using OllmModel ollm = tiny.NewOllm(options, Width);
        using var gradients = new OllmTensors(tiny.Device, ollm.Shape);
        var random = new Random(5);
        float[] hidden = [.. Enumerable.Range(0, rows * Hidden).Select(_ => (float)(2 * random.NextDouble() - 1))];
        int[] targets = tiny.Tokens(rows);
        ulong[] keys = [.. Enumerable.Range(0, rows).Select(n => Counter.Key(77, (ulong)n))];

        using DeviceBuffer<float> h = tiny.Device.Allocate<float>(hidden.Length);
        h.Upload(0, hidden);
        using var loss = new OllmLoss(tiny.Model, ollm.Parameters, gradients, mode, rowsPerPass);
        LossSums sums = loss.Accumulate(h.View, targets, keys, Beta, 1f / rows);

        double[] p = [.. ollm.Parameters.All.ToArray().Select(value => (double)value)];
        var objective = new OllmObjective(
            ollm.Shape, mode, Beta, hidden, targets, keys, tiny.Weights["model.embed_tokens.weight"], tiny.Weights["lm_head.weight"], p);
        (double ce, double kl, double policy) = objective.Terms(p);
        Assert.Equal(ce, sums.Ce / rows, 1e-5);
        Assert.Equal(kl, sums.Kl / rows, 1e-5);
        Assert.Equal(policy, sums.Policy / rows, 1e-5);
        foreach ((string name, _) in ollm.Shape.Tensors) CheckTensor(objective, p, name, gradients[name].ToArray());
    }

    [Fact]
    public void OllmLoss_SecondCall_AddsToTheGradients()
    {
        using var tiny = new TinyBackbone(Hidden, Vocabulary, layers: 1);
        using OllmModel ollm = tiny.NewOllm(4, Width);
        using var gradients = new OllmTensors(tiny.Device, ollm.Shape);
        using DeviceBuffer<float> h = tiny.Device.Allocate<float>(6 * Hidden);
        h.Upload(0, [.. Enumerable.Range(0, 6 * Hidden).Select(i => MathF.Sin(i))]);
        using var loss = new OllmLoss(tiny.Model, ollm.Parameters, gradients, LatentMode.Gumbel);
        int[] targets = tiny.Tokens(6);
        loss.Accumulate(h.View, targets, new ulong[6], 1, 0.5f);
        float[] once = gradients.All.ToArray();
        loss.Accumulate(h.View, targets, new ulong[6], 1, 0.5f);
        Reference.Near(gradients.All.ToArray(), [.. once.Select(g => 2 * g)], 1e-6, "twice the gradient");
    }

    private static void CheckTensor(OllmObjective objective, double[] p, string name, float[] gradient)
    {
        var expected = new double[gradient.Length];
        for (int i = 0; i < expected.Length; i++)
        {
            int at = objective.OffsetOf(name) + i;
            double value = p[at];
            p[at] = value + Step;
            double up = objective.Loss(p);
            p[at] = value - Step;
            expected[i] = (up - objective.Loss(p)) / (2 * Step);
            p[at] = value;
        }
        double allowed = 2e-5 * (expected.Max(Math.Abs) + 1e-2);
        for (int i = 0; i < expected.Length; i++)
            Assert.True(Math.Abs(gradient[i] - expected[i]) <= allowed, $"{name}[{i}]: gradient {gradient[i]:R}, difference {expected[i]:R}");
    }
}
