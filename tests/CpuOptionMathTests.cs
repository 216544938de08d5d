using OllmNative.Model;

namespace OllmNative.Tests;

/// <summary>Operations on rows of K options against their formulas.</summary>
public sealed class CpuOptionMathTests
{
    private static readonly (int Rows, int Columns)[] Shapes = [(0, 3), (1, 1), (4, 1), (3, 2), (5, 7), (4, 10), (3, 64), (2, 1003)];

    [Fact]
    public void Softmax_AnyShape_EqualsFormula() => ForAllShapes((c, n, k) =>
    {
        CpuTensor x = c.Random(n * k, 30), p = c.Random(n * k);
        c.Device.Softmax(x.View, p.View, k);
        p.Near(i => Softmax(x.Before, i / k, k)[i % k], 3e-6, "softmax");
        c.Device.Softmax(x.View, x.View, k);
        Assert.Equal(p.Now(), x.Now());
    });

    [Fact]
    public void SoftmaxBackward_AnyShape_EqualsFormula() => ForAllShapes((c, n, k) =>
    {
        CpuTensor p = Distribution(c, n, k), dp = c.Random(n * k);
        foreach (bool add in (ReadOnlySpan<bool>)[false, true])
        {
            CpuTensor dx = c.Random(n * k);
            c.Device.SoftmaxBackward(p.View, dp.View, dx.View, k, 1.7f, add);
            dx.Near(i => (add ? dx.Before[i] : 0)
                + 1.7f * p.Before[i] * (dp.Before[i] - Row(k, j => (double)p.Before[i / k * k + j] * dp.Before[i / k * k + j])), 1e-5, "softmax backward");
        }
    });

    [Fact]
    public void UniformKl_AnyShape_EqualsFormula() => ForAllShapes((c, n, k) =>
    {
        CpuTensor q = Distribution(c, n, k), kl = c.Random(n), d = c.Random(n * k);
        c.Device.UniformKl(q.View, kl.View, d.View, k, 0.7f);
        double Kl(int row) => Row(k, j => Term(q.Before[row * k + j], k));
        kl.Near(Kl, 1e-5, "kl");
        d.Near(i => d.Before[i] + 0.7f * (Term(q.Before[i], k) - q.Before[i] * Kl(i / k)), 1e-5, "kl gradient");
    });

    [Fact]
    public void UniformKl_ZeroProbability_CountsAsNothing()
    {
        using var c = new CpuCase(2);
        CpuTensor q = c.Of(1, 0, 0, 0), kl = c.Random(1), d = c.Of(0, 0, 0, 0);
        c.Device.UniformKl(q.View, kl.View, d.View, 4, 1);
        kl.Near(_ => Math.Log(4), 1e-6, "kl of a one-hot");
        d.Near(_ => 0, 1e-6, "gradient");
    }

    [Fact]
    public void PolicyCrossEntropy_AnyShape_EqualsFormula() => ForAllShapes((c, n, k) =>
    {
        CpuTensor x = c.Random(n * k, 20), q = Distribution(c, n, k), loss = c.Random(n), d = c.Random(n * k);
        c.Device.PolicyCrossEntropy(x.View, q.View, loss.View, d.View, k, 0.3f);
        loss.Near(r => -Row(k, j => q.Before[r * k + j] * LogSoftmax(x.Before, r, k)[j]), 1e-5, "policy loss");
        d.Near(i => 0.3f * (Softmax(x.Before, i / k, k)[i % k] - q.Before[i]), 1e-5, "policy gradient");
    });

