using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;
using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>
/// Where things lie in a hidden-state cache, format version 1, little endian:
/// <code>
/// 0    8 bytes   "OLLMHIDS"
/// 8    u32       version
/// 12   u32       D, hidden size
/// 16   u64       rows
/// 24   u64       targets of all rows
/// 32   u64       bytes of the whole file
/// 40   32 bytes  key: what the states follow from
/// 72   u64       checksum of the 72 bytes above
/// 128  u64[rows] checksum of each row's record; 0 where the record is not written yet
/// ...            records, each on a multiple of 64: u32[n] target ids, bf16[n, D] hidden states that predict them, zeros to the next multiple
/// </code>
/// </summary>
internal sealed class HiddenCacheLayout
{
    public const int HeaderBytes = 128;
    private const int Version = 1, KeyAt = 40, CheckedBytes = 72, Alignment = 64;

    private readonly long[] _offsets;
    private readonly byte[] _header = new byte[HeaderBytes];

    public HiddenCacheLayout(IReadOnlyList<TokenRow> rows, int hiddenSize, ReadOnlySpan<byte> key)
    {
        HiddenSize = hiddenSize;
        _offsets = new long[rows.Count + 1];
        _offsets[0] = Align(HeaderBytes + 8L * rows.Count);
        long targets = 0;
        for (int i = 0; i < rows.Count; i++)
        {
            long record = Align((long)rows[i].Targets * (sizeof(uint) + sizeof(ushort) * hiddenSize));
            (_offsets[i + 1], targets, LargestRecord) = (_offsets[i] + record, targets + rows[i].Targets, Math.Max(LargestRecord, record));
        }
        "OLLMHIDS"u8.CopyTo(_header);
        BinaryPrimitives.WriteUInt32LittleEndian(_header.AsSpan(8), Version);
        BinaryPrimitives.WriteUInt32LittleEndian(_header.AsSpan(12), (uint)hiddenSize);
        BinaryPrimitives.WriteInt64LittleEndian(_header.AsSpan(16), rows.Count);
        BinaryPrimitives.WriteInt64LittleEndian(_header.AsSpan(24), targets);
        BinaryPrimitives.WriteInt64LittleEndian(_header.AsSpan(32), FileBytes);
        key.CopyTo(_header.AsSpan(KeyAt, 32));
        BinaryPrimitives.WriteUInt64LittleEndian(_header.AsSpan(CheckedBytes), Checksum(_header.AsSpan(0, CheckedBytes), 0));
    }

    public int HiddenSize { get; }

    public int Rows => _offsets.Length - 1;

    public long LargestRecord { get; }

    public long FileBytes => _offsets[^1];

    public ReadOnlySpan<byte> Header => _header;

    public long RecordAt(int row) => _offsets[row];

    public int RecordBytes(int row) => checked((int)(_offsets[row + 1] - _offsets[row]));

    public static long ChecksumAt(int row) => HeaderBytes + 8L * row;

    /// <summary>Why a file with this header and length is not the cache that is wanted; null when it is.</summary>
    public string? Mismatch(ReadOnlySpan<byte> header, long fileBytes)
    {
        if (header.Length < HeaderBytes || !header[..8].SequenceEqual(_header.AsSpan(0, 8))) return "is not a hidden-state cache";
        if (BinaryPrimitives.ReadUInt64LittleEndian(header[CheckedBytes..]) != Checksum(header[..CheckedBytes], 0)) return "has a damaged header";
        uint version = BinaryPrimitives.ReadUInt32LittleEndian(header[8..]);
        if (version != Version) return $"has format version {version}, expected {Version}";
        if (!header[KeyAt..CheckedBytes].SequenceEqual(_header.AsSpan(KeyAt, CheckedBytes - KeyAt))) return "is stale: it belongs to another model or to other rows";
        return fileBytes == FileBytes ? null : $"is truncated: {fileBytes} bytes, expected {FileBytes}";
    }

    /// <summary>
    /// 64 bits that change when any word of <paramref name="data"/> does: four independent lanes of multiply and rotate, so
    /// that it runs at memory speed. Never 0, which stands for "not written".
    /// </summary>
    public static ulong Checksum(ReadOnlySpan<byte> data, ulong seed)
    {
        const ulong Odd = 0x9E3779B97F4A7C15;
        ReadOnlySpan<ulong> words = MemoryMarshal.Cast<byte, ulong>(data);
        ulong a = Counter.Mix(seed), b = Counter.Mix(a), c = Counter.Mix(b), d = Counter.Mix(c);
        int i = 0;
        for (; i + 4 <= words.Length; i += 4)
        {
            a = BitOperations.RotateLeft((a ^ words[i]) * Odd, 29);
            b = BitOperations.RotateLeft((b ^ words[i + 1]) * Odd, 29);
            c = BitOperations.RotateLeft((c ^ words[i + 2]) * Odd, 29);
            d = BitOperations.RotateLeft((d ^ words[i + 3]) * Odd, 29);
        }
        for (; i < words.Length; i++) a = BitOperations.RotateLeft((a ^ words[i]) * Odd, 29);
        return Math.Max(1, Counter.Key(Counter.Key(a, b), Counter.Key(c, d)));
    }

    private static long Align(long bytes) => (bytes + Alignment - 1) / Alignment * Alignment;
}
