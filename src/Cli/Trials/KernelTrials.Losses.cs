using OllmNative.Kernels;
using OllmNative.Runtime.Language;

namespace OllmNative.Cli.Trials;

/// <summary>The losses over options and their gradients: rows of K numbers, a thread each.</summary>
internal static partial class KernelTrials
{
    private static readonly TrialSize OptionRows = new(Tokens, 10, 0);
    private static readonly double[] KlFactor = [1.7], TotalsBefore = [1, 2, 3, 4];

    private static IEnumerable<KernelTrialPlan> LossPlans() =>
    [
        new("OptionSoftmax", 1e-5, OptionRows, OptionSoftmaxForward),
        new("OptionSoftmaxBackward", 1e-5, OptionRows, OptionSoftmaxBackward),
        new("GumbelSoftmax", 1e-4, OptionRows, GumbelSoftmaxForward),
        new("UniformKl", 1e-5, OptionRows, UniformKlForward),
        new("PolicyCrossEntropy", 1e-5, OptionRows, PolicyCrossEntropyForward),
        new("PolicyGradient", 1e-4, OptionRows, PolicyGradientForward),
        new("MarginalLoss", 1e-5, OptionRows, MarginalLossForward),
        new("LossTotals", 1e-5, OptionRows, LossTotalsAdd),
    ];

    private static KernelConfig EachRow(int rows) => ((rows + 31) / 32, 32);

    private static double[] SoftmaxOf(float[] x, int columns, float temperature = 1)
    {
        double[] e = Each(x.Length, i => Math.Exp(x[i] / temperature));
        return Each(x.Length, i => e[i] / Enumerable.Range(i / columns * columns, columns).Sum(j => e[j]));
    }

    private static float[] Distributions(KernelTrial trial, int rows, int columns) => Array.ConvertAll(SoftmaxOf(trial.Random(rows * columns, 3), columns), p => (float)p);

    private static double RowSum(int columns, int row, Func<int, double> value) => Enumerable.Range(row * columns, columns).Sum(value);

    private static void OptionSoftmaxForward(KernelTrial trial, TrialSize size)
    {
        (int n, int k) = (size.Rows, size.Columns);
        float[] logits = trial.Random(n * k, 5);
        ArrayView<float> x = trial.Input(logits), p = trial.Output(n * k, () => SoftmaxOf(logits, k));
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, int, int>(OptionSoftmax.Forward);
        trial.Launch = () => kernel(EachRow(n), x, p, n, k);
        trial.Bytes = 8.0 * n * k;
    }

    private static void OptionSoftmaxBackward(KernelTrial trial, TrialSize size)
    {
        (int n, int k) = (size.Rows, size.Columns);
        float[] q = Distributions(trial, n, k), d = trial.Random(n * k), old = trial.Random(n * k);
        ArrayView<float> p = trial.Input(q), dp = trial.Input(d);
        ArrayView<float> dx = trial.Changed(old, () => Each(n * k, i => old[i] + 0.5 * q[i] * (d[i] - RowSum(k, i / k, j => (double)q[j] * d[j]))));
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, ArrayView<float>, int, int, float, int>(OptionSoftmax.Backward);
        trial.Launch = () => kernel(EachRow(n), p, dp, dx, n, k, 0.5f, 1);
        trial.Bytes = 16.0 * n * k;
    }

    private static void GumbelSoftmaxForward(KernelTrial trial, TrialSize size)
    {
        (int n, int k) = (size.Rows, size.Columns);
        float[] logits = trial.Random(n * k, 2);
        ulong[] keys = Array.ConvertAll(trial.Integers(n, int.MaxValue), key => (ulong)key * 77);
        float[] Noisy() => [.. Enumerable.Range(0, n * k).Select(i => (float)(logits[i] - Math.Log(-Math.Log(GumbelSoftmax.Uniform(keys[i / k], (ulong)(i % k))))))];
        ArrayView<float> x = trial.Input(logits), soft = trial.Output(n * k, () => SoftmaxOf(Noisy(), k));
        ArrayView<float> hard = trial.Output(n * k, () =>
        {
            float[] noisy = Noisy();
            return Each(n * k, i => Enumerable.Range(i / k * k, k).MaxBy(j => noisy[j]) == i ? 1 : 0);
        });
        ArrayView<ulong> rows = trial.Input(keys);
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<ulong>, ArrayView<float>, ArrayView<float>, float, int, int>(GumbelSoftmax.Forward);
        trial.Launch = () => kernel(EachRow(n), x, rows, soft, hard, 1, n, k);
        trial.Bytes = 12.0 * n * k + 8.0 * n;
    }

    private static void UniformKlForward(KernelTrial trial, TrialSize size)
    {
        (int n, int k) = (size.Rows, size.Columns);
        float[] p = Distributions(trial, n, k), old = trial.Random(n * k);
        double Term(int i) => p[i] * (Math.Log(p[i]) + Math.Log(k));
        ArrayView<float> q = trial.Input(p), kl = trial.Output(n, () => Each(n, i => RowSum(k, i, Term)));
        ArrayView<float> gradient = trial.Changed(old, () => Each(n * k, i => old[i] + 0.3 * 1.7 * (Term(i) - p[i] * RowSum(k, i / k, Term))));
        ArrayView<double> factor = trial.Input(KlFactor);
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<double>, int, int, float, float>(UniformKl.Forward);
        trial.Launch = () => kernel(EachRow(n), q, kl, gradient, factor, n, k, MathF.Log(k), 0.3f);
        trial.Bytes = 12.0 * n * k + 4.0 * n;
    }

