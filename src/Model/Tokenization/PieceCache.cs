using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace OllmNative.Model;

/// <summary>
/// Remembers the ids of short pieces. Direct-mapped with everything inline: it never grows, allocates nothing per piece,
/// and a piece that falls on the slot of another replaces it.
/// </summary>
internal sealed class PieceCache
{
    /// <summary>Longer pieces are not kept.</summary>
    public const int MaxBytes = 16;

    private const int MaxIds = 6;
    private const int SlotBits = 14;

    private readonly Slot[] slots = new Slot[1 << SlotBits];

    [InlineArray(MaxIds)]
    private struct Ids
    {
        private int first;
    }

    private struct Slot
    {
        public ulong Low, High;
        public byte Length, Count;
        public Ids Ids;
    }

    /// <summary>Appends the ids of a piece of 1 to <see cref="MaxBytes"/> bytes when they are known.</summary>
    public bool TryGet(ReadOnlySpan<byte> piece, List<int> output)
    {
        ref Slot slot = ref SlotOf(piece, out ulong low, out ulong high);
        if (slot.Low != low || slot.High != high || slot.Length != piece.Length) return false;
        for (int i = 0; i < slot.Count; i++) output.Add(slot.Ids[i]);
        return true;
    }

    /// <summary>Keeps the ids that <paramref name="output"/> holds from <paramref name="start"/> on, unless there are too many.</summary>
    public void Put(ReadOnlySpan<byte> piece, List<int> output, int start)
    {
        ReadOnlySpan<int> ids = CollectionsMarshal.AsSpan(output)[start..];
        if (ids.Length > MaxIds) return;
        ref Slot slot = ref SlotOf(piece, out ulong low, out ulong high);
        (slot.Low, slot.High) = (low, high);
        slot.Length = (byte)piece.Length;
        slot.Count = (byte)ids.Length;
        ids.CopyTo(slot.Ids);
    }

    private ref Slot SlotOf(ReadOnlySpan<byte> piece, out ulong low, out ulong high)
    {
        Span<byte> padded = stackalloc byte[MaxBytes];
        padded.Clear();
        piece.CopyTo(padded);
        low = MemoryMarshal.Read<ulong>(padded);
        high = MemoryMarshal.Read<ulong>(padded[8..]);
        ulong hash = (low * 0x9E3779B97F4A7C15) ^ ((high + (ulong)piece.Length) * 0xC2B2AE3D27D4EB4F);
        return ref slots[(int)((hash ^ (hash >> 29)) * 0xBF58476D1CE4E5B9 >> (64 - SlotBits))];
    }
}
