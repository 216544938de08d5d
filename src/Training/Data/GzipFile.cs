using System.Buffers.Binary;
using System.IO.Compression;

namespace OllmNative.Training;

/// <summary>
/// Decompresses a gzip file and notices when it is cut short, as after a broken download: .NET's stream takes the end of such a
/// file for the end of its data.
/// </summary>
internal sealed class GzipFile(FileStream file) : IDisposable
{
    // RFC 1952: a header of ten bytes or more begins with these three; checksum and length (modulo 2^32) end a member.
    private const int HeaderBytes = 10, SmallestFile = 18, LengthBytes = 4;

    private readonly GZipStream _stream = new(file, CompressionMode.Decompress);
    private long _total;
    private bool _ended;

    private static ReadOnlySpan<byte> Magic => [0x1F, 0x8B, 8];

    /// <summary>The next bytes; 0 at the end.</summary>
    /// <exception cref="InvalidDataException">The data are damaged, or end before they should.</exception>
    public int Read(Span<byte> target)
    {
        if (_ended) return 0;
        int read;
        try
        {
            read = _stream.Read(target);
        }
        catch (InvalidDataException error)
        {
            throw new InvalidDataException("its data are not valid gzip", error);
        }
        _total += read;
        _ended = read == 0 && !target.IsEmpty;
        if (_ended && !EndsAsItShould()) throw new InvalidDataException("it is cut short");
        return read;
    }

    /// <inheritdoc/>
    public void Dispose() => _stream.Dispose();

    // The length at the end is the last member's alone, so a file of several members cannot be held against it.
    private bool EndsAsItShould()
    {
        if (file.Length < SmallestFile) return false;
        Span<byte> length = stackalloc byte[LengthBytes];
        file.Position = file.Length - LengthBytes;
        file.ReadExactly(length);
        return BinaryPrimitives.ReadUInt32LittleEndian(length) == (uint)_total || HasSeveralMembers();
    }

    private bool HasSeveralMembers()
    {
        var window = new byte[64 << 10];
        int kept = 0;
        file.Position = 1;
        for (int read; (read = file.Read(window, kept, window.Length - kept)) > 0;)
        {
            ReadOnlySpan<byte> bytes = window.AsSpan(0, kept + read);
            for (int at; (at = bytes.IndexOf(Magic)) >= 0 && bytes.Length - at >= HeaderBytes; bytes = bytes[(at + 1)..])
                if (IsHeader(bytes[at..])) return true;
            kept = Math.Min(bytes.Length, HeaderBytes - 1);
            bytes[^kept..].CopyTo(window);
        }
        return false;
    }

    // Reserved flags are 0, the extra flags say how hard the writer tried, the operating system is one of few: chance would need 2^37 bytes.
    private static bool IsHeader(ReadOnlySpan<byte> header) => header[3] < 0x20 && header[8] is 0 or 2 or 4 && header[9] is < 14 or 255;
}
