using System.Globalization;
using System.Text;

namespace OllmNative.Training;

/// <summary>A node of a tree of texts.</summary>
/// <param name="Token">What it says.</param>
/// <param name="Share">How likely it is to be reached from the root, 0 to 1.</param>
/// <param name="Note">Its figures in words.</param>
/// <param name="Marked">Whether it is on the chosen path.</param>
/// <param name="Children">What follows.</param>
public sealed record TreeNode(string Token, double Share, string Note, bool Marked, IReadOnlyList<TreeNode> Children);

/// <summary>Draws a tree as nested lists that open and close without a script.</summary>
internal static class TreeView
{
    public static string Draw(string title, string hint, IReadOnlyList<TreeNode> roots)
    {
        var html = new StringBuilder();
        html.Append(CultureInfo.InvariantCulture, $"<figure><figcaption>{ReportPage.Encode(title)}</figcaption>\n<p class=\"hint\">{ReportPage.Encode(hint)}</p>\n");
        DrawLevel(html, roots, "tree");
        return html.Append("</figure>\n").ToString();
    }

    private static void DrawLevel(StringBuilder html, IReadOnlyList<TreeNode> nodes, string style)
    {
        html.Append(CultureInfo.InvariantCulture, $"<ul class=\"{style}\">\n");
        foreach (TreeNode node in nodes)
        {
            string width = (100 * Math.Clamp(double.IsFinite(node.Share) ? node.Share : 0, 0, 1)).ToString("0.#", CultureInfo.InvariantCulture);
            string label = $"<code{(node.Marked ? " class=\"chosen\"" : "")}>{OptionStrip.Visible(node.Token)}</code> <span class=\"meter\"><span style=\"width:{width}%\"></span></span> <span class=\"note\">{ReportPage.Encode(node.Note)}</span>";
            if (node.Children.Count == 0)
            {
                html.Append(CultureInfo.InvariantCulture, $"<li><div class=\"leaf\">{label}</div></li>\n");
                continue;
            }
            html.Append(CultureInfo.InvariantCulture, $"<li><details{(node.Share >= 0.05 ? " open=\"\"" : "")}><summary>{label}</summary>\n");
            DrawLevel(html, node.Children, "");
            html.Append("</details></li>\n");
        }
        html.Append("</ul>\n");
    }
}
