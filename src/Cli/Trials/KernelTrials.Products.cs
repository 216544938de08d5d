using OllmNative.Kernels;
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;

namespace OllmNative.Cli.Trials;

/// <summary>The kernels that reduce: softmax and matrix products.</summary>
internal static partial class KernelTrials
{
    private static double[] SoftmaxOf(float[] x, int rows, int width)
    {
        var result = new double[x.Length];
        for (int row = 0; row < rows; row++)
        {
            double max = x.AsSpan(row * width, width).ToArray().Max(), sum = 0;
            for (int i = row * width; i < (row + 1) * width; i++) sum += result[i] = Math.Exp(x[i] - max);
            for (int i = row * width; i < (row + 1) * width; i++) result[i] /= sum;
        }
        return result;
    }

    private static void Softmax(KernelTrial trial, TrialSize size)
    {
        float[] x = trial.Random(size.Rows * size.Columns, 20);
        ArrayView<float> input = trial.Input(x), output = trial.Output(x.Length, () => SoftmaxOf(x, size.Rows, size.Columns));
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, int>(OllmNative.Kernels.Softmax.Forward);
        trial.Launch = () => kernel(Rows(size.Rows), input, output, size.Columns);
        (trial.Bytes, trial.Flops) = (8.0 * x.Length, 6.0 * x.Length);
    }

    private static void SoftmaxBackward(KernelTrial trial, TrialSize size)
    {
        int width = size.Columns;
        float[] p = Array.ConvertAll(SoftmaxOf(trial.Random(size.Rows * width, 5), size.Rows, width), v => (float)v), dy = trial.Random(p.Length);
        ArrayView<float> output = trial.Input(p), gradient = trial.Input(dy);
        ArrayView<float> inputGradient = trial.Output(p.Length, () =>
        {
            double[] dots = Each(size.Rows, t => Enumerable.Range(t * width, width).Sum(i => (double)p[i] * dy[i]));
            return Each(p.Length, i => p[i] * (dy[i] - dots[i / width]));
        });
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, ArrayView<float>, int>(OllmNative.Kernels.Softmax.Backward);
        trial.Launch = () => kernel(Rows(size.Rows), output, gradient, inputGradient, width);
        (trial.Bytes, trial.Flops) = (12.0 * p.Length, 4.0 * p.Length);
    }

    private static double[] Product(Func<int, double> a, Func<int, double> b, int rows, int columns, int depth) => Each(rows * columns, i =>
    {
        double sum = 0;
        for (int k = 0; k < depth; k++) sum += a(i / columns * depth + k) * b(i % columns * depth + k);
        return sum;
    });

    private static void MatMul(KernelTrial trial, TrialSize size, int version)
    {
        (int rows, int columns, int depth) = (size.Rows, size.Columns, size.Depth);
        float[] x = trial.Random(rows * depth), w = trial.Random(columns * depth);
        ArrayView<float> a = trial.Input(x), b = trial.Input(w);
        ArrayView<float> c = trial.Output(rows * columns, () => Product(i => x[i], i => w[i], rows, columns, depth));
        MatMulShape shape = MatMulShape.Forward(rows, columns, depth);
        KernelConfig config = version == 3 ? MatMulRegisters.Config(shape) : OllmNative.Kernels.MatMul.Config(shape);
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, ArrayView<float>, MatMulShape>(version switch
        {
            1 => OllmNative.Kernels.MatMul.MatMul1,
            2 => OllmNative.Kernels.MatMul.MatMul2,
            _ => MatMulRegisters.MatMul3,
        });
        trial.Launch = () => kernel(config, a, b, c, shape);
        trial.Bytes = 4.0 * ((double)rows * depth + (double)columns * depth + (double)rows * columns);
        trial.Flops = 2.0 * rows * columns * depth;
    }

    private static void MatMulBf16(KernelTrial trial, TrialSize size)
    {
        // The kernel's precondition: rows of whole 16-byte pieces.
        (int rows, int columns, int depth) = (size.Rows, size.Columns, (size.Depth + 7) / 8 * 8);
        Bf16[] x = Array.ConvertAll(trial.Random(rows * depth), Bf16.FromFloat), w = Array.ConvertAll(trial.Random(columns * depth), Bf16.FromFloat);
        ArrayView<Bf16> a = trial.Input(x), b = trial.Input(w);
        ArrayView<float> c = trial.Output(rows * columns, () => Product(i => (float)x[i], i => (float)w[i], rows, columns, depth));
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<Bf16>, ArrayView<Bf16>, ArrayView<float>, int, int, int>(OllmNative.Kernels.MatMulBf16.Forward);
        KernelConfig config = OllmNative.Kernels.MatMulBf16.Config(rows, columns);
        trial.Launch = () => kernel(config, a, b, c, rows, columns, depth);
        trial.Bytes = 2.0 * ((double)rows * depth + (double)columns * depth) + 4.0 * rows * columns;
        trial.Flops = 2.0 * rows * columns * depth;
        trial.OnTensorCores = true;
    }
}
