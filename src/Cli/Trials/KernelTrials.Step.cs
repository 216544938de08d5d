using OllmNative.Kernels;
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;
using Half = OllmNative.Runtime.Language.Half;
using Words = OllmNative.Runtime.Language.ArrayView<ushort>;

namespace OllmNative.Cli.Trials;

/// <summary>The end of a training step, sums down columns, and numbers on their way between f32 and 16 bits.</summary>
internal static partial class KernelTrials
{
    private static IEnumerable<KernelTrialPlan> StepPlans()
    {
        // The parameters of a 1.5 B model's three modules; a gradient of 4,096 rows.
        TrialSize parameters = new(18_000, Hidden, 0), rows = new(Tokens, Intermediate, 0);
        yield return new("AdamW", 1e-5, parameters, AdamWStep);
        yield return new("SquaredNorm", 1e-6, parameters, SquaredNormSum);
        yield return new("StepControl", 1e-6, new(1, 1, 0), StepControlRun);
        yield return new("ColumnSumsPartial", 1e-5, rows, ColumnSumsPartial);
        yield return new("ColumnSumsAdd", 1e-5, new(64, Intermediate, 0), ColumnSumsAdd);
        yield return new("NormGainPartial", 1e-5, new(3584, 2 * Hidden, 0), NormGainPartial);
        yield return new("NormGainFinish", 1e-5, new(56, 2 * Hidden, 0), NormGainFinish);
        yield return new("Scale", 1e-6, rows, ScaleAll);
        yield return new("ScaleRows", 1e-6, rows, ScaleEachRow);
        yield return new("RoundRows", 0, rows, RoundToWords);
        yield return new("WidenRows", 0, rows, WidenWords);
        yield return new("ToBf16", 0, rows, (trial, size) => ToWords(trial, Whole(size.Rows * size.Columns), single: false));
        yield return new("ToBf16Single", 0, rows, (trial, size) => ToWords(trial, size.Rows * size.Columns, single: true));
        yield return new("ToBf16Half", 0, rows, HalfToWords);
        yield return new("ToF16", 0, rows, ToHalf);
    }

    private static void AdamWStep(KernelTrial trial, TrialSize size)
    {
        int n = size.Rows * size.Columns;
        var factors = new AdamWFactors { Beta1 = 0.9f, Beta2 = 0.999f, Shrink = 0.99f, Rate = 0.02f, Root = 3, Epsilon = 1e-8f, GradientScale = 1 };
        const double scale = 0.5;
        float[] p = trial.Random(n), g = trial.Random(n), m = trial.Random(n), v = Array.ConvertAll(trial.Random(n), MathF.Abs);
        double First(int i) => 0.9f * m[i] + (1 - 0.9f) * g[i] * scale;
        double Second(int i) => 0.999f * v[i] + (1 - 0.999f) * Math.Pow(g[i] * scale, 2);
        var state = new double[StepControl.Length];
        state[StepControl.ScaleAt] = scale;
        ArrayView<float> gradients = trial.Input(g), first = trial.Changed(m, () => Each(n, First)), second = trial.Changed(v, () => Each(n, Second));
        ArrayView<float> values = trial.Changed(p, () => Each(n, i => 0.99f * p[i] - 0.02f * First(i) / (3 * Math.Sqrt(Second(i)) + 1e-8)));
        ArrayView<double> numbers = trial.Input(state);
        var kernel = trial.Accelerator.LoadStreamKernel<
            ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<double>, AdamWFactors, int>(OllmNative.Kernels.AdamW.Step);
        trial.Launch = () => kernel(Elements(n), values, gradients, first, second, numbers, factors, n);
        trial.Bytes = 28.0 * n;
        trial.Flops = 14.0 * n;
    }

