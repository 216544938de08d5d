using System.Text;

namespace OllmNative.Model;

/// <summary>A conversation as one text, which remembers what of it the format wrote and what somebody said.</summary>
internal sealed class ChatText
{
    private readonly StringBuilder text = new();
    private readonly List<(int Start, int End)> said = [];

    /// <summary>Appends what the format writes: special tokens in it mean themselves.</summary>
    public ChatText Mark(string words)
    {
        text.Append(words);
        return this;
    }

    /// <summary>Appends what somebody said: text, even where it spells a special token.</summary>
    public ChatText Say(string? words)
    {
        if (string.IsNullOrEmpty(words)) return this;
        said.Add((text.Length, text.Length + words.Length));
        text.Append(words);
        return this;
    }

    /// <summary>The ids of the text.</summary>
    public int[] Encode(Tokenizer tokenizer) => tokenizer.Encode(text.ToString(), [.. said]);

    /// <inheritdoc/>
    public override string ToString() => text.ToString();
}