    [Fact]
    public void MarginalLoss_AnyShape_EqualsFormula() => ForAllShapes((c, n, k) =>
    {
        CpuTensor q = Distribution(c, n, k), loss = c.Random(n), dq = c.Random(n * k), share = c.Random(n * k);
        // Probabilities far below what a float holds: e^-400.
        CpuTensor ce = c.Of([.. c.Numbers(n * k, 3).Select(value => Math.Abs(value) + (n == 4 ? 400 : 0))]);
        c.Device.MarginalLoss(q.View, ce.View, loss.View, dq.View, share.View, k, 0.3f);
        double Total(int row) => Row(k, j => q.Before[row * k + j] * Math.Exp(-ce.Before[row * k + j]));
        loss.Near(r => -Math.Log(Total(r)), 1e-5, "marginal loss");
        dq.Near(i => -0.3f * Math.Exp(-ce.Before[i]) / Total(i / k), 1e-4, "dq");
        share.Near(i => 0.3f * q.Before[i] * Math.Exp(-ce.Before[i]) / Total(i / k), 1e-4, "share");
    });

    [Fact]
    public void MarginalLoss_WeightZeroForTheLikeliestOption_StaysFinite()
    {
        using var c = new CpuCase(2);
        CpuTensor q = c.Of(1, 0), ce = c.Of(200, 0), loss = c.Random(1), dq = c.Random(2), share = c.Random(2);
        c.Device.MarginalLoss(q.View, ce.View, loss.View, dq.View, share.View, 2, 1);
        loss.Near(_ => 200, 1e-6, "loss");
        share.Near(k => q.Before[k], 1e-6, "share");
        Assert.Equal(-1, dq.Now()[0], 1e-6);
        Assert.True(float.IsFinite(dq.Now()[1]) && dq.Now()[1] < -1e20);
    }

    [Fact]
    public void PolicyGradient_InsideAndOutsideTheClip_EqualsFormulaAndItsDifferences() => ForAllShapes((c, n, k) =>
    {
        const float Clip = 0.2f, Bonus = 0.05f, Scale = 0.5f;
        CpuTensor x = c.Random(n * k, 2), loss = c.Random(n), log = c.Random(n), d = c.Random(n * k), advantage = c.Random(n, 2);
        int[] z = [.. Enumerable.Range(0, n).Select(_ => c.Between(0, k - 1))];
        // Old probabilities from well below to well above the present ones, so that every case of the clip occurs.
        CpuTensor old = c.Of([.. Enumerable.Range(0, n).Select(r => (float)LogSoftmax(x.Before, r, k)[z[r]] + c.Number(0.6))]);
        c.Device.PolicyGradient(x.View, c.Upload(z), advantage.View, old.View, Clip, Bonus, loss.View, log.View, d.View, k, Scale);
        double Loss(double[] logits, int row)
        {
            double[] pi = LogSoftmax(logits);
            double ratio = Math.Exp(pi[z[row]] - old.Before[row]), a = advantage.Before[row];
            return -Math.Min(ratio * a, Math.Clamp(ratio, 1 - Clip, 1 + Clip) * a) + Bonus * pi.Sum(p => Math.Exp(p) * p);
        }
        log.Near(r => LogSoftmax(x.Before, r, k)[z[r]], 1e-5, "log pi");
        loss.Near(r => Loss(Logits(x.Before, r, k), r), 1e-5, "surrogate");
        d.Near(i =>
        {
            double[] up = Logits(x.Before, i / k, k), down = Logits(x.Before, i / k, k);
            up[i % k] += 1e-6;
            down[i % k] -= 1e-6;
            return Scale * (Loss(up, i / k) - Loss(down, i / k)) / 2e-6;
        }, 1e-5, "gradient");
    });

    [Fact]
    public void ArgMaxRows_Ties_TakesTheFirst()
    {
        using var c = new CpuCase(3);
        foreach (int k in (ReadOnlySpan<int>)[1, 2, 7, 8, 9, 40])
        {
            float[] x = [.. c.Numbers(50 * k).Select(value => MathF.Round(value * 3))];
            x[0] = float.NegativeInfinity;
            DeviceView<int> index = c.Upload(new int[50]);
            c.Device.ArgMaxRows(c.Of(x).View, index, k);
            Assert.Equal(Enumerable.Range(0, 50).Select(r => Array.IndexOf(x[(r * k)..(r * k + k)], x[(r * k)..(r * k + k)].Max())), index.ToArray());
        }
    }

