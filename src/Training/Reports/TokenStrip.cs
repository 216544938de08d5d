using System.Globalization;
using System.Text;

namespace OllmNative.Training;

/// <summary>A token of a text and how strongly it is marked.</summary>
/// <param name="Text">The token's text, line breaks included.</param>
/// <param name="Strength">0 is not marked, 1 marked in full.</param>
/// <param name="Note">Shown when the reader points at it.</param>
public sealed record MarkedToken(string Text, double Strength, string Note);

/// <summary>Draws a text whose tokens are marked by a value, such as their entropy.</summary>
internal static class TokenStrip
{
    public static string Draw(string title, string hint, IReadOnlyList<MarkedToken> tokens)
    {
        var html = new StringBuilder();
        html.Append(CultureInfo.InvariantCulture, $"<figure><figcaption>{ReportPage.Encode(title)}</figcaption>\n<p class=\"hint\">{ReportPage.Encode(hint)}</p>\n<p class=\"strip\">");
        foreach (MarkedToken token in tokens)
        {
            double strength = double.IsFinite(token.Strength) ? Math.Clamp(token.Strength, 0, 1) : 0;
            string text = ReportPage.Encode(token.Text.Replace("\r", "", StringComparison.Ordinal));
            html.Append(CultureInfo.InvariantCulture, $"<span title=\"{ReportPage.Encode(token.Note)}\"{(strength < 0.005 ? "" : string.Create(CultureInfo.InvariantCulture, $" style=\"background:color-mix(in srgb, var(--c1) {70 * strength:0}%, transparent)\""))}>{text}</span>");
        }
        return html.Append("</p></figure>\n").ToString();
    }
}
