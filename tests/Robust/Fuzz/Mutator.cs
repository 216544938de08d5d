using System.Globalization;
using System.Text;

namespace OllmNative.Tests;

/// <summary>
/// Turns good files into bad ones, in the way of libFuzzer's mutator with a dictionary: bytes are flipped, cut, doubled and
/// spliced; numbers become extreme ones; JSON gets nesting, repeated keys, NULs, paths that lead out of a folder.
/// </summary>
internal sealed class Mutator(Random random)
{
    private static readonly string[] Numbers =
    [
        "0", "-1", "1", "2", "3", "64", "127", "128", "255", "256", "65535", "65536", "2147483647", "2147483648", "-2147483648", "4294967296", "1152921504606846976",
        "9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616", "1e308", "1e999", "-1e999", "0.5", "1e-320", "NaN", "1E2", "00", "-0", "",
    ];

    private static readonly string[] Words =
    [
        "\0", "\\u0000", "\\ud800", "\\udc00\\ud800", "\"", "\\", "/", "../", "../../../../etc/passwd", "/etc/passwd", "C:\\\\x", "\u202e", "null", "true", "[]", "{}", "[[", "}}", ",", ":", "//",
        "(a+)+$", "(a|a)*b", "(?=", "\\\\p{L}{1000}", "((a{1,100}){1,100}){1,100}", "<|im_start|>", "####", "\\\\boxed{", "\\\\frac{1}{0}", "__metadata__", "F4", "BOOL", "\uFEFF",
    ];

    /// <summary>A new input from one of the corpus, changed at one to four places.</summary>
    public byte[] Next(IReadOnlyList<byte[]> corpus)
    {
        byte[] input = corpus[random.Next(corpus.Count)];
        for (int changes = random.Next(1, 5); changes > 0; changes--) input = Change(input, corpus);
        return input;
    }

    private byte[] Change(byte[] b, IReadOnlyList<byte[]> corpus)
    {
        if (b.Length == 0) return [(byte)random.Next(256)];
        int at = random.Next(b.Length), length = Math.Min(random.Next(1, 1 << random.Next(1, 10)), b.Length - at);
        switch (random.Next(13))
        {
            case 0: return With(b, at, (byte)(b[at] ^ (1 << random.Next(8))));
            case 1: return With(b, at, (byte)random.Next(256));
            case 2: return [.. b[..at], .. b[(at + length)..]];
            case 3: return [.. b[..(at + length)], .. b[at..]];
            case 4: return b[..at];
            case 5: return [.. b[..at], .. Encoding.UTF8.GetBytes(Words[random.Next(Words.Length)]), .. b[at..]];
            case 6: return ReplaceNumber(b, at);
            case 7: return ReplaceText(b, at);
            case 8: return Nest(b, at);
            case 9:
                byte[] other = corpus[random.Next(corpus.Count)];
                int from = random.Next(other.Length + 1);
                return [.. b[..at], .. other[from..]];
            case 10: return RepeatEntry(b, at);
            case 11: return Integer(b);
            default: return [.. b[..at], .. Enumerable.Repeat(b[at], random.Next(1, 2000)), .. b[at..]];
        }
    }

    private static byte[] With(byte[] b, int at, byte value)
    {
        byte[] copy = [.. b];
        copy[at] = value;
        return copy;
    }

    /// <summary>The next number in the text becomes an extreme one.</summary>
    private byte[] ReplaceNumber(byte[] b, int at)
    {
        int begin = Array.FindIndex(b, at, c => c is >= (byte)'0' and <= (byte)'9');
        if (begin < 0) return b;
        int end = begin;
        while (end < b.Length && b[end] is >= (byte)'0' and <= (byte)'9' or (byte)'.' or (byte)'e') end++;
        return [.. b[..begin], .. Encoding.ASCII.GetBytes(Numbers[random.Next(Numbers.Length)]), .. b[end..]];
    }

    /// <summary>The next quoted text becomes a word of the dictionary.</summary>
    private byte[] ReplaceText(byte[] b, int at)
    {
        int begin = Array.IndexOf(b, (byte)'"', at), end = begin < 0 || begin + 1 >= b.Length ? -1 : Array.IndexOf(b, (byte)'"', begin + 1);
        return end < 0 ? b : [.. b[..(begin + 1)], .. Encoding.UTF8.GetBytes(Words[random.Next(Words.Length)]), .. b[end..]];
    }

    /// <summary>Brackets, far deeper than any file needs.</summary>
    private byte[] Nest(byte[] b, int at)
    {
        int depth = 1 << random.Next(1, 16);
        string open = random.Next(2) == 0 ? "[" : "{\"a\":", close = open == "[" ? "]" : "}";
        return
        [
            .. b[..at], .. Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat(open, depth))), .. b[at..],
            .. random.Next(2) == 0 ? Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat(close, depth))) : [],
        ];
    }

    /// <summary>What stands between two commas is written twice.</summary>
    private static byte[] RepeatEntry(byte[] b, int at)
    {
        int begin = Array.IndexOf(b, (byte)',', at), end = begin < 0 || begin + 1 >= b.Length ? -1 : Array.IndexOf(b, (byte)',', begin + 1);
        return end < 0 ? b : [.. b[..end], .. b[begin..]];
    }

    /// <summary>The first eight bytes, a length in safetensors, become another one.</summary>
    private byte[] Integer(byte[] b)
    {
        if (b.Length < 8) return b;
        string text = Numbers[random.Next(Numbers.Length)];
        ulong value = ulong.TryParse(text, CultureInfo.InvariantCulture, out ulong parsed) ? parsed : (ulong)random.NextInt64();
        return [.. BitConverter.GetBytes(value), .. b[8..]];
    }
}
