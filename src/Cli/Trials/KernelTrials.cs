using OllmNative.Kernels;
using OllmNative.Runtime.Language;

namespace OllmNative.Cli.Trials;

/// <summary>The plans of all kernels, and those that work row by row or element by element. The expected values are the contracts' equations in f64.</summary>
internal static partial class KernelTrials
{
    private const int Group = 128, Hidden = 1536, Intermediate = 8960, Tokens = 4096;
    private const float Epsilon = 1e-6f;

    // Made at the first use: fields of the other parts, in whatever order the compiler takes the files, have their values by then.
    private static readonly Lazy<IReadOnlyList<KernelTrialPlan>> Plans = new(() =>
    [
        new("Embedding", 0, new(Tokens, Hidden, 32768), Embedding),
        new("EmbeddingBackward", 1e-5, new(Tokens, Hidden, 32768), EmbeddingBackward),
        new("RmsNorm", 1e-5, new(4 * Tokens, Hidden, 0), RmsNorm),
        new("RmsNormBackward", 1e-4, new(4 * Tokens, Hidden, 0), RmsNormBackward),
        new("RmsNormGainGradient", 1e-5, new(4 * Tokens, Hidden, 0), RmsNormGainGradient),
        new("Rope", 1e-5, new(4 * Tokens, 12, 64), (trial, size) => Rope(trial, size, forward: true)),
        new("RopeBackward", 1e-5, new(4 * Tokens, 12, 64), (trial, size) => Rope(trial, size, forward: false)),
        new("ResidualAdd", 1e-6, new(4 * Tokens, Hidden, 0), ResidualAdd),
        new("ResidualAddBackward", 1e-6, new(4 * Tokens, Hidden, 0), ResidualAddBackward),
        new("Silu", 1e-5, new(Tokens, Intermediate, 0), Silu),
        new("SiluBackward", 1e-5, new(Tokens, Intermediate, 0), SiluBackward),
        new("SwiGlu", 1e-5, new(Tokens, Intermediate, 0), SwiGlu),
        new("SwiGluBackward", 1e-5, new(Tokens, Intermediate, 0), SwiGluBackward),
        new("Softmax", 1e-5, new(Tokens, Intermediate, 0), Softmax),
        new("SoftmaxBackward", 1e-5, new(Tokens, Intermediate, 0), SoftmaxBackward),
        new("MatMul1", 1e-5, new(2048, Intermediate, Hidden), (trial, size) => MatMul(trial, size, 1)),
        new("MatMul2", 1e-5, new(2048, Intermediate, Hidden), (trial, size) => MatMul(trial, size, 2)),
        new("MatMul3", 1e-5, new(2048, Intermediate, Hidden), (trial, size) => MatMul(trial, size, 3)),
        new("MatMulBf16", 1e-5, new(2048, Intermediate, Hidden), MatMulBf16),
        .. TensorProducts(),
        .. HeadPlans(),
        .. LossPlans(),
        .. StepPlans(),
        .. RowPlans,
        .. FewPlans,
        .. Decoding(),
        .. TokenPlans,
        .. AttentionPlans(),
    ]);

    /// <summary>All plans.</summary>
    public static IReadOnlyList<KernelTrialPlan> All => Plans.Value;

