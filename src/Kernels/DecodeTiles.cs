#if !ILGPU
using OllmNative.Runtime.Extensions;

namespace OllmNative.Kernels;

/// <summary>A weight matrix [O,I] of a decoding product, and where its result goes.</summary>
public struct DecodeMatrix
{
    /// <summary>Rows of bf16, or of bytes with a scale each; 16 bytes are eight of these words.</summary>
    public ArrayView<ushort> Words;

    /// <summary>[O] with bytes; [O] or empty; [N,O].</summary>
    public ArrayView<float> Scales, Bias, Output;

    /// <summary>O.</summary>
    public int Outputs;
}

/// <summary>Sizes of decoding products.</summary>
public struct DecodeShape
{
    /// <summary>N, and I.</summary>
    public int Rows, Inputs;

    /// <summary>Whether the result is added to what the output holds.</summary>
    public int Accumulate;

    /// <summary>Of the norm.</summary>
    public float Epsilon;
}

/// <summary>
/// The body of the decoding products: 16 rows of weights times up to 16 rows of x in one group. Its eight warps share the inputs, blocks of 64
/// in turn. A warp's weights go from memory straight into the registers of mma's A operand: the order of the inputs within a block is free as
/// long as x has the same, so a lane takes 16 bytes where they lie. Several blocks a warp are under way at any time, the first ones since
/// before the kernel ahead has ended. x is split into two bf16, together 16 bits of its mantissa, so that nothing is rounded to 8.
/// </summary>
internal static class DecodeTiles
{
    /// <summary>Threads of a group, and rows of weights that it takes.</summary>
    public const int Threads = 256, Rows = 16;

    private const int Warps = Threads / 32, Block = 64;

    // A byte is 128 + its lower seven bits, less 128 or 256: both exact in bf16.
    private const uint LowBits = 0x007f007f, LowForm = 0x43004300, HighBits = 0x00800080, HighForm = 0xC300C300;

    /// <summary>What x goes through before the product.</summary>
    public const int Plain = 0, Norm = 1, Silu = 2;

    /// <summary>Where a group's operands are: a row of weights for this lane and one for the accumulators' lower half, and x.</summary>
    public struct Operands
    {
        public ArrayView<ushort> Upper, Lower;

        /// <summary>x, the norm's gain, the table [K,I] of what a row's option adds.</summary>
        public ArrayView<float> X, Gain, Table;

        /// <summary>(option, -) for each row, with a table.</summary>
        public ArrayView<int> Chosen;
    }

    /// <summary>Words of a row of weights.</summary>
    public static int Stride(int inputs, bool bytes) => bytes ? inputs / 2 : inputs;

