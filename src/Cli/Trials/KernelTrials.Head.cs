using OllmNative.Kernels;
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;

namespace OllmNative.Cli.Trials;

/// <summary>The two large products of the fused head and loss, on a chunk of the vocabulary.</summary>
internal static partial class KernelTrials
{
    private static KernelTrialPlan[] HeadPlans =>
    [
        new("HeadLogits", 1e-2, new(Tokens, HeadTensor.Strip * HeadTensor.MostStrips, Hidden), HeadLogits) { LargeTiles = true },
        new("HeadGradient", 1e-2, new(Tokens, HeadTensor.Strip * HeadTensor.MostStrips, Hidden), HeadGradient) { LargeTiles = true },
    ];

    private static HeadShape ShapeOf(TrialSize size) => new()
    {
        Rows = size.Rows, Depth = Whole(size.Depth), Count = size.Columns, Pitch = (size.Columns + HeadTensor.Strip - 1) / HeadTensor.Strip * HeadTensor.Strip, Negligible = -1,
    };

    private static void HeadLogits(KernelTrial trial, TrialSize size)
    {
        HeadShape shape = ShapeOf(size);
        (int n, int d, int strips) = (shape.Rows, shape.Depth, shape.Pitch / HeadTensor.Strip);
        Bf16[] x = Rounded(trial, n * d), w = Rounded(trial, shape.Count * d);
        int[] targets = trial.Integers(n, shape.Count);
        double Logit(int row, int v) => Enumerable.Range(0, d).Sum(i => (double)(float)x[row * d + i] * (float)w[v * d + i]);
        float[] own = [.. Enumerable.Range(0, n).Select(row => (float)Logit(row, targets[row]))];
        double[] Strips(Func<int, IEnumerable<double>, double> of) => Each(strips * n, i =>
            of(i % n, Enumerable.Range(i / n * HeadTensor.Strip, Math.Min(HeadTensor.Strip, shape.Count - i / n * HeadTensor.Strip)).Select(v => Logit(i % n, v))));
        // Relative to the target unless a logit leads it by more than 64 nats, which these do not.
        ArrayView<float> sums = trial.Output(strips * n, () => Strips((row, logits) => logits.Sum(l => Math.Exp(l - Math.Max(own[row], logits.Max() - HeadTensor.MostAhead)))));
        ArrayView<float> tops = trial.Output(strips * n, () => Strips((_, logits) => logits.Max())), target = trial.Input(own);
        ArrayView<Bf16> left = trial.Input(x), right = trial.Input(w);
        ArrayView<int> wanted = trial.Input(targets), bests = trial.Input(new int[strips * n]), alive = trial.Input(new int[(n + 15) / 16 * strips]);
        ArrayView<uint> weights = trial.Input(new uint[n * shape.Pitch / 2]);
        var kernel = trial.Accelerator.LoadStreamKernel<
            ArrayView<Bf16>, ArrayView<Bf16>, ArrayView<float>, ArrayView<int>, ArrayView<uint>, ArrayView<float>, ArrayView<float>, ArrayView<int>, ArrayView<int>, HeadShape>(HeadTensor.Logits);
        trial.Launch = () => kernel(HeadTensor.LogitsConfig(shape), left, right, target, wanted, weights, sums, tops, bests, alive, shape);
        (trial.Bytes, trial.Flops, trial.OnTensorCores) = (2.0 * (x.Length + w.Length) + 2.0 * n * shape.Pitch, 2.0 * n * shape.Count * d, true);
    }

    private static void HeadGradient(KernelTrial trial, TrialSize size)
    {
        HeadShape shape = ShapeOf(size);
        (int n, int d, int strips) = (shape.Rows, shape.Depth, shape.Pitch / HeadTensor.Strip);
        Bf16[] w = Rounded(trial, shape.Count * d), p = Rounded(trial, n * shape.Pitch);
        // A strip that no row of sixteen needs is left out; entries behind the last one weigh nothing.
        int[] flags = [.. Enumerable.Range(0, (n + 15) / 16 * strips).Select(i => i % 3 == 1 ? 0 : 1)];
        for (int i = 0; i < p.Length; i++)
            if (i % shape.Pitch >= shape.Count || flags[i / shape.Pitch / 16 * strips + i % shape.Pitch / HeadTensor.Strip] == 0) p[i] = default;
        ArrayView<Bf16> weights = trial.Input(p), rows = trial.Input(w);
        ArrayView<int> alive = trial.Input(flags);
        ArrayView<float> gradient = trial.Output(n * d, () => Each(n * d, i => Enumerable.Range(0, shape.Count).Sum(v => (double)(float)p[i / d * shape.Pitch + v] * (float)w[v * d + i % d])));
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<Bf16>, ArrayView<Bf16>, ArrayView<int>, ArrayView<float>, HeadShape>(HeadTensor.Gradient);
        trial.Launch = () => kernel(HeadTensor.GradientConfig(shape), weights, rows, alive, gradient, shape);
        (trial.Bytes, trial.Flops, trial.OnTensorCores) = (2.0 * (p.Length + w.Length) + 4.0 * n * d, 2.0 * n * shape.Count * d, true);
    }
}
