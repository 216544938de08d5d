using OllmNative.Kernels;
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;
using Half = System.Half;
using Words = OllmNative.Runtime.Language.ArrayView<ushort>;

namespace OllmNative.Cli.Trials;

/// <summary>The products of layers on the tensor cores: every version of every form, at the sizes of a prompt through a 1.5 B model's MLP.</summary>
internal static partial class KernelTrials
{
    // Tensor cores cut what they add to the bits of the largest of it, term by term and always downwards: half a last place of a sum of 8, which may end near 0,
    // for each of 400 terms is 1e-4. A term that is missing is 0.1. An error of the gate counts as often as the other sum is large.
    private const double Tolerance = 3e-4, GatedTolerance = 3e-3;

    private enum Form { Forward, Half, Gated, Input, Weight }

    private static IEnumerable<KernelTrialPlan> TensorProducts()
    {
        TrialSize large = new(Tokens, Intermediate, Hidden);
        foreach (int version in (int[])[1, 2, 3, 4])
        {
            yield return new($"MatMulTensor{version}", Tolerance, large, (trial, size) => Tensor(trial, size, Form.Forward, version)) { LargeTiles = true };
            yield return new($"MatMulTensorInput{version}", Tolerance, large, (trial, size) => Tensor(trial, size, Form.Input, version)) { LargeTiles = true };
            yield return new($"MatMulTensorWeight{version}", Tolerance, large, (trial, size) => Tensor(trial, size, Form.Weight, version)) { LargeTiles = true };
        }
        foreach (int version in (int[])[1, 2])
        {
            yield return new($"MatMulTensorF16{version}", Tolerance, large, (trial, size) => Tensor(trial, size, Form.Half, version + 2)) { LargeTiles = true };
            yield return new($"MatMulGated{version}", GatedTolerance, large, (trial, size) => Tensor(trial, size, Form.Gated, version + 2)) { LargeTiles = true };
        }
        yield return new("MatMulWgmma", Tolerance, large, (trial, size) => Wgmma(trial, size, MatMulWgmma.Wide, false)) { NeedsHopper = true, LargeTiles = true };
        yield return new("MatMulWgmmaNarrow", Tolerance, large, (trial, size) => Wgmma(trial, size, MatMulWgmma.Narrow, false)) { NeedsHopper = true, LargeTiles = true };
        foreach (bool narrow in (bool[])[false, true])
        {
            string kind = narrow ? "Narrow" : "";
            yield return new($"MatMulWgmmaInput{kind}", Tolerance, large, (trial, size) => WgmmaGradient(trial, size, Form.Input, narrow)) { NeedsHopper = true, LargeTiles = true };
            yield return new($"MatMulWgmmaWeight{kind}", Tolerance, large, (trial, size) => WgmmaGradient(trial, size, Form.Weight, narrow)) { NeedsHopper = true, LargeTiles = true };
        }
        yield return new("MatMulWgmmaGated", GatedTolerance, large, (trial, size) => Wgmma(trial, size, MatMulWgmma.Wide, true)) { NeedsHopper = true, LargeTiles = true };
        yield return new("MatMulWgmmaGatedNarrow", GatedTolerance, large, (trial, size) => Wgmma(trial, size, MatMulWgmma.Narrow, true)) { NeedsHopper = true, LargeTiles = true };
        yield return new("SplitSums", Tolerance, new(64, Hidden, Intermediate), SplitProduct) { NeedsHopper = true, LargeTiles = true };
    }

    /// <summary>Inputs and the result that they should have, rounded as the kernel reads them.</summary>
    private sealed record TensorCase(Words A, Words B, Words Up, ProductTask Task);

