using OllmNative.Model;

namespace OllmNative.Tests;

/// <summary>AdamW and the gradient norm, on lengths around the block of 65,536.</summary>
public sealed class CpuOptimizerTests
{
    [Theory]
    [InlineData(1, 0.0f)]
    [InlineData(15, 0.1f)]
    [InlineData(65_543, 0.1f)]
    public void AdamW_SeveralSteps_EqualsDoublePrecision(int count, float decay)
    {
        using var c = new CpuCase(1);
        CpuTensor parameters = c.Random(count), first = c.Of(new float[count]), second = c.Of(new float[count]);
        var (p, m, v) = (Array.ConvertAll(parameters.Before, x => (double)x), new double[count], new double[count]);
        for (int step = 1; step <= 4; step++)
        {
            CpuTensor gradient = c.Random(count, step == 2 ? 1e-6 : 1);
            c.Device.AdamW(parameters.View, gradient.View, first.View, second.View, new AdamWStep(step, 0.01f, 0.9f, 0.999f, 1e-8f, decay, 0.6f));
            for (int i = 0; i < count; i++)
            {
                double g = gradient.Before[i] * (double)0.6f;
                m[i] = 0.9f * m[i] + (1 - (double)0.9f) * g;
                v[i] = 0.999f * v[i] + (1 - (double)0.999f) * g * g;
                double mean = m[i] / (1 - Math.Pow(0.9f, step)), variance = v[i] / (1 - Math.Pow(0.999f, step));
                p[i] -= 0.01f * (decay * p[i] + mean / (Math.Sqrt(variance) + 1e-8));
            }
        }
        parameters.Near(i => p[i], 1e-6, "parameters");
        first.Near(i => m[i], 1e-6, "first moment");
        second.Near(i => v[i], 1e-6, "second moment");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(5)]
    [InlineData(131_077)]
    public void SquaredNorm_AnyLength_EqualsDoublePrecision(int count)
    {
        using var c = new CpuCase(2);
        CpuTensor x = c.Random(count, 1e10);
        double expected = x.Before.Sum(value => (double)value * value);
        Assert.Equal(expected, c.Device.SquaredNorm(x.View), expected * 1e-12);
    }

    [Fact]
    public void SquaredNormAndAdamW_AnyNumberOfThreads_SameBits() => CpuCase.SameForAllThreads(3, c =>
    {
        CpuTensor p = c.Random(200_001), g = c.Random(200_001), m = c.Random(200_001), v = c.Of([.. c.Numbers(200_001).Select(Math.Abs)]);
        double norm = c.Device.SquaredNorm(g.View);
        c.Device.AdamW(p.View, g.View, m.View, v.View, new AdamWStep(3, 0.01f, 0.9f, 0.999f, 1e-8f, 0, 1));
        return [p.Now(), [(float)norm, (float)(norm - (float)norm)]];
    });
}
