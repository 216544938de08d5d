using OllmNative.Kernels;
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;

namespace OllmNative.Cli.Trials;

/// <summary>Decoding's products, on the shapes of a 1.5 B model: its head, q with k and v, gate with up, down. Inputs are multiples of 16.</summary>
internal static partial class KernelTrials
{
    private static IEnumerable<KernelTrialPlan> Decoding()
    {
        // Versions 1 and 2 are of bf16 and up to 8 and 16 rows, 3 and 4 the same of bytes.
        for (int version = 1; version <= 4; version++)
        {
            (int v, int rows) = (version, version % 2 == 1 ? 1 : 12);
            yield return new($"DecodeMatMul{v}", Tolerance, rows == 1 ? new(1, 151936, Hidden / 16) : new(rows, Intermediate, Hidden / 16), (trial, size) => DecodeMatMul(trial, Few(size, v), v));
            yield return new($"DecodeNormRope{v}", Tolerance, new(rows, MostTrialHeads, Hidden / 16), (trial, size) => DecodeRopeTrial(trial, Few(size, v), v));
            yield return new($"DecodeNormProducts{v}", Tolerance, new(rows, 2048, Hidden / 16), (trial, size) => DecodeNorm(trial, Few(size, v), v));
            yield return new($"DecodeGateUp{v}", GatedTolerance, new(rows, Intermediate, Hidden / 16), (trial, size) => DecodeGateUp(trial, Few(size, v), v));
        }
        yield return new("DecodeAdapter1", Tolerance, new(1, Hidden, 3584 / 16), (trial, size) => DecodeAdapter(trial, Few(size, 1), 1));
        yield return new("DecodeAdapter2", Tolerance, new(12, Hidden, 3584 / 16), (trial, size) => DecodeAdapter(trial, Few(size, 2), 2));
    }

    /// <summary>The rows that a version takes, also more than eight where it can.</summary>
    private static TrialSize Few(TrialSize size, int version) => size with { Rows = version % 2 == 1 ? Math.Min(size.Rows, 8) : Math.Min(size.Rows + 7, 16) };

    /// <summary>bf16 weights as the kernels read them, and the value of each.</summary>
    private static (DecodeMatrix Matrix, Func<int, double> Value) Bf16Matrix(KernelTrial trial, int outputs, int inputs, ArrayView<float> output)
    {
        ushort[] words = Bits(trial.Random(outputs * inputs));
        return (new DecodeMatrix { Words = trial.Input(words), Output = output, Outputs = outputs }, i => Wide(words[i]));
    }

    /// <summary>The same of bytes with a scale for each row.</summary>
    private static (DecodeMatrix Matrix, Func<int, double> Value) ByteMatrix(KernelTrial trial, int outputs, int inputs, ArrayView<float> output)
    {
        float[] scales = Array.ConvertAll(trial.Random(outputs, 0.01f), Math.Abs);
        // -128 is left out: quantising makes none. A word holds two.
        int[] bytes = trial.Integers(outputs * inputs, 255);
        ushort[] words = KernelTrial.Fill(bytes.Length / 2, i => (ushort)((byte)(bytes[2 * i] - 127) | (byte)(bytes[2 * i + 1] - 127) << 8));
        return (new DecodeMatrix { Words = trial.Input(words), Scales = trial.Input(scales), Output = output, Outputs = outputs }, i => (bytes[i] - 127) * scales[i / inputs]);
    }

    private static (DecodeMatrix Matrix, Func<int, double> Value) Matrix(KernelTrial trial, int version, int outputs, int inputs, ArrayView<float> output) =>
        version > 2 ? ByteMatrix(trial, outputs, inputs, output) : Bf16Matrix(trial, outputs, inputs, output);

    private static double WeightBytes(int version) => version > 2 ? 1 : 2;

    private static void DecodeMatMul(KernelTrial trial, TrialSize size, int version)
    {
        (int rows, int outputs, int inputs) = (size.Rows, size.Columns, 16 * size.Depth);
        float[] x = trial.Random(rows * inputs);
        Func<int, double> value = _ => 0;
        ArrayView<float> a = trial.Input(x), c = trial.Output(rows * outputs, () => Product(i => x[i], i => value(i), rows, outputs, inputs));
        (DecodeMatrix w, value) = Matrix(trial, version, outputs, inputs, c);
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, DecodeMatrix, DecodeShape>(version switch
        {
            1 => DecodeProducts.Eight, 2 => DecodeProducts.Sixteen, 3 => DecodeProducts.EightBytes, _ => DecodeProducts.SixteenBytes,
        });
        trial.Launch = () => kernel(DecodeProducts.Config(outputs), a, w, new DecodeShape { Rows = rows, Inputs = inputs });
        (trial.Bytes, trial.Flops, trial.OnTensorCores) = (WeightBytes(version) * outputs * inputs + 4.0 * rows * (inputs + outputs), 2.0 * rows * outputs * inputs, true);
    }