    private static TensorCase CaseOf(KernelTrial trial, TrialSize size, Form form)
    {
        // The kernels' preconditions: rows of whole 16-byte pieces, pairs of columns.
        int m = form == Form.Weight ? Whole(size.Rows) : size.Rows, n = form is Form.Input or Form.Weight ? Whole(size.Columns) : (size.Columns + 1) / 2 * 2;
        int k = form == Form.Weight ? size.Depth : Whole(size.Depth);
        ushort[] x = Rounded(trial.Random(m * k), form), w = Rounded(trial.Random(n * k), form), up = form == Form.Gated ? Rounded(trial.Random(n * k), form) : [];
        double[] Sums(ushort[] b) => Each(m * n, i =>
        {
            double sum = 0;
            for (int t = 0; t < k; t++)
                sum += Value(x[form == Form.Weight ? t * m + i / n : i / n * k + t], form) * Value(b[form is Form.Input or Form.Weight ? t * n + i % n : i % n * k + t], form);
            return sum;
        });
        ArrayView<float> c = trial.Output(m * n, () => form == Form.Gated ? [.. Sums(w).Zip(Sums(up), (gate, other) => gate * Sigmoid(gate) * other)] : Sums(w));
        int products = form == Form.Gated ? 2 : 1;
        trial.Bytes = 2.0 * ((double)m * k + (double)products * n * k) + 4.0 * m * n;
        trial.Flops = 2.0 * m * n * k * products;
        trial.OnTensorCores = true;
        return new TensorCase(trial.Input(x), trial.Input(w), up.Length > 0 ? trial.Input(up) : default, new ProductTask { M = m, N0 = n, K = k, Output0 = c, Ahead = 1 });
    }

    private static int Whole(int elements) => (elements + 7) / 8 * 8;

    private static ushort[] Rounded(float[] values, Form form) =>
        Array.ConvertAll(values, value => form == Form.Half ? BitConverter.HalfToUInt16Bits((Half)value) : Bf16.FromFloat(value).Bits);

    private static double Value(ushort word, Form form) => form == Form.Half ? (double)BitConverter.UInt16BitsToHalf(word) : Bf16.FromBits(word);

    private static void Tensor(KernelTrial trial, TrialSize size, Form form, int version)
    {
        (Words a, Words b, Words up, ProductTask task) = CaseOf(trial, size, form);
        if (version < 3)
        {
            int tile = version == 1 ? 128 : 64;
            var small = trial.Accelerator.LoadStreamKernel<ArrayView<Bf16>, ArrayView<Bf16>, ArrayView<float>, ArrayView<float>, ArrayView<float>, int, int, int, int>((form, version) switch
            {
                (Form.Forward, 1) => MatMulTensor.Forward128,
                (Form.Forward, _) => MatMulTensor.Forward64,
                (Form.Input, 1) => MatMulTensor.Input128,
                (Form.Input, _) => MatMulTensor.Input64,
                (_, 1) => MatMulTensor.Weight128,
                _ => MatMulTensor.Weight64,
            });
            trial.Launch = () => small(MatMulTensor.Config(task.M, task.N0, tile), a.Cast<Bf16>(), b.Cast<Bf16>(), default, default, task.Output0, task.M, task.N0, task.K, 0);
            return;
        }
        int width = version == 3 ? 128 : 256;
        KernelConfig config = MatMulTensorLarge.Config(task, width, form == Form.Gated);
        if (form is Form.Forward or Form.Half)
        {
            var forward = trial.Accelerator.LoadStreamKernel<Words, Words, Words, Words, ProductTask>((form, version) switch
            {
                (Form.Forward, 3) => MatMulTensorLarge.Forward128,
                (Form.Forward, _) => MatMulTensorLarge.Forward256,
                (_, 3) => MatMulTensorLarge.Half128,
                _ => MatMulTensorLarge.Half256,
            });
            trial.Launch = () => forward(config, a, b, default, default, task);
        }
        else if (form == Form.Gated)
        {
            var gated = trial.Accelerator.LoadStreamKernel<Words, Words, Words, ProductTask>(version == 3 ? MatMulTensorLarge.Gated128 : MatMulTensorLarge.Gated256);
            trial.Launch = () => gated(config, a, b, up, task);
        }
        else
        {
            var gradient = trial.Accelerator.LoadStreamKernel<Words, Words, ProductTask>((form, version) switch
            {
                (Form.Input, 3) => MatMulTensorLarge.Input128,
                (Form.Input, _) => MatMulTensorLarge.Input256,
                (_, 3) => MatMulTensorLarge.Weight128,
                _ => MatMulTensorLarge.Weight256,
            });
            trial.Launch = () => gradient(config, a, b, task);
        }
    }

