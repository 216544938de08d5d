#if !ILGPU
using OllmNative.Runtime.Extensions;

namespace OllmNative.Kernels;

/// <summary>
/// Linear layers with as few outputs as there are options, for many rows: what lies behind the hidden layer of encoder and policy, and the decoder's
/// table. A tile of the tensor cores would be mostly padding; these are bound by their rows' own bytes, so what stands before the layer, SiLU, and
/// what follows from its gradient, that of SiLU, are made in the same pass.
/// </summary>
public static class FewOutputs
{
    /// <summary>Most outputs, rows of a warp, rows of a chunk of gradients, threads that go through one.</summary>
    public const int Most = 16, WarpRows = 2, Chunk = 64, ChunkThreads = 128;

    private const int Threads = 256;

    private const string ForwardContract = """
        output[n,k] = bias[k] + sum_m input[n,m] weights[k,m]        input [N,M], weights [K,M], bias [K] or empty, output [N,K], all f32
        grid ceil(N / 16), group 256, a warp has two rows        requires K <= 16
        bytes 4NM, flops 2NMK
        """;

    private const string AdapterContract = """
        output[n,k] = bias[k] + sum_m silu(pre[n,m]) weights[k,m]        pre [N,M], weights [K,M], bias [K] or empty, output [N,K], all f32
        grid ceil(N / 16), group 256, a warp has two rows        requires K <= 16
        bytes 4NM, flops 2NMK + 5NM
        """;

    private const string WeightContract = """
        partial[c,k,m] = sum over rows n of chunk c of left[n,k] * right[n,m]        left [N,K], right [N,M] f32, partial [ceil(N/64),K,M] f32
        grid ceil(M / 128) x ceil(N / 64), group 128; a thread sums a column in order        requires K <= 16
        bytes 4NM + NKM/16, flops 2NMK
        """;

    private const string BackwardContract = """
        gradient[n,m] = silu'(pre[n,m]) * sum_k outputGradient[n,k] weights[k,m], rounded to bf16 as well where rounded is not empty
        partial[c,k,m] = sum over rows n of chunk c of outputGradient[n,k] * silu(pre[n,m])        bias[c,m] = sum over rows n of chunk c of gradient[n,m]
        pre, gradient [N,M], outputGradient [N,K], weights [K,M], partial [ceil(N/64),K,M], bias [ceil(N/64),M] f32, rounded [N,M] bf16 or empty
        grid ceil(M / 128) x ceil(N / 64), group 128; a thread sums a column in order        requires K <= 16
        bytes 10NM + NKM/16, flops 4NMK + 12NM
        """;

    /// <summary>The layout of the forward products.</summary>
    public static KernelConfig Config(int rows) => new((rows + Threads / 32 * WarpRows - 1) / (Threads / 32 * WarpRows), Threads);

    /// <summary>The layout of the gradients.</summary>
    public static KernelConfig GradientConfig(int rows, int width) =>
        new(new Index3D((width + ChunkThreads - 1) / ChunkThreads, (rows + Chunk - 1) / Chunk, 1), new Index3D(ChunkThreads, 1, 1));

    [Kernel("FewOutputs", ForwardContract)]
    public static void Forward(ArrayView<float> input, ArrayView<float> weights, ArrayView<float> bias, ArrayView<float> output, int rows, int width, int outputs) =>
        Products(input, weights, bias, output, rows, width, outputs, false);

    [Kernel("AdapterOutputs", AdapterContract)]
    public static void Adapter(ArrayView<float> pre, ArrayView<float> weights, ArrayView<float> bias, ArrayView<float> output, int rows, int width, int outputs) =>
        Products(pre, weights, bias, output, rows, width, outputs, true);

    [Kernel("FewOutputsWeight", WeightContract)]
    public static void Weight(ArrayView<float> left, ArrayView<float> right, ArrayView<float> partial, int rows, int width, int outputs)
    {
        ArrayView<float> tile = SharedMemory.Allocate<float>(Chunk * Most);
        int first = Grid.IdxY * Chunk, count = XMath.Min(Chunk, rows - first);
        LoadChunk(tile, left, first, count, outputs);
        int m = Grid.IdxX * Group.DimX + Group.IdxX;
        if (m >= width) return;
        float[] sums = new float[Most];
        for (int k = 0; k < Most; k++) sums[k] = 0f;
        for (int n = 0; n < count; n++)
        {
            float value = right[(long)(first + n) * width + m];
            for (int q = 0; q < Most / 4; q++)
                if (4 * q < outputs) AddOuter(sums, 4 * q, Vector16.LoadFloat4(tile, n * Most + 4 * q), value);
        }
        StoreSums(sums, partial, width, outputs, m);
    }

