using System.Numerics;

namespace OllmNative.Model.Cpu;

public sealed unsafe partial class CpuDevice
{
    /// <summary>Rows of one item, and vocabulary entries whose logits exist at one time.</summary>
    private const int HeadRows = 96, HeadChunk = 256;

    /// <inheritdoc/>
    /// <remarks>
    /// The gradient sum_v p_v W_v - W_y is attention over the vocabulary: the scores are the logits, the values the rows of
    /// W. So a running maximum and sum carry both the loss and the gradient through one pass, a chunk at a time.
    /// </remarks>
    public override void HeadCrossEntropy(
        DeviceView<float> x, DeviceMatrix w, DeviceView<int> targets,
        DeviceView<float> loss, DeviceView<int> prediction, DeviceView<float> gradient)
    {
        CpuMatrix m = Cpu(w);
        int n = checked((int)targets.Length), d = m.Columns;
        Expect(x.Length == (long)n * d && loss.Length == n && prediction.Length == n, "HeadCrossEntropy: x [N, D], targets, loss, prediction [N]");
        Expect(gradient.IsEmpty || gradient.Length == x.Length, "HeadCrossEntropy: gradient [N, D]");
        if (n == 0) return;
        for (int i = 0; i < n; i++) Expect((uint)P(targets)[i] < (uint)m.Rows, $"HeadCrossEntropy: target {P(targets)[i]} is outside the vocabulary of {m.Rows}");

        // Few rows leave threads idle, so the vocabulary is cut as well; the cut depends on the sizes alone.
        int rowBlocks = Items(n, HeadRows);
        int perSplit = RoundUp(Items(m.Rows, Math.Clamp(8 / rowBlocks, 1, Math.Max(1, m.Rows / (4 * HeadChunk)))), HeadChunk);
        int splits = Items(m.Rows, perSplit);
        long partSize = n * (4L + (gradient.IsEmpty ? 0 : d)), perThread = (long)HeadRows * HeadChunk;
        using Lock.Scope alone = _scratchUse.EnterScope();
        float* work = Work(splits * partSize + Threads * perThread);
        _pool.For(rowBlocks * splits, new HeadBody
        {
            X = P(x), W = m.Data, Type = m.DType, Targets = P(targets), WithGradient = !gradient.IsEmpty, N = n, D = d, Vocabulary = m.Rows,
            Splits = splits, PerSplit = perSplit, Parts = work, PartSize = partSize, Logits = work + splits * partSize, PerThread = perThread, Scratch = _scratch,
        });
        _pool.For(n, new HeadMergeBody
        {
            Parts = work, PartSize = partSize, Splits = splits, N = n, D = d, W = m.Data, Type = m.DType, Targets = P(targets),
            Loss = P(loss), Prediction = P(prediction), Gradient = P(gradient),
        });
    }

    /// <summary>What one split of the vocabulary knows about each row: largest logit, where, sum of exponentials, the target's logit, sum of p W.</summary>
    private readonly struct HeadPart(float* start, int n)
    {
        public float* Max => start;
        public float* Sum => start + n;
        public float* Target => start + 2 * n;
        public int* Best => (int*)(start + 3 * n);
        public float* Gradient => start + 4L * n;
    }

    private struct HeadBody : IParallelBody
    {
        public float* X, Parts, Logits;
        public byte* W;
        public DType Type;
        public int* Targets;
        public int N, D, Vocabulary, Splits, PerSplit;
        public long PartSize, PerThread;
        public bool WithGradient;
        public GemmScratch* Scratch;

