using OllmNative.Kernels;
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;

namespace OllmNative.Cli.Trials;

/// <summary>What lies between the products of a prompt or a training step: rows moved, normed, rounded and quantised, and the optimizer.</summary>
internal static partial class KernelTrials
{
    private static KernelTrialPlan[] RowPlans =>
    [
        new("RmsNormRows", 1e-5, new(4 * Tokens, Hidden, 0), RmsNormRows),
        new("RmsNormRounded", 1e-2, new(4 * Tokens, Hidden, 0), RmsNormRounded),
        new("GatherRows", 0, new(4 * Tokens, Hidden, 0), GatherRows),
        new("ScaleRows", 1e-6, new(4 * Tokens, Hidden, 0), ScaleRows),
        new("EmbeddingWords", 0, new(Tokens, Hidden, 32768), EmbeddingWords),
        new("ToBf16", 0, new(4 * Tokens, Hidden, 0), (trial, size) => ToBf16(trial, size, eight: true)),
        new("ToBf16Single", 0, new(4 * Tokens, Hidden, 0), (trial, size) => ToBf16(trial, size, eight: false)),
        new("RoundRows", 0, new(4 * Tokens, Hidden, 0), RoundRows),
        new("WidenRows", 0, new(4 * Tokens, Hidden, 0), WidenRows),
        new("QuantizeRows", 1e-5, new(Intermediate, Hidden, 0), QuantizeRows),
        new("AdamW", 1e-5, new(9216, 3000, 0), AdamW),
        new("SquaredNorm", 1e-6, new(9216, 3000, 0), SquaredNorm),
    ];

    private static ushort[] Bf16Words(KernelTrial trial, int count) => Array.ConvertAll(trial.Random(count), value => Bf16.FromFloat(value).Bits);

    private static double ValueOf(ushort word) => (float)Bf16.FromBits(word);

    private static void RmsNormRows(KernelTrial trial, TrialSize size)
    {
        (int rows, int width) = (size.Rows, size.Columns);
        float[] x = trial.Random(rows * width, 3), gain = trial.Random(width);
        ArrayView<float> input = trial.Input(x), gains = trial.Input(gain), output = trial.Output(x.Length, () => Normed(x, gain, rows));
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, ArrayView<float>, int, int, float>(OllmNative.Kernels.RmsNormRows.Forward);
        trial.Launch = () => kernel((rows, Group), input, gains, output, width, width, Epsilon);
        (trial.Bytes, trial.Flops) = (8.0 * x.Length, 4.0 * x.Length);
    }

    private static void RmsNormRounded(KernelTrial trial, TrialSize size)
    {
        (int rows, int width) = (size.Rows, size.Columns);
        float[] x = trial.Random(rows * width, 3), gain = trial.Random(width);
        ArrayView<float> input = trial.Input(x), gains = trial.Input(gain);
        ArrayView<ushort> output = trial.Judged(new ushort[x.Length], actual => Normed(x, gain, rows).Zip(actual, (e, a) => Math.Abs(e - ValueOf(a)) / (1 + Math.Abs(e))).Max());
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, ArrayView<ushort>, int, float>(OllmNative.Kernels.RmsNormRows.Rounded);
        trial.Launch = () => kernel((rows, Group), input, gains, output, width, Epsilon);
        (trial.Bytes, trial.Flops) = (6.0 * x.Length, 4.0 * x.Length);
    }

    private static void GatherRows(KernelTrial trial, TrialSize size)
    {
        (int rows, int width) = (size.Rows, size.Columns);
        float[] x = trial.Random(rows * width);
        int[] from = trial.Integers(rows, rows);
        ArrayView<float> input = trial.Input(x), output = trial.Output(x.Length, () => Each(x.Length, i => x[from[i / width] * width + i % width]));
        ArrayView<int> places = trial.Input(from);
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<int>, ArrayView<float>, int>(OllmNative.Kernels.Rows.Gather);
        trial.Launch = () => kernel((rows, Group), input, places, output, width);
        trial.Bytes = 8.0 * x.Length;
    }

    private static void ScaleRows(KernelTrial trial, TrialSize size)
    {
        (int rows, int width) = (size.Rows, size.Columns);
        float[] x = trial.Random(rows * width), factors = trial.Random(rows);
        ArrayView<float> values = trial.Changed(x, () => Each(x.Length, i => (double)x[i] * factors[i / width])), scale = trial.Input(factors);
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, int>(OllmNative.Kernels.Rows.Scale);
        trial.Launch = () => kernel((rows, Group), values, scale, width);
        (trial.Bytes, trial.Flops) = (8.0 * x.Length, x.Length);
    }

    private static void EmbeddingWords(KernelTrial trial, TrialSize size)
    {
        (int rows, int width) = (size.Rows, size.Columns);
        int[] ids = trial.Integers(rows, size.Depth);
        ushort[] words = Bf16Words(trial, size.Depth * width);
        ArrayView<int> tokens = trial.Input(ids);
        ArrayView<ushort> table = trial.Input(words);
        ArrayView<float> output = trial.Output(rows * width, () => Each(rows * width, i => ValueOf(words[ids[i / width] * width + i % width])));
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<int>, ArrayView<ushort>, ArrayView<float>, int, int>(OllmNative.Kernels.EmbeddingWords.Forward);
        trial.Launch = () => kernel((rows, Group), tokens, table, output, width, Weights16.Bf16);
        trial.Bytes = 6.0 * rows * width;
    }

