using OllmNative.Kernels;
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;
using OllmNative.Tests.Cuda;
using static OllmNative.Tests.EmulatorFixture;

namespace OllmNative.Tests;

/// <summary>The two products of the head as PTX, against plain C# in f64.</summary>
public sealed class HeadTensorTests
{
    private static readonly HeadShape Shape = new() { Rows = 150, Depth = 72, First = 128, Count = 331, Pitch = 384, Negligible = -1 };

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Logits_ChunkOfTheVocabulary_GivesWeightsAndStatisticsOfEachStrip(bool wgmma)
    {
        Bf16[] x = Rounded(1, Shape.Rows * Shape.Depth), w = Rounded(2, Shape.Count * Shape.Depth);
        float[] target = Random(3, Shape.Rows, 3);
        // One row's target is far behind: its weights are relative to the largest logit then.
        target[40] = -300;
        int[] targets = [.. Enumerable.Range(0, Shape.Rows).Select(n => n * 5 % 700)];
        (Bf16[] weights, float[] sums, float[] tops, int[] bests, int[] alive) = Logits(x, w, target, targets, Shape, wgmma);
        for (int n = 0; n < Shape.Rows; n++)
        {
            for (int s = 0; s < Shape.Pitch / 64; s++)
            {
                double[] logits = [.. Enumerable.Range(64 * s, 64).Where(v => v < Shape.Count).Select(v => Dot(x, n, w, v))];
                int best = Array.IndexOf(logits, logits.Max()), at = (s + 2) * Shape.Rows + n;
                double scale = Math.Max(target[n], logits[best] - HeadTensor.MostAhead), sum = 0;
                Assert.Equal(logits[best], tops[at], 1e-4);
                Assert.Equal(Shape.First + 64 * s + best, bests[at]);
                for (int i = 0; i < 64; i++)
                {
                    int v = 64 * s + i;
                    double weight = v >= Shape.Count ? 0 : Math.Exp((Shape.First + v == targets[n] ? target[n] : logits[i]) - scale);
                    sum += weight;
                    Assert.Equal(weight, weights[n * Shape.Pitch + v], 5e-3 * weight + 1e-30);
                }
                Assert.Equal(sum, sums[at], 1e-4 * sum);
            }
        }
        Assert.All(alive, flag => Assert.Equal(1, flag));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Gradient_StripsWithoutWeight_AreNotRead(bool wgmma)
    {
        Bf16[] weights = Rounded(1, Shape.Rows * Shape.Pitch), w = Rounded(2, Shape.Count * Shape.Depth);
        float[] before = Random(3, Shape.Rows * Shape.Depth);
        int strips = Shape.Pitch / 64, blocks = (Shape.Rows + 15) / 16;
        int[] alive = new int[blocks * strips];
        // Strip 1 counts for one block of the first tile's rows, strip 4 for the second tile, strip 5 for all.
        alive[3 * strips + 1] = alive[9 * strips + 4] = 1;
        for (int block = 0; block < blocks; block++) alive[block * strips + 5] = 1;
        // What must not be read is not a number.
        for (int v = 128; v < 256; v++) Array.Fill(w, Bf16.FromFloat(float.NaN), v * Shape.Depth, Shape.Depth);
        for (int n = 0; n < Shape.Rows; n++)
            for (int v = Shape.Count; v < Shape.Pitch; v++) weights[n * Shape.Pitch + v] = default;
        HeadShape shape = Shape with { Accumulate = 1 };
        double[] expected = [.. before.Select(b => (double)b)];
        for (int n = 0; n < Shape.Rows; n++)
        {
            foreach (int strip in n < 128 ? (int[])[1, 5] : [4, 5])
            {
                for (int v = 64 * strip; v < Math.Min(64 * strip + 64, Shape.Count); v++)
                    for (int d = 0; d < Shape.Depth; d++) expected[n * Shape.Depth + d] += (double)(float)weights[n * Shape.Pitch + v] * (float)w[v * Shape.Depth + d];
            }
        }
        AssertClose(expected, Gradient(weights, w, alive, before, shape, wgmma), 1e-4);
    }

    /// <summary>More strips than a warp asks for at once, and than all warps do.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Gradient_HundredsOfStrips_GoesThroughThoseThatCount(bool wgmma)
    {
        HeadShape shape = new() { Rows = 20, Depth = 8, Count = 26_000, Pitch = 26_048, Accumulate = 0 };
        int strips = shape.Pitch / 64;
        int[] counting = [0, 31, 32, 70, 255, 256, 383, 384, 406], alive = new int[2 * strips];
        foreach (int strip in counting) alive[strip % 2 * strips + strip] = 1;
        Bf16[] weights = Rounded(1, shape.Rows * shape.Pitch), w = Rounded(2, shape.Count * shape.Depth);
        for (int n = 0; n < shape.Rows; n++)
            for (int v = shape.Count; v < shape.Pitch; v++) weights[n * shape.Pitch + v] = default;
        var expected = new double[shape.Rows * shape.Depth];
        for (int i = 0; i < expected.Length; i++)
        {
            (int n, int d) = (i / shape.Depth, i % shape.Depth);
            expected[i] = counting.Sum(strip => Enumerable.Range(64 * strip, Math.Min(64, shape.Count - 64 * strip)).Sum(
                v => (double)(float)weights[n * shape.Pitch + v] * (float)w[v * shape.Depth + d]));
        }
        AssertClose(expected, Gradient(weights, w, alive, new float[expected.Length], shape, wgmma), 1e-4);
    }

    [Theory]
    [InlineData(128, 16, 99)] // 2,048 rows: 33 columns of tiles are four rounds of 132
    [InlineData(32, 16, 32)] // not even one whole round
    [InlineData(128, 11, 120)]
    [InlineData(128, 13, 128)] // 132 columns would be one
    public void WholeRounds_OfAnH200_LeaveNoMultiprocessorWaiting(int most, int rowTiles, int columns) =>
        Assert.Equal(columns, OllmNative.Model.Cuda.TileChoice.WholeRounds(most, rowTiles, 132));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Logits_UnlikelyEntries_AreMarkedNegligible(bool wgmma)
    {
        // Every row is its target's row of W, ten times as long as the others' products with it.
        HeadShape shape = Shape with { First = 0, Rows = 32, Negligible = 1e-8f };
        Bf16[] w = Rounded(2, shape.Count * shape.Depth), x = new Bf16[shape.Rows * shape.Depth];
        int[] targets = [.. Enumerable.Range(0, shape.Rows).Select(n => n < 16 ? 70 + n : 3)];
        float[] target = new float[shape.Rows];
        for (int n = 0; n < shape.Rows; n++)
        {
            for (int d = 0; d < shape.Depth; d++) x[n * shape.Depth + d] = Bf16.FromFloat(8 * w[targets[n] * shape.Depth + d]);
            target[n] = (float)Dot(x, n, w, targets[n], shape.Depth);
        }
        (_, float[] sums, _, _, int[] alive) = Logits(x, w, target, targets, shape, wgmma);
        int strips = shape.Pitch / 64;
        for (int block = 0; block < 2; block++)
        {
            for (int s = 0; s < strips; s++)
            {
                bool counts = Enumerable.Range(16 * block, 16).Any(n => sums[s * shape.Rows + n] > shape.Negligible);
                Assert.Equal(counts ? 1 : 0, alive[block * strips + s]);
            }
        }
        Assert.Equal(1, alive[1]);
        Assert.Equal(1, alive[strips]);
        Assert.Contains(0, alive);
    }

    private static float[] Gradient(Bf16[] weights, Bf16[] w, int[] alive, float[] before, HeadShape shape, bool wgmma)
    {
        using var gpu = new PtxGpu();
        using var left = gpu.Accelerator.Allocate1D(weights);
        using var right = gpu.Accelerator.Allocate1D(w);
        using var flags = gpu.Accelerator.Allocate1D(alive);
        using var result = gpu.Accelerator.Allocate1D(before);
        if (wgmma)
        {
            var task = new ProductTask { M = shape.Rows, N0 = shape.Depth, K = shape.Pitch, Output0 = result.View, Accumulate = shape.Accumulate };
            gpu.Accelerator.LoadStreamKernel<TensorMap, TensorMap, ArrayView<int>, ProductTask>(HeadWgmma.Gradient)(
                HeadWgmma.GradientConfig(task), HeadWgmma.Weights(Words(left), shape), HeadWgmma.Columns(Words(right), shape), flags.View, task);
        }
        else
        {
            gpu.Accelerator.LoadStreamKernel<ArrayView<Bf16>, ArrayView<Bf16>, ArrayView<int>, ArrayView<float>, HeadShape>(HeadTensor.Gradient)(
                HeadTensor.GradientConfig(shape), left.View, right.View, flags.View, result.View, shape);
        }
        return result.GetAsArray1D();
    }

    private static (Bf16[] Weights, float[] Sums, float[] Tops, int[] Bests, int[] Alive) Logits(Bf16[] x, Bf16[] w, float[] target, int[] targets, HeadShape shape, bool wgmma)
    {
        int statistics = (shape.First + shape.Pitch) / 64 * shape.Rows;
        using var gpu = new PtxGpu();
        using var left = gpu.Accelerator.Allocate1D(x);
        using var right = gpu.Accelerator.Allocate1D(w);
        using var logits = gpu.Accelerator.Allocate1D(target);
        using var places = gpu.Accelerator.Allocate1D(targets);
        using var weights = gpu.Accelerator.Allocate1D(new Bf16[shape.Rows * shape.Pitch]);
        using var sums = gpu.Accelerator.Allocate1D(new float[statistics]);
        using var tops = gpu.Accelerator.Allocate1D(new float[statistics]);
        using var bests = gpu.Accelerator.Allocate1D(new int[statistics]);
        using var alive = gpu.Accelerator.Allocate1D(new int[(shape.Rows + 15) / 16 * (shape.Pitch / 64)]);
        if (wgmma)
        {
            gpu.Accelerator.LoadStreamKernel<
                TensorMap, TensorMap, ArrayView<float>, ArrayView<int>, ArrayView<uint>, ArrayView<float>, ArrayView<float>, ArrayView<int>, ArrayView<int>, HeadShape>(
                HeadWgmma.Logits)(
                HeadWgmma.LogitsConfig(shape, 3), HeadWgmma.Rows(Words(left), shape), HeadWgmma.Entries(Words(right), shape), logits.View, places.View,
                weights.View.BaseView.Cast<uint>(), sums.View, tops.View, bests.View, alive.View, shape);
            return (weights.GetAsArray1D(), sums.GetAsArray1D(), tops.GetAsArray1D(), bests.GetAsArray1D(), alive.GetAsArray1D());
        }
        gpu.Accelerator.LoadStreamKernel<
            ArrayView<Bf16>, ArrayView<Bf16>, ArrayView<float>, ArrayView<int>, ArrayView<uint>, ArrayView<float>, ArrayView<float>, ArrayView<int>, ArrayView<int>, HeadShape>(
            HeadTensor.Logits)(
            HeadTensor.LogitsConfig(shape), left.View, right.View, logits.View, places.View, weights.View.BaseView.Cast<uint>(), sums.View, tops.View, bests.View,
            alive.View, shape);
        return (weights.GetAsArray1D(), sums.GetAsArray1D(), tops.GetAsArray1D(), bests.GetAsArray1D(), alive.GetAsArray1D());
    }

    private static ArrayView<ushort> Words(MemoryBuffer1D<Bf16, Stride1D.Dense> buffer) => buffer.View.BaseView.Cast<ushort>();

    private static Bf16[] Rounded(int seed, int count) => [.. Random(seed, count).Select(Bf16.FromFloat)];

    private static double Dot(Bf16[] x, int n, Bf16[] w, int v, int depth = 72)
    {
        double sum = 0;
        for (int d = 0; d < depth; d++) sum += (double)(float)x[n * depth + d] * (float)w[v * depth + d];
        return sum;
    }
}
