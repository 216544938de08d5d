#if !ILGPU
using OllmNative.Runtime.Extensions;

namespace OllmNative.Kernels;

/// <summary>
/// Decoding on tensor cores: products of up to 8 or 16 rows, each weight read once and at the speed of memory (<see cref="DecodeTiles"/>).
/// Their older twins without tensor cores are <see cref="NormProducts"/> and <see cref="MatMulDotWords"/>.
/// </summary>
public static class DecodeProducts
{
    private const string Layout = """
        a group makes 16 outputs for all N rows: group 256, grid ceil(O/16), summed over the matrices       version 1: N <= 8, 2: N <= 16; 3, 4: the same with bytes
        w bf16, or with bytes scale[o] * w[o,i]; x as two bf16; sums in f32       requires I % 8 = 0 (bytes: 16), x, gain and w on 16 bytes, sm_80
        starts before its predecessor has ended (sm_90): weights are loaded ahead of its wait
        """;

    private const string NormContract = """
        with r = gain * x / sqrt(mean(x^2) + epsilon):  output_j[n,o] = bias_j[o] + sum_i r[n,i] * w_j[o,i]  for up to three matrices j
        x [N,I], gain [I], bias_j [O_j] or empty, output_j [N,O_j] f32, w_j [O_j,I]

        """ + Layout + "\nbytes 2I sum O_j + 4NI + 4N sum O_j, flops 2NI sum O_j";

    private const string GateContract = """
        with r = gain * x / sqrt(mean(x^2) + epsilon):  output[n,o] = silu(gate row o . r[n]) * (up row o . r[n])
        x [N,I], gain [I], output [N,O] f32 (gate's), gate and up [O,I]; a group makes 8 outputs: grid ceil(O/8)

        """ + Layout + "\nbytes 4OI + 4NI + 4NO, flops 4NOI";

    private const string PlainContract = """
        output[n,o] = (accumulate ? output[n,o] : 0) + bias[o] + sum_i x[n,i] * w[o,i]        x [N,I], output [N,O] f32, bias [O] or empty, w [O,I]

        """ + Layout + "\nbytes 2OI + 4NI + 4NO, flops 2NOI";

    private const string AdapterContract = """
        with a[n] = silu(x[n] + (z[n] < 0 ? 0 : table[z[n]])):  output[n,o] = bias[o] + sum_i a[n,i] * w[o,i]
        with residual [N,O]: output[n,o] = residual[n,o] + (z[n] < 0 ? 0 : the same)        x [N,I], table [K,I], output [N,O] f32, chosen [N,2] i32 = (z, -)
        without options (policy) table, chosen and residual are empty; w [O,I] bf16

        """ + Layout + "\nbytes 2OI + 4NI + 8NO, flops 2NOI";

    /// <summary>Threads of a group.</summary>
    public const int Threads = DecodeTiles.Threads;

    /// <summary>The layout for so many outputs; gate and up make two of each.</summary>
    public static KernelConfig Config(int outputs0, int outputs1 = 0, int outputs2 = 0) => new(Tiles(outputs0) + Tiles(outputs1) + Tiles(outputs2), Threads);

    /// <summary>The layout of gate and up.</summary>
    public static KernelConfig GateConfig(int outputs) => new((outputs + DecodeTiles.Rows / 2 - 1) / (DecodeTiles.Rows / 2), Threads);

    private static int Tiles(int outputs) => (outputs + DecodeTiles.Rows - 1) / DecodeTiles.Rows;

    [Kernel("DecodeNormProducts", NormContract, Version = 1), OverlapsPredecessor, GroupBounds(Threads, 2)]
    public static void NormEight(ArrayView<float> x, ArrayView<float> gain, DecodeMatrix first, DecodeMatrix second, DecodeMatrix third, DecodeShape shape) =>
        NormMatrices(x, gain, first, second, third, shape, 1, 3, false);

    [Kernel("DecodeNormProducts", NormContract, Version = 2), OverlapsPredecessor, GroupBounds(Threads, 2)]
    public static void NormSixteen(ArrayView<float> x, ArrayView<float> gain, DecodeMatrix first, DecodeMatrix second, DecodeMatrix third, DecodeShape shape) =>
        NormMatrices(x, gain, first, second, third, shape, 2, 2, false);

    [Kernel("DecodeNormProducts", NormContract, Version = 3), OverlapsPredecessor, GroupBounds(Threads, 2)]
    public static void NormEightBytes(ArrayView<float> x, ArrayView<float> gain, DecodeMatrix first, DecodeMatrix second, DecodeMatrix third, DecodeShape shape) =>
        NormMatrices(x, gain, first, second, third, shape, 1, 3, true);

    [Kernel("DecodeNormProducts", NormContract, Version = 4), OverlapsPredecessor, GroupBounds(Threads, 2)]
    public static void NormSixteenBytes(ArrayView<float> x, ArrayView<float> gain, DecodeMatrix first, DecodeMatrix second, DecodeMatrix third, DecodeShape shape) =>
        NormMatrices(x, gain, first, second, third, shape, 2, 2, true);

