using System.Globalization;
using System.Text;

namespace OllmNative.Model;

/// <summary>
/// How text from a file appears in an error message. It may hold anything, so it is quoted, control characters (which
/// could drive the user's terminal) are escaped, and what is too long to read is cut.
/// </summary>
internal static class ErrorText
{
    private const int MaxShown = 120;

    public static string Quote(string text)
    {
        var shown = new StringBuilder("\"");
        foreach (char c in text.AsSpan(0, Math.Min(text.Length, MaxShown)))
        {
            bool visible = c != '"' && !char.IsControl(c) && CharUnicodeInfo.GetUnicodeCategory(c) != UnicodeCategory.Format;
            if (visible) shown.Append(c);
            else shown.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
        }
        return shown.Append(text.Length > MaxShown ? "…\"" : "\"").ToString();
    }

    /// <summary>Up to <paramref name="limit"/> quoted texts, then how many more there are.</summary>
    public static string List(IReadOnlyCollection<string> texts, int limit = 5)
    {
        string shown = string.Join(", ", texts.Take(limit).Select(Quote));
        return texts.Count > limit ? $"{shown} and {texts.Count - limit} more" : shown;
    }
}
