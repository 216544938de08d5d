namespace OllmNative.Model.Cpu;

public sealed unsafe partial class CpuDevice
{
    /// <summary>Queries x group heads of one work item, and positions of one block of keys.</summary>
    private const int AttentionRows = 96, AttentionKeys = 128;

    /// <inheritdoc/>
    public override void Attention(
        DeviceView<float> q, DeviceView<float> keys, DeviceView<float> values, ReadOnlySpan<SequenceSpan> sequences,
        DeviceView<float> output, int heads, int kvHeads, int headSize)
    {
        Expect(q.Length == output.Length && q.Length % (heads * headSize) == 0, "Attention: q and output [N, H * Dh]");
        int group = heads / kvHeads, queries = Math.Max(1, AttentionRows / group);
        int blocks = 0;
        foreach (SequenceSpan sequence in sequences) blocks += Items(sequence.Count, queries);
        // One item: the query heads that share a key/value head, for a block of positions of one sequence.
        if (_attentionItems.Length < blocks) _attentionItems = GC.AllocateUninitializedArray<SequenceSpan>(Math.Max(blocks, 2 * _attentionItems.Length), pinned: true);
        int item = 0;
        foreach (SequenceSpan sequence in sequences)
        {
            for (int first = 0; first < sequence.Count; first += queries)
            {
                _attentionItems[item++] = new SequenceSpan(
                    sequence.FirstRow + first, Math.Min(queries, sequence.Count - first), sequence.Past + first, sequence.CacheRow);
            }
        }
        int rows = queries * group;
        long perThread = (long)rows * (2 * headSize + AttentionKeys + 2);
        fixed (SequenceSpan* items = _attentionItems)
        {
            _pool.For(blocks * kvHeads, new AttentionBody
            {
                Q = P(q), Keys = P(keys), Values = P(values), Output = P(output), Items = items, Heads = heads, KvHeads = kvHeads, HeadSize = headSize,
                Scratch = _scratch, Work = Work(perThread * Threads), PerThread = perThread, Rows = rows,
            });
        }
    }

    private SequenceSpan[] _attentionItems = [];

    /// <summary>Blocked attention with a running maximum and sum (online softmax, arXiv 1805.02867), memory independent of the length.</summary>
    private struct AttentionBody : IParallelBody
    {
        public float* Q, Keys, Values, Output, Work;
        public SequenceSpan* Items;
        public int Heads, KvHeads, HeadSize, Rows;
        public long PerThread;
        public GemmScratch* Scratch;

        public readonly void Run(int index, int thread)
        {
            SequenceSpan item = Items[index / KvHeads];
            int kvHead = index % KvHeads, group = Heads / KvHeads, rows = item.Count * group;
            float* q = Work + thread * PerThread, sum = q + (long)Rows * HeadSize, scores = sum + (long)Rows * HeadSize;
            float* max = scores + (long)Rows * AttentionKeys, total = max + Rows;
            LoadQueries(item, kvHead, group, q);
            for (int r = 0; r < rows; r++) (max[r], total[r]) = (float.NegativeInfinity, 0);
            new Span<float>(sum, rows * HeadSize).Clear();

            int width = KvHeads * HeadSize, last = item.Past + item.Count;
            for (int key = 0; key < last; key += AttentionKeys)
            {
                int count = Math.Min(AttentionKeys, last - key);
                long at = (long)(item.CacheRow + key) * width + kvHead * HeadSize;
                Operand k = Operand.Transposed((byte*)(Keys + at), DType.F32, width), v = Operand.Rows((byte*)(Values + at), DType.F32, width);
                Scratch[thread].Multiply(rows, count, HeadSize, q, HeadSize, 1, k, scores, AttentionKeys, accumulate: false);
                for (int r = 0; r < rows; r++)
                {
                    int visible = Math.Clamp(item.Past + r / group + 1 - key, 0, count);
                    Online(scores + (long)r * AttentionKeys, visible, count, ref max[r], ref total[r], sum + (long)r * HeadSize);
                }
                Scratch[thread].Multiply(rows, HeadSize, count, scores, AttentionKeys, 1, v, sum, HeadSize, accumulate: true);
            }
            StoreOutput(item, kvHead, group, sum, total);
        }

        private readonly void LoadQueries(SequenceSpan item, int kvHead, int group, float* q)
        {
            float scale = 1 / MathF.Sqrt(HeadSize);
            for (int r = 0; r < item.Count * group; r++)
            {
                float* from = Q + ((long)(item.FirstRow + r / group) * Heads + kvHead * group + r % group) * HeadSize;
                for (int i = 0; i < HeadSize; i++) q[(long)r * HeadSize + i] = from[i] * scale;
            }
        }

        /// <summary>Turns a row of scores into weights relative to the new maximum and rescales what was summed before.</summary>
        private readonly void Online(float* scores, int visible, int count, ref float max, ref float total, float* sum)
        {
            if (visible > 0)
            {
                float top = MathF.Max(max, RowMath.Max(scores, visible));
                if (top > max)
                {
                    float shrink = MathF.Exp(max - top);
                    total *= shrink;
                    RowMath.Scale(sum, HeadSize, shrink);
                    max = top;
                }
                total += RowMath.ExpSum(scores, visible, max);
            }
            for (int i = visible; i < count; i++) scores[i] = 0;
        }

        private readonly void StoreOutput(SequenceSpan item, int kvHead, int group, float* sum, float* total)
        {
            for (int r = 0; r < item.Count * group; r++)
            {
                float* to = Output + ((long)(item.FirstRow + r / group) * Heads + kvHead * group + r % group) * HeadSize;
                float scale = 1 / total[r];
                for (int i = 0; i < HeadSize; i++) to[i] = sum[(long)r * HeadSize + i] * scale;
            }
        }
    }
}
