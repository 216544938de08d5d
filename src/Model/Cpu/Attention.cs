using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace OllmNative.Model.Cpu;

public sealed unsafe partial class CpuDevice
{
    /// <summary>Queries x group heads of one work item, and positions of one block of keys.</summary>
    private const int AttentionRows = 96, AttentionKeys = 128;

    /// <inheritdoc/>
    public override void Attention(
        DeviceView<float> q, CacheView keys, CacheView values, ReadOnlySpan<SequenceSpan> sequences,
        DeviceView<float> output, int heads, int kvHeads, int headSize)
    {
        Expect(q.Length == output.Length && q.Length % (heads * headSize) == 0, "Attention: q and output [N, H * Dh]");
        using Lock.Scope alone = _scratchUse.EnterScope();
        int queries = Math.Max(1, AttentionRows / (heads / kvHeads)), few = 0, blocks = 0;
        foreach (SequenceSpan sequence in sequences)
        {
            if (sequence.Count <= FewQueries) few++;
            else blocks += Items(sequence.Count, queries);
        }
        if (_attentionItems.Length < few + blocks)
            _attentionItems = GC.AllocateUninitializedArray<SequenceSpan>(Math.Max(few + blocks, 2 * _attentionItems.Length), pinned: true);
        int nextFew = 0, nextBlock = few;
        foreach (SequenceSpan sequence in sequences)
        {
            if (sequence.Count <= FewQueries) _attentionItems[nextFew++] = sequence;
            else
            {
                for (int first = 0; first < sequence.Count; first += queries)
                {
                    _attentionItems[nextBlock++] = new SequenceSpan(
                        sequence.FirstRow + first, Math.Min(queries, sequence.Count - first), sequence.Past + first, sequence.CacheRow);
                }
            }
        }
        var operands = new AttentionOperands { Q = P(q), Keys = P(keys.Floats), Values = P(values.Floats), Output = P(output), Heads = heads, KvHeads = kvHeads, HeadSize = headSize };
        fixed (SequenceSpan* items = _attentionItems)
        {
            if (few > 0) AttendFew(operands, items, few);
            if (blocks > 0) AttendBlocks(operands, items + few, blocks, queries);
        }
    }

    private SequenceSpan[] _attentionItems = [];

    /// <summary>One item: the query heads that share a key/value head, for a block of positions of one sequence.</summary>
    private void AttendBlocks(in AttentionOperands operands, SequenceSpan* items, int blocks, int queries)
    {
        int rows = queries * (operands.Heads / operands.KvHeads);
        long perThread = (long)rows * (2 * operands.HeadSize + AttentionKeys + 2);
        _pool.For(blocks * operands.KvHeads, new AttentionBody
        {
            On = operands, Items = items, Scratch = _scratch, Work = Work(perThread * Threads), PerThread = perThread, Rows = rows,
        });
    }

    /// <summary>Blocked attention with a running maximum and sum (online softmax, arXiv 1805.02867), memory independent of the length.</summary>
    private struct AttentionBody : IParallelBody
    {
        public AttentionOperands On;
        public float* Work;
        public SequenceSpan* Items;
        public int Rows;
        public long PerThread;
        public GemmScratch* Scratch;

        public readonly void Run(int index, int thread)
        {
            SequenceSpan item = Items[index / On.KvHeads];
            int kvHead = index % On.KvHeads, group = On.Heads / On.KvHeads, size = On.HeadSize, rows = item.Count * group;
            float* q = Work + thread * PerThread, sum = q + (long)Rows * size, scores = sum + (long)Rows * size;
            float* max = scores + (long)Rows * AttentionKeys, total = max + Rows;
            On.LoadQueries(item, kvHead, q);
            for (int r = 0; r < rows; r++) (max[r], total[r]) = (float.NegativeInfinity, 0);
            new Span<float>(sum, rows * size).Clear();

            int width = On.KvHeads * size, last = item.Past + item.Count;
            for (int key = 0; key < last; key += AttentionKeys)
            {
                int count = Math.Min(AttentionKeys, last - key);
                long at = (long)(item.CacheRow + key) * width + kvHead * size;
                Operand k = Operand.Transposed((byte*)(On.Keys + at), DType.F32, width), v = Operand.Rows((byte*)(On.Values + at), DType.F32, width);
                Scratch[thread].Multiply(rows, count, size, q, size, 1, k, scores, AttentionKeys, accumulate: false);
                for (int r = 0; r < rows; r++)
                {
                    int visible = Math.Clamp(item.Past + r / group + 1 - key, 0, count);
                    AttentionOperands.Online(scores + (long)r * AttentionKeys, visible, count, ref max[r], ref total[r], sum + (long)r * size, size);
                }
                Scratch[thread].Multiply(rows, size, count, scores, AttentionKeys, 1, v, sum, size, accumulate: true);
            }
            On.StoreOutput(item, kvHead, sum, total);
        }
    }

    /// <summary>What both ways of attending share: where operands lie, and the softmax that goes along with the keys.</summary>
    private struct AttentionOperands
    {
        public float* Q, Keys, Values, Output;
        public int Heads, KvHeads, HeadSize;

        /// <summary>q [Count * group, Dh] = the item's queries of one key/value head, scaled.</summary>
[MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public readonly void LoadQueries(SequenceSpan item, int kvHead, float* q)
        {
            int group = Heads / KvHeads;
            float scale = 1 / MathF.Sqrt(HeadSize);
            for (int r = 0; r < item.Count * group; r++) ScaleTo(Query(Q, item, kvHead, r, group), scale, q + (long)r * HeadSize);
        }

        /// <summary>Turns a row of scores into weights relative to the new maximum and rescales what was summed before.</summary>
        public static void Online(float* scores, int visible, int count, ref float max, ref float total, float* sum, int size)
        {
            if (visible > 0)
            {
                float top = MathF.Max(max, RowMath.Max(scores, visible));
                if (top > max)
                {
                    float shrink = MathF.Exp(max - top);
                    total *= shrink;
                    RowMath.Scale(sum, size, shrink);
                    max = top;
                }
                total += RowMath.ExpSum(scores, visible, max);
            }
            for (int i = visible; i < count; i++) scores[i] = 0;
        }

        /// <summary>The item's rows of the output = sum / total.</summary>
[MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public readonly void StoreOutput(SequenceSpan item, int kvHead, float* sum, float* total)
        {
            int group = Heads / KvHeads;
            for (int r = 0; r < item.Count * group; r++) ScaleTo(sum + (long)r * HeadSize, 1 / total[r], Query(Output, item, kvHead, r, group));
        }

        private readonly float* Query(float* rows, SequenceSpan item, int kvHead, int r, int group) =>
            rows + ((long)(item.FirstRow + r / group) * Heads + kvHead * group + r % group) * HeadSize;

        private readonly void ScaleTo(float* from, float scale, float* to)
        {
            int i = 0;
            for (; i + 8 <= HeadSize; i += 8) (Vector256.Load(from + i) * scale).Store(to + i);
            for (; i < HeadSize; i++) to[i] = from[i] * scale;
        }
    }
}
