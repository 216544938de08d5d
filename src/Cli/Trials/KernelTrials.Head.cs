using OllmNative.Kernels;
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;
using Words = OllmNative.Runtime.Language.ArrayView<ushort>;

namespace OllmNative.Cli.Trials;

/// <summary>The kernels of the head and its loss: logits that leave as weights, statistics of strips, the gradient, and what joins them.</summary>
internal static partial class KernelTrials
{
    private static IEnumerable<KernelTrialPlan> HeadPlans()
    {
        // 2,048 rows of a 1.5 B model against a chunk of its vocabulary.
        TrialSize chunk = new(2048, Hidden, 16384);
        yield return new("HeadTarget", 1e-4, new(2048, Hidden, 16384), HeadTarget);
        yield return new("HeadLogits", 2e-2, chunk, (trial, size) => HeadLogits(trial, size, false)) { LargeTiles = true };
        yield return new("HeadLogitsWgmma", 2e-2, chunk, (trial, size) => HeadLogits(trial, size, true)) { NeedsHopper = true, LargeTiles = true };
        yield return new("HeadGradient", Tolerance, chunk, (trial, size) => HeadGradient(trial, size, false)) { LargeTiles = true };
        yield return new("HeadGradientWgmma", Tolerance, chunk, (trial, size) => HeadGradient(trial, size, true)) { NeedsHopper = true, LargeTiles = true };
        yield return new("HeadTotals", 1e-5, new(2048, 2374, 0), HeadTotals);
        yield return new("HeadGradientFinish", 1e-5, chunk, HeadGradientFinish);
        yield return new("HeadLossChunk", 1e-4, new(2048, 4096, 0), HeadLossChunk);
        yield return new("HeadLossFinish1", 1e-4, chunk, (trial, size) => HeadLossFinish(trial, size, false));
        yield return new("HeadLossFinish2", 1e-4, chunk, (trial, size) => HeadLossFinish(trial, size, true));
    }

    private static ushort[] Bits(float[] values) => KernelTrial.Fill(values.Length, i => Bf16.FromFloat(values[i]).Bits);

    private static double Wide(ushort word) => Bf16.FromBits(word);

    private static double Dot(ushort[] a, int i, ushort[] b, int j, int depth) => Enumerable.Range(0, depth).Sum(d => Wide(a[i * depth + d]) * Wide(b[j * depth + d]));

    private static void HeadTarget(KernelTrial trial, TrialSize size)
    {
        (int n, int d, int v) = (size.Rows, Whole(size.Columns), size.Depth);
        ushort[] x = Bits(trial.Random(n * d)), w = Bits(trial.Random(v * d));
        int[] ids = trial.Integers(n, v);
        (Words rows, Words table, ArrayView<int> targets) = (trial.Input(x), trial.Input(w), trial.Input(ids));
        ArrayView<float> target = trial.Output(n, () => Each(n, i => Dot(x, i, w, ids[i], d)));
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<Bf16>, ArrayView<Bf16>, ArrayView<int>, ArrayView<float>, int, int>(HeadTensor.Target);
        trial.Launch = () => kernel(((n + 7) / 8, 256), rows.Cast<Bf16>(), table.Cast<Bf16>(), targets, target, n, d);
        trial.Bytes = 4.0 * n * d;
        trial.Flops = 2.0 * n * d;
    }