    private static void Wgmma(KernelTrial trial, TrialSize size, int width, bool gated)
    {
        (Words a, Words b, Words up, ProductTask task) = CaseOf(trial, size, gated ? Form.Gated : Form.Forward);
        KernelConfig config = MatMulWgmma.Config(task, trial.Accelerator.NumMultiprocessors, width, gated);
        TensorMap left = MatMulWgmma.Left(a, task.M, task.K), right = MatMulWgmma.Right(b, task.N0, task.K, width, gated);
        if (gated)
        {
            var kernel = trial.Accelerator.LoadStreamKernel<TensorMap, TensorMap, TensorMap, ProductTask>(width == MatMulWgmma.Wide ? MatMulWgmma.Gated : MatMulWgmma.GatedNarrow);
            TensorMap other = MatMulWgmma.Right(up, task.N0, task.K, width, gated);
            trial.Launch = () => kernel(config, left, right, other, task);
        }
        else
        {
            var kernel = trial.Accelerator.LoadStreamKernel<TensorMap, TensorMap, TensorMap, TensorMap, ProductTask>(width == MatMulWgmma.Wide ? MatMulWgmma.Forward : MatMulWgmma.ForwardNarrow);
            trial.Launch = () => kernel(config, left, right, right, right, task);
        }
    }

    private static void WgmmaGradient(KernelTrial trial, TrialSize size, Form form, bool narrow)
    {
        (Words a, Words b, _, ProductTask task) = CaseOf(trial, size, form);
        TensorMap left = form == Form.Weight ? MatMulWgmma.Down(a, task.M, task.K) : MatMulWgmma.Left(a, task.M, task.K), right = MatMulWgmma.Down(b, task.N0, task.K);
        var kernel = trial.Accelerator.LoadStreamKernel<TensorMap, TensorMap, ProductTask>((form, narrow) switch
        {
            (Form.Input, false) => MatMulWgmma.Input,
            (Form.Input, _) => MatMulWgmma.InputNarrow,
            (_, false) => MatMulWgmma.Weight,
            _ => MatMulWgmma.WeightNarrow,
        });
        KernelConfig config = MatMulWgmma.Config(task, trial.Accelerator.NumMultiprocessors, narrow ? MatMulWgmma.Narrow : MatMulWgmma.Wide);
        trial.Launch = () => kernel(config, left, right, task);
    }

    /// <summary>Both halves of a product of few tiles, the down projection of a batch that decodes: K in parts, and the parts together.</summary>
    private static void SplitProduct(KernelTrial trial, TrialSize size)
    {
        (Words a, Words b, _, ProductTask task) = CaseOf(trial, size with { Columns = (size.Columns + 3) / 4 * 4 }, Form.Forward);
        task.Splits = Math.Min((task.K + 191) / 192, 16);
        ArrayView<float> sums = trial.Input(new float[task.Splits * task.M * task.N0]);
        var parts = new ProductTask { M = task.M, N0 = task.N0, K = task.K, Splits = task.Splits, Ahead = 1, Output0 = sums };
        var product = trial.Accelerator.LoadStreamKernel<TensorMap, TensorMap, TensorMap, TensorMap, ProductTask>(MatMulWgmma.ForwardNarrow);
        var together = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ProductTask>(SplitSums.Forward);
        KernelConfig config = MatMulWgmma.Config(parts, trial.Accelerator.NumMultiprocessors, MatMulWgmma.Narrow), second = SplitSums.Config(task);
        TensorMap left = MatMulWgmma.Left(a, task.M, task.K), right = MatMulWgmma.Right(b, task.N0, task.K, MatMulWgmma.Narrow);
        trial.Launch = () =>
        {
            product(config, left, right, right, right, parts);
            together(second, sums, task);
        };
    }
}
