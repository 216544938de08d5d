namespace OllmNative.Kernels;

/// <summary>Products of a few rows with f32 weights: bundles of dot products, bound by memory, each weight read once.</summary>
public static class MatMulDot
{
    /// <summary>Outputs of one warp; threads of a group.</summary>
    public const int PerWarp = 4, Threads = 256;

    private const string Contract = """
        output[n,o] = (accumulate ? output[n,o] : 0) + bias[o] + sum_i x[n,i] * w[o,i]        x [N,I], w [O,I], output [N,O] f32, bias [O] or empty
        a warp makes 4 outputs for all N rows, its lanes read neighbours: grid ceil(O/32), group 256       requires N <= 1 (version 1) or 8 (version 2)
        bytes 4OI + 4NI + 4NO, flops 2NOI
        """;

    /// <summary>The layout of both versions.</summary>
    public static KernelConfig Config(int outputs) => new((outputs + PerWarp * (Threads / 32) - 1) / (PerWarp * (Threads / 32)), Threads);

    [Kernel("MatMulFewF32Rows", Contract, Version = 1)]
    public static void One(
        ArrayView<float> x, ArrayView<float> w, ArrayView<float> bias, ArrayView<float> output, int rows, int outputs, int inputs, int accumulate) =>
        Run(x, w, bias, output, rows, outputs, inputs, accumulate, 1);

    [Kernel("MatMulFewF32Rows", Contract, Version = 2)]
    public static void Eight(
        ArrayView<float> x, ArrayView<float> w, ArrayView<float> bias, ArrayView<float> output, int rows, int outputs, int inputs, int accumulate) =>
        Run(x, w, bias, output, rows, outputs, inputs, accumulate, 8);

    private static void Run(
        ArrayView<float> x, ArrayView<float> w, ArrayView<float> bias, ArrayView<float> output, int rows, int outputs, int inputs, int accumulate, int most)
    {
        int first = (Grid.IdxX * (Threads / 32) + Group.IdxX / 32) * PerWarp;
        // Whole warps leave, so the shuffles below stay complete.
        if (first >= outputs) return;
        ArrayView<float> sums = LocalMemory.Allocate<float>(32);
        for (int i = 0; i < PerWarp * most; i++) sums[i] = 0f;
        for (int k = Group.IdxX % 32; k < inputs; k += 32)
        {
            for (int o = 0; o < PerWarp; o++)
            {
                // Surplus outputs and rows repeat the last one; their sums are not stored.
                float weight = w[(long)XMath.Min(first + o, outputs - 1) * inputs + k];
                for (int n = 0; n < most; n++) sums[o * most + n] += weight * x[XMath.Min(n, rows - 1) * inputs + k];
            }
        }

        for (int i = 0; i < PerWarp * most; i++)
        {
            float sum = WarpSum(sums[i]);
            int o = first + i / most, n = i % most;
            if (Group.IdxX % 32 == i && o < outputs && n < rows) Store(output, bias, (long)n * outputs + o, o, accumulate, sum);
        }
    }

    internal static float WarpSum(float value)
    {
        for (int offset = 16; offset > 0; offset /= 2) value += Warp.ShuffleXor(value, offset);
        return value;
    }

    internal static void Store(ArrayView<float> output, ArrayView<float> bias, long at, int o, int accumulate, float sum)
    {
        if (bias.Length != 0) sum += bias[o];
        output[at] = accumulate != 0 ? output[at] + sum : sum;
    }
}