    /// <summary>The weights, and through them the rest: sums, tops and flags follow from what stands in them.</summary>
    private static void HeadLogits(KernelTrial trial, TrialSize size, bool wgmma)
    {
        (int n, int d, int count) = (size.Rows, Whole(size.Columns), size.Depth);
        var shape = new HeadShape { Rows = n, Depth = d, Count = count, Pitch = (count + 63) / 64 * 64, Negligible = -1 };
        int strips = shape.Pitch / 64;
        ushort[] x = Bits(trial.Random(n * d)), w = Bits(trial.Random(count * d));
        // The targets are entries of another chunk, so that no weight is exactly 1.
        float[] logit = trial.Random(n, 3);
        var ids = Enumerable.Repeat(count + 64, n).ToArray();
        double[] Logits() => Each(n * count, i => Dot(x, i / count, w, i % count, d));
        (Words rows, Words table, ArrayView<float> target, ArrayView<int> targets) = (trial.Input(x), trial.Input(w), trial.Input(logit), trial.Input(ids));
        Words weights = trial.Changed(new ushort[n * shape.Pitch], Wide, () =>
        {
            double[] l = Logits();
            return Each(n * shape.Pitch, i => i % shape.Pitch < count ? Math.Exp(l[i / shape.Pitch * count + i % shape.Pitch] - logit[i / shape.Pitch]) : 0);
        });
        ArrayView<float> sums = trial.Output(strips * n, () => Strips(Logits(), (l, i) => l.Sum(value => Math.Exp(value - logit[i]))));
        ArrayView<float> tops = trial.Output(strips * n, () => Strips(Logits(), (l, _) => l.Max()));
        (ArrayView<int> bests, ArrayView<int> alive) = (trial.Input(new int[strips * n]), trial.Changed(new int[(n + 15) / 16 * strips], flag => flag, () => Each((n + 15) / 16 * strips, _ => 1)));
        if (wgmma)
        {
            TensorMap left = HeadWgmma.Rows(rows, shape), right = HeadWgmma.Entries(table, shape);
            KernelConfig config = HeadWgmma.LogitsConfig(shape, trial.Accelerator.NumMultiprocessors);
            var kernel = trial.Accelerator.LoadStreamKernel<
                TensorMap, TensorMap, ArrayView<float>, ArrayView<int>, ArrayView<uint>, ArrayView<float>, ArrayView<float>, ArrayView<int>, ArrayView<int>, HeadShape>(HeadWgmma.Logits);
            trial.Launch = () => kernel(config, left, right, target, targets, weights.Cast<uint>(), sums, tops, bests, alive, shape);
        }
        else
        {
            var kernel = trial.Accelerator.LoadStreamKernel<
                ArrayView<Bf16>, ArrayView<Bf16>, ArrayView<float>, ArrayView<int>, ArrayView<uint>, ArrayView<float>, ArrayView<float>, ArrayView<int>, ArrayView<int>, HeadShape>(HeadTensor.Logits);
            trial.Launch = () => kernel(
                HeadTensor.LogitsConfig(shape), rows.Cast<Bf16>(), table.Cast<Bf16>(), target, targets, weights.Cast<uint>(), sums, tops, bests, alive, shape);
        }
        trial.Bytes = 2.0 * (n * d + (double)count * d + (double)n * shape.Pitch);
        trial.Flops = 2.0 * n * count * d;
        trial.OnTensorCores = true;

        double[] Strips(double[] logits, Func<IEnumerable<double>, int, double> value) =>
            Each(strips * n, i => value(Enumerable.Range(i / n * 64, Math.Min(64, count - i / n * 64)).Select(v => logits[i % n * count + v]), i % n));
    }

    private static void HeadGradient(KernelTrial trial, TrialSize size, bool wgmma)
    {
        (int n, int d, int count) = (size.Rows, Whole(size.Columns), size.Depth);
        var shape = new HeadShape { Rows = n, Depth = d, Count = count, Pitch = (count + 63) / 64 * 64 };
        int strips = shape.Pitch / 64;
        ushort[] p = Bits(trial.Random(n * shape.Pitch)), w = Bits(trial.Random(count * d));
        for (int i = 0; i < p.Length; i++)
            if (i % shape.Pitch >= count) p[i] = 0;
        (Words weights, Words table) = (trial.Input(p), trial.Input(w));
        ArrayView<int> alive = trial.Input(Enumerable.Repeat(1, (n + 15) / 16 * strips).ToArray());
        ArrayView<float> gradient = trial.Output(
            n * d, () => Each(n * d, i => Enumerable.Range(0, count).Sum(v => Wide(p[i / d * shape.Pitch + v]) * Wide(w[v * d + i % d]))));
        if (wgmma)
        {
            var task = new ProductTask { M = n, N0 = d, K = shape.Pitch, Output0 = gradient };
            TensorMap left = HeadWgmma.Weights(weights, shape), right = HeadWgmma.Columns(table, shape);
            var kernel = trial.Accelerator.LoadStreamKernel<TensorMap, TensorMap, ArrayView<int>, ProductTask>(HeadWgmma.Gradient);
            trial.Launch = () => kernel(HeadWgmma.GradientConfig(task), left, right, alive, task);
        }
        else
        {
            var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<Bf16>, ArrayView<Bf16>, ArrayView<int>, ArrayView<float>, HeadShape>(HeadTensor.Gradient);
            trial.Launch = () => kernel(HeadTensor.GradientConfig(shape), weights.Cast<Bf16>(), table.Cast<Bf16>(), alive, gradient, shape);
        }
        trial.Bytes = 2.0 * ((double)n * shape.Pitch + (double)count * d) + 4.0 * n * d;
        trial.Flops = 2.0 * n * count * d;
        trial.OnTensorCores = true;
    }

    private static void HeadTotals(KernelTrial trial, TrialSize size)
    {
        (int n, int strips) = (size.Rows, size.Columns);
        float[] sums = Array.ConvertAll(trial.Random(strips * n), value => 1 + value * value), tops = trial.Random(strips * n, 4), target = trial.Random(n, 4);
        int[] bests = trial.Integers(strips * n, 1000);
        double Sum(int i) => Enumerable.Range(0, strips).Sum(s => (double)sums[s * n + i]);
        int Best(int i) => Enumerable.Range(0, strips).MaxBy(s => tops[s * n + i]);
        (ArrayView<float> sum, ArrayView<float> top, ArrayView<int> best, ArrayView<float> logit) = (trial.Input(sums), trial.Input(tops), trial.Input(bests), trial.Input(target));
        ArrayView<float> inverse = trial.Output(n, () => Each(n, i => 1 / Sum(i))), loss = trial.Output(n, () => Each(n, i => Math.Log(Sum(i))));
        ArrayView<int> prediction = trial.Changed(new int[n], id => id, () => Each(n, i => bests[Best(i) * n + i]));
        var kernel = trial.Accelerator.LoadStreamKernel<
            ArrayView<float>, ArrayView<float>, ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<int>, int, int>(HeadTensor.Totals);
        trial.Launch = () => kernel(((n + 31) / 32, 256), sum, top, best, logit, inverse, loss, prediction, n, strips);
        trial.Bytes = 12.0 * n * strips;
        trial.Flops = 4.0 * n * strips;
    }

