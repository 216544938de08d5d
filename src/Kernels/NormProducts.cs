#if !ILGPU
using OllmNative.Runtime.Extensions;

namespace OllmNative.Kernels;

/// <summary>Sizes of <see cref="NormProducts"/>.</summary>
public struct NormProductsShape
{
    /// <summary>N, and inputs of every matrix.</summary>
    public int Rows, Inputs;

    /// <summary>Outputs of the three matrices; 0 for an absent one.</summary>
    public int Outputs0, Outputs1, Outputs2;

    /// <summary>Of the norm.</summary>
    public float Epsilon;
}

/// <summary>
/// Decoding: a norm and the products of its result in one launch, with bf16 weights. Every group finds the norm of the few rows by itself,
/// which costs less than a launch of its own. The portable twins are <see cref="RmsNormRows"/> and <see cref="MatMulWords"/>.
/// </summary>
public static class NormProducts
{
    private const int Threads = 256, Warps = Threads / 32, Chunk = 8;

    private const string Contract = """
        with r = gain * x / sqrt(mean(x^2) + epsilon):  output_j[n,o] = bias_j[o] + sum_i r[n,i] * w_j[o,i]  for up to three matrices j
        x [N,I], gain [I], bias_j [O_j] or empty, output_j [N,O_j] f32, w_j [O_j,I] bf16 in words
        a warp makes 2 outputs for all N rows: grid ceil(sum_j ceil(O_j/2) / 8), group 256
        requires I % 8 = 0, x, gain and w on 16 bytes, N <= 1, 4 or 8 (versions 1, 2, 3)
        bytes 2I sum O_j + 4NI + 4N sum O_j, flops 2NI sum O_j
        """;

    private const string GateContract = """
        with r = gain * x / sqrt(mean(x^2) + epsilon):  output[n,o] = silu(gate row o . r[n]) * (up row o . r[n])
        x [N,I], gain [I], output [N,O] f32, gate and up [O,I] bf16 in words
        a warp makes an output for all N rows: grid ceil(O/8), group 256
        requires I % 8 = 0, x, gain and weights on 16 bytes, N <= 1, 4 or 8 (versions 1, 2, 3)
        bytes 4OI + 4NI + 4NO, flops 4NOI
        """;

    /// <summary>The layout of the products.</summary>
    public static KernelConfig Config(NormProductsShape shape) =>
        new(((shape.Outputs0 + 1) / 2 + (shape.Outputs1 + 1) / 2 + (shape.Outputs2 + 1) / 2 + Warps - 1) / Warps, Threads);

    /// <summary>The layout of gate and up.</summary>
    public static KernelConfig GateConfig(NormProductsShape shape) => new((shape.Outputs0 + Warps - 1) / Warps, Threads);

    [Kernel("NormProducts", Contract, Version = 1)]
    public static void One(
        ArrayView<float> x, ArrayView<float> gain, ArrayView<ushort> w0, ArrayView<ushort> w1, ArrayView<ushort> w2,
        ArrayView<float> bias0, ArrayView<float> bias1, ArrayView<float> bias2,
        ArrayView<float> output0, ArrayView<float> output1, ArrayView<float> output2, NormProductsShape shape) =>
        Products(x, gain, w0, w1, w2, bias0, bias1, bias2, output0, output1, output2, shape, 1);

    [Kernel("NormProducts", Contract, Version = 2)]
    public static void Four(
        ArrayView<float> x, ArrayView<float> gain, ArrayView<ushort> w0, ArrayView<ushort> w1, ArrayView<ushort> w2,
        ArrayView<float> bias0, ArrayView<float> bias1, ArrayView<float> bias2,
        ArrayView<float> output0, ArrayView<float> output1, ArrayView<float> output2, NormProductsShape shape) =>
        Products(x, gain, w0, w1, w2, bias0, bias1, bias2, output0, output1, output2, shape, 4);

    [Kernel("NormProducts", Contract, Version = 3)]
    public static void Eight(
        ArrayView<float> x, ArrayView<float> gain, ArrayView<ushort> w0, ArrayView<ushort> w1, ArrayView<ushort> w2,
        ArrayView<float> bias0, ArrayView<float> bias1, ArrayView<float> bias2,
        ArrayView<float> output0, ArrayView<float> output1, ArrayView<float> output2, NormProductsShape shape) =>
        Products(x, gain, w0, w1, w2, bias0, bias1, bias2, output0, output1, output2, shape, 8);

    [Kernel("NormGateUp", GateContract, Version = 1)]
    public static void GateUpOne(
        ArrayView<float> x, ArrayView<float> gain, ArrayView<ushort> gate, ArrayView<ushort> up, ArrayView<float> output, NormProductsShape shape) =>
        GateUp(x, gain, gate, up, output, shape, 1);

    [Kernel("NormGateUp", GateContract, Version = 2)]
    public static void GateUpFour(
        ArrayView<float> x, ArrayView<float> gain, ArrayView<ushort> gate, ArrayView<ushort> up, ArrayView<float> output, NormProductsShape shape) =>
        GateUp(x, gain, gate, up, output, shape, 4);

    [Kernel("NormGateUp", GateContract, Version = 3)]
    public static void GateUpEight(
        ArrayView<float> x, ArrayView<float> gain, ArrayView<ushort> gate, ArrayView<ushort> up, ArrayView<float> output, NormProductsShape shape) =>
        GateUp(x, gain, gate, up, output, shape, 8);