    private static void ToBf16(KernelTrial trial, TrialSize size, bool eight)
    {
        int count = eight ? Whole(size.Rows * size.Columns) : size.Rows * size.Columns;
        float[] x = trial.Random(count);
        ArrayView<float> input = trial.Input(x);
        ArrayView<Bf16> output = trial.Judged(new Bf16[count], actual => x.Zip(actual).Any(pair => Bf16.FromFloat(pair.First).Bits != pair.Second.Bits) ? double.PositiveInfinity : 0);
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<Bf16>, int>(eight ? OllmNative.Kernels.ToBf16.Eight : OllmNative.Kernels.ToBf16.Single);
        trial.Launch = () => kernel(Elements(eight ? count / 8 : count), input, output, count);
        trial.Bytes = 6.0 * count;
    }

    private static void RoundRows(KernelTrial trial, TrialSize size)
    {
        float[] x = trial.Random(size.Rows * size.Columns);
        ArrayView<float> values = trial.Changed(x, () => Each(x.Length, i => (float)Bf16.FromFloat(x[i])));
        ArrayView<ushort> words = trial.Judged(new ushort[x.Length], actual => x.Zip(actual).Any(pair => Bf16.FromFloat(pair.First).Bits != pair.Second) ? double.PositiveInfinity : 0);
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<ushort>, int>(OllmNative.Kernels.RoundRows.Round);
        trial.Launch = () => kernel(Elements(x.Length), values, words, x.Length);
        trial.Bytes = 10.0 * x.Length;
    }

    private static void WidenRows(KernelTrial trial, TrialSize size)
    {
        ushort[] words = Bf16Words(trial, size.Rows * size.Columns);
        ArrayView<ushort> input = trial.Input(words);
        ArrayView<float> output = trial.Output(words.Length, () => Each(words.Length, i => ValueOf(words[i])));
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<ushort>, ArrayView<float>, int>(OllmNative.Kernels.RoundRows.Widen);
        trial.Launch = () => kernel(Elements(words.Length), input, output, words.Length);
        trial.Bytes = 6.0 * words.Length;
    }

    /// <summary>Scales are compared as they are, bytes by how far scale x byte is from the weight: half a step and a little.</summary>
    private static void QuantizeRows(KernelTrial trial, TrialSize size)
    {
        (int rows, int width) = (size.Rows, (size.Columns + 1) / 2 * 2);
        ushort[] words = Bf16Words(trial, rows * width);
        double[] Steps() => Each(rows, n => Enumerable.Range(n * width, width).Max(i => Math.Abs(ValueOf(words[i]))) / 127);
        ArrayView<ushort> input = trial.Input(words), bytes = trial.Judged(new ushort[rows * width / 2], actual =>
        {
            double[] steps = Steps();
            bool right = Enumerable.Range(0, rows * width).All(i => Math.Abs((sbyte)(actual[i / 2] >> (i % 2 * 8)) * steps[i / width] - ValueOf(words[i])) <= steps[i / width] * 0.5001);
            return right ? 0 : double.PositiveInfinity;
        });
        ArrayView<float> scales = trial.Output(rows, Steps);
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<ushort>, ArrayView<ushort>, ArrayView<float>, int, int>(OllmNative.Kernels.QuantizeRows.Words);
        trial.Launch = () => kernel((rows, Group), input, bytes, scales, width, Weights16.Bf16);
        (trial.Bytes, trial.Flops) = (3.0 * words.Length, 3.0 * words.Length);
    }

    private static void AdamW(KernelTrial trial, TrialSize size)
    {
        int count = size.Rows * size.Columns;
        float[] p = trial.Random(count), g = trial.Random(count), m = trial.Random(count), v = Array.ConvertAll(trial.Random(count), Math.Abs);
        var factors = new AdamWFactors { Beta1 = 0.9f, Beta2 = 0.999f, Shrink = 0.99f, Rate = 0.02f, Root = 3, Epsilon = 1e-8f, GradientScale = 0.7f };
        double First(int i) => m[i] * (double)factors.Beta1 + g[i] * 0.7f * (1 - (double)factors.Beta1);
        double Second(int i) => v[i] * (double)factors.Beta2 + Math.Pow(g[i] * 0.7f, 2) * (1 - (double)factors.Beta2);
        ArrayView<float> parameters = trial.Changed(p, () => Each(count, i => p[i] * (double)factors.Shrink - factors.Rate * First(i) / (factors.Root * Math.Sqrt(Second(i)) + factors.Epsilon)));
        ArrayView<float> gradients = trial.Input(g), first = trial.Changed(m, () => Each(count, First)), second = trial.Changed(v, () => Each(count, Second));
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<double>, AdamWFactors, int>(OllmNative.Kernels.AdamW.Step);
        trial.Launch = () => kernel(Elements(count), parameters, gradients, first, second, default, factors, count);
        (trial.Bytes, trial.Flops) = (28.0 * count, 14.0 * count);
    }

    private static void SquaredNorm(KernelTrial trial, TrialSize size)
    {
        int count = size.Rows * size.Columns, blocks = (count + OllmNative.Kernels.SquaredNorm.Block - 1) / OllmNative.Kernels.SquaredNorm.Block;
        float[] x = trial.Random(count);
        ArrayView<float> input = trial.Input(x);
        ArrayView<double> parts = trial.Input(new double[blocks]), result = trial.Judged(new double[1], actual =>
        {
            double expected = x.Sum(value => (double)value * value);
            return Math.Abs(expected - actual[0]) / (1 + expected);
        });
        ArrayView<int> counter = trial.ChangedInts([0], () => [0]);
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<double>, ArrayView<int>, ArrayView<double>, int>(OllmNative.Kernels.SquaredNorm.Sum);
        trial.Launch = () => kernel(Rows(blocks), input, parts, counter, result, count);
        (trial.Bytes, trial.Flops) = (4.0 * count, 2.0 * count);
    }
}
