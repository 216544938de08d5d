using OllmNative.Model;

namespace OllmNative.Tests;

/// <summary>The fused head and loss against logits that are written out in double precision.</summary>
public sealed class CpuHeadCrossEntropyTests
{
    // Rows, vocabulary, width: 96 rows make an item, 256 entries a chunk, and from 2,048 entries on few rows split the vocabulary.
    private static readonly (int N, int V, int D)[] Shapes =
        [(1, 1, 3), (2, 5, 8), (3, 256, 33), (1, 257, 16), (5, 1000, 7), (2, 2100, 17), (97, 300, 9), (200, 1030, 5), (1, 4111, 12)];

    [Theory]
    [InlineData(1, 1e-5)]
    [InlineData(80, 1e-4)]
    public void HeadCrossEntropy_AnyShapeAndType_EqualsDefinition(double largestLogit, double tolerance)
    {
        using var c = new CpuCase(1);
        for (int s = 0; s < Shapes.Length; s++)
        {
            (int n, int v, int d) = Shapes[s];
            (DeviceMatrix w, float[] weights) = c.Weight(CpuCase.WeightTypes[s % 3], v, d);
            CpuTensor x = Scaled(c, weights, n, v, d, largestLogit), loss = c.Random(n), gradient = c.Random(n * d), lossAlone = c.Random(n);
            int[] targets = [.. Enumerable.Range(0, n).Select(_ => c.Between(0, v - 1))];
            DeviceView<int> prediction = c.Upload(new int[n]), predictionAlone = c.Upload(new int[n]);
            c.Device.HeadCrossEntropy(x.View, w, c.Upload(targets), loss.View, prediction, gradient.View);
            c.Device.HeadCrossEntropy(x.View, w, c.Upload(targets), lossAlone.View, predictionAlone, default);

            double[][] logits = [.. Enumerable.Range(0, n).Select(r => Logits(x.Before, r, weights, v, d))];
            string what = $"{n} rows, {v} entries, width {d}";
            loss.Near(r => LogSum(logits[r]) - logits[r][targets[r]], tolerance, what);
            Assert.Equal(loss.Now(), lossAlone.Now());
            Assert.Equal(prediction.ToArray(), predictionAlone.ToArray());
            for (int r = 0; r < n; r++) Assert.True(logits[r][prediction.ToArray()[r]] >= logits[r].Max() - tolerance, $"{what}: not the largest logit");
            double[][] expected = [.. Enumerable.Range(0, n).Select(r => Gradient(logits[r], targets[r], weights, d))];
            gradient.Near(i => expected[i / d][i % d], tolerance, what + ", gradient");
        }
    }

    [Fact]
    public void HeadCrossEntropy_EqualLogits_PredictsTheFirst()
    {
        using var c = new CpuCase(2);
        const int V = 4111, D = 6;
        foreach (int[] best in (int[][])[[0, 4110], [3, 4], [700, 3000], [250, 260], [2047, 2048, 2304], [4109, 4110]])
        {
            float[] weights = c.Numbers(V * D, 0.1);
            foreach (int token in best) Array.Fill(weights, 1f, token * D, D);
            CpuTensor w = c.Of(weights), x = c.Of([.. Enumerable.Repeat(0.5f, 2 * D)]);
            DeviceView<int> prediction = c.Upload(-1, -1);
            c.Device.HeadCrossEntropy(x.View, c.Device.Matrix(w.View, V, D), c.Upload(1, 2), c.Random(2).View, prediction, default);
            Assert.Equal([best[0], best[0]], prediction.ToArray());
        }
    }

    [Fact]
    public void HeadCrossEntropy_NotANumber_LossSaysSo()
    {
        using var c = new CpuCase(3);
        (DeviceMatrix w, _) = c.Weight(DType.F32, 3000, 8);
        CpuTensor x = c.Of([.. c.Numbers(15), float.NaN]), loss = c.Random(2);
        DeviceView<int> prediction = c.Upload(-9, -9);
        c.Device.HeadCrossEntropy(x.View, w, c.Upload(7, 7), loss.View, prediction, default);
        Assert.All(prediction.ToArray(), token => Assert.InRange(token, 0, 2999));
        Assert.True(float.IsFinite(loss.Now()[0]));
        Assert.True(float.IsNaN(loss.Now()[1]));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(5)]
    public void HeadCrossEntropy_TargetOutsideVocabulary_IsRefused(int target)
    {
        using var c = new CpuCase(4);
        (DeviceMatrix w, _) = c.Weight(DType.F32, 5, 4);
        Assert.Throws<ArgumentException>(() => c.Device.HeadCrossEntropy(c.Random(4).View, w, c.Upload(target), c.Random(1).View, c.Upload(0), default));
    }

    [Theory]
    [InlineData(2, 4111)]
    [InlineData(130, 1030)]
    public void HeadCrossEntropy_AnyNumberOfThreads_SameBits(int n, int v) => CpuCase.SameForAllThreads(5, c =>
    {
        (DeviceMatrix w, _) = c.Weight(DType.BF16, v, 20);
        CpuTensor x = c.Random(n * 20, 4), loss = c.Random(n), gradient = c.Random(n * 20);
        DeviceView<int> prediction = c.Upload(new int[n]);
        c.Device.HeadCrossEntropy(x.View, w, c.Upload([.. Enumerable.Range(0, n)]), loss.View, prediction, gradient.View);
        return [loss.Now(), gradient.Now(), [.. prediction.ToArray().Select(p => (float)p)]];
    });

    /// <summary>Inputs whose largest logit is as given.</summary>
    private static CpuTensor Scaled(CpuCase c, float[] weights, int n, int v, int d, double largest)
    {
        float[] x = c.Numbers(n * d);
        double factor = largest / Enumerable.Range(0, n).Max(r => Logits(x, r, weights, v, d).Max(Math.Abs));
        return c.Of([.. x.Select(value => (float)(value * factor))]);
    }

    private static double[] Logits(float[] x, int row, float[] weights, int v, int d)
    {
        var logits = new double[v];
        for (int j = 0; j < v; j++)
        {
            for (int i = 0; i < d; i++) logits[j] += (double)x[row * d + i] * weights[j * d + i];
        }
        return logits;
    }

    private static double LogSum(double[] logits)
    {
        double max = logits.Max();
        return max + Math.Log(logits.Sum(l => Math.Exp(l - max)));
    }

    private static double[] Gradient(double[] logits, int target, float[] weights, int d)
    {
        var gradient = new double[d];
        double logSum = LogSum(logits);
        for (int j = 0; j < logits.Length; j++)
        {
            double p = Math.Exp(logits[j] - logSum) - (j == target ? 1 : 0);
            for (int i = 0; i < d; i++) gradient[i] += p * weights[j * d + i];
        }
        return gradient;
    }
}
