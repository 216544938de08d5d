using OllmNative.Kernels;
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;

namespace OllmNative.Cli.Trials;

/// <summary>Decoding's products, on the shapes of a 1.5 B model: its head, q with k and v, gate with up, down. Inputs are multiples of 16.</summary>
internal static partial class KernelTrials
{
    private static KernelTrialPlan[] Decoding =>
    [
        new("DecodeMatMul1", 1e-4, new(1, 151936, Hidden / 16), (trial, size) => DecodeMatMul(trial, size, false)),
        new("DecodeMatMul3", 1e-4, new(1, 151936, Hidden / 16), (trial, size) => DecodeMatMul(trial, size, true)),
        new("DecodeNormProducts1", 1e-4, new(1, 2048, Hidden / 16), DecodeNorm),
        new("DecodeGateUp1", 1e-4, new(1, Intermediate, Hidden / 16), DecodeGateUp),
        new("OptionChoice", 1e-5, new(8, 10, 0), OptionChoice),
        new("AddChosen", 1e-6, new(8, Hidden, 0), AddChosen),
    ];

    /// <summary>bf16 weights as the kernels read them, and their values.</summary>
    private static (DecodeMatrix Matrix, float[] Values) Bf16Matrix(KernelTrial trial, int outputs, int inputs, ArrayView<float> output)
    {
        ushort[] words = [.. trial.Random(outputs * inputs).Select(value => Bf16.FromFloat(value).Bits)];
        return (new DecodeMatrix { Words = trial.Input(words), Output = output, Outputs = outputs }, Array.ConvertAll(words, word => (float)Bf16.FromBits(word)));
    }

    private static void DecodeMatMul(KernelTrial trial, TrialSize size, bool bytes)
    {
        (int rows, int outputs, int inputs) = (size.Rows, size.Columns, 16 * size.Depth);
        float[] x = trial.Random(rows * inputs), values = [];
        ArrayView<float> a = trial.Input(x), c = trial.Output(rows * outputs, () => Product(i => x[i], i => values[i], rows, outputs, inputs));
        DecodeMatrix w;
        if (bytes)
        {
            float[] scales = [.. trial.Random(outputs, 0.01f).Select(Math.Abs)];
            sbyte[] quantised = Array.ConvertAll(trial.Integers(outputs * inputs, 255), value => (sbyte)(value - 127));
            ushort[] words = [.. Enumerable.Range(0, quantised.Length / 2).Select(i => (ushort)((byte)quantised[2 * i] | (byte)quantised[2 * i + 1] << 8))];
            w = new DecodeMatrix { Words = trial.Input(words), Scales = trial.Input(scales), Output = c, Outputs = outputs };
            values = [.. quantised.Select((q, i) => q * scales[i / inputs])];
        }
        else (w, values) = Bf16Matrix(trial, outputs, inputs, c);
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, DecodeMatrix, DecodeShape>(bytes ? DecodeProducts.EightBytes : DecodeProducts.Eight);
        trial.Launch = () => kernel(DecodeProducts.Config(outputs), a, w, new DecodeShape { Rows = rows, Inputs = inputs });
        (trial.Bytes, trial.Flops, trial.OnTensorCores) = ((bytes ? 1.0 : 2.0) * outputs * inputs + 4.0 * rows * (inputs + outputs), 2.0 * rows * outputs * inputs, true);
    }

    private static double[] Normed(float[] x, float[] gain, int rows)
    {
        double[] r = InverseRms(x, rows, gain.Length);
        return Each(x.Length, i => gain[i % gain.Length] * x[i] * r[i / gain.Length]);
    }