    /// <summary>
    /// Sums of all warps in shared memory: [warp, tile, lane, 4], and [warp, tile, row of x] of squares. After it comes a barrier.
    /// <paramref name="tiles"/>: eights of rows of x; <paramref name="depth"/>: blocks under way; <paramref name="late"/>: the next kernel starts only when
    /// those before this one have ended; all five last arguments are constants.
    /// </summary>
    public static void Run(
        Operands operands, DecodeShape shape, ArrayView<float> parts, ArrayView<float> squares, int tiles, int depth, bool bytes, int input, bool late = false)
    {
        int warp = Group.IdxX / 32, lane = Group.IdxX % 32, blocks = (shape.Inputs + Block - 1) / Block, perBlock = bytes ? 8 : 16;
        ArrayView<uint> held = LocalMemory.Allocate<uint>(48);
        ArrayView<float> ahead = LocalMemory.Allocate<float>(16);
        ArrayView<float> values = LocalMemory.Allocate<float>(16);
        ArrayView<float> sums = LocalMemory.Allocate<float>(8);
        ArrayView<float> norms = LocalMemory.Allocate<float>(2);
        for (int i = 0; i < 4 * tiles; i++) sums[i] = 0f;
        for (int i = 0; i < tiles; i++) norms[i] = 0f;
        for (int i = 0; i < depth * perBlock; i++) held[i] = 0;
        for (int p = 0; p < depth; p++)
        {
            if (warp + Warps * p < blocks) LoadWeights(held, p * perBlock, operands, (warp + Warps * p) * Block, shape.Inputs, bytes);
        }
        // The next kernel may load its weights as soon as there is room for its groups; this one goes on when x is there.
        if (!late) GridDependency.LaunchDependents();
        GridDependency.Wait();
        if (late) GridDependency.LaunchDependents();
        for (int i = 0; i < 16; i++) ahead[i] = 0f;
        if (warp < blocks) LoadX(ahead, operands.X, warp * Block, shape, 0, bytes);
        for (int first = warp; first < blocks; first += depth * Warps)
        {
            for (int p = 0; p < depth; p++)
            {
                int block = first + p * Warps, next = block + depth * Warps;
                if (block >= blocks) continue;
                for (int tile = 0; tile < tiles; tile++)
                {
                    for (int i = 0; i < 16; i++) values[i] = ahead[i];
                    // The next sixteen inputs are on their way while these are multiplied: other rows of this block, or the first ones of the next.
                    if (tile + 1 < tiles) LoadX(ahead, operands.X, block * Block, shape, tile + 1, bytes);
                    else if (block + Warps < blocks) LoadX(ahead, operands.X, (block + Warps) * Block, shape, 0, bytes);
                    MultiplyEight(held, p * perBlock, values, tile, 0, sums, norms, operands, block * Block, shape, bytes, input);
                    MultiplyEight(held, p * perBlock, values, tile, 1, sums, norms, operands, block * Block, shape, bytes, input);
                }
                if (next < blocks) LoadWeights(held, p * perBlock, operands, next * Block, shape.Inputs, bytes);
            }
        }
        for (int tile = 0; tile < tiles; tile++)
        {
            Vector16.StoreFloat4(parts, ((warp * tiles + tile) * 32 + lane) * 4, new Float4(sums[4 * tile], sums[4 * tile + 1], sums[4 * tile + 2], sums[4 * tile + 3]));
            if (input != Norm) continue;
            float square = norms[tile];
            square += Warp.ShuffleXor(square, 1);
            square += Warp.ShuffleXor(square, 2);
            if (lane % 4 == 0) squares[(warp * tiles + tile) * 8 + lane / 4] = square;
        }
    }

    /// <summary>The sum of element <paramref name="i"/> of a lane's four over the warps.</summary>
    public static float Sum(ArrayView<float> parts, int tiles, int tile, int lane, int i)
    {
        float sum = 0f;
        for (int warp = 0; warp < Warps; warp++) sum += parts[((warp * tiles + tile) * 32 + lane) * 4 + i];
        return sum;
    }

    /// <summary>1 / sqrt(mean(x²) + epsilon) of row n of x.</summary>
    public static float Inverse(ArrayView<float> squares, int tiles, int n, DecodeShape shape)
    {
        float sum = 0f;
        for (int warp = 0; warp < Warps; warp++) sum += squares[(warp * tiles + n / 8) * 8 + n % 8];
        return 1f / XMath.Sqrt(sum / shape.Inputs + shape.Epsilon);
    }

    /// <summary>Where eight inputs of a lane's sixteen begin in a block: of bf16 in two halves, so that four lanes read 64 bytes in a row.</summary>
    private static int Place(int half, bool bytes) => bytes ? Group.IdxX % 4 * 16 + 8 * half : 32 * half + Group.IdxX % 4 * 8;