        public readonly void Run(int index, int thread)
        {
            int split = index % Splits, first = index / Splits * HeadRows, rows = Math.Min(HeadRows, N - first);
            var part = new HeadPart(Parts + split * PartSize, N);
            float* logits = Logits + thread * PerThread, gradient = part.Gradient + (long)first * D;
            for (int r = first; r < first + rows; r++) (part.Max[r], part.Sum[r], part.Target[r], part.Best[r]) = (float.NegativeInfinity, 0, float.NegativeInfinity, 0);
            if (WithGradient) new Span<float>(gradient, rows * D).Clear();

            int last = Math.Min(Vocabulary, (split + 1) * PerSplit);
            for (int v = split * PerSplit; v < last; v += HeadChunk)
            {
                int count = Math.Min(HeadChunk, last - v);
                byte* w = W + (long)v * D * Type.Size();
                Scratch[thread].Multiply(rows, count, D, X + (long)first * D, D, 1, Operand.Transposed(w, Type, D), logits, HeadChunk, accumulate: false);
                for (int r = 0; r < rows; r++) Online(part, first + r, logits + (long)r * HeadChunk, v, count, gradient + (long)r * D);
                if (WithGradient) Scratch[thread].Multiply(rows, D, count, logits, HeadChunk, 1, Operand.Rows(w, Type, D), gradient, D, accumulate: true);
            }
        }

        private readonly void Online(HeadPart part, int row, float* logits, int v, int count, float* gradient)
        {
            int target = Targets[row] - v;
            if ((uint)target < (uint)count) part.Target[row] = logits[target];
            float top = RowMath.Max(logits, count), max = part.Max[row];
            if (top > max || float.IsNaN(top))
            {
                part.Best[row] = v + RowMath.ArgMax(logits, count);
                float shrink = MathF.Exp(max - top);
                part.Sum[row] *= shrink;
                if (WithGradient) RowMath.Scale(gradient, D, shrink);
                part.Max[row] = max = top;
            }
            part.Sum[row] += RowMath.ExpSum(logits, count, max);
        }
    }

    private struct HeadMergeBody : IParallelBody
    {
        public float* Parts, Loss, Gradient;
        public byte* W;
        public DType Type;
        public int* Targets, Prediction;
        public int Splits, N, D;
        public long PartSize;

        public readonly void Run(int row, int thread)
        {
            float max = float.NegativeInfinity, target = float.NegativeInfinity, sum = 0;
            Prediction[row] = 0; // stays where no logit is a number
            for (int s = 0; s < Splits; s++)
            {
                HeadPart part = Part(s);
                if (part.Max[row] > max) (max, Prediction[row]) = (part.Max[row], part.Best[row]);
                target = MathF.Max(target, part.Target[row]);
            }
            for (int s = 0; s < Splits; s++) sum += Part(s).Sum[row] * MathF.Exp(Part(s).Max[row] - max);
            Loss[row] = max + MathF.Log(sum) - target;
            if (Gradient == null) return;
            var to = new Span<float>(Gradient + (long)row * D, D);
            to.Clear();
            for (int s = 0; s < Splits; s++)
                Accumulate(to, new ReadOnlySpan<float>(Part(s).Gradient + (long)row * D, D), MathF.Exp(Part(s).Max[row] - max) / sum);
            switch (Type)
            {
                case DType.F32: SubtractTarget<F32Element>(to, row); break;
                case DType.BF16: SubtractTarget<BF16Element>(to, row); break;
                default: SubtractTarget<F16Element>(to, row); break;
            }
        }

        private readonly HeadPart Part(int split) => new(Parts + split * PartSize, N);

        private static void Accumulate(Span<float> to, ReadOnlySpan<float> from, float scale)
        {
            int i = 0;
            for (; i + Vector<float>.Count <= to.Length; i += Vector<float>.Count)
                (new Vector<float>(to[i..]) + new Vector<float>(from[i..]) * scale).CopyTo(to[i..]);
            for (; i < to.Length; i++) to[i] += from[i] * scale;
        }

        private readonly void SubtractTarget<T>(Span<float> to, int row) where T : struct, IElement
        {
            byte* w = W + (long)Targets[row] * D * T.Size;
            for (int i = 0; i < to.Length; i++) to[i] -= T.Load(w + (long)i * T.Size);
        }
    }
}
