using OllmNative.Kernels;
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;
using Half = OllmNative.Runtime.Language.Half;
using Words = OllmNative.Runtime.Language.ArrayView<ushort>;

namespace OllmNative.Cli.Trials;

/// <summary>The end of a training step, sums down columns, and numbers on their way to and from f16.</summary>
internal static partial class KernelTrials
{
    private static IEnumerable<KernelTrialPlan> StepPlans()
    {
        TrialSize rows = new(Tokens, Intermediate, 0);
        yield return new("StepControl", 1e-6, new(1, 1, 0), StepControlRun);
        yield return new("ColumnSumsPartial", 1e-5, rows, ColumnSumsPartial);
        yield return new("ColumnSumsAdd", 1e-5, new(64, Intermediate, 0), ColumnSumsAdd);
        yield return new("RmsNormGainPartial", 1e-5, new(Tokens, Hidden, 0), RmsNormGainPartial);
        yield return new("Scale", 1e-6, rows, ScaleAll);
        yield return new("ToBf16Half", 0, rows, HalfToWords);
        yield return new("ToF16", 0, rows, ToHalf);
    }

    private static void StepControlRun(KernelTrial trial, TrialSize size)
    {
        var factors = new StepFactors { Targets = 10 + size.Rows, Clip = 1, KlTarget = 0.2, Rule = StepControl.Log };
        double[] sums = [.. trial.Random(4, 40).Select(value => 50.0 + value)];
        (double targets, double norm, double beta) = (factors.Targets, 9 + size.Columns, 0.7);
        double[] before = [.. sums, norm, beta, .. new double[9]];
        double kl = sums[1] / targets, next = Math.Exp(Math.Clamp(Math.Log(beta) + 0.02 * (kl - 0.2), -8, 4));
        ArrayView<double> numbers = trial.Changed(before, value => value, () =>
            [.. sums, norm, next, 0, .. sums.Select(sum => sum / targets), norm, beta, 0, 1 / (Math.Sqrt(norm) + 1e-6)]);
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<double>, StepFactors>(StepControl.Run);
        trial.Launch = () => kernel((1, 1), numbers, factors);
        trial.Bytes = 16.0 * StepControl.Length;
    }

    private static void ColumnSumsPartial(KernelTrial trial, TrialSize size)
    {
        const int chunk = 64;
        (int n, int c, int chunks) = (size.Rows, size.Columns, (size.Rows + chunk - 1) / chunk);
        float[] values = trial.Random(n * c);
        ArrayView<float> x = trial.Input(values), partial = trial.Output(chunks * c, () => Each(
            chunks * c, i => Enumerable.Range(i / c * chunk, Math.Min(chunk, n - i / c * chunk)).Sum(row => (double)values[row * c + i % c])));
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, int, int, int>(ColumnSums.Partial);
        KernelConfig config = new(new Index3D((c + Group - 1) / Group, chunks, 1), new Index3D(Group, 1, 1));
        trial.Launch = () => kernel(config, x, partial, n, c, chunk);
        trial.Bytes = 4.0 * n * c;
        trial.Flops = (double)n * c;
    }

    private static void ColumnSumsAdd(KernelTrial trial, TrialSize size)
    {
        (int n, int c) = (size.Rows, size.Columns);
        float[] values = trial.Random(n * c), old = trial.Random(c);
        ArrayView<float> x = trial.Input(values), sums = trial.Changed(old, () => Each(c, i => old[i] + Enumerable.Range(0, n).Sum(row => (double)values[row * c + i])));
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, int, int>(ColumnSums.Add);
        trial.Launch = () => kernel(Elements(c), x, sums, n, c);
        trial.Bytes = 4.0 * n * c + 8.0 * c;
        trial.Flops = (double)n * c;
    }

    private static void RmsNormGainPartial(KernelTrial trial, TrialSize size)
    {
        const int chunk = 64;
        (int n, int d, int chunks, int stride) = (size.Rows, size.Columns, (size.Rows + chunk - 1) / chunk, size.Columns + 3);
        float[] x = trial.Random(n * d, 3), r = trial.Random(n), dy = trial.Random(n * stride);
        ArrayView<float> input = trial.Input(x), inverse = trial.Input(r), gradient = trial.Input(dy), partial = trial.Output(chunks * d, () => Each(
            chunks * d, i => Enumerable.Range(i / d * chunk, Math.Min(chunk, n - i / d * chunk)).Sum(t => (double)dy[t * stride + i % d] * x[t * d + i % d] * r[t])));
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, int, int, int, int>(OllmNative.Kernels.RmsNormRows.GainPartial);
        KernelConfig config = new(new Index3D((d + Group - 1) / Group, chunks, 1), new Index3D(Group, 1, 1));
        trial.Launch = () => kernel(config, input, inverse, gradient, partial, n, d, stride, chunk);
        trial.Bytes = 8.0 * n * d;
        trial.Flops = 3.0 * n * d;
    }

    private static void ScaleAll(KernelTrial trial, TrialSize size)
    {
        int n = size.Rows * size.Columns;
        float[] values = trial.Random(n);
        ArrayView<float> x = trial.Changed(values, () => Each(n, i => 1.7f * (double)values[i]));
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, float, int>(OllmNative.Kernels.Scale.Forward);
        trial.Launch = () => kernel(Elements(n), x, 1.7f, n);
        trial.Bytes = 8.0 * n;
        trial.Flops = n;
    }

    private static void HalfToWords(KernelTrial trial, TrialSize size)
    {
        int n = Whole(size.Rows * size.Columns);
        ushort[] halves = Array.ConvertAll(trial.Random(n), value => BitConverter.HalfToUInt16Bits((System.Half)value));
        Words x = trial.Input(halves), words = trial.Changed(new ushort[n], Wide, () => Each(n, i => Bf16.FromFloat((float)BitConverter.UInt16BitsToHalf(halves[i]))));
        var kernel = trial.Accelerator.LoadStreamKernel<Words, ArrayView<Bf16>, int>(OllmNative.Kernels.ToBf16.Half);
        trial.Launch = () => kernel(Elements(n / 8), x, words.Cast<Bf16>(), n);
        trial.Bytes = 4.0 * n;
    }

    private static void ToHalf(KernelTrial trial, TrialSize size)
    {
        int n = size.Rows * size.Columns;
        float[] values = trial.Random(n, 1e5f);
        ArrayView<float> x = trial.Input(values);
        Words words = trial.Changed(new ushort[n], bits => (double)BitConverter.UInt16BitsToHalf(bits), () => Each(n, i => (double)(System.Half)Math.Clamp(values[i], -65504, 65504)));
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<Half>, int>(ToF16.Forward);
        trial.Launch = () => kernel(Elements(n), x, words.Cast<Half>(), n);
        trial.Bytes = 6.0 * n;
    }
}
