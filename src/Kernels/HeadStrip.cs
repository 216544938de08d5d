#if !ILGPU
using OllmNative.Runtime.Extensions;

namespace OllmNative.Kernels;

/// <summary>A lane's two rows of sixteen: their targets' logits, and their targets' places in the chunk.</summary>
internal struct HeadRows
{
    public int First, Second, FirstEntry, SecondEntry;
    public float FirstLogit, SecondLogit;

    /// <summary>Of the sixteen rows from <paramref name="row"/> on. Behind the last row, row 0 stands in.</summary>
    public static HeadRows Of(int row, ArrayView<float> target, ArrayView<int> targets, HeadShape shape)
    {
        HeadRows rows = default;
        rows.First = row + Group.IdxX % 32 / 4;
        rows.Second = rows.First + 8;
        int first = rows.First < shape.Rows ? rows.First : 0, second = rows.Second < shape.Rows ? rows.Second : 0;
        rows.FirstEntry = targets[first] - shape.First;
        rows.SecondEntry = targets[second] - shape.First;
        rows.FirstLogit = target[first];
        rows.SecondLogit = target[second];
        return rows;
    }
}

/// <summary>What becomes of the logits in a warp's registers: 16 rows of a strip of 64 vocabulary entries.</summary>
internal static class HeadStrip
{
    private const float Log2E = 1.44269504f;

    /// <summary>Weights, statistics and the strip's flag; see the contract of HeadLogits.</summary>
    /// <param name="logits">Element from + 4 j + r is register r of the product of 16 x 8 with columns 8 j on; changed.</param>
    /// <param name="from">A constant.</param>
    /// <param name="rows">The lane's rows.</param>
    /// <param name="row">First of the 16 rows.</param>
    /// <param name="column">First of the 64 entries, within the chunk.</param>
    /// <param name="weights">Two weights a word, or empty.</param>
    /// <param name="sums">Sums of weights.</param>
    /// <param name="tops">Largest logits.</param>
    /// <param name="bests">Their entries.</param>
    /// <param name="alive">Whether the strip counts.</param>
    /// <param name="shape">Sizes.</param>
    public static void Write(
        float[] logits, int from, HeadRows rows, int row, int column, ArrayView<uint> weights,
        ArrayView<float> sums, ArrayView<float> tops, ArrayView<int> bests, ArrayView<int> alive, HeadShape shape)
    {
        int lane = Group.IdxX % 32;
        if (column + 64 > shape.Count) Hide(logits, from, column + lane % 4 * 2, shape.Count);
        bool counts = Half(logits, from, rows.First, column, rows.FirstLogit, rows.FirstEntry, weights, sums, tops, bests, shape);
        counts |= Half(logits, from + 2, rows.Second, column, rows.SecondLogit, rows.SecondEntry, weights, sums, tops, bests, shape);
        bool any = WarpVote.Any(counts);
        if (alive.Length != 0 && lane == 0) alive[(row >> 4) * (shape.Pitch >> 6) + (column >> 6)] = any ? 1 : 0;
    }

    /// <summary>Entries behind the last one weigh nothing.</summary>
    private static void Hide(float[] logits, int from, int column, int count)
    {
        for (int i = 0; i < 32; i++)
            if (column + i / 4 * 8 + i % 2 >= count) logits[from + i] = float.NegativeInfinity;
    }