    private static void DecodeNorm(KernelTrial trial, TrialSize size)
    {
        (int rows, int outputs, int inputs) = (size.Rows, size.Columns, 16 * size.Depth);
        float[] x = trial.Random(rows * inputs, 3), gain = trial.Random(inputs), values = [];
        ArrayView<float> a = trial.Input(x), gains = trial.Input(gain), c = trial.Output(rows * outputs, () =>
        {
            double[] normed = Normed(x, gain, rows);
            return Product(i => normed[i], i => values[i], rows, outputs, inputs);
        });
        (DecodeMatrix w, values) = Bf16Matrix(trial, outputs, inputs, c);
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, DecodeMatrix, DecodeMatrix, DecodeMatrix, DecodeShape>(DecodeProducts.NormEight);
        trial.Launch = () => kernel(DecodeProducts.Config(outputs), a, gains, w, default, default, new DecodeShape { Rows = rows, Inputs = inputs, Epsilon = Epsilon });
        (trial.Bytes, trial.Flops, trial.OnTensorCores) = (2.0 * outputs * inputs + 4.0 * rows * (inputs + outputs), 2.0 * rows * outputs * inputs, true);
    }

    private static void DecodeGateUp(KernelTrial trial, TrialSize size)
    {
        (int rows, int outputs, int inputs) = (size.Rows, size.Columns, 16 * size.Depth);
        float[] x = trial.Random(rows * inputs, 3), gain = trial.Random(inputs), gateValues = [], upValues = [];
        ArrayView<float> a = trial.Input(x), gains = trial.Input(gain), c = trial.Output(rows * outputs, () =>
        {
            double[] normed = Normed(x, gain, rows);
            double[] g = Product(i => normed[i], i => gateValues[i], rows, outputs, inputs), u = Product(i => normed[i], i => upValues[i], rows, outputs, inputs);
            return Each(g.Length, i => g[i] * Sigmoid(g[i]) * u[i]);
        });
        (DecodeMatrix gate, gateValues) = Bf16Matrix(trial, outputs, inputs, c);
        (DecodeMatrix up, upValues) = Bf16Matrix(trial, outputs, inputs, default);
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, DecodeMatrix, DecodeMatrix, DecodeShape>(DecodeProducts.GateEight);
        trial.Launch = () => kernel(DecodeProducts.GateConfig(outputs), a, gains, gate, up, new DecodeShape { Rows = rows, Inputs = inputs, Epsilon = Epsilon });
        (trial.Bytes, trial.Flops, trial.OnTensorCores) = (4.0 * outputs * inputs + 4.0 * rows * (inputs + outputs), 4.0 * rows * outputs * inputs, true);
    }

    private static void OptionChoice(KernelTrial trial, TrialSize size)
    {
        (int rows, int options) = (size.Rows, size.Columns);
        float[] logits = trial.Random(rows * options, 3);
        int[] table = new int[rows * DecodeRow.Ints];
        for (int n = 0; n < rows; n++) table[n * DecodeRow.Ints + DecodeRow.Latent] = DecodeRow.Policy;
        ArrayView<float> input = trial.Input(logits), pi = trial.Output(logits.Length, () => SoftmaxOf(logits, rows, options)), hot = trial.Input(new float[logits.Length]);
        ArrayView<int> places = trial.Input(table), chosen = trial.Input(new int[2 * rows]);
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<int>, int, int>(OllmNative.Kernels.OptionChoice.Forward);
        trial.Launch = () => kernel((1, 32), input, places, pi, hot, chosen, rows, options);
        (trial.Bytes, trial.Flops) = (20.0 * logits.Length, 8.0 * logits.Length);
    }

    private static void AddChosen(KernelTrial trial, TrialSize size)
    {
        int count = size.Rows * size.Columns;
        float[] b = trial.Random(count), h = trial.Random(count);
        int[] z = [.. Enumerable.Range(0, 2 * size.Rows).Select(i => i % 4 == 0 ? -1 : 1)];
        ArrayView<float> bent = trial.Changed(b, () => Each(count, i => h[i] + (z[i / size.Columns * 2] < 0 ? 0.0 : b[i]))), hidden = trial.Input(h);
        ArrayView<int> chosen = trial.Input(z);
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, ArrayView<int>, int>(AdvanceRows.AddChosen);
        trial.Launch = () => kernel((size.Rows, Group), bent, hidden, chosen, size.Columns);
        (trial.Bytes, trial.Flops) = (12.0 * count, count);
    }
}
