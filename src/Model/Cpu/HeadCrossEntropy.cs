using System.Numerics;

namespace OllmNative.Model.Cpu;

public sealed unsafe partial class CpuDevice
{
    /// <summary>
    /// Most rows of one item, and vocabulary entries whose logits exist at one time. The weights of a chunk are widened and
    /// packed twice for every item (logits, gradient), which many rows have to pay for.
    /// </summary>
    private const int HeadRows = 384, HeadChunk = 256;

    /// <summary>
    /// Takes every vocabulary entry into the gradient of <see cref="HeadCrossEntropy"/>, however unlikely: what the filter is
    /// measured against. Off by default.
    /// </summary>
    public bool ExactHeadGradient { get; set; }

    /// <inheritdoc/>
    /// <remarks>
    /// The gradient sum_v p_v W_v - W_y is attention over the vocabulary: the scores are the logits, the values the rows of
    /// W. So a running maximum and sum carry both the loss and the gradient through one pass, a chunk at a time.
    /// Over a large vocabulary most p_v are below what f32 can add to the sum, and their product with W is left out
    /// (<see cref="HeadFilter"/> has the rule and its error bound; <see cref="ExactHeadGradient"/> turns it off). The loss and
    /// the prediction always see every entry.
    /// </remarks>
    public override void HeadCrossEntropy(
        DeviceView<float> x, DeviceMatrix w, DeviceView<int> targets,
        DeviceView<float> loss, DeviceView<int> prediction, DeviceView<float> gradient)
    {
        CpuMatrix m = Cpu(w);
        int n = checked((int)targets.Length), d = m.Columns;
        bool withGradient = !gradient.IsEmpty, filter = withGradient && !ExactHeadGradient && m.Rows >= HeadFilter.SmallestVocabulary;
        Expect(x.Length == (long)n * d && loss.Length == n && prediction.Length == n, "HeadCrossEntropy: x [N, D], targets, loss, prediction [N]");
        Expect(!withGradient || gradient.Length == x.Length, "HeadCrossEntropy: gradient [N, D]");
        for (int i = 0; i < n; i++)
        {
            if ((uint)P(targets)[i] >= (uint)m.Rows) throw new ArgumentException($"HeadCrossEntropy: target {P(targets)[i]} is outside the vocabulary of {m.Rows}");
        }
        if (n == 0) return;

        // Rows in blocks of one size, and the vocabulary cut as well, so that all threads have the same work; the cut depends on
        // the sizes alone.
        bool amx = OnAmx(m) && n > DotRows;
        int rowsPerItem = RoundUp(Items(n, Items(n, HeadRows)), amx ? Amx.Block : PackedRows.Group), rowBlocks = Items(n, rowsPerItem);
        int perSplit = RoundUp(Items(m.Rows, Math.Clamp(Items(8, rowBlocks), 1, Math.Max(1, m.Rows / (4 * HeadChunk)))), HeadChunk);
        int splits = Items(m.Rows, perSplit);
        long partSize = n * (5L + (withGradient ? d : 0)), perThread = (long)rowsPerItem * (HeadChunk + (filter ? d : 0));
        using Lock.Scope alone = _scratchUse.EnterScope();
        // All of x, arranged once for the whole vocabulary, as the path wants it.
        bool pack = !amx && PackedRows.Pays(n, m.Rows);
        long arranged = amx ? SplitTerms.Bytes(n, d) / sizeof(float) : pack ? (PackedRows.Floats(n, d) + 15) & ~15 : 0;
        float* shared = Work(arranged + splits * partSize + n + Threads * perThread), work = shared + arranged, targetLogits = work + splits * partSize;
        if (amx) PackTerms(n, d, P(x), d, (byte*)shared);
        PackedRows packed = pack ? PackRows(n, d, P(x), d, 1, shared) : default;
        if (filter) _pool.For(n, new TargetLogitBody { X = P(x), W = m.Data, Type = m.DType, Targets = P(targets), D = d, Logits = targetLogits });
        _pool.For(rowBlocks * splits, new HeadBody
        {
            X = P(x), W = m.Data, Type = m.DType, Targets = P(targets), WithGradient = withGradient, N = n, D = d, Vocabulary = m.Rows,
            RowsPerItem = rowsPerItem, Splits = splits, PerSplit = perSplit, Parts = work, PartSize = partSize, Logits = targetLogits + n, PerThread = perThread, Scratch = _scratch,
            TargetLogits = filter ? targetLogits : null, Terms = (byte*)shared, OnAmx = amx ? _amx : null, Packed = packed,
        });
        _pool.For(n, new HeadMergeBody
        {
            Parts = work, PartSize = partSize, Splits = splits, N = n, D = d, W = m.Data, Type = m.DType, Targets = P(targets),
            Loss = P(loss), Prediction = P(prediction), Gradient = P(gradient),
        });
    }

    /// <summary>
    /// What one split of the vocabulary knows about each row: largest logit, where, sum of exponentials, the target's logit,
    /// what the filter has left out, sum of p W. Sums are relative to the largest logit.
    /// </summary>
    private readonly struct HeadPart(float* start, int n)
    {
        public float* Max => start;
        public float* Sum => start + n;
        public float* Target => start + 2 * n;
        public int* Best => (int*)(start + 3 * n);
        public float* Skipped => start + 4L * n;
        public float* Gradient => start + 5L * n;
    }

