using OllmNative.Kernels;
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;

namespace OllmNative.Cli.Trials;

/// <summary>What lies between the products of a prompt or a training step: rows moved, normed and quantised.</summary>
internal static partial class KernelTrials
{
    private static KernelTrialPlan[] RowPlans =>
    [
        new("RmsNormRows", 1e-5, new(4 * Tokens, Hidden, 0), RmsNormRows),
        new("RmsNormRounded", 1e-2, new(4 * Tokens, Hidden, 0), RmsNormRounded),
        new("GatherRows", 0, new(4 * Tokens, Hidden, 0), GatherRows),
        new("EmbeddingWords", 0, new(Tokens, Hidden, 32768), EmbeddingWords),
        new("QuantizeRows", 1e-5, new(Intermediate, Hidden, 0), QuantizeRows),
    ];

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
        ArrayView<ushort> output = trial.Changed(new ushort[x.Length], Wide, () => Normed(x, gain, rows));
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

    private static void EmbeddingWords(KernelTrial trial, TrialSize size)
    {
        (int rows, int width) = (size.Rows, size.Columns);
        int[] ids = trial.Integers(rows, size.Depth);
        ushort[] words = Bits(trial.Random(size.Depth * width));
        ArrayView<int> tokens = trial.Input(ids);
        ArrayView<ushort> table = trial.Input(words);
        ArrayView<float> output = trial.Output(rows * width, () => Each(rows * width, i => Wide(words[ids[i / width] * width + i % width])));
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<int>, ArrayView<ushort>, ArrayView<float>, int, int>(OllmNative.Kernels.EmbeddingWords.Forward);
        trial.Launch = () => kernel((rows, Group), tokens, table, output, width, Weights16.Bf16);
        trial.Bytes = 6.0 * rows * width;
    }

    /// <summary>Scales are compared as they are, bytes by how far scale x byte is from the weight: half a step and a little.</summary>
    private static void QuantizeRows(KernelTrial trial, TrialSize size)
    {
        (int rows, int width) = (size.Rows, (size.Columns + 1) / 2 * 2);
        ushort[] words = Bits(trial.Random(rows * width));
        double[] Steps() => Each(rows, n => Enumerable.Range(n * width, width).Max(i => Math.Abs(Wide(words[i]))) / 127);
        ArrayView<ushort> input = trial.Input(words), bytes = trial.Judged(new ushort[rows * width / 2], actual =>
        {
            double[] steps = Steps();
            bool right = Enumerable.Range(0, rows * width).All(i => Math.Abs((sbyte)(actual[i / 2] >> (i % 2 * 8)) * steps[i / width] - Wide(words[i])) <= steps[i / width] * 0.5001);
            return right ? 0 : double.PositiveInfinity;
        });
        ArrayView<float> scales = trial.Output(rows, Steps);
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<ushort>, ArrayView<ushort>, ArrayView<float>, int, int>(OllmNative.Kernels.QuantizeRows.Words);
        trial.Launch = () => kernel((rows, Group), input, bytes, scales, width, Weights16.Bf16);
        (trial.Bytes, trial.Flops) = (3.0 * words.Length, 3.0 * words.Length);
    }
}