    [Fact]
    public void GumbelSoftmax_ManyKeys_ChoicesFollowTheSoftmax()
    {
        using var c = new CpuCase(4);
        const int Draws = 20_000, K = 4;
        float[] logits = [0.3f, -1.2f, 1.1f, -3f];
        ulong[] keys = [.. Enumerable.Range(0, Draws).Select(i => Counter.Key(9, (ulong)i))];
        CpuTensor x = c.Of([.. Enumerable.Range(0, Draws).SelectMany(_ => logits)]), soft = c.Random(Draws * K), hard = c.Random(Draws * K);
        c.Device.GumbelSoftmax(x.View, c.Upload(keys), 0.8f, soft.View, hard.View, K);
        double[] p = Softmax(logits, 0, K);
        float[] chosen = hard.Now();
        for (int k = 0; k < K; k++)
        {
            double share = Row(Draws, n => chosen[n * K + k]) / Draws, deviation = Math.Sqrt(p[k] * (1 - p[k]) / Draws);
            Assert.True(Math.Abs(share - p[k]) < 4 * deviation, $"option {k}: drawn with {share:F4}, expected {p[k]:F4} ± {deviation:F4}");
        }
        double[] Noisy(int n) => [.. Enumerable.Range(0, K).Select(k => (logits[k] + (double)Counter.Gumbel(keys[n], (ulong)k)) / 0.8f)];
        soft.Near(i => Math.Exp(LogSoftmax(Noisy(i / K))[i % K]), 1e-5, "soft");
        hard.Near(i => Array.IndexOf(Noisy(i / K), Noisy(i / K).Max()) == i % K ? 1 : 0, 0, "hard");
    }

    [Fact]
    public void GumbelSoftmax_RowsInAnotherOrder_FollowTheirKeys()
    {
        using var c = new CpuCase(5);
        CpuTensor x = c.Of([.. Enumerable.Repeat(0.5f, 12)]), a = c.Random(12), b = c.Random(12), hard = c.Random(12);
        c.Device.GumbelSoftmax(x.View, c.Upload<ulong>(5, 6, 7), 1, a.View, hard.View, 4);
        c.Device.GumbelSoftmax(x.View, c.Upload<ulong>(7, 5, 6), 1, b.View, hard.View, 4);
        Assert.Equal(a.Now()[..8], b.Now()[4..]);
        Assert.NotEqual(a.Now()[..4], a.Now()[4..8]);
    }

    private static double Term(double q, int k) => q > 0 ? q * (Math.Log(q) + Math.Log(k)) : 0;

    private static double[] Logits(float[] x, int row, int k) => [.. x.Skip(row * k).Take(k).Select(value => (double)value)];

    private static double[] LogSoftmax(float[] x, int row, int k) => LogSoftmax(Logits(x, row, k));

    private static double[] LogSoftmax(double[] x)
    {
        double max = x.Max(), log = max + Math.Log(x.Sum(value => Math.Exp(value - max)));
        return [.. x.Select(value => value - log)];
    }

    private static double[] Softmax(float[] x, int row, int k) => [.. LogSoftmax(x, row, k).Select(Math.Exp)];

    private static double Row(int k, Func<int, double> term) => Enumerable.Range(0, k).Sum(term);

    private static CpuTensor Distribution(CpuCase c, int n, int k)
    {
        float[] logits = c.Numbers(n * k, 3);
        return c.Of([.. Enumerable.Range(0, n).SelectMany(r => Softmax(logits, r, k).Select(p => (float)p))]);
    }

    private static void ForAllShapes(Action<CpuCase, int, int> check)
    {
        using var c = new CpuCase(1);
        foreach ((int rows, int columns) in Shapes) check(c, rows, columns);
    }
}