    private static void SquaredNormSum(KernelTrial trial, TrialSize size)
    {
        int n = size.Rows * size.Columns, parts = (n + SquaredNorm.Block - 1) / SquaredNorm.Block;
        float[] values = trial.Random(n);
        ArrayView<float> x = trial.Input(values);
        (ArrayView<double> partial, ArrayView<int> counter) = (trial.Input(new double[parts]), trial.Changed(new int[1], count => count, () => [0]));
        ArrayView<double> result = trial.Changed(new double[1], sum => sum, () => [values.Sum(v => (double)v * v)]);
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<double>, ArrayView<int>, ArrayView<double>, int>(SquaredNorm.Sum);
        trial.Launch = () => kernel((parts, 256), x, partial, counter, result, n);
        trial.Bytes = 4.0 * n;
        trial.Flops = 2.0 * n;
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

    private static void NormGainPartial(KernelTrial trial, TrialSize size)
    {
        const int chunk = 64;
        (int m, int d, int chunks) = (size.Rows, size.Columns, (size.Rows + chunk - 1) / chunk);
        float[] w = trial.Random(m * d, 3), dw = trial.Random(m * d);
        ArrayView<float> weights = trial.Input(w), gradient = trial.Input(dw), partial = trial.Output(chunks * d, () => Each(
            chunks * d, i => Enumerable.Range(i / d * chunk, Math.Min(chunk, m - i / d * chunk)).Sum(t => (double)w[t * d + i % d] * dw[t * d + i % d])));
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, ArrayView<float>, int, int, int>(NormGain.Partial);
        KernelConfig config = new(new Index3D((d + Group - 1) / Group, chunks, 1), new Index3D(Group, 1, 1));
        trial.Launch = () => kernel(config, weights, gradient, partial, m, d, chunk);
        trial.Bytes = 8.0 * m * d;
        trial.Flops = 2.0 * m * d;
    }

    private static void NormGainFinish(KernelTrial trial, TrialSize size)
    {
        (int chunks, int d) = (size.Rows, size.Columns);
        float[] parts = trial.Random(chunks * d), g = Array.ConvertAll(trial.Random(d), value => value < 0 ? 0 : 1 + value);
        ArrayView<float> partial = trial.Input(parts), gain = trial.Input(g);
        ArrayView<float> result = trial.Output(d, () => Each(d, j => g[j] == 0 ? 0 : Enumerable.Range(0, chunks).Sum(c => (double)parts[c * d + j]) / g[j]));
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, ArrayView<float>, int, int>(NormGain.Finish);
        trial.Launch = () => kernel(((d + Group - 1) / Group, Group), partial, gain, result, chunks, d);
        trial.Bytes = 4.0 * (chunks + 2) * d;
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

    private static void ScaleEachRow(KernelTrial trial, TrialSize size)
    {
        (int n, int c) = (size.Rows, size.Columns);
        float[] values = trial.Random(n * c), factors = trial.Random(n);
        ArrayView<float> x = trial.Changed(values, () => Each(n * c, i => (double)values[i] * factors[i / c])), scale = trial.Input(factors);
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, int>(OllmNative.Kernels.Rows.Scale);
        trial.Launch = () => kernel((n, Group), x, scale, c);
        trial.Bytes = 8.0 * n * c;
        trial.Flops = (double)n * c;
    }

    private static void RoundToWords(KernelTrial trial, TrialSize size)
    {
        int n = size.Rows * size.Columns;
        float[] values = trial.Random(n);
        double[] Rounded() => Each(n, i => Bf16.FromFloat(values[i]));
        ArrayView<float> x = trial.Changed(values, Rounded);
        Words words = trial.Changed(new ushort[n], Wide, Rounded);
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, Words, int>(RoundRows.Round);
        trial.Launch = () => kernel(Elements(n), x, words, n);
        trial.Bytes = 10.0 * n;
    }

    private static void WidenWords(KernelTrial trial, TrialSize size)
    {
        int n = size.Rows * size.Columns;
        ushort[] bits = Bits(trial.Random(n));
        Words words = trial.Input(bits);
        ArrayView<float> x = trial.Output(n, () => Each(n, i => Wide(bits[i])));
        var kernel = trial.Accelerator.LoadStreamKernel<Words, ArrayView<float>, int>(RoundRows.Widen);
        trial.Launch = () => kernel(Elements(n), words, x, n);
        trial.Bytes = 6.0 * n;
    }

    private static void ToWords(KernelTrial trial, int n, bool single)
    {
        float[] values = trial.Random(n, 100);
        ArrayView<float> x = trial.Input(values);
        Words words = trial.Changed(new ushort[n], Wide, () => Each(n, i => Bf16.FromFloat(values[i])));
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<Bf16>, int>(single ? ToBf16.Single : ToBf16.Eight);
        trial.Launch = () => kernel(Elements(single ? n : n / 8), x, words.Cast<Bf16>(), n);
        trial.Bytes = 6.0 * n;
    }

    private static void HalfToWords(KernelTrial trial, TrialSize size)
    {
        int n = Whole(size.Rows * size.Columns);
        ushort[] halves = Array.ConvertAll(trial.Random(n), value => BitConverter.HalfToUInt16Bits((System.Half)value));
        Words x = trial.Input(halves), words = trial.Changed(new ushort[n], Wide, () => Each(n, i => Bf16.FromFloat((float)BitConverter.UInt16BitsToHalf(halves[i]))));
        var kernel = trial.Accelerator.LoadStreamKernel<Words, ArrayView<Bf16>, int>(ToBf16.Half);
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
