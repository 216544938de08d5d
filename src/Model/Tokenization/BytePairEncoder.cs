namespace OllmNative.Model;

/// <summary>
/// Byte pair encoding of one piece: start from single bytes, join the pair of lowest rank (the leftmost of equals) until none merges.
/// Holds scratch memory and a cache, so one object serves one thread at a time.
/// </summary>
internal sealed class BytePairEncoder(BpeModel model)
{
    // Up to here a scan for the lowest rank beats a heap; beyond it the scan would be quadratic.
    private const int ScanLimit = 96;

    private readonly PieceCache cache = new();
    private readonly PriorityQueue<int, long> queue = new();
    private int[] ids = new int[ScanLimit];
    private int[] ranks = new int[ScanLimit];
    private int[] merged = new int[ScanLimit];
    private int[] next = [];
    private int[] previous = [];

    /// <summary>Appends the ids of a piece given as UTF-8.</summary>
    /// <exception cref="OllmException">A byte of the piece has no token.</exception>
    public void Encode(ReadOnlySpan<byte> piece, List<int> output)
    {
        if (piece.IsEmpty) return;
        bool cacheable = piece.Length <= PieceCache.MaxBytes;
        if (cacheable && cache.TryGet(piece, output)) return;

        int start = output.Count;
        int whole = piece.Length == 1 || model.IgnoreMerges ? model.Vocabulary.IdOf(piece) : -1;
        if (whole >= 0)
        {
            output.Add(whole);
        }
        else
        {
            ReadBytes(piece);
            if (piece.Length <= ScanLimit) MergeByScan(piece.Length, output);
            else MergeByHeap(piece.Length, output);
        }
        if (cacheable) cache.Put(piece, output, start);
    }

    private void ReadBytes(ReadOnlySpan<byte> piece)
    {
        if (ids.Length < piece.Length)
        {
            ids = new int[piece.Length];
            ranks = new int[piece.Length];
            merged = new int[piece.Length];
        }
        for (int i = 0; i < piece.Length; i++)
        {
            ids[i] = model.ByteIds[piece[i]];
            if (ids[i] < 0) throw new OllmException($"{model.File}: model.vocab has no token for the byte 0x{piece[i]:X2}, which the text needs");
        }
    }

    /// <summary>The rank of the pair that starts at <paramref name="left"/>, int.MaxValue when it does not merge.</summary>
    private void Rank(int left, int right)
    {
        int rank = model.Merges.RankOf(ids[left], ids[right], out merged[left]);
        ranks[left] = rank < 0 ? int.MaxValue : rank;
    }

    private void MergeByScan(int count, List<int> output)
    {
        for (int i = 0; i + 1 < count; i++) Rank(i, i + 1);
        while (count > 1)
        {
            int best = 0;
            for (int i = 1; i + 1 < count; i++)
                if (ranks[i] < ranks[best]) best = i;
            if (ranks[best] == int.MaxValue) break;

            ids[best] = merged[best];
            int moved = count - best - 2;
            Array.Copy(ids, best + 2, ids, best + 1, moved);
            if (moved > 0)
            {
                Array.Copy(ranks, best + 2, ranks, best + 1, moved);
                Array.Copy(merged, best + 2, merged, best + 1, moved);
                Rank(best, best + 1);
            }
            if (best > 0) Rank(best - 1, best);
            count--;
        }
        output.AddRange(ids.AsSpan(0, count));
    }

    /// <summary>The same with a heap of pairs over a linked list: n log n for a piece of any length.</summary>
    private void MergeByHeap(int count, List<int> output)
    {
        if (next.Length < count)
        {
            next = new int[count];
            previous = new int[count];
        }
        queue.Clear();
        for (int i = 0; i < count; i++)
        {
            next[i] = i + 1;
            previous[i] = i - 1;
        }
        for (int i = 0; i < count; i++) Enqueue(i, count);

        while (queue.TryDequeue(out int left, out long priority))
        {
            // An entry whose pair has changed since, or has gone, is stale.
            if (ranks[left] != (int)(priority >> 32)) continue;
            int right = next[left];
            ids[left] = merged[left];
            ranks[right] = -1;
            next[left] = next[right];
            if (next[left] < count) previous[next[left]] = left;
            Enqueue(left, count);
            if (previous[left] >= 0) Enqueue(previous[left], count);
        }
        for (int i = 0; i < count; i = next[i]) output.Add(ids[i]);
        queue.Clear();
        TrimScratch();
    }

    private void Enqueue(int left, int count)
    {
        ranks[left] = -1;
        if (next[left] >= count) return;
        Rank(left, next[left]);
        if (ranks[left] != int.MaxValue) queue.Enqueue(left, ((long)ranks[left] << 32) | (uint)left);
    }

    /// <summary>One huge piece must not keep its memory for the life of the tokenizer.</summary>
    private void TrimScratch()
    {
        const int keep = 1 << 16;
        if (ids.Length <= keep) return;
        ids = new int[ScanLimit];
        ranks = new int[ScanLimit];
        merged = new int[ScanLimit];
        next = previous = [];
        queue.TrimExcess();
    }
}