    private static void PolicyCrossEntropyForward(KernelTrial trial, TrialSize size)
    {
        (int n, int k) = (size.Rows, size.Columns);
        float[] x = trial.Random(n * k, 3), p = Distributions(trial, n, k);
        ArrayView<float> logits = trial.Input(x), q = trial.Input(p);
        ArrayView<float> loss = trial.Output(n, () =>
        {
            double[] pi = SoftmaxOf(x, k);
            return Each(n, i => -RowSum(k, i, j => p[j] * Math.Log(pi[j])));
        });
        ArrayView<float> gradient = trial.Output(n * k, () =>
        {
            double[] pi = SoftmaxOf(x, k);
            return Each(n * k, i => 0.5 * (pi[i] - p[i]));
        });
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, int, int, float>(PolicyCrossEntropy.Forward);
        trial.Launch = () => kernel(EachRow(n), logits, q, loss, gradient, n, k, 0.5f);
        trial.Bytes = 12.0 * n * k + 4.0 * n;
    }

    private static void PolicyGradientForward(KernelTrial trial, TrialSize size)
    {
        (int n, int k) = (size.Rows, size.Columns);
        const float clip = 0.2f, bonus = 0.05f, scale = 0.5f;
        float[] x = trial.Random(n * k, 2), a = trial.Random(n), before = Array.ConvertAll(trial.Random(n), value => -MathF.Abs(value) - 0.1f);
        int[] chosen = trial.Integers(n, k);
        double[] Pi() => SoftmaxOf(x, k);
        double Entropy(double[] pi, int i) => -RowSum(k, i, j => pi[j] * Math.Log(pi[j]));
        double Ratio(double[] pi, int i) => pi[i * k + chosen[i]] / Math.Exp(before[i]);
        ArrayView<float> logits = trial.Input(x), advantage = trial.Input(a), old = trial.Input(before);
        ArrayView<int> options = trial.Input(chosen);
        ArrayView<float> loss = trial.Output(n, () =>
        {
            double[] pi = Pi();
            return Each(n, i => -Math.Min(Ratio(pi, i) * a[i], Math.Clamp(Ratio(pi, i), 1 - clip, 1 + clip) * a[i]) - bonus * Entropy(pi, i));
        });
        ArrayView<float> log = trial.Output(n, () =>
        {
            double[] pi = Pi();
            return Each(n, i => Math.Log(pi[i * k + chosen[i]]));
        });
        ArrayView<float> gradient = trial.Output(n * k, () =>
        {
            double[] pi = Pi();
            return Each(n * k, i =>
            {
                int row = i / k;
                double r = Ratio(pi, row), gain = (a[row] >= 0 ? r > 1 + clip : r < 1 - clip) ? 0 : r * a[row];
                return scale * (gain * (pi[i] - (i % k == chosen[row] ? 1 : 0)) + bonus * pi[i] * (Math.Log(pi[i]) + Entropy(pi, row)));
            });
        });
        var kernel = trial.Accelerator.LoadStreamKernel<
            ArrayView<float>, ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, int, int, float, float, float>(PolicyGradient.Forward);
        trial.Launch = () => kernel(EachRow(n), logits, options, advantage, old, loss, log, gradient, n, k, clip, bonus, scale);
        trial.Bytes = 8.0 * n * k + 20.0 * n;
    }

    private static void MarginalLossForward(KernelTrial trial, TrialSize size)
    {
        (int n, int k) = (size.Rows, size.Columns);
        float[] p = Distributions(trial, n, k), loss = Array.ConvertAll(trial.Random(n * k, 4), MathF.Abs);
        double Likelihood(int i) => RowSum(k, i, j => p[j] * Math.Exp(-loss[j]));
        ArrayView<float> q = trial.Input(p), ce = trial.Input(loss), total = trial.Output(n, () => Each(n, i => -Math.Log(Likelihood(i))));
        ArrayView<float> dq = trial.Output(n * k, () => Each(n * k, i => -0.5 * Math.Exp(-loss[i]) / Likelihood(i / k)));
        ArrayView<float> share = trial.Output(n * k, () => Each(n * k, i => 0.5 * p[i] * Math.Exp(-loss[i]) / Likelihood(i / k)));
        var kernel = trial.Accelerator.LoadStreamKernel<
            ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, int, int, float>(MarginalLoss.Forward);
        trial.Launch = () => kernel(EachRow(n), q, ce, total, dq, share, n, k, 0.5f);
        trial.Bytes = 16.0 * n * k + 4.0 * n;
    }

    private static void LossTotalsAdd(KernelTrial trial, TrialSize size)
    {
        (int n, int k) = (size.Rows, size.Columns);
        float[] a = trial.Random(n), b = trial.Random(n), c = trial.Random(n), p = Distributions(trial, n, k);
        int[] picked = trial.Integers(n * k, 3), wanted = trial.Integers(n * k, 3);
        int Hit(int i)
        {
            int best = Enumerable.Range(i * k, k).MaxBy(j => p[j]);
            return picked[best] == wanted[best] ? 1 : 0;
        }
        ArrayView<float> loss = trial.Input(a), kl = trial.Input(b), policy = trial.Input(c), q = trial.Input(p);
        ArrayView<int> prediction = trial.Input(picked), targets = trial.Input(wanted);
        ArrayView<double> totals = trial.Changed(
            TotalsBefore, value => value, () => [1 + a.Sum(v => (double)v), 2 + b.Sum(v => (double)v), 3 + c.Sum(v => (double)v), 4 + Enumerable.Range(0, n).Sum(Hit)]);
        var kernel = trial.Accelerator.LoadStreamKernel<
            ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<int>, ArrayView<int>, ArrayView<float>, ArrayView<double>, int, int>(LossTotals.Add);
        trial.Launch = () => kernel((1, 256), loss, kl, policy, prediction, targets, q, totals, n, k);
        trial.Bytes = 12.0 * n + 12.0 * n * k;
    }
}
