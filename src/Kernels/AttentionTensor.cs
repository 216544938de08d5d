#if !ILGPU
using OllmNative.Runtime.Extensions;

namespace OllmNative.Kernels;

/// <summary>
/// Attention on the tensor cores, for prompts: four warps take 64 queries of one head against tiles of 64 keys, rounded to bf16 on
/// their way to shared memory. Scores, running maximum and sum, and the result stay in registers (arXiv 2307.08691); the scores'
/// registers are those of the left operand of the second product. The portable twin is <see cref="AttentionTiles.Attention2"/>.
/// </summary>
public static class AttentionTensor
{
    /// <summary>Queries of a group, and its threads.</summary>
    public const int Queries = 64, Threads = 128;

    private const int Tile = 64, Spare = 8;
    private const float Log2E = 1.44269504f;

    private const string Contract = """
        output[t,h] = softmax over positions j <= position(t) of (q[t,h] . keys[j,h']) * scale, times values[j,h']        h' = h * Hkv / H
        q, output [T,H,Dh], keys, values [R,Hkv,Dh] f32; items: (first row, rows, position of the first, cache row of position 0) of each block
        q, keys, values and the softmax's weights rounded to bf16, sums in f32
        grid items x H, group 128       requires rows <= 64 a block, keys and values on 16 bytes, sm_80
        bytes of memory traffic T^2 H Dh / 16 a sequence, flops 4 T^2 H Dh / 2
        """;

    [Kernel("AttentionTensor64", Contract)]
    public static void Head64(
        ArrayView<float> q, ArrayView<float> keys, ArrayView<float> values, ArrayView<float> output, ArrayView<int> items, AttentionShape shape) =>
        Run(q, keys, values, output, items, shape, 64);

    [Kernel("AttentionTensor128", Contract)]
    public static void Head128(
        ArrayView<float> q, ArrayView<float> keys, ArrayView<float> values, ArrayView<float> output, ArrayView<int> items, AttentionShape shape) =>
        Run(q, keys, values, output, items, shape, 128);

    private static void Run(
        ArrayView<float> q, ArrayView<float> keys, ArrayView<float> values, ArrayView<float> output, ArrayView<int> items, AttentionShape shape, int size)
    {
        ArrayView<Bf16> tileK = SharedMemory.Allocate<Bf16>(Tile * (128 + Spare));
        ArrayView<Bf16> tileV = SharedMemory.Allocate<Bf16>(Tile * (128 + Spare));
        ArrayView<uint> left = LocalMemory.Allocate<uint>(32);
        ArrayView<float> scores = LocalMemory.Allocate<float>(Tile / 2);
        ArrayView<float> sums = LocalMemory.Allocate<float>(64);
        int item = Grid.IdxX * 4, first = items[item], rows = items[item + 1], past = items[item + 2], head = Grid.IdxY;
        int lane = Group.IdxX % 32, warpRow = Group.IdxX / 32 * 16, row = warpRow + lane / 4, width = shape.KvHeads * size;
        long cache = (long)items[item + 3] * width + head / (shape.Heads / shape.KvHeads) * size;
        LoadQueries(left, q, first, row, rows, head, lane, shape, size);
        for (int i = 0; i < size / 2; i++) sums[i] = 0f;
        float max0 = float.NegativeInfinity, max1 = float.NegativeInfinity, total0 = 0f, total1 = 0f;
        int end = past + rows;
        for (int key = 0; key < end; key += Tile)
        {
            Group.Barrier();
            LoadTile(tileK, keys, cache, key, end, width, size);
            LoadTile(tileV, values, cache, key, end, width, size);
            Group.Barrier();
            Score(scores, left, tileK, lane, size);
            // Only tiles that reach past the warp's first query hide anything.
            if (key + Tile > past + warpRow) Hide(scores, key, past + row, lane);

            float top0 = XMath.Max(max0, RowMax(scores, 0)), top1 = XMath.Max(max1, RowMax(scores, 2));
            float shrink0 = XMath.Exp2(max0 - top0), shrink1 = XMath.Exp2(max1 - top1);
            total0 = total0 * shrink0 + RowWeights(scores, 0, top0);
            total1 = total1 * shrink1 + RowWeights(scores, 2, top1);
            max0 = top0;
            max1 = top1;
            for (int i = 0; i < size / 2; i++) sums[i] *= i % 4 < 2 ? shrink0 : shrink1;
            Sum(sums, scores, tileV, lane, size);
        }

        float scale0 = 1f / QuadSum(total0), scale1 = 1f / QuadSum(total1);
        for (int i = 0; i < size / 2; i++)
        {
            int query = row + i % 4 / 2 * 8, d = i / 4 * 8 + lane % 4 * 2 + i % 2;
            if (query < rows) output[((long)(first + query) * shape.Heads + head) * size + d] = sums[i] * (i % 4 < 2 ? scale0 : scale1);
        }
    }

    /// <summary>The warp's 16 queries as left operands, one for each 16 columns; scaled so that exponentials are powers of two.</summary>
    private static void LoadQueries(
        ArrayView<uint> left, ArrayView<float> q, int first, int row, int rows, int head, int lane, AttentionShape shape, int size)
    {
        float scale = shape.Scale * Log2E;
        for (int i = 0; i < size / 4; i++)
        {
            // Register i % 4: rows g and g+8 of the left half of the columns, then of the right half.
            int query = row + i % 2 * 8, d = i / 4 * 16 + i % 4 / 2 * 8 + lane % 4 * 2;
            bool inside = query < rows;
            long at = ((long)(first + (inside ? query : 0)) * shape.Heads + head) * size + d;
            left[i] = inside ? Vector16.PackBf16(q[at] * scale, q[at + 1] * scale) : 0u;
        }
    }

