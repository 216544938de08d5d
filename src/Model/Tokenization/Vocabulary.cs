using System.Runtime.InteropServices;
using System.Text;

namespace OllmNative.Model;

/// <summary>
/// The tokens of a byte-level vocabulary: id to bytes and bytes to id. All bytes lie in one array and the hash table holds ids,
/// so that 150,000 tokens cost no object each.
/// </summary>
internal sealed class Vocabulary
{
    /// <summary>Ids above this are refused: a file must not make its reader allocate without bound.</summary>
    public const int MaxId = (1 << 22) - 1;

    private readonly List<byte> bytes = [];
    private readonly Dictionary<string, int> unspelled = [];
    private (int Start, int Length)[] places = [];
    private int[] slots = new int[1 << 10];
    private int spelled;

    /// <summary>Highest id + 1.</summary>
    public int Size { get; private set; }

    /// <summary>Whether some token has this id.</summary>
    public bool Contains(int id) => (uint)id < (uint)Size && places[id].Length > 0;

    /// <summary>The bytes of a token that <see cref="Contains"/> knows.</summary>
    public ReadOnlySpan<byte> BytesOf(int id) => CollectionsMarshal.AsSpan(bytes).Slice(places[id].Start, places[id].Length);

    /// <summary>Adds an entry of the file's vocabulary as it is written there; returns what is wrong with it, or null.</summary>
    public string? Add(ReadOnlySpan<byte> writtenUtf8, int id)
    {
        Span<byte> token = writtenUtf8.Length <= 512 ? stackalloc byte[writtenUtf8.Length] : new byte[writtenUtf8.Length];
        if (ByteAlphabet.TryDecode(writtenUtf8, token, out int length))
        {
            token = token[..length];
            if (Reserve(id, token) is { } problem) return problem;
            if (spelled * 2 >= slots.Length) Rehash(slots.Length * 2);
            ref int slot = ref SlotOf(token);
            if (slot != 0) return "the token is there twice";
            slot = id + 1;
            spelled++;
            return null;
        }

        // Written with characters that stand for no byte: only an added token can mean it, and it stands for itself.
        string text = Encoding.UTF8.GetString(writtenUtf8);
        return AddText(text, id);
    }

    /// <summary>Adds a token that stands for its own text, whatever its characters; returns what is wrong with it, or null.</summary>
    public string? AddText(string text, int id)
    {
        if (Reserve(id, Encoding.UTF8.GetBytes(text)) is { } problem) return problem;
        return unspelled.TryAdd(text, id) ? null : "the token is there twice";
    }

    /// <summary>The id of some bytes, or -1.</summary>
    public int IdOf(ReadOnlySpan<byte> token) => SlotOf(token) - 1;

    /// <summary>The id of a token as the file writes it, or null.</summary>
    public int? IdOfWritten(string written)
    {
        if (unspelled.TryGetValue(written, out int id)) return id;
        id = IdOfWritten(Encoding.UTF8.GetBytes(written));
        return id < 0 ? null : id;
    }

    /// <summary>The id of a byte-level token as the file writes it in UTF-8, or -1.</summary>
    public int IdOfWritten(ReadOnlySpan<byte> writtenUtf8)
    {
        Span<byte> token = writtenUtf8.Length <= 512 ? stackalloc byte[writtenUtf8.Length] : new byte[writtenUtf8.Length];
        return ByteAlphabet.TryDecode(writtenUtf8, token, out int length) ? IdOf(token[..length]) : -1;
    }

    private string? Reserve(int id, ReadOnlySpan<byte> token)
    {
        if (token.IsEmpty) return "a token must not be empty";
        if (id is < 0 or > MaxId) return $"id {id} is not between 0 and {MaxId}";
        if (Contains(id)) return $"id {id} is taken already";
        if (id >= places.Length) Array.Resize(ref places, Math.Max(id + 1, Math.Min(places.Length * 2, MaxId + 1)));
        places[id] = (bytes.Count, token.Length);
        bytes.AddRange(token);
        Size = Math.Max(Size, id + 1);
        return null;
    }

    /// <summary>The slot that holds these bytes' id + 1, or the free slot where it belongs.</summary>
    private ref int SlotOf(ReadOnlySpan<byte> token)
    {
        int mask = slots.Length - 1;
        int at = (int)Hash(token) & mask;
        while (slots[at] != 0 && !BytesOf(slots[at] - 1).SequenceEqual(token)) at = (at + 1) & mask;
        return ref slots[at];
    }

    private void Rehash(int size)
    {
        int[] old = slots;
        slots = new int[size];
        foreach (int entry in old)
            if (entry != 0) SlotOf(BytesOf(entry - 1)) = entry;
    }

    private static uint Hash(ReadOnlySpan<byte> token)
    {
        ulong hash = (ulong)token.Length;
        foreach (byte b in token) hash = (hash ^ b) * 0x9E3779B97F4A7C15;
        return (uint)(hash >> 32);
    }
}
