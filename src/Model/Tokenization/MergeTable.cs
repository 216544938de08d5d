using System.Numerics;

namespace OllmNative.Model;

/// <summary>The merges of a BPE model, looked up by the pair of ids: one flat hash table, fixed after loading.</summary>
internal sealed class MergeTable
{
    private readonly Entry[] entries;
    private readonly int shift;

    private record struct Entry(ulong Key, int Rank, int Merged);

    /// <summary>Makes room for <paramref name="capacity"/> merges.</summary>
    public MergeTable(int capacity)
    {
        int bits = Math.Max(4, BitOperations.Log2((uint)capacity + 1) + 2);
        entries = new Entry[1 << bits];
        shift = 64 - bits;
        Array.Fill(entries, new Entry(0, -1, -1));
    }

    /// <summary>Adds the merge of two ids into a third. A pair given twice keeps the later rank, as other readers of the format do.</summary>
    public void Add(int left, int right, int rank, int merged) => Find(Key(left, right)) = new Entry(Key(left, right), rank, merged);

    /// <summary>The rank of a pair (lower merges first) and the id that it becomes; -1 for a pair that does not merge.</summary>
    public int RankOf(int left, int right, out int merged)
    {
        ref Entry entry = ref Find(Key(left, right));
        merged = entry.Merged;
        return entry.Rank;
    }

    private static ulong Key(int left, int right) => ((ulong)(uint)left << 32) | (uint)right;

    private ref Entry Find(ulong key)
    {
        Entry[] table = entries;
        int mask = table.Length - 1;
        int at = (int)((key * 0x9E3779B97F4A7C15) >> shift);
        while (table[at].Rank >= 0 && table[at].Key != key) at = (at + 1) & mask;
        return ref table[at];
    }
}