    /// <summary>64 keys or values, rounded; zeros behind the last, since a weight of zero does not hide a NaN.</summary>
    private static void LoadTile(ArrayView<Bf16> tile, ArrayView<float> source, long cache, int key, int end, int width, int size)
    {
        for (int part = 0; part < size / 16; part++)
        {
            int i = part * Threads + Group.IdxX, row = i / (size / 8), column = i % (size / 8) * 8;
            Word4 words = new(0u, 0u, 0u, 0u);
            if (key + row < end)
            {
                ArrayView<float> from = source.SubView(cache + (long)(key + row) * width + column, 8);
                Float4 low = Vector16.LoadFloat4(from, 0), high = Vector16.LoadFloat4(from, 4);
                words = new(Vector16.PackBf16(low.X, low.Y), Vector16.PackBf16(low.Z, low.W), Vector16.PackBf16(high.X, high.Y), Vector16.PackBf16(high.Z, high.W));
            }
            Vector16.StoreWords(tile, row * (size + Spare) + column, words);
        }
    }

    /// <summary>scores [16, 64] = queries [16, Dh] keys [64, Dh] transposed.</summary>
    private static void Score(ArrayView<float> scores, ArrayView<uint> left, ArrayView<Bf16> tile, int lane, int size)
    {
        for (int i = 0; i < Tile / 2; i++) scores[i] = 0f;
        int place = (lane / 16 * 8 + lane % 8) * (size + Spare) + lane / 8 % 2 * 8;
        for (int k = 0; k < size / 16; k++)
        {
            FragmentA a = Operand(left[4 * k], left[4 * k + 1], left[4 * k + 2], left[4 * k + 3]);
            for (int n = 0; n < Tile / 16; n++)
            {
                FragmentA b = TensorCore.LoadMatrix4(tile, place + n * 16 * (size + Spare) + 16 * k);
                TensorTiles.Multiply(scores, 8 * n, a, b.R0, b.R1);
                TensorTiles.Multiply(scores, 8 * n + 4, a, b.R2, b.R3);
            }
        }
    }

    /// <summary>sums [16, Dh] += weights [16, 64] values [64, Dh].</summary>
    private static void Sum(ArrayView<float> sums, ArrayView<float> weights, ArrayView<Bf16> tile, int lane, int size)
    {
        int place = (lane / 8 % 2 * 8 + lane % 8) * (size + Spare) + lane / 16 * 8;
        SumStep(sums, weights, tile, place, 0, size);
        SumStep(sums, weights, tile, place, 1, size);
        SumStep(sums, weights, tile, place, 2, size);
        SumStep(sums, weights, tile, place, 3, size);
    }

    /// <summary>16 of the 64 keys. A constant k keeps the weights' array in registers.</summary>
    private static void SumStep(ArrayView<float> sums, ArrayView<float> weights, ArrayView<Bf16> tile, int place, int k, int size)
    {
        FragmentA a = Operand(
            Vector16.PackBf16(weights[8 * k], weights[8 * k + 1]), Vector16.PackBf16(weights[8 * k + 2], weights[8 * k + 3]),
            Vector16.PackBf16(weights[8 * k + 4], weights[8 * k + 5]), Vector16.PackBf16(weights[8 * k + 6], weights[8 * k + 7]));
        for (int n = 0; n < size / 16; n++)
        {
            FragmentA b = TensorCore.LoadMatrix4Transposed(tile, place + k * 16 * (size + Spare) + 16 * n);
            TensorTiles.Multiply(sums, 8 * n, a, b.R0, b.R1);
            TensorTiles.Multiply(sums, 8 * n + 4, a, b.R2, b.R3);
        }
    }

    /// <summary>Scores of keys behind the query's own position count as minus infinity.</summary>
    private static void Hide(ArrayView<float> scores, int key, int position, int lane)
    {
        for (int i = 0; i < Tile / 2; i++)
        {
            int column = key + i / 4 * 8 + lane % 4 * 2 + i % 2;
            if (column > position + i % 4 / 2 * 8) scores[i] = float.NegativeInfinity;
        }
    }

    /// <summary>The largest score of a row: registers half and half + 1 of each product, and the four lanes that share the row.</summary>
    private static float RowMax(ArrayView<float> scores, int half)
    {
        float max = XMath.Max(scores[half], scores[half + 1]);
        for (int n = 1; n < Tile / 8; n++) max = XMath.Max(max, XMath.Max(scores[4 * n + half], scores[4 * n + half + 1]));
        max = XMath.Max(max, Warp.ShuffleXor(max, 1));
        return XMath.Max(max, Warp.ShuffleXor(max, 2));
    }

    /// <summary>Turns a row's scores into weights; returns this lane's part of their sum.</summary>
    private static float RowWeights(ArrayView<float> scores, int half, float max)
    {
        float sum = 0f;
        for (int n = 0; n < Tile / 8; n++)
        {
            float first = XMath.Exp2(scores[4 * n + half] - max), second = XMath.Exp2(scores[4 * n + half + 1] - max);
            scores[4 * n + half] = first;
            scores[4 * n + half + 1] = second;
            sum += first + second;
        }
        return sum;
    }

    private static float QuadSum(float value)
    {
        value += Warp.ShuffleXor(value, 1);
        return value + Warp.ShuffleXor(value, 2);
    }

    private static FragmentA Operand(uint r0, uint r1, uint r2, uint r3)
    {
        FragmentA a = default;
        a.R0 = r0;
        a.R1 = r1;
        a.R2 = r2;
        a.R3 = r3;
        return a;
    }
}
#endif
