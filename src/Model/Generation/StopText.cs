namespace OllmNative.Model;

/// <summary>
/// Ends a streamed text at the first of some texts, which is not part of the result. What may be the beginning of one is
/// held back until it is clear.
/// </summary>
/// <param name="stops">The texts, none of them empty.</param>
public sealed class StopText(IReadOnlyList<string> stops)
{
    private string _held = "";

    /// <summary>A stop text has come; nothing more is given out.</summary>
    public bool Reached { get; private set; }

    /// <summary>Adds a piece and returns what may be shown now.</summary>
    public string Append(string piece)
    {
        if (Reached) return "";
        if (stops.Count == 0) return piece;
        string text = _held + piece;
        int end = -1, held = 0;
        foreach (string stop in stops)
        {
            int at = text.IndexOf(stop, StringComparison.Ordinal);
            if (at >= 0 && (end < 0 || at < end)) end = at;
            held = Math.Max(held, Overlap(text, stop));
        }
        if (end >= 0) (Reached, held, text) = (true, 0, text[..end]);
        _held = text[^held..];
        return text[..^held];
    }

    /// <summary>What was held back when the text ends.</summary>
    public string Flush()
    {
        string rest = _held;
        _held = "";
        return rest;
    }

    /// <summary>Length of the longest end of the text that a stop text begins with.</summary>
    private static int Overlap(string text, string stop)
    {
        int length = Math.Min(text.Length, stop.Length - 1);
        while (length > 0 && !text.AsSpan(text.Length - length).SequenceEqual(stop.AsSpan(0, length))) length--;
        return length;
    }
}
