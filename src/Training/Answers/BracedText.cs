namespace OllmNative.Training;

/// <summary>Finding balanced braces in text.</summary>
internal static class BracedText
{
    /// <summary>Index of the brace that closes the one at <paramref name="open"/>; -1 when none does. Escaped braces do not count.</summary>
    public static int End(string text, int open)
    {
        int depth = 0;
        for (int i = open; i < text.Length; i++)
        {
            if (text[i] == '\\' && i + 1 < text.Length && text[i + 1] is '{' or '}' or '\\') i++;
            else if (text[i] == '{') depth++;
            else if (text[i] == '}' && --depth == 0) return i;
        }

        return -1;
    }
}
