using System.Text;

namespace OllmNative.Model;

/// <summary>
/// Turns ids into text one by one. A character whose bytes are spread over several tokens comes out when its last byte has come;
/// bytes that are no UTF-8 come out as U+FFFD. All that <see cref="Append"/> and <see cref="Flush"/> return, joined, is what
/// <see cref="Tokenizer.Decode"/> gives for the same ids.
/// </summary>
public sealed class StreamDecoder
{
    private readonly Tokenizer tokenizer;
    private readonly bool skipSpecial;
    private readonly System.Text.Decoder utf8 = Encoding.UTF8.GetDecoder();

    internal StreamDecoder(Tokenizer tokenizer, bool skipSpecial)
    {
        this.tokenizer = tokenizer;
        this.skipSpecial = skipSpecial;
    }

    /// <summary>Adds a token and returns the text that is complete now, which may be empty.</summary>
    /// <exception cref="OllmException">No token has this id.</exception>
    public string Append(int id)
    {
        ReadOnlySpan<byte> bytes = tokenizer.TokenBytes(id);
        return skipSpecial && tokenizer.IsSpecial(id) ? "" : Decode(bytes, flush: false);
    }

    /// <summary>Ends the text: returns U+FFFD for a character left incomplete, else nothing. The decoder can be used again.</summary>
    public string Flush() => Decode([], flush: true);

    private string Decode(ReadOnlySpan<byte> bytes, bool flush)
    {
        // Bytes held back are at most 3; each byte gives at most one character.
        Span<char> text = bytes.Length <= 252 ? stackalloc char[256] : new char[bytes.Length + 4];
        return new string(text[..utf8.GetChars(bytes, text, flush)]);
    }
}