    private static void LoadWeights(ArrayView<uint> held, int at, Operands operands, int k, int inputs, bool bytes)
    {
        for (int half = 0; half < (bytes ? 1 : 2); half++)
        {
            // Past the end x is zero, so that any weights do.
            int place = XMath.Min(k + Place(half, bytes), inputs - (bytes ? 16 : 8)) / (bytes ? 2 : 1);
            Put(held, at + 8 * half, Vector16.LoadWordsOnce(operands.Upper, place));
            Put(held, at + 8 * half + 4, Vector16.LoadWordsOnce(operands.Lower, place));
        }
    }

    private static void Put(ArrayView<uint> held, int at, Word4 words)
    {
        held[at] = words.X;
        held[at + 1] = words.Y;
        held[at + 2] = words.Z;
        held[at + 3] = words.W;
    }

    /// <summary>Sixteen inputs of this lane's row of an eight of x; surplus rows repeat the last one.</summary>
    private static void LoadX(ArrayView<float> ahead, ArrayView<float> x, int k, DecodeShape shape, int tile, bool bytes)
    {
        int row = XMath.Min(tile * 8 + Group.IdxX % 32 / 4, shape.Rows - 1) * shape.Inputs;
        for (int half = 0; half < 2; half++)
        {
            int place = k + Place(half, bytes), inside = XMath.Min(place, shape.Inputs - 8);
            Float4 low = Vector16.LoadFloat4(x, row + inside), high = Vector16.LoadFloat4(x, row + inside + 4);
            Put(ahead, 8 * half, low, place < shape.Inputs);
            Put(ahead, 8 * half + 4, high, place < shape.Inputs);
        }
    }

    private static void Put(ArrayView<float> ahead, int at, Float4 values, bool inside)
    {
        ahead[at] = inside ? values.X : 0f;
        ahead[at + 1] = inside ? values.Y : 0f;
        ahead[at + 2] = inside ? values.Z : 0f;
        ahead[at + 3] = inside ? values.W : 0f;
    }

    /// <summary>Half of a lane's sixteen inputs.</summary>
    private static void MultiplyEight(
        ArrayView<uint> held, int at, ArrayView<float> x, int tile, int half, ArrayView<float> sums, ArrayView<float> norms,
        Operands operands, int k, DecodeShape shape, bool bytes, int input)
    {
        int from = 8 * half, place = XMath.Min(k + Place(half, bytes), shape.Inputs - 8);
        if (input == Norm)
        {
            for (int i = 0; i < 8; i++) norms[tile] += x[from + i] * x[from + i];
            Scale(x, from, Vector16.LoadFloat4(operands.Gain, place));
            Scale(x, from + 4, Vector16.LoadFloat4(operands.Gain, place + 4));
        }
        else if (input == Silu) Activate(x, from, operands, place, XMath.Min(tile * 8 + Group.IdxX % 32 / 4, shape.Rows - 1), k + Place(half, bytes) < shape.Inputs, shape);
        if (bytes)
        {
            MultiplyBytes(held, at + 2 * half, x, from, sums, 4 * tile);
            MultiplyBytes(held, at + 2 * half + 1, x, from + 4, sums, 4 * tile);
        }
        else
        {
            MultiplyWords(held, at + 8 * half, x, from, sums, 4 * tile);
            MultiplyWords(held, at + 8 * half + 2, x, from + 4, sums, 4 * tile);
        }
    }

    private static void Scale(ArrayView<float> values, int at, Float4 factors)
    {
        values[at] *= factors.X;
        values[at + 1] *= factors.Y;
        values[at + 2] *= factors.Z;
        values[at + 3] *= factors.W;
    }

    /// <summary>silu(x + what the row's option adds).</summary>
    private static void Activate(ArrayView<float> values, int at, Operands operands, int place, int row, bool inside, DecodeShape shape)
    {
        // Straight code: the table is read in any case, so that the array stays in registers.
        int option = operands.Chosen.Length == 0 ? -1 : operands.Chosen[2 * row];
        float share = option >= 0 && inside ? 1f : 0f;
        ArrayView<float> table = operands.Table.Length == 0 ? operands.X : operands.Table;
        int first = XMath.Max(option, 0) * shape.Inputs + place;
        for (int i = 0; i < 8; i++)
        {
            float value = values[at + i] + share * table[first + i];
            values[at + i] = value / (1f + XMath.Exp(-value));
        }
    }

