using System.Runtime.Intrinsics;
using OllmNative.Model;
using OllmNative.Model.Cpu;

namespace OllmNative.Tests;

/// <summary>Elementwise operations against the double-precision formula, also where exponentials overflow.</summary>
public sealed class CpuElementwiseTests
{
    private const double Tolerance = 1e-5;
    private static readonly int[] Lengths = [0, 1, 7, 8, 9, 31, 16385];
    private static readonly float[] Extremes = [0f, -0f, 1e-40f, -1e-40f, 87.5f, -87.5f, 88.8f, -88.8f, 104f, -104f, 1e4f, -1e4f, 1e30f, -1e30f, 17f, -17f];

    [Fact]
    public void Exponential_WholeRange_WithinTwoRoundings()
    {
        double worst = 0;
        for (float x = -87.3f; x <= 88.3f; x += 0.00137f)
        {
            float now = Exponential.Of(Vector256.Create(x))[3];
            worst = Math.Max(worst, Math.Abs(now / Math.Exp(x) - 1));
        }
        Assert.InRange(worst, 1e-9, 2e-7);
        float[] special = [float.NegativeInfinity, -88, float.PositiveInfinity, 89, 0, -0f];
        Assert.Equal([0, 0, float.PositiveInfinity, float.PositiveInfinity, 1, 1], special.Select(x => Exponential.Of(Vector256.Create(x))[0]));
        Assert.True(float.IsNaN(Exponential.Of(Vector256.Create(float.NaN))[0]));
    }

    [Fact]
    public void Silu_AnyLengthAndSize_EqualsFormula() => ForAllLengths((c, x, _, output) =>
    {
        c.Device.Silu(x.View, output.View);
        Relative(output, i => x.Before[i] * Sigmoid(x.Before[i]), "silu");
    });

    [Fact]
    public void SwiGlu_AnyLengthAndSize_EqualsFormula() => ForAllLengths((c, gate, up, output) =>
    {
        c.Device.SwiGlu(gate.View, up.View, output.View);
        Relative(output, i => gate.Before[i] * Sigmoid(gate.Before[i]) * up.Before[i], "swiglu");
        c.Device.SwiGlu(gate.View, up.View, gate.View);
        Assert.Equal(output.Now(), gate.Now());
    });

    [Fact]
    public void SiluBackward_AnyLengthAndSize_EqualsFormula() => ForAllLengths((c, x, dy, output) =>
    {
        c.Device.SiluBackward(x.View, dy.View, output.View);
        Relative(output, i =>
        {
            double s = Sigmoid(x.Before[i]);
            return dy.Before[i] * s * (1 + x.Before[i] * (1 - s));
        }, "silu'", least: 1e-6);
        c.Device.SiluBackward(x.View, dy.View, dy.View);
        Assert.Equal(output.Now(), dy.Now());
    });

    [Fact]
    public void AddScaleCopyClear_AnyLength_EqualFormula() => ForAllLengths((c, a, b, output) =>
    {
        c.Device.Add(a.View, b.View, output.View);
        Relative(output, i => a.Before[i] + b.Before[i], "add");
        c.Device.Copy(b.View, output.View);
        Assert.Equal(b.Before, output.Now());
        c.Device.Scale(output.View, -0.37f);
        Relative(output, i => b.Before[i] * -0.37f, "scale");
        c.Device.Clear(output.View);
        Relative(output, _ => 0, "clear");
    });

    [Fact]
    public void Operands_OfUnequalLengths_AreRefused()
    {
        using var c = new CpuCase(1);
        DeviceView<float> three = c.Random(3).View, four = c.Random(4).View;
        Assert.Throws<ArgumentException>(() => c.Device.Add(three, four, four));
        Assert.Throws<ArgumentException>(() => c.Device.Copy(three, four));
    }

    private static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));

    /// <summary>Relative to each value by itself, down to what floats hold or to where a formula cancels.</summary>
    private static void Relative(CpuTensor actual, Func<int, double> expected, string what, double least = 1e-36)
    {
        float[] now = actual.Now();
        for (int i = 0; i < now.Length; i++)
        {
            double wanted = expected(i);
            Assert.True(Math.Abs(now[i] - wanted) <= Tolerance * Math.Abs(wanted) + least, $"{what}: element {i} is {now[i]:R}, expected {wanted:R}");
        }
    }

    private static void ForAllLengths(Action<CpuCase, CpuTensor, CpuTensor, CpuTensor> check)
    {
        using var c = new CpuCase(1);
        foreach (int length in Lengths) check(c, c.Random(length, 12), c.Random(length), c.Random(length));
        check(c, c.Of(Extremes), c.Random(Extremes.Length), c.Random(Extremes.Length));
        // The same values one element further reach the scalar tail.
        float[] shifted = [1, .. Extremes, 2, 3, 4];
        check(c, c.Of(shifted[..^1]), c.Random(shifted.Length - 1), c.Random(shifted.Length - 1));
    }
}
