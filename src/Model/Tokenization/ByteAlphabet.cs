using System.Text;

namespace OllmNative.Model;

/// <summary>
/// The printable characters that stand for the 256 bytes in a byte-level vocabulary: printable Latin-1 characters stand for
/// themselves, and the rest (controls, space, 0x7F-0xA0, 0xAD) take U+0100 onwards, so that a space is U+0120.
/// </summary>
internal static class ByteAlphabet
{
    private static readonly char[] Chars = BuildChars();
    private static readonly short[] Bytes = BuildBytes();

    /// <summary>The character that stands for a byte.</summary>
    public static char CharOf(byte value) => Chars[value];

    /// <summary>Writes the bytes that a token's UTF-8 text stands for; false when a character of it stands for none.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> utf8, Span<byte> bytes, out int length)
    {
        length = 0;
        for (int i = 0; i < utf8.Length;)
        {
            // The alphabet ends below U+0144: one or two UTF-8 bytes.
            int point = utf8[i] < 0x80 ? utf8[i] : i + 1 < utf8.Length && utf8[i] < 0xE0 ? ((utf8[i] & 0x1F) << 6) | (utf8[i + 1] & 0x3F) : -1;
            i += point < 0x80 ? 1 : 2;
            if ((uint)point >= (uint)Bytes.Length || Bytes[point] < 0) return false;
            bytes[length++] = (byte)Bytes[point];
        }
        return true;
    }

    /// <summary>The vocabulary's way to write some bytes.</summary>
    public static string Write(ReadOnlySpan<byte> bytes)
    {
        var text = new StringBuilder(bytes.Length);
        foreach (byte b in bytes) text.Append(Chars[b]);
        return text.ToString();
    }

    private static char[] BuildChars()
    {
        var chars = new char[256];
        char next = (char)0x100;
        for (int b = 0; b < 256; b++)
            chars[b] = b is (> 0x20 and < 0x7F) or (> 0xA0 and not 0xAD) ? (char)b : next++;
        return chars;
    }

    private static short[] BuildBytes()
    {
        var bytes = new short[Chars.Max() + 1];
        Array.Fill(bytes, (short)-1);
        for (int b = 0; b < 256; b++) bytes[Chars[b]] = (short)b;
        return bytes;
    }
}