    private struct HeadBody : IParallelBody
    {
        public float* X, Parts, Logits, TargetLogits;
        public byte* W;
        public DType Type;
        public int* Targets;
        public int N, D, Vocabulary, RowsPerItem, Splits, PerSplit;
        public long PartSize, PerThread;
        public bool WithGradient;
        public GemmScratch* Scratch;

        /// <summary>All of X in terms, and what multiplies them; null where products take the other path.</summary>
        public byte* Terms;
        public AmxScratch* OnAmx;

        /// <summary>All of X in groups, on the other path.</summary>
        public PackedRows Packed;

        public readonly void Run(int index, int thread)
        {
            int split = index % Splits, first = index / Splits * RowsPerItem, rows = Math.Min(RowsPerItem, N - first);
            var part = new HeadPart(Parts + split * PartSize, N);
            float* logits = Logits + thread * PerThread, gradient = part.Gradient + (long)first * D;
            for (int r = first; r < first + rows; r++)
                (part.Max[r], part.Sum[r], part.Target[r], part.Best[r], part.Skipped[r]) = (float.NegativeInfinity, 0, float.NegativeInfinity, 0, 0);
            if (WithGradient) new Span<float>(gradient, rows * D).Clear();
            var filter = new HeadFilter(Vocabulary, PerSplit, HeadChunk, D, Type);
            int* dense = stackalloc int[HeadRows];

            int last = Math.Min(Vocabulary, (split + 1) * PerSplit);
            for (int v = split * PerSplit; v < last; v += HeadChunk)
            {
                int count = Math.Min(HeadChunk, last - v);
                byte* w = W + (long)v * D * Type.Size();
                if (OnAmx != null) OnAmx[thread].MultiplyTransposed(Terms, N, first, rows, w, count, D, new AmxResult(logits, HeadChunk, null, accumulate: false));
                else Scratch[thread].Multiply(rows, count, D, X + (long)first * D, D, 1, Operand.Transposed(w, Type, D), logits, HeadChunk, accumulate: false, Packed, PackedRows.Groups(first));
                for (int r = 0; r < rows; r++) Online(part, first + r, logits + (long)r * HeadChunk, v, count, gradient + (long)r * D);
                if (!WithGradient) continue;
                int full = TargetLogits == null ? rows : Filter(filter, part, first, rows, logits, count, w, gradient, dense);
                if (full == rows) TimesW(thread, rows, logits, count, w, gradient, accumulate: true);
                else if (full > 0) MultiplySome(thread, dense, full, logits, count, w, gradient);
            }
        }

        /// <summary>to [rows, D] (+)= e [rows, count] W.</summary>
        private readonly void TimesW(int thread, int rows, float* e, int count, byte* w, float* to, bool accumulate)
        {
            if (OnAmx != null) OnAmx[thread].Multiply(e, HeadChunk, rows, w, D, D, count, new AmxResult(to, D, null, accumulate));
            else Scratch[thread].Multiply(rows, D, count, e, HeadChunk, 1, Operand.Rows(w, Type, D), to, D, accumulate);
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
                part.Skipped[row] *= shrink;
                if (WithGradient) RowMath.Scale(gradient, D, shrink);
                part.Max[row] = max = top;
            }
            part.Sum[row] += RowMath.ExpSum(logits, count, max);
        }

        /// <summary>Adds the few entries that matter of the rows that have few; returns how many rows need the whole product, and which.</summary>
        private readonly int Filter(HeadFilter filter, HeadPart part, int first, int rows, float* e, int count, byte* w, float* gradient, int* dense)
        {
            int full = 0;
            for (int r = 0; r < rows; r++)
            {
                int row = first + r;
                // A lower bound of the row's final sum of exponentials: what has been seen, and the target that will be.
                float known = MathF.Max(part.Sum[row], MathF.Exp(TargetLogits[row] - part.Max[row]));
                if (!filter.TryAddFew(e + (long)r * HeadChunk, count, known, ref part.Skipped[row], w, gradient + (long)r * D)) dense[full++] = r;
            }
            return full;
        }

        /// <summary>gradient += e W for some rows: they move together, are multiplied, and their products go back to where they belong.</summary>
        private readonly void MultiplySome(int thread, int* dense, int full, float* e, int count, byte* w, float* gradient)
        {
            float* product = e + (long)RowsPerItem * HeadChunk;
            for (int i = 0; i < full; i++)
            {
                if (dense[i] != i) Buffer.MemoryCopy(e + (long)dense[i] * HeadChunk, e + (long)i * HeadChunk, count * sizeof(float), count * sizeof(float));
            }
            TimesW(thread, full, e, count, w, product, accumulate: false);
            for (int i = 0; i < full; i++)
                HeadMergeBody.Accumulate(new Span<float>(gradient + (long)dense[i] * D, D), new ReadOnlySpan<float>(product + (long)i * D, D), 1);
        }
    }

    /// <summary>The logit of each row's target, before all others.</summary>
    private struct TargetLogitBody : IParallelBody
    {
        public float* X, Logits;
        public byte* W;
        public DType Type;
        public int* Targets;
        public int D;

        public readonly void Run(int row, int thread)
        {
            byte* w = W + (long)Targets[row] * D * Type.Size();
            Logits[row] = Type switch
            {
                DType.F32 => HeadFilter.Dot<F32Element>(X + (long)row * D, w, D),
                DType.BF16 => HeadFilter.Dot<BF16Element>(X + (long)row * D, w, D),
                _ => HeadFilter.Dot<F16Element>(X + (long)row * D, w, D),
            };
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

        public static void Accumulate(Span<float> to, ReadOnlySpan<float> from, float scale)
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