    private static void Products(
        ArrayView<float> x, ArrayView<float> gain, ArrayView<ushort> w0, ArrayView<ushort> w1, ArrayView<ushort> w2,
        ArrayView<float> bias0, ArrayView<float> bias1, ArrayView<float> bias2,
        ArrayView<float> output0, ArrayView<float> output1, ArrayView<float> output2, NormProductsShape shape, int most)
    {
        ArrayView<float> inverse = LocalMemory.Allocate<float>(8);
        Norms(x, inverse, shape, most);
        int pair = Grid.IdxX * Warps + Group.IdxX / 32;
        int pairs0 = (shape.Outputs0 + 1) / 2, pairs1 = (shape.Outputs1 + 1) / 2, pairs2 = (shape.Outputs2 + 1) / 2;
        // Whole warps go one way.
        if (pair < pairs0) Two(x, gain, w0, bias0, output0, inverse, 2 * pair, shape.Outputs0, shape, most);
        else if (pair < pairs0 + pairs1) Two(x, gain, w1, bias1, output1, inverse, 2 * (pair - pairs0), shape.Outputs1, shape, most);
        else if (pair < pairs0 + pairs1 + pairs2) Two(x, gain, w2, bias2, output2, inverse, 2 * (pair - pairs0 - pairs1), shape.Outputs2, shape, most);
    }

    private static void Two(
        ArrayView<float> x, ArrayView<float> gain, ArrayView<ushort> w, ArrayView<float> bias, ArrayView<float> output,
        ArrayView<float> inverse, int first, int outputs, NormProductsShape shape, int most)
    {
        ArrayView<float> sums = LocalMemory.Allocate<float>(16);
        Dots(x, gain, w, first, w, XMath.Min(first + 1, outputs - 1), sums, shape, most);
        for (int i = 0; i < 2 * most; i++)
        {
            float sum = MatMulDot.WarpSum(sums[i]) * inverse[i % most];
            int o = first + i / most, n = i % most;
            if (Group.IdxX % 32 == i && o < outputs && n < shape.Rows) MatMulDot.Store(output, bias, (long)n * outputs + o, o, 0, sum);
        }
    }

    private static void GateUp(
        ArrayView<float> x, ArrayView<float> gain, ArrayView<ushort> gate, ArrayView<ushort> up, ArrayView<float> output, NormProductsShape shape, int most)
    {
        ArrayView<float> inverse = LocalMemory.Allocate<float>(8);
        Norms(x, inverse, shape, most);
        int o = Grid.IdxX * Warps + Group.IdxX / 32;
        if (o >= shape.Outputs0) return;
        ArrayView<float> sums = LocalMemory.Allocate<float>(16);
        Dots(x, gain, gate, o, up, o, sums, shape, most);
        for (int n = 0; n < most; n++)
        {
            float g = MatMulDot.WarpSum(sums[n]) * inverse[n], u = MatMulDot.WarpSum(sums[most + n]) * inverse[n];
            if (Group.IdxX % 32 == n && n < shape.Rows) output[(long)n * shape.Outputs0 + o] = g / (1f + XMath.Exp(-g)) * u;
        }
    }

    /// <summary>1 / sqrt(mean(x²) + epsilon) of each row, for every thread.</summary>
    private static void Norms(ArrayView<float> x, ArrayView<float> inverse, NormProductsShape shape, int most)
    {
        ArrayView<float> parts = SharedMemory.Allocate<float>(8 * Warps);
        for (int n = 0; n < most; n++)
        {
            // Surplus rows repeat the last one; their sums are not stored.
            int row = XMath.Min(n, shape.Rows - 1) * shape.Inputs;
            float squares = 0f;
            for (int i = Group.IdxX; i < shape.Inputs; i += Threads) squares += x[row + i] * x[row + i];
            squares = MatMulDot.WarpSum(squares);
            if (Group.IdxX % 32 == 0) parts[n * Warps + Group.IdxX / 32] = squares;
        }
        Group.Barrier();
        for (int n = 0; n < most; n++)
        {
            float sum = 0f;
            for (int warp = 0; warp < Warps; warp++) sum += parts[n * Warps + warp];
            inverse[n] = 1f / XMath.Sqrt(sum / shape.Inputs + shape.Epsilon);
        }
    }

    /// <summary>This lane's part of a row of each matrix times gain * x, for each row of x.</summary>
    private static void Dots(
        ArrayView<float> x, ArrayView<float> gain, ArrayView<ushort> first, int firstRow, ArrayView<ushort> second, int secondRow,
        ArrayView<float> sums, NormProductsShape shape, int most)
    {
        ArrayView<ushort> w0 = first.SubView((long)firstRow * shape.Inputs, shape.Inputs);
        ArrayView<ushort> w1 = second.SubView((long)secondRow * shape.Inputs, shape.Inputs);
        for (int i = 0; i < 2 * most; i++) sums[i] = 0f;
        for (int k = Group.IdxX % 32 * Chunk; k < shape.Inputs; k += 32 * Chunk)
        {
            Word4 a = Vector16.LoadWords(w0, k), b = Vector16.LoadWords(w1, k);
            Float4 gainLow = Vector16.LoadFloat4(gain, k), gainHigh = Vector16.LoadFloat4(gain, k + 4);
            for (int n = 0; n < most; n++)
            {
                int at = XMath.Min(n, shape.Rows - 1) * shape.Inputs + k;
                Float4 low = Times(Vector16.LoadFloat4(x, at), gainLow), high = Times(Vector16.LoadFloat4(x, at + 4), gainHigh);
                sums[n] += MatMulDotWords.Dot(a, low, high, Weights16.Bf16);
                sums[most + n] += MatMulDotWords.Dot(b, low, high, Weights16.Bf16);
            }
        }
    }

    private static Float4 Times(Float4 a, Float4 b) => new(a.X * b.X, a.Y * b.Y, a.Z * b.Z, a.W * b.W);
}
#endif
