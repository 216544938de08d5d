using OllmNative.Kernels;
using OllmNative.Runtime.Language;

namespace OllmNative.Cli.Trials;

/// <summary>Layers with as few outputs as there are options: rows of the hidden layer, its width, and the outputs.</summary>
internal static partial class KernelTrials
{
    private static KernelTrialPlan[] FewPlans =>
    [
        new("FewOutputs", 1e-4, new(Tokens, 3584, 10), (trial, size) => FewProducts(trial, size, silu: false)),
        new("AdapterOutputs", 1e-4, new(Tokens, 3584, 10), (trial, size) => FewProducts(trial, size, silu: true)),
        new("FewOutputsWeight", 1e-4, new(Tokens, 3584, 10), FewWeight),
        new("AdapterGradients", 1e-2, new(Tokens, 3584, 10), AdapterGradients),
    ];

    private static double SigmoidOf(double x) => 1 / (1 + Math.Exp(-x));

    private static int Outputs(TrialSize size) => Math.Min(size.Depth, FewOutputs.Most);

    private static int Chunks(int rows) => (rows + FewOutputs.Chunk - 1) / FewOutputs.Chunk;

    private static IEnumerable<int> ChunkRows(int chunk, int rows) => Enumerable.Range(chunk * FewOutputs.Chunk, Math.Min(FewOutputs.Chunk, rows - chunk * FewOutputs.Chunk));

    private static void FewProducts(KernelTrial trial, TrialSize size, bool silu)
    {
        (int n, int m, int outputs) = (size.Rows, size.Columns, Outputs(size));
        float[] x = trial.Random(n * m), w = trial.Random(outputs * m), b = trial.Random(outputs);
        double Value(int i) => silu ? x[i] * SigmoidOf(x[i]) : x[i];
        ArrayView<float> input = trial.Input(x), weights = trial.Input(w), bias = trial.Input(b), output = trial.Output(
            n * outputs, () => Each(n * outputs, i => b[i % outputs] + Enumerable.Range(0, m).Sum(j => Value(i / outputs * m + j) * w[i % outputs * m + j])));
        var kernel = silu
            ? trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, int, int, int>(FewOutputs.Adapter)
            : trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, int, int, int>(FewOutputs.Forward);
        trial.Launch = () => kernel(FewOutputs.Config(n), input, weights, bias, output, n, m, outputs);
        (trial.Bytes, trial.Flops) = (4.0 * n * m, 2.0 * n * m * outputs);
    }

    private static void FewWeight(KernelTrial trial, TrialSize size)
    {
        (int n, int m, int outputs) = (size.Rows, size.Columns, Outputs(size));
        float[] dy = trial.Random(n * outputs), x = trial.Random(n * m);
        ArrayView<float> left = trial.Input(dy), right = trial.Input(x), partial = trial.Output(Chunks(n) * outputs * m, () => Each(
            Chunks(n) * outputs * m, i => ChunkRows(i / (outputs * m), n).Sum(row => (double)dy[row * outputs + i / m % outputs] * x[row * m + i % m])));
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, ArrayView<float>, int, int, int>(FewOutputs.Weight);
        trial.Launch = () => kernel(FewOutputs.GradientConfig(n, m), left, right, partial, n, m, outputs);
        (trial.Bytes, trial.Flops) = (4.0 * n * m + 4.0 * Chunks(n) * outputs * m, 2.0 * n * m * outputs);
    }

    private static void AdapterGradients(KernelTrial trial, TrialSize size)
    {
        (int n, int m, int outputs) = (size.Rows, size.Columns, Outputs(size));
        float[] x = trial.Random(n * m, 2), dy = trial.Random(n * outputs), w = trial.Random(outputs * m);
        double Gradient(int i)
        {
            (double s, int row, int j) = (SigmoidOf(x[i]), i / m, i % m);
            return s * (1 + x[i] * (1 - s)) * Enumerable.Range(0, outputs).Sum(k => (double)dy[row * outputs + k] * w[k * m + j]);
        }
        ArrayView<float> pre = trial.Input(x), dOutput = trial.Input(dy), weights = trial.Input(w), gradient = trial.Output(n * m, () => Each(n * m, Gradient));
        ArrayView<ushort> rounded = trial.Changed(new ushort[n * m], Wide, () => Each(n * m, Gradient));
        ArrayView<float> partial = trial.Output(Chunks(n) * outputs * m, () => Each(Chunks(n) * outputs * m, i => ChunkRows(i / (outputs * m), n).Sum(
            row => dy[row * outputs + i / m % outputs] * x[row * m + i % m] * SigmoidOf(x[row * m + i % m]))));
        ArrayView<float> bias = trial.Output(Chunks(n) * m, () => Each(Chunks(n) * m, i => ChunkRows(i / m, n).Sum(row => Gradient(row * m + i % m))));
        var kernel = trial.Accelerator.LoadStreamKernel<
            ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<ushort>, ArrayView<float>, ArrayView<float>, int, int, int>(FewOutputs.Backward);
        trial.Launch = () => kernel(FewOutputs.GradientConfig(n, m), pre, dOutput, weights, gradient, rounded, partial, bias, n, m, outputs);
        (trial.Bytes, trial.Flops) = (10.0 * n * m + 4.0 * Chunks(n) * (outputs + 1) * m, 4.0 * n * m * outputs + 12.0 * n * m);
    }
}