    /// <summary>Four inputs of bf16 weights: A's registers are two words of each row.</summary>
    private static void MultiplyWords(ArrayView<uint> held, int at, ArrayView<float> x, int xAt, ArrayView<float> sums, int sumAt)
    {
        FragmentA a = default;
        a.R0 = held[at];
        a.R1 = held[at + 4];
        a.R2 = held[at + 1];
        a.R3 = held[at + 5];
        FragmentB high = High(x[xAt], x[xAt + 1], x[xAt + 2], x[xAt + 3]), low = Low(high, x[xAt], x[xAt + 1], x[xAt + 2], x[xAt + 3]);
        FragmentC c = Load(sums, sumAt);
        c = TensorCore.MultiplyAddBf16(a, low, c);
        Store(sums, sumAt, TensorCore.MultiplyAddBf16(a, high, c));
    }

    /// <summary>Four inputs of byte weights: the even bytes of a word are one register, the odd ones another, and x is paired in the same way.</summary>
    private static void MultiplyBytes(ArrayView<uint> held, int at, ArrayView<float> x, int xAt, ArrayView<float> sums, int sumAt)
    {
        uint upper = held[at], lower = held[at + 4];
        FragmentB high = High(x[xAt], x[xAt + 2], x[xAt + 1], x[xAt + 3]), low = Low(high, x[xAt], x[xAt + 2], x[xAt + 1], x[xAt + 3]);
        FragmentA a = Bytes(upper, lower, LowBits, LowForm), b = Bytes(upper, lower, HighBits, HighForm);
        FragmentC c = Load(sums, sumAt);
        // What cancels comes together.
        c = TensorCore.MultiplyAddBf16(a, low, c);
        c = TensorCore.MultiplyAddBf16(b, low, c);
        c = TensorCore.MultiplyAddBf16(a, high, c);
        Store(sums, sumAt, TensorCore.MultiplyAddBf16(b, high, c));
    }

    private static FragmentA Bytes(uint upper, uint lower, uint bits, uint form)
    {
        FragmentA a = default;
        a.R0 = (upper & bits) | form;
        a.R1 = (lower & bits) | form;
        a.R2 = (upper >> 8 & bits) | form;
        a.R3 = (lower >> 8 & bits) | form;
        return a;
    }

    /// <summary>x rounded to bf16.</summary>
    private static FragmentB High(float x0, float x1, float x2, float x3)
    {
        FragmentB b = default;
        b.R0 = Vector16.PackBf16(x0, x1);
        b.R1 = Vector16.PackBf16(x2, x3);
        return b;
    }

    /// <summary>What the rounding left, rounded to bf16.</summary>
    private static FragmentB Low(FragmentB high, float x0, float x1, float x2, float x3)
    {
        FragmentB b = default;
        b.R0 = Vector16.PackBf16(x0 - Vector16.LowBf16(high.R0), x1 - Vector16.HighBf16(high.R0));
        b.R1 = Vector16.PackBf16(x2 - Vector16.LowBf16(high.R1), x3 - Vector16.HighBf16(high.R1));
        return b;
    }

    private static FragmentC Load(ArrayView<float> sums, int at)
    {
        FragmentC c = default;
        c.R0 = sums[at];
        c.R1 = sums[at + 1];
        c.R2 = sums[at + 2];
        c.R3 = sums[at + 3];
        return c;
    }

    private static void Store(ArrayView<float> sums, int at, FragmentC c)
    {
        sums[at] = c.R0;
        sums[at + 1] = c.R1;
        sums[at + 2] = c.R2;
        sums[at + 3] = c.R3;
    }
}
#endif
