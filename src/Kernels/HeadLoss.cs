namespace OllmNative.Kernels;

/// <summary>
/// The parts of the fused head and cross-entropy that are not products: logits of a chunk of the vocabulary come and go, and each row
/// keeps a running maximum, sum, target logit and best token. The gradient sum_v p_v W_v is attention over the vocabulary: what it
/// holds shrinks when the maximum grows.
/// </summary>
public static class HeadLoss
{
    private const string ChunkContract = """
        for the logits l[n,v], v in [first, first + C):  m' = max(m, max_v l), shrink = exp(m - m'), s = s * shrink + sum_v exp(l - m'), l[n,v] <- exp(l - m')
        also best[n] = first v of the largest logit so far, target[n] = l[n, targets[n]] when it is in the chunk; first = 0 begins anew
        l [N,C] f32 in place, targets, best [N] i32
        state [4,N] f32: maximum, sum, target's logit, shrink
        grid N, group whole warps, one-dimensional
        bytes 16NC, flops 6NC
        """;

    private const string FinishContract = """
        loss[n] = m + log s - target's logit, prediction[n] = best[n];  gradient[n,d] <- gradient[n,d] / s - W[targets[n],d] where there is one
        state [4,N] f32, best, targets, prediction [N] i32, W [V,D] f32 (or 16-bit), gradient [N,D] f32 or empty, loss [N] f32
        grid N, group any one-dimensional
        bytes 12ND, flops 2ND
        """;

    [Kernel("HeadLossChunk", ChunkContract)]
    public static void Chunk(ArrayView<float> logits, ArrayView<int> targets, ArrayView<float> state, ArrayView<int> best, int rows, int first, int count)
    {
        int n = Grid.IdxX, width = Group.DimX;
        long row = (long)n * count;
        int target = targets[n] - first;
        float targetLogit = target >= 0 && target < count ? logits[row + target] : float.NegativeInfinity;
        float top = float.NegativeInfinity;
        int at = int.MaxValue;
        for (int v = Group.IdxX; v < count; v += width)
        {
            float value = logits[row + v];
            if (value > top)
            {
                top = value;
                at = v;
            }
        }
        at = GroupReduce.FirstMaxAll(top, at);
        top = GroupReduce.MaxAll(top);
        float before = first == 0 ? float.NegativeInfinity : state[n], max = XMath.Max(before, top), sum = 0;
        for (int v = Group.IdxX; v < count; v += width)
        {
            float weight = XMath.Exp(logits[row + v] - max);
            logits[row + v] = weight;
            sum += weight;
        }
        sum = GroupReduce.SumAll(sum);
        if (Group.IdxX != 0) return;
        float shrink = first == 0 ? 0f : XMath.Exp(before - max);
        if (first == 0 || top > before) best[n] = at == int.MaxValue ? 0 : first + at;
        state[n] = max;
        state[rows + n] = first == 0 ? sum : state[rows + n] * shrink + sum;
        state[2 * rows + n] = first == 0 ? targetLogit : XMath.Max(targetLogit, state[2 * rows + n]);
        state[3 * rows + n] = shrink;
    }

    [Kernel("HeadLossFinish", FinishContract, Version = 1)]
    public static void Finish(
        ArrayView<float> state, ArrayView<int> best, ArrayView<int> targets, ArrayView<float> weights,
        ArrayView<float> loss, ArrayView<int> prediction, ArrayView<float> gradient, int rows, int columns)
    {
        int n = Grid.IdxX;
        End(state, best, loss, prediction, rows);
        if (gradient.Length == 0) return;
        long row = (long)n * columns, target = (long)targets[n] * columns;
        float scale = 1f / state[rows + n];
        for (int d = Group.IdxX; d < columns; d += Group.DimX) gradient[row + d] = gradient[row + d] * scale - weights[target + d];
    }

    [Kernel("HeadLossFinish", FinishContract, Version = 2)]
    public static void FinishWords(
        ArrayView<float> state, ArrayView<int> best, ArrayView<int> targets, ArrayView<ushort> weights,
        ArrayView<float> loss, ArrayView<int> prediction, ArrayView<float> gradient, int rows, int columns, int type)
    {
        int n = Grid.IdxX;
        End(state, best, loss, prediction, rows);
        if (gradient.Length == 0) return;
        long row = (long)n * columns, target = (long)targets[n] * columns;
        float scale = 1f / state[rows + n];
        for (int d = Group.IdxX; d < columns; d += Group.DimX)
            gradient[row + d] = gradient[row + d] * scale - Weights16.Value(weights[target + d], type);
    }

    private static void End(ArrayView<float> state, ArrayView<int> best, ArrayView<float> loss, ArrayView<int> prediction, int rows)
    {
        int n = Grid.IdxX;
        if (Group.IdxX != 0) return;
        loss[n] = state[n] + KernelMath.Log(state[rows + n]) - state[2 * rows + n];
        prediction[n] = best[n];
    }
}