    /// <summary>The lane's 16 logits of one row; four lanes share it. Returns whether the row's sum counts.</summary>
    private static bool Half(
        float[] logits, int at, int n, int column, float logit, int entry, ArrayView<uint> weights,
        ArrayView<float> sums, ArrayView<float> tops, ArrayView<int> bests, HeadShape shape)
    {
        bool inside = n < shape.Rows;
        int lane = Group.IdxX % 32, first = lane % 4 * 2;
        // A target of the next chunk may lie where this one's last strip is empty.
        int own = entry < shape.Count ? entry - column : -1;
        float top = logits[at];
        int best = 0;
        for (int i = 1; i < 16; i++)
        {
            float value = logits[at + i / 2 * 4 + i % 2];
            best = value > top ? i / 2 * 8 + i % 2 : best;
            top = XMath.Max(top, value);
        }
        best += first;
        for (int offset = 1; offset < 4; offset *= 2)
        {
            float otherTop = Warp.ShuffleXor(top, offset);
            int otherBest = Warp.ShuffleXor(best, offset);
            // Both sides are computed: branches would cost more.
            bool better = (otherTop > top) | ((otherTop == top) & (otherBest < best));
            best = better ? otherBest : best;
            top = XMath.Max(top, otherTop);
        }
        float scale = XMath.Max(logit, top - HeadTensor.MostAhead), minus = -scale * Log2E, sum = 0f;
        for (int i = 0; i < 16; i++) logits[at + i / 2 * 4 + i % 2] = FastMath.Exp2(logits[at + i / 2 * 4 + i % 2] * Log2E + minus);
        if (own >= 0 && own < 64)
        {
            // The target's own weight is exact, so that the loss is never below zero.
            float exact = FastMath.Exp2((logit - scale) * Log2E);
            for (int i = 0; i < 16; i++) logits[at + i / 2 * 4 + i % 2] = own == first + i / 2 * 8 + i % 2 ? exact : logits[at + i / 2 * 4 + i % 2];
        }
        for (int j = 0; j < 8; j++) sum += logits[at + 4 * j] + logits[at + 4 * j + 1];
        if (inside && weights.Length != 0)
        {
            // Shifts, here and below: a division by a constant is not one instruction.
            ArrayView<uint> row = weights.SubView((long)n * shape.Pitch + column + first >> 1, 29);
            for (int j = 0; j < 8; j++) row[4 * j] = Vector16.PackBf16(logits[at + 4 * j], logits[at + 4 * j + 1]);
        }
        sum += Warp.ShuffleXor(sum, 1);
        sum += Warp.ShuffleXor(sum, 2);
        if (inside && lane % 4 == 0)
        {
            long statistic = (long)(shape.First + column >> 6) * shape.Rows + n;
            sums[statistic] = sum;
            tops[statistic] = top;
            bests[statistic] = shape.First + column + best;
        }
        return inside && !(sum <= shape.Negligible);
    }

    /// <summary>
    /// The strips with weights that count, in order, and their number behind them. Each group of the grid's row finds the same; a warp asks for 32 strips at
    /// once, and all warps at the same time, since nothing is multiplied before the list is there.
    /// </summary>
    public static void ListAlive(ArrayView<int> list, ArrayView<int> alive, int firstBlock, int blocks, int strips)
    {
        ArrayView<uint> votes = SharedMemory.Allocate<uint>(HeadTensor.MostStrips / 32);
        for (int word = Group.IdxX / 32; 32 * word < strips; word += Group.DimX / 32)
        {
            int strip = 32 * word + Group.IdxX % 32, any = 0;
            for (int block = 0; block < blocks && strip < strips; block++) any |= alive[(firstBlock + block) * strips + strip];
            uint vote = WarpVote.Ballot(any != 0);
            if (Group.IdxX % 32 == 0) votes[word] = vote;
        }
        Group.Barrier();
        for (int strip = Group.IdxX; strip < strips; strip += Group.DimX)
        {
            uint vote = votes[strip >> 5];
            if ((vote >> (strip & 31) & 1u) == 0u) continue;
            int place = IntrinsicMath.PopCount(vote & ((1u << (strip & 31)) - 1u));
            for (int word = 0; word < strip >> 5; word++) place += IntrinsicMath.PopCount(votes[word]);
            list[place] = strip;
        }
        if (Group.IdxX == 0)
        {
            int found = 0;
            for (int word = 0; 32 * word < strips; word++) found += IntrinsicMath.PopCount(votes[word]);
            list[HeadTensor.MostStrips] = found;
        }
        Group.Barrier();
    }
}
#endif