    [Kernel("DecodeGateUp", GateContract, Version = 1), OverlapsPredecessor, GroupBounds(Threads, 2)]
    public static void GateEight(ArrayView<float> x, ArrayView<float> gain, DecodeMatrix gate, DecodeMatrix up, DecodeShape shape) => GateUp(x, gain, gate, up, shape, 1, 3, false);

    [Kernel("DecodeGateUp", GateContract, Version = 2), OverlapsPredecessor, GroupBounds(Threads, 2)]
    public static void GateSixteen(ArrayView<float> x, ArrayView<float> gain, DecodeMatrix gate, DecodeMatrix up, DecodeShape shape) => GateUp(x, gain, gate, up, shape, 2, 2, false);

    [Kernel("DecodeGateUp", GateContract, Version = 3), OverlapsPredecessor, GroupBounds(Threads, 2)]
    public static void GateEightBytes(ArrayView<float> x, ArrayView<float> gain, DecodeMatrix gate, DecodeMatrix up, DecodeShape shape) => GateUp(x, gain, gate, up, shape, 1, 3, true);

    [Kernel("DecodeGateUp", GateContract, Version = 4), OverlapsPredecessor, GroupBounds(Threads, 2)]
    public static void GateSixteenBytes(ArrayView<float> x, ArrayView<float> gain, DecodeMatrix gate, DecodeMatrix up, DecodeShape shape) => GateUp(x, gain, gate, up, shape, 2, 2, true);

    [Kernel("DecodeMatMul", PlainContract, Version = 1), OverlapsPredecessor, GroupBounds(Threads, 2)]
    public static void Eight(ArrayView<float> x, DecodeMatrix w, DecodeShape shape) => Product(x, w, default, default, default, shape, 1, 3, false, DecodeTiles.Plain);

    [Kernel("DecodeMatMul", PlainContract, Version = 2), OverlapsPredecessor, GroupBounds(Threads, 2)]
    public static void Sixteen(ArrayView<float> x, DecodeMatrix w, DecodeShape shape) => Product(x, w, default, default, default, shape, 2, 2, false, DecodeTiles.Plain);

    [Kernel("DecodeMatMul", PlainContract, Version = 3), OverlapsPredecessor, GroupBounds(Threads, 2)]
    public static void EightBytes(ArrayView<float> x, DecodeMatrix w, DecodeShape shape) => Product(x, w, default, default, default, shape, 1, 3, true, DecodeTiles.Plain);

    [Kernel("DecodeMatMul", PlainContract, Version = 4), OverlapsPredecessor, GroupBounds(Threads, 2)]
    public static void SixteenBytes(ArrayView<float> x, DecodeMatrix w, DecodeShape shape) => Product(x, w, default, default, default, shape, 2, 2, true, DecodeTiles.Plain);

    [Kernel("DecodeAdapter", AdapterContract, Version = 1), OverlapsPredecessor, GroupBounds(Threads, 2)]
    public static void AdapterEight(ArrayView<float> x, DecodeMatrix w, ArrayView<float> table, ArrayView<int> chosen, ArrayView<float> residual, DecodeShape shape) =>
        Product(x, w, table, chosen, residual, shape, 1, 3, false, DecodeTiles.Silu);

    [Kernel("DecodeAdapter", AdapterContract, Version = 2), OverlapsPredecessor, GroupBounds(Threads, 2)]
    public static void AdapterSixteen(ArrayView<float> x, DecodeMatrix w, ArrayView<float> table, ArrayView<int> chosen, ArrayView<float> residual, DecodeShape shape) =>
        Product(x, w, table, chosen, residual, shape, 2, 2, false, DecodeTiles.Silu);

    private static void NormMatrices(
        ArrayView<float> x, ArrayView<float> gain, DecodeMatrix first, DecodeMatrix second, DecodeMatrix third, DecodeShape shape, int tiles, int depth, bool bytes)
    {
        ArrayView<float> parts = SharedMemory.Allocate<float>(2 * 8 * 128);
        ArrayView<float> squares = SharedMemory.Allocate<float>(2 * 8 * 8);
        DecodeMatrix weights = Mine(first, second, third);
        DecodeTiles.Operands operands = Rows(x, weights, weights, MyTile(first, second) * DecodeTiles.Rows, 8, shape, bytes);
        operands.Gain = gain;
        DecodeTiles.Run(operands, shape, parts, squares, tiles, depth, bytes, DecodeTiles.Norm);
        Group.Barrier();
        // Found again, so that where the results go takes no registers from the loop.
        DecodeMatrix m = Mine(first, second, third);
        int tile = MyTile(first, second);
        if (Group.IdxX >= 128 * tiles) return;
        int half = Group.IdxX / 128, lane = Group.IdxX % 128 / 4, i = Group.IdxX % 4;
        int o = tile * DecodeTiles.Rows + lane / 4 + i / 2 * 8, n = half * 8 + lane % 4 * 2 + i % 2;
        if (o >= m.Outputs || n >= shape.Rows) return;
        float sum = DecodeTiles.Sum(parts, tiles, half, lane, i) * DecodeTiles.Inverse(squares, tiles, n, shape);
        if (bytes) sum *= m.Scales[o];
        MatMulDot.Store(m.Output, m.Bias, (long)n * m.Outputs + o, o, 0, sum);
    }