    /// <summary>A decoder's second layer: options of some rows, none of others, and the residual.</summary>
    private static void DecodeAdapter(KernelTrial trial, TrialSize size, int version)
    {
        const int options = 3;
        (int rows, int outputs, int inputs) = (size.Rows, size.Columns, 16 * size.Depth);
        float[] x = trial.Random(rows * inputs, 3), table = trial.Random(options * inputs), residual = trial.Random(rows * outputs), bias = trial.Random(outputs);
        Func<int, double> value = _ => 0;
        int[] chosen = [.. Enumerable.Range(0, 2 * rows).Select(i => i / 2 % (options + 1) - 1)];
        double Input(int i)
        {
            double sum = x[i] + (chosen[i / inputs * 2] < 0 ? 0 : table[chosen[i / inputs * 2] * inputs + i % inputs]);
            return sum * Sigmoid(sum);
        }
        ArrayView<float> a = trial.Input(x), c = trial.Output(rows * outputs, () =>
        {
            double[] added = Product(Input, i => value(i), rows, outputs, inputs);
            return Each(added.Length, i => residual[i] + (chosen[i / outputs * 2] < 0 ? 0 : added[i] + bias[i % outputs]));
        });
        (DecodeMatrix w, value) = Bf16Matrix(trial, outputs, inputs, c);
        w.Bias = trial.Input(bias);
        ArrayView<float> rowsOfOptions = trial.Input(table), hidden = trial.Input(residual);
        ArrayView<int> z = trial.Input(chosen);
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, DecodeMatrix, ArrayView<float>, ArrayView<int>, ArrayView<float>, DecodeShape>(
            version == 1 ? DecodeProducts.AdapterEight : DecodeProducts.AdapterSixteen);
        trial.Launch = () => kernel(DecodeProducts.Config(outputs), a, w, rowsOfOptions, z, hidden, new DecodeShape { Rows = rows, Inputs = inputs });
        (trial.Bytes, trial.Flops, trial.OnTensorCores) = (2.0 * outputs * inputs + 4.0 * rows * (inputs + 2 * outputs), 2.0 * rows * outputs * inputs, true);
    }

    private static double[] Normed(float[] x, float[] gain, int rows)
    {
        double[] r = InverseRms(x, rows, gain.Length);
        return Each(x.Length, i => gain[i % gain.Length] * x[i] * r[i / gain.Length]);
    }

    private static void DecodeNorm(KernelTrial trial, TrialSize size, int version)
    {
        (int rows, int outputs, int inputs) = (size.Rows, size.Columns, 16 * size.Depth);
        float[] x = trial.Random(rows * inputs, 3), gain = trial.Random(inputs);
        Func<int, double> value = _ => 0;
        ArrayView<float> a = trial.Input(x), gains = trial.Input(gain), c = trial.Output(rows * outputs, () =>
        {
            double[] normed = Normed(x, gain, rows);
            return Product(i => normed[i], i => value(i), rows, outputs, inputs);
        });
        (DecodeMatrix w, value) = Matrix(trial, version, outputs, inputs, c);
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, DecodeMatrix, DecodeMatrix, DecodeMatrix, DecodeShape>(version switch
        {
            1 => DecodeProducts.NormEight, 2 => DecodeProducts.NormSixteen, 3 => DecodeProducts.NormEightBytes, _ => DecodeProducts.NormSixteenBytes,
        });
        trial.Launch = () => kernel(DecodeProducts.Config(outputs), a, gains, w, default, default, new DecodeShape { Rows = rows, Inputs = inputs, Epsilon = Epsilon });
        (trial.Bytes, trial.Flops, trial.OnTensorCores) = (WeightBytes(version) * outputs * inputs + 4.0 * rows * (inputs + outputs), 2.0 * rows * outputs * inputs, true);
    }

