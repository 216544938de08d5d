using System.Globalization;

namespace OllmNative.Model;

/// <summary>What the pre-tokenizer patterns tell apart: \p{L}, \p{N}, \s (line breaks apart) and the rest.</summary>
internal enum CodePointClass : byte { Other, Letter, Number, Space, LineBreak }

/// <summary>Classes of code points, not of UTF-16 units: a surrogate pair is looked up as the one character that it is.</summary>
internal static class CodePointClasses
{
    private static readonly byte[] Basic = BuildBasic();

    /// <summary>The class of the code point at <paramref name="index"/> of well-formed text, and how many units it takes.</summary>
    public static CodePointClass At(ReadOnlySpan<char> text, int index, out int width)
    {
        char c = text[index];
        if (!char.IsHighSurrogate(c) || index + 1 >= text.Length)
        {
            width = 1;
            return (CodePointClass)Basic[c];
        }
        width = 2;
        // No white space lies beyond the basic plane.
        return Of(CharUnicodeInfo.GetUnicodeCategory(char.ConvertToUtf32(c, text[index + 1])));
    }

    private static byte[] BuildBasic()
    {
        var table = new byte[char.MaxValue + 1];
        for (int c = 0; c < table.Length; c++)
        {
            table[c] = (byte)(c is '\r' or '\n' ? CodePointClass.LineBreak
                : char.IsWhiteSpace((char)c) ? CodePointClass.Space
                : Of(CharUnicodeInfo.GetUnicodeCategory((char)c)));
        }
        return table;
    }

    private static CodePointClass Of(UnicodeCategory category) => category switch
    {
        <= UnicodeCategory.OtherLetter => CodePointClass.Letter,
        UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => CodePointClass.Number,
        _ => CodePointClass.Other,
    };
}
