using OllmNative.Kernels;
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;
using Words = OllmNative.Runtime.Language.ArrayView<ushort>;

namespace OllmNative.Tests;

/// <summary>A product of a <see cref="ProductTask"/> with random operands, run on any accelerator and held against plain C# in f64.</summary>
internal sealed class LargeProduct(int m, int k, params int[] outputs)
{
    private readonly ushort[] _a = Bits(1, m * k);
    private readonly ushort[][] _b = [.. outputs.Select((n, i) => Bits(2 + i, Math.Max(n, 1) * k))];
    private readonly float[][] _before = [.. outputs.Select((n, i) => EmulatorFixture.Random(10 + i, m * n))], _bias = [.. outputs.Select((n, i) => EmulatorFixture.Random(20 + i, n))];
    private readonly float[] _scale = EmulatorFixture.Random(30, m);

    public bool Biases { get; init; }
    public bool Accumulate { get; init; }
    public bool Scales { get; init; }
    public bool Rounded { get; init; }
    public bool Gated { get; init; }

    /// <summary>A is [K,M].</summary>
    public bool DownA { get; init; }

    /// <summary>B is [K,N].</summary>
    public bool DownB { get; init; }

    /// <summary>The operands where they are used.</summary>
    public sealed record Place(Accelerator Accelerator, Words A, Words B0, Words B1, Words B2, ProductTask Task);

    /// <summary>Runs a kernel and compares all of its results.</summary>
    public void Check(Accelerator accelerator, Action<Place> launch)
    {
        using var a = accelerator.Allocate1D(_a);
        using var scale = accelerator.Allocate1D(_scale);
        using var rounded = accelerator.Allocate1D<ushort>(Math.Max(1, m * outputs[0]));
        MemoryBuffer1D<ushort, Stride1D.Dense>[] b = [.. _b.Select(values => accelerator.Allocate1D(values))];
        MemoryBuffer1D<float, Stride1D.Dense>[] results = [.. _before.Select(values => accelerator.Allocate1D(values.Length > 0 ? values : [0f]))];
        MemoryBuffer1D<float, Stride1D.Dense>[] biases = [.. _bias.Select(values => accelerator.Allocate1D(values.Length > 0 ? values : [0f]))];
        var task = new ProductTask { M = m, K = k, N0 = outputs[0], Accumulate = Accumulate ? 1 : 0, Output0 = results[0].View, Ahead = 1 };
        if (!Gated && outputs.Length > 1) (task.N1, task.Output1) = (outputs[1], results[1].View);
        if (!Gated && outputs.Length > 2) (task.N2, task.Output2) = (outputs[2], results[2].View);
        if (Biases) task.Bias0 = biases[0].View;
        if (Biases && outputs.Length > 1) task.Bias1 = biases[1].View;
        if (Biases && outputs.Length > 2) task.Bias2 = biases[2].View;
        if (Scales) task.Scale = scale.View;
        if (Rounded) task.Rounded = rounded.View;
        Words Of(int i) => i < b.Length ? b[i].View : default;
        launch(new Place(accelerator, a.View, Of(0), Of(1), Of(2), task));
        for (int i = 0; i < (Gated ? 1 : outputs.Length); i++)
            if (outputs[i] > 0) EmulatorFixture.AssertClose(Expected(i), results[i].GetAsArray1D(), 2e-5);
        if (Rounded)
        {
            float[] full = results[0].GetAsArray1D();
            Assert.Equal(full.Select(value => Bf16.FromFloat(value).Bits), rounded.GetAsArray1D());
        }
        foreach (IDisposable buffer in b.Concat<IDisposable>(results).Concat(biases)) buffer.Dispose();
    }

    private double[] Expected(int output)
    {
        double[] sums = Sums(output);
        if (Gated) return [.. sums.Zip(Sums(1), (gate, up) => gate / (1 + Math.Exp(-gate)) * up)];
        int n = outputs[output];
        for (int i = 0; i < sums.Length; i++)
        {
            if (Biases) sums[i] += _bias[output][i % n];
            if (Accumulate) sums[i] += _before[output][i] * (Scales ? _scale[i / n] : 1.0);
        }
        return sums;
    }

    private double[] Sums(int output)
    {
        int n = outputs[output];
        var sums = new double[m * n];
        for (int i = 0; i < m; i++)
            for (int j = 0; j < n; j++)
                for (int t = 0; t < k; t++)
                    sums[i * n + j] += (double)Value(_a[DownA ? t * m + i : i * k + t]) * Value(_b[output][DownB ? t * n + j : j * k + t]);
        return sums;
    }

    private static float Value(ushort word) => Bf16.ToFloat(Bf16.FromBits(word));

    private static ushort[] Bits(int seed, int count) => [.. EmulatorFixture.Random(seed, count).Select(value => Bf16.FromFloat(value).Bits)];
}
