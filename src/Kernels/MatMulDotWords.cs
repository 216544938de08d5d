#if !ILGPU
using OllmNative.Runtime.Extensions;

namespace OllmNative.Kernels;

/// <summary>
/// Products of a few rows with 16-bit weights: what decoding consists of, bound by the memory that holds the weights. A lane reads 16
/// bytes at a time. The portable twin is <see cref="MatMulWords.MatMulWords1"/>.
/// </summary>
public static class MatMulDotWords
{
    private const int PerWarp = 2, Threads = 256, Chunk = 8;

    private const string Contract = """
        output[n,o] = (accumulate ? output[n,o] : 0) + bias[o] + sum_i x[n,i] * w[o,i]        x [N,I], output [N,O] f32, bias [O] f32 or empty, w [O,I] 16-bit
        a warp makes 2 outputs for all N rows, 8 weights a lane and step: grid ceil(O/16), group 256
        requires I % 8 = 0, x and w on 16 bytes, N <= 1, 4 or 8 (versions 1, 2, 3)
        bytes 2OI + 4NI + 4NO, flops 2NOI
        """;

    /// <summary>The layout of all versions.</summary>
    public static KernelConfig Config(int outputs) => new((outputs + PerWarp * (Threads / 32) - 1) / (PerWarp * (Threads / 32)), Threads);

    [Kernel("MatMulFewBf16Rows", Contract, Version = 1)]
    public static void Bf16One(
        ArrayView<float> x, ArrayView<ushort> w, ArrayView<float> bias, ArrayView<float> output, int rows, int outputs, int inputs, int accumulate) =>
        Run(x, w, bias, output, rows, outputs, inputs, accumulate, 1, Weights16.Bf16);

    [Kernel("MatMulFewBf16Rows", Contract, Version = 2)]
    public static void Bf16Four(
        ArrayView<float> x, ArrayView<ushort> w, ArrayView<float> bias, ArrayView<float> output, int rows, int outputs, int inputs, int accumulate) =>
        Run(x, w, bias, output, rows, outputs, inputs, accumulate, 4, Weights16.Bf16);

    [Kernel("MatMulFewBf16Rows", Contract, Version = 3)]
    public static void Bf16Eight(
        ArrayView<float> x, ArrayView<ushort> w, ArrayView<float> bias, ArrayView<float> output, int rows, int outputs, int inputs, int accumulate) =>
        Run(x, w, bias, output, rows, outputs, inputs, accumulate, 8, Weights16.Bf16);

    [Kernel("MatMulFewF16Rows", Contract)]
    public static void F16Eight(
        ArrayView<float> x, ArrayView<ushort> w, ArrayView<float> bias, ArrayView<float> output, int rows, int outputs, int inputs, int accumulate) =>
        Run(x, w, bias, output, rows, outputs, inputs, accumulate, 8, Weights16.F16);

    private static void Run(
        ArrayView<float> x, ArrayView<ushort> w, ArrayView<float> bias, ArrayView<float> output, int rows, int outputs, int inputs, int accumulate,
        int most, int type)
    {
        int first = (Grid.IdxX * (Threads / 32) + Group.IdxX / 32) * PerWarp;
        // Whole warps leave, so the shuffles below stay complete.
        if (first >= outputs) return;
        ArrayView<ushort> w0 = w.SubView((long)first * inputs, inputs);
        ArrayView<ushort> w1 = w.SubView((long)XMath.Min(first + 1, outputs - 1) * inputs, inputs);
        ArrayView<float> sums = LocalMemory.Allocate<float>(16);
        for (int i = 0; i < PerWarp * most; i++) sums[i] = 0f;
        for (int k = Group.IdxX % 32 * Chunk; k < inputs; k += 32 * Chunk)
        {
            Word4 a = Vector16.LoadWords(w0, k), b = Vector16.LoadWords(w1, k);
            for (int n = 0; n < most; n++)
            {
                // Surplus rows repeat the last one; their sums are not stored.
                int at = XMath.Min(n, rows - 1) * inputs + k;
                Float4 low = Vector16.LoadFloat4(x, at), high = Vector16.LoadFloat4(x, at + 4);
                sums[n] += Dot(a, low, high, type);
                sums[most + n] += Dot(b, low, high, type);
            }
        }

        for (int i = 0; i < PerWarp * most; i++)
        {
            float sum = MatMulDot.WarpSum(sums[i]);
            int o = first + i / most, n = i % most;
            if (Group.IdxX % 32 == i && o < outputs && n < rows) MatMulDot.Store(output, bias, (long)n * outputs + o, o, accumulate, sum);
        }
    }

    internal static float Dot(Word4 w, Float4 low, Float4 high, int type) =>
        Low(w.X, type) * low.X + High(w.X, type) * low.Y + Low(w.Y, type) * low.Z + High(w.Y, type) * low.W
        + (Low(w.Z, type) * high.X + High(w.Z, type) * high.Y + Low(w.W, type) * high.Z + High(w.W, type) * high.W);

    private static float Low(uint word, int type) => type == Weights16.Bf16 ? Vector16.LowBf16(word) : Weights16.Value((ushort)word, Weights16.F16);

    private static float High(uint word, int type) => type == Weights16.Bf16 ? Vector16.HighBf16(word) : Weights16.Value((ushort)(word >> 16), Weights16.F16);
}
#endif