    /// <summary>The matrix that this group's tile belongs to.</summary>
    internal static DecodeMatrix Mine(DecodeMatrix first, DecodeMatrix second, DecodeMatrix third)
    {
        int tile = Grid.IdxX - Tiles(first.Outputs);
        return tile < 0 ? first : tile < Tiles(second.Outputs) ? second : third;
    }

    /// <summary>The tile's number within its matrix.</summary>
    internal static int MyTile(DecodeMatrix first, DecodeMatrix second)
    {
        int tile = Grid.IdxX - Tiles(first.Outputs), tiles1 = Tiles(second.Outputs);
        return tile < 0 ? Grid.IdxX : tile < tiles1 ? tile : tile - tiles1;
    }

    private static void GateUp(ArrayView<float> x, ArrayView<float> gain, DecodeMatrix gate, DecodeMatrix up, DecodeShape shape, int tiles, int depth, bool bytes)
    {
        ArrayView<float> parts = SharedMemory.Allocate<float>(2 * 8 * 128);
        ArrayView<float> squares = SharedMemory.Allocate<float>(2 * 8 * 8);
        DecodeTiles.Operands operands = Rows(x, gate, up, Grid.IdxX * (DecodeTiles.Rows / 2), 0, shape, bytes);
        operands.Gain = gain;
        DecodeTiles.Run(operands, shape, parts, squares, tiles, depth, bytes, DecodeTiles.Norm);
        Group.Barrier();
        if (Group.IdxX >= 64 * tiles) return;
        int half = Group.IdxX / 64, lane = Group.IdxX % 64 / 2, i = Group.IdxX % 2;
        int o = Grid.IdxX * (DecodeTiles.Rows / 2) + lane / 4, n = half * 8 + lane % 4 * 2 + i;
        if (o >= gate.Outputs || n >= shape.Rows) return;
        float inverse = DecodeTiles.Inverse(squares, tiles, n, shape);
        float g = DecodeTiles.Sum(parts, tiles, half, lane, i) * inverse, u = DecodeTiles.Sum(parts, tiles, half, lane, i + 2) * inverse;
        if (bytes)
        {
            g *= gate.Scales[o];
            u *= up.Scales[o];
        }
        gate.Output[(long)n * gate.Outputs + o] = g / (1f + XMath.Exp(-g)) * u;
    }

    private static void Product(
        ArrayView<float> x, DecodeMatrix w, ArrayView<float> table, ArrayView<int> chosen, ArrayView<float> residual, DecodeShape shape,
        int tiles, int depth, bool bytes, int input)
    {
        ArrayView<float> parts = SharedMemory.Allocate<float>(2 * 8 * 128);
        DecodeTiles.Operands operands = Rows(x, w, w, Grid.IdxX * DecodeTiles.Rows, 8, shape, bytes);
        operands.Table = table;
        operands.Chosen = chosen;
        DecodeTiles.Run(operands, shape, parts, parts, tiles, depth, bytes, input);
        Group.Barrier();
        if (Group.IdxX >= 128 * tiles) return;
        int half = Group.IdxX / 128, lane = Group.IdxX % 128 / 4, i = Group.IdxX % 4;
        int o = Grid.IdxX * DecodeTiles.Rows + lane / 4 + i / 2 * 8, n = half * 8 + lane % 4 * 2 + i % 2;
        if (o >= w.Outputs || n >= shape.Rows) return;
        long at = (long)n * w.Outputs + o;
        float sum = DecodeTiles.Sum(parts, tiles, half, lane, i);
        if (bytes) sum *= w.Scales[o];
        if (input != DecodeTiles.Silu || residual.Length == 0)
        {
            MatMulDot.Store(w.Output, w.Bias, at, o, shape.Accumulate, sum);
            return;
        }
        w.Output[at] = residual[at] + (chosen[2 * n] < 0 ? 0f : sum + w.Bias[o]);
    }

    /// <summary>This lane's two rows of weights, the second so many rows below the first; rows past the end repeat the last one.</summary>
    internal static DecodeTiles.Operands Rows(ArrayView<float> x, DecodeMatrix upper, DecodeMatrix lower, int first, int apart, DecodeShape shape, bool bytes)
    {
        int row = first + Group.IdxX % 32 / 4, stride = DecodeTiles.Stride(shape.Inputs, bytes);
        DecodeTiles.Operands operands = default;
        operands.X = x;
        operands.Upper = upper.Words.SubView((long)XMath.Min(row, upper.Outputs - 1) * stride, stride);
        operands.Lower = lower.Words.SubView((long)XMath.Min(row + apart, lower.Outputs - 1) * stride, stride);
        return operands;
    }
}
#endif