    private static void HeadGradientFinish(KernelTrial trial, TrialSize size)
    {
        (int n, int d, int v) = (size.Rows, size.Columns, size.Depth);
        float[] sums = trial.Random(n * d), scale = trial.Random(n);
        ushort[] w = Bits(trial.Random(v * d));
        int[] ids = trial.Integers(n, v);
        (ArrayView<float> inverse, Words table, ArrayView<int> targets) = (trial.Input(scale), trial.Input(w), trial.Input(ids));
        ArrayView<float> gradient = trial.Changed(sums, () => Each(n * d, i => (double)sums[i] * scale[i / d] - Wide(w[ids[i / d] * d + i % d])));
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, Words, ArrayView<int>, int>(HeadTensor.Finish);
        trial.Launch = () => kernel((n, Group), gradient, inverse, table, targets, d);
        trial.Bytes = 10.0 * n * d;
        trial.Flops = 2.0 * n * d;
    }

    /// <summary>The first chunk of a vocabulary: later ones add to what it leaves.</summary>
    private static void HeadLossChunk(KernelTrial trial, TrialSize size)
    {
        (int n, int c) = (size.Rows, size.Columns);
        float[] logit = trial.Random(n * c, 5);
        int[] ids = trial.Integers(n, c);
        double Top(int i) => Enumerable.Range(i * c, c).Max(j => (double)logit[j]);
        double Sum(int i) => Enumerable.Range(i * c, c).Sum(j => Math.Exp(logit[j] - Top(i)));
        ArrayView<float> logits = trial.Changed(logit, () => Each(n * c, i => Math.Exp(logit[i] - Top(i / c))));
        ArrayView<float> state = trial.Output(
            4 * n, () => Each(4 * n, i => (i / n) switch { 0 => Top(i % n), 1 => Sum(i % n), 2 => logit[i % n * c + ids[i % n]], _ => 0 }));
        ArrayView<int> targets = trial.Input(ids), best = trial.Changed(new int[n], id => id, () => Each(n, i => Enumerable.Range(0, c).MaxBy(j => logit[i * c + j])));
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<int>, ArrayView<float>, ArrayView<int>, int, int, int>(HeadLoss.Chunk);
        trial.Launch = () => kernel((n, 256), logits, targets, state, best, n, 0, c);
        trial.Bytes = 8.0 * n * c;
        trial.Flops = 6.0 * n * c;
    }

    private static void HeadLossFinish(KernelTrial trial, TrialSize size, bool words)
    {
        (int n, int d, int v) = (size.Rows, size.Columns, size.Depth);
        float[] state = trial.Random(4 * n), sums = trial.Random(n * d), w = trial.Random(v * d);
        for (int i = n; i < 2 * n; i++) state[i] = 1 + MathF.Abs(state[i]);
        ushort[] rounded = Bits(w);
        (int[] bests, int[] ids) = (trial.Integers(n, v), trial.Integers(n, v));
        (ArrayView<float> numbers, ArrayView<int> best, ArrayView<int> targets) = (trial.Input(state), trial.Input(bests), trial.Input(ids));
        ArrayView<float> loss = trial.Output(n, () => Each(n, i => state[i] + Math.Log(state[n + i]) - state[2 * n + i]));
        ArrayView<int> prediction = trial.Changed(new int[n], id => id, () => Each(n, i => bests[i]));
        ArrayView<float> gradient = trial.Changed(
            sums, () => Each(n * d, i => sums[i] / state[n + i / d] - (words ? Wide(rounded[ids[i / d] * d + i % d]) : w[ids[i / d] * d + i % d])));
        if (words)
        {
            Words table = trial.Input(rounded);
            var kernel = trial.Accelerator.LoadStreamKernel<
                ArrayView<float>, ArrayView<int>, ArrayView<int>, Words, ArrayView<float>, ArrayView<int>, ArrayView<float>, int, int, int>(HeadLoss.FinishWords);
            trial.Launch = () => kernel((n, Group), numbers, best, targets, table, loss, prediction, gradient, n, d, Weights16.Bf16);
        }
        else
        {
            ArrayView<float> table = trial.Input(w);
            var kernel = trial.Accelerator.LoadStreamKernel<
                ArrayView<float>, ArrayView<int>, ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<int>, ArrayView<float>, int, int>(HeadLoss.Finish);
            trial.Launch = () => kernel((n, Group), numbers, best, targets, table, loss, prediction, gradient, n, d);
        }
        trial.Bytes = (words ? 10.0 : 12.0) * n * d;
        trial.Flops = 2.0 * n * d;
    }
}