    private static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));

    private static double SiluSlope(double x) => Sigmoid(x) * (1 + x * (1 - Sigmoid(x)));

    private static double[] Each(int count, Func<int, double> value) => [.. Enumerable.Range(0, count).Select(value)];

    private static KernelConfig Elements(int count) => ((count + Group - 1) / Group, Group);

    private static KernelConfig Rows(int rows) => (rows, GroupReduce.GroupSize);

    private static void Embedding(KernelTrial trial, TrialSize size)
    {
        int[] ids = trial.Integers(size.Rows, size.Depth);
        float[] table = trial.Random(size.Depth * size.Columns);
        ArrayView<int> tokens = trial.Input(ids);
        ArrayView<float> rows = trial.Input(table);
        ArrayView<float> output = trial.Output(size.Rows * size.Columns, () => Each(size.Rows * size.Columns, i => table[ids[i / size.Columns] * size.Columns + i % size.Columns]));
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<int>, ArrayView<float>, ArrayView<float>, int>(OllmNative.Kernels.Embedding.Forward);
        trial.Launch = () => kernel((size.Rows, Group), tokens, rows, output, size.Columns);
        trial.Bytes = 8.0 * size.Rows * size.Columns + 4.0 * size.Rows;
    }

    private static void EmbeddingBackward(KernelTrial trial, TrialSize size)
    {
        int[] ids = trial.Integers(size.Rows, size.Depth);
        float[] gradient = trial.Random(size.Rows * size.Columns), sums = trial.Random(size.Depth * size.Columns);
        ArrayView<int> tokens = trial.Input(ids);
        ArrayView<float> outputGradient = trial.Input(gradient);
        ArrayView<float> tableGradient = trial.Changed(sums, () =>
        {
            double[] expected = Each(sums.Length, i => sums[i]);
            for (int i = 0; i < gradient.Length; i++) expected[ids[i / size.Columns] * size.Columns + i % size.Columns] += gradient[i];
            return expected;
        });
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<int>, ArrayView<float>, ArrayView<float>, int>(OllmNative.Kernels.Embedding.Backward);
        trial.Launch = () => kernel((size.Rows, Group), tokens, outputGradient, tableGradient, size.Columns);
        trial.Bytes = 12.0 * size.Rows * size.Columns + 4.0 * size.Rows;
        trial.Flops = (double)size.Rows * size.Columns;
    }

    private static double[] InverseRms(float[] x, int rows, int width) =>
        Each(rows, t => 1 / Math.Sqrt(Enumerable.Range(t * width, width).Average(i => (double)x[i] * x[i]) + Epsilon));

    private static void RmsNorm(KernelTrial trial, TrialSize size)
    {
        (int rows, int width) = (size.Rows, size.Columns);
        float[] x = trial.Random(rows * width, 3), gain = trial.Random(width);
        ArrayView<float> input = trial.Input(x), gains = trial.Input(gain);
        ArrayView<float> inverse = trial.Output(rows, () => InverseRms(x, rows, width));
        ArrayView<float> output = trial.Output(rows * width, () =>
        {
            double[] r = InverseRms(x, rows, width);
            return Each(rows * width, i => gain[i % width] * x[i] * r[i / width]);
        });
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, int, float>(OllmNative.Kernels.RmsNorm.Forward);
        trial.Launch = () => kernel(Rows(rows), input, gains, output, inverse, width, Epsilon);
        trial.Bytes = 8.0 * rows * width;
        trial.Flops = 4.0 * rows * width;
    }

    private static void RmsNormBackward(KernelTrial trial, TrialSize size)
    {
        (int rows, int width) = (size.Rows, size.Columns);
        float[] x = trial.Random(rows * width, 3), gain = trial.Random(width), dy = trial.Random(rows * width);
        double[] r = InverseRms(x, rows, width);
        ArrayView<float> input = trial.Input(x), gains = trial.Input(gain), inverse = trial.Input(Array.ConvertAll(r, v => (float)v)), gradient = trial.Input(dy);
        ArrayView<float> inputGradient = trial.Output(rows * width, () =>
        {
            double[] dots = Each(rows, t => Enumerable.Range(t * width, width).Sum(i => (double)gain[i % width] * dy[i] * x[i]));
            return Each(rows * width, i => r[i / width] * gain[i % width] * dy[i] - x[i] * Math.Pow(r[i / width], 3) * dots[i / width] / width);
        });
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, int>(
            OllmNative.Kernels.RmsNorm.Backward);
        trial.Launch = () => kernel(Rows(rows), input, gains, inverse, gradient, inputGradient, width);
        trial.Bytes = 12.0 * rows * width;
        trial.Flops = 8.0 * rows * width;
    }

    private static void RmsNormGainGradient(KernelTrial trial, TrialSize size)
    {
        (int rows, int width) = (size.Rows, size.Columns);
        float[] x = trial.Random(rows * width), r = trial.Random(rows), dy = trial.Random(rows * width), sums = trial.Random(width);
        ArrayView<float> input = trial.Input(x), inverse = trial.Input(r), gradient = trial.Input(dy);
        ArrayView<float> gainGradient = trial.Changed(sums, () => Each(width, d => sums[d] + Enumerable.Range(0, rows).Sum(t => (double)dy[t * width + d] * x[t * width + d] * r[t])));
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, int, int>(
            OllmNative.Kernels.RmsNorm.GainGradient);
        trial.Launch = () => kernel(Elements(width), input, inverse, gradient, gainGradient, rows, width);
        trial.Bytes = 8.0 * rows * width;
        trial.Flops = 3.0 * rows * width;
    }

    private static void Rope(KernelTrial trial, TrialSize size, bool forward)
    {
        const int positions = 64;
        (int tokens, int heads, int half) = (size.Rows, size.Columns, size.Depth);
        float[] values = trial.Random(tokens * heads * 2 * half);
        int[] places = trial.Integers(tokens, positions);
        double Angle(int position, int i) => position * Math.Pow(10000, -(double)i / half);
        ArrayView<float> x = trial.Changed(values, () => Turned(values, heads, half, (t, i) => (forward ? 1 : -1) * Angle(places[t], i)));
        ArrayView<int> position = trial.Input(places);
        ArrayView<float> cosines = trial.Input(Array.ConvertAll(Each(positions * half, j => Math.Cos(Angle(j / half, j % half))), v => (float)v));
        ArrayView<float> sines = trial.Input(Array.ConvertAll(Each(positions * half, j => Math.Sin(Angle(j / half, j % half))), v => (float)v));
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<int>, ArrayView<float>, ArrayView<float>, int, int, int>(
            forward ? OllmNative.Kernels.Rope.Forward : OllmNative.Kernels.Rope.Backward);
        trial.Launch = () => kernel(Elements(tokens * heads * half), x, position, cosines, sines, tokens, heads, 2 * half);
        trial.Bytes = 8.0 * values.Length;
        trial.Flops = 3.0 * values.Length;
    }

    private static double[] Turned(float[] values, int heads, int half, Func<int, int, double> angle)
    {
        var turned = new double[values.Length];
        for (int head = 0; head < values.Length / (2 * half); head++)
        {
            for (int i = 0; i < half; i++)
            {
                int first = head * 2 * half + i, second = first + half;
                (double sine, double cosine) = Math.SinCos(angle(head / heads, i));
                turned[first] = values[first] * cosine - values[second] * sine;
                turned[second] = values[second] * cosine + values[first] * sine;
            }
        }
        return turned;
    }

    private static void ResidualAdd(KernelTrial trial, TrialSize size)
    {
        int count = size.Rows * size.Columns;
        float[] a = trial.Random(count), b = trial.Random(count);
        ArrayView<float> residual = trial.Input(a), branch = trial.Input(b), output = trial.Output(count, () => Each(count, i => (double)a[i] + b[i]));
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, ArrayView<float>, int>(OllmNative.Kernels.ResidualAdd.Forward);
        trial.Launch = () => kernel(Elements(count), residual, branch, output, count);
        (trial.Bytes, trial.Flops) = (12.0 * count, count);
    }

    private static void ResidualAddBackward(KernelTrial trial, TrialSize size)
    {
        int count = size.Rows * size.Columns;
        float[] a = trial.Random(count), b = trial.Random(count);
        ArrayView<float> branch = trial.Input(a), sum = trial.Changed(b, () => Each(count, i => (double)a[i] + b[i]));
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, int>(OllmNative.Kernels.ResidualAdd.Backward);
        trial.Launch = () => kernel(Elements(count), branch, sum, count);
        (trial.Bytes, trial.Flops) = (12.0 * count, count);
    }

    private static void Silu(KernelTrial trial, TrialSize size)
    {
        int count = size.Rows * size.Columns;
        float[] x = trial.Random(count, 6);
        ArrayView<float> input = trial.Input(x), output = trial.Output(count, () => Each(count, i => x[i] * Sigmoid(x[i])));
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, int>(OllmNative.Kernels.SwiGlu.Silu);
        trial.Launch = () => kernel(Elements(count), input, output, count);
        (trial.Bytes, trial.Flops) = (8.0 * count, 4.0 * count);
    }

    private static void SiluBackward(KernelTrial trial, TrialSize size)
    {
        int count = size.Rows * size.Columns;
        float[] x = trial.Random(count, 6), dy = trial.Random(count);
        ArrayView<float> input = trial.Input(x), gradient = trial.Input(dy), output = trial.Output(count, () => Each(count, i => dy[i] * SiluSlope(x[i])));
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, ArrayView<float>, int>(OllmNative.Kernels.SwiGlu.SiluBackward);
        trial.Launch = () => kernel(Elements(count), input, gradient, output, count);
        (trial.Bytes, trial.Flops) = (12.0 * count, 8.0 * count);
    }

    private static void SwiGlu(KernelTrial trial, TrialSize size)
    {
        int count = size.Rows * size.Columns;
        float[] g = trial.Random(count, 6), u = trial.Random(count);
        ArrayView<float> gate = trial.Input(g), up = trial.Input(u), output = trial.Output(count, () => Each(count, i => g[i] * Sigmoid(g[i]) * u[i]));
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, ArrayView<float>, int>(OllmNative.Kernels.SwiGlu.Forward);
        trial.Launch = () => kernel(Elements(count), gate, up, output, count);
        (trial.Bytes, trial.Flops) = (12.0 * count, 5.0 * count);
    }

    private static void SwiGluBackward(KernelTrial trial, TrialSize size)
    {
        int count = size.Rows * size.Columns;
        float[] g = trial.Random(count, 6), u = trial.Random(count), dy = trial.Random(count);
        ArrayView<float> gate = trial.Input(g), up = trial.Input(u), gradient = trial.Input(dy);
        ArrayView<float> gateGradient = trial.Output(count, () => Each(count, i => dy[i] * u[i] * SiluSlope(g[i])));
        ArrayView<float> upGradient = trial.Output(count, () => Each(count, i => dy[i] * g[i] * Sigmoid(g[i])));
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, int>(
            OllmNative.Kernels.SwiGlu.Backward);
        trial.Launch = () => kernel(Elements(count), gate, up, gradient, gateGradient, upGradient, count);
        (trial.Bytes, trial.Flops) = (20.0 * count, 11.0 * count);
    }
}