    [Kernel("AdapterGradients", BackwardContract)]
    public static void Backward(
        ArrayView<float> pre, ArrayView<float> outputGradient, ArrayView<float> weights, ArrayView<float> gradient, ArrayView<ushort> rounded,
        ArrayView<float> partial, ArrayView<float> bias, int rows, int width, int outputs)
    {
        ArrayView<float> tile = SharedMemory.Allocate<float>(Chunk * Most);
        int first = Grid.IdxY * Chunk, count = XMath.Min(Chunk, rows - first);
        LoadChunk(tile, outputGradient, first, count, outputs);
        int m = Grid.IdxX * Group.DimX + Group.IdxX;
        if (m >= width) return;
        float[] sums = new float[Most], column = new float[Most];
        for (int k = 0; k < Most; k++)
        {
            sums[k] = 0f;
            // Behind the last output stands its gradient of zero.
            column[k] = weights[(long)XMath.Min(k, outputs - 1) * width + m];
        }
        float shift = 0f;
        for (int n = 0; n < count; n++)
        {
            long at = (long)(first + n) * width + m;
            float x = pre[at], s = SwiGlu.Sigmoid(x), g = 0f;
            for (int q = 0; q < Most / 4; q++)
            {
                if (4 * q >= outputs) continue;
                Float4 d = Vector16.LoadFloat4(tile, n * Most + 4 * q);
                g += d.X * column[4 * q] + d.Y * column[4 * q + 1] + d.Z * column[4 * q + 2] + d.W * column[4 * q + 3];
                AddOuter(sums, 4 * q, d, x * s);
            }
            g *= s * (1f + x * (1f - s));
            gradient[at] = g;
            if (rounded.Length != 0) rounded[at] = Weights16.RoundToBf16(g);
            shift += g;
        }
        StoreSums(sums, partial, width, outputs, m);
        bias[(long)Grid.IdxY * width + m] = shift;
    }

    /// <summary>The last argument is a constant of each kernel.</summary>
    private static void Products(
        ArrayView<float> input, ArrayView<float> weights, ArrayView<float> bias, ArrayView<float> output, int rows, int width, int outputs, bool silu)
    {
        int lane = Group.IdxX % 32, row = (Grid.IdxX * (Threads / 32) + Group.IdxX / 32) * WarpRows;
        if (row >= rows) return;
        // The last row of an odd number stands in for the one that is missing.
        long first = (long)row * width, second = row + 1 < rows ? first + width : first;
        float[] sums = new float[WarpRows * Most];
        for (int i = 0; i < WarpRows * Most; i++) sums[i] = 0f;
        for (int m = lane; m < width; m += 32)
        {
            float x = input[first + m], y = input[second + m];
            if (silu)
            {
                x *= SwiGlu.Sigmoid(x);
                y *= SwiGlu.Sigmoid(y);
            }
            for (int q = 0; q < Most; q += 4)
            {
                // The same for the whole grid.
                if (q >= outputs) continue;
                for (int k = q; k < q + 4; k++)
                {
                    float weight = weights[(long)XMath.Min(k, outputs - 1) * width + m];
                    sums[k] += x * weight;
                    sums[Most + k] += y * weight;
                }
            }
        }
        float upper = 0f, lower = 0f;
        for (int k = 0; k < Most; k++)
        {
            float a = WarpSum(sums[k]), b = WarpSum(sums[Most + k]);
            upper = lane == k ? a : upper;
            lower = lane == k ? b : lower;
        }
        if (lane >= outputs) return;
        float shift = bias.Length != 0 ? bias[lane] : 0f;
        output[(long)row * outputs + lane] = upper + shift;
        if (row + 1 < rows) output[(long)(row + 1) * outputs + lane] = lower + shift;
    }

    private static float WarpSum(float value)
    {
        for (int offset = 16; offset > 0; offset /= 2) value += Warp.ShuffleXor(value, offset);
        return value;
    }

    /// <summary>Rows of a chunk's left operand, sixteen numbers each: zeros behind the last output.</summary>
    private static void LoadChunk(ArrayView<float> tile, ArrayView<float> left, int first, int count, int outputs)
    {
        for (int i = Group.IdxX; i < Chunk * Most; i += Group.DimX)
        {
            int n = i / Most, k = i % Most;
            tile[i] = n < count && k < outputs ? left[(long)(first + n) * outputs + k] : 0f;
        }
        Group.Barrier();
    }

    private static void AddOuter(float[] sums, int at, Float4 left, float value)
    {
        sums[at] += left.X * value;
        sums[at + 1] += left.Y * value;
        sums[at + 2] += left.Z * value;
        sums[at + 3] += left.W * value;
    }

    private static void StoreSums(float[] sums, ArrayView<float> partial, int width, int outputs, int m)
    {
        for (int k = 0; k < Most; k++)
            if (k < outputs) partial[((long)Grid.IdxY * outputs + k) * width + m] = sums[k];
    }
}
#endif