    /// <summary>Queries, keys and values of some rows, of which the queries are looked at here and the cache by the device's self-test.</summary>
    private static void DecodeRopeTrial(KernelTrial trial, TrialSize size, int version)
    {
        const int headSize = 128, half = headSize / 2;
        AttentionShape heads = Heads(size, headSize);
        (int rows, int inputs, int queries, int keys) = (size.Rows, 16 * size.Depth, heads.Heads * headSize, heads.KvHeads * headSize);
        float[] x = trial.Random(rows * inputs, 3), gain = trial.Random(inputs), bias = trial.Random(queries);
        float[] angles = Array.ConvertAll(Each(rows * headSize, i => i % headSize < half ? Math.Cos(i) : Math.Sin(i - half)), v => (float)v);
        int[] places = [.. Enumerable.Range(0, rows).Reverse()];
        Func<int, double> value = _ => 0;
        ArrayView<float> a = trial.Input(x), gains = trial.Input(gain), c = trial.Output(rows * queries, () =>
        {
            double[] normed = Normed(x, gain, rows), sums = Product(i => normed[i], i => value(i), rows, queries, inputs);
            double Sum(int i) => sums[i] + bias[i % queries];
            return Each(sums.Length, i =>
            {
                int d = i % headSize, angle = places[i / queries] * headSize + d % half;
                return d < half ? Sum(i) * angles[angle] - Sum(i + half) * angles[angle + half] : Sum(i) * angles[angle] + Sum(i - half) * angles[angle + half];
            });
        });
        (DecodeMatrix q, value) = Matrix(trial, version, queries, inputs, c);
        q.Bias = trial.Input(bias);
        (DecodeMatrix k, _) = Matrix(trial, version, keys, inputs, default);
        (DecodeMatrix v, _) = Matrix(trial, version, keys, inputs, default);
        var cache = new DecodeCache
        {
            Positions = trial.Input(places), Rows = trial.Input(places), CosSin = trial.Input(angles), Keys = trial.Input(new Bf16[rows * keys]),
            Values = trial.Input(new Bf16[rows * keys]), HalfBits = 6,
        };
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, DecodeMatrix, DecodeMatrix, DecodeMatrix, DecodeCache, DecodeShape>(version switch
        {
            1 => DecodeRope.Eight, 2 => DecodeRope.Sixteen, 3 => DecodeRope.EightBytes, _ => DecodeRope.SixteenBytes,
        });
        trial.Launch = () => kernel(DecodeRope.Config(queries, keys), a, gains, q, k, v, cache, new DecodeShape { Rows = rows, Inputs = inputs, Epsilon = Epsilon });
        int outputs = queries + 2 * keys;
        (trial.Bytes, trial.Flops, trial.OnTensorCores) = (WeightBytes(version) * outputs * inputs + 4.0 * rows * (inputs + queries + keys), 2.0 * rows * outputs * inputs, true);
    }

    private static void DecodeGateUp(KernelTrial trial, TrialSize size, int version)
    {
        (int rows, int outputs, int inputs) = (size.Rows, size.Columns, 16 * size.Depth);
        float[] x = trial.Random(rows * inputs, 3), gain = trial.Random(inputs);
        Func<int, double> gateValue = _ => 0, upValue = _ => 0;
        ArrayView<float> a = trial.Input(x), gains = trial.Input(gain), c = trial.Output(rows * outputs, () =>
        {
            double[] normed = Normed(x, gain, rows);
            double[] g = Product(i => normed[i], i => gateValue(i), rows, outputs, inputs), u = Product(i => normed[i], i => upValue(i), rows, outputs, inputs);
            return Each(g.Length, i => g[i] * Sigmoid(g[i]) * u[i]);
        });
        (DecodeMatrix gate, gateValue) = Matrix(trial, version, outputs, inputs, c);
        (DecodeMatrix up, upValue) = Matrix(trial, version, outputs, inputs, default);
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, DecodeMatrix, DecodeMatrix, DecodeShape>(version switch
        {
            1 => DecodeProducts.GateEight, 2 => DecodeProducts.GateSixteen, 3 => DecodeProducts.GateEightBytes, _ => DecodeProducts.GateSixteenBytes,
        });
        trial.Launch = () => kernel(DecodeProducts.GateConfig(outputs), a, gains, gate, up, new DecodeShape { Rows = rows, Inputs = inputs, Epsilon = Epsilon });
        (trial.Bytes, trial.Flops, trial.OnTensorCores) = (2 * WeightBytes(version) * outputs * inputs + 4.0 * rows * (inputs + outputs), 4.0 * rows * outputs * inputs, true);
    }
}
