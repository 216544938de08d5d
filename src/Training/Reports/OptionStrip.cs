using System.Globalization;
using System.Text;

namespace OllmNative.Training;

/// <summary>One option at one step: its most probable token, that token's probability under the option, and the policy's probability of the option.</summary>
public sealed record OptionChoice(string TopToken, double TokenProbability, double PolicyProbability);

/// <summary>One decoding step: the token taken, the options it was taken from, and the index of the chosen one (-1 when unknown).</summary>
public sealed record OptionStep(string Token, IReadOnlyList<OptionChoice> Options, int Chosen);

/// <summary>Draws decoding steps side by side, each a column of its K options.</summary>
internal static class OptionStrip
{
    public static string Draw(string title, IReadOnlyList<OptionStep> steps)
    {
        var html = new StringBuilder();
        html.Append(CultureInfo.InvariantCulture, $"<figure><figcaption>{ReportPage.Encode(title)}</figcaption>\n");
        html.Append("<p class=\"hint\">Each row of a step is one option: its top token, that token's probability (bar), and the policy's probability of the option. ▸ marks the chosen option; options that say the same token have the same colour.</p>\n<ol class=\"steps\">\n");
        for (int i = 0; i < steps.Count; i++) DrawStep(html, steps[i], i + 1);
        return html.Append("</ol></figure>\n").ToString();
    }

    private static void DrawStep(StringBuilder html, OptionStep step, int number)
    {
        html.Append(CultureInfo.InvariantCulture, $"<li><div class=\"taken\"><span class=\"step\">{number}</span><code>{Visible(step.Token)}</code></div><ol class=\"options\">\n");
        string[] distinct = [.. step.Options.Select(option => option.TopToken).Distinct()];
        for (int k = 0; k < step.Options.Count; k++)
        {
            OptionChoice option = step.Options[k];
            bool chosen = k == step.Chosen;
            double width = double.IsFinite(option.TokenProbability) ? 100 * Math.Clamp(option.TokenProbability, 0, 1) : 0;
            string mark = chosen ? "▸" : "";
            string label = chosen ? " aria-label=\"chosen\"" : "";
            html.Append(CultureInfo.InvariantCulture, $"<li{(chosen ? " class=\"chosen\"" : "")}><span class=\"mark\"{label}>{mark}</span><code class=\"t{Array.IndexOf(distinct, option.TopToken) % ChartAxes.Colours}\">{Visible(option.TopToken)}</code>");
            html.Append(CultureInfo.InvariantCulture, $"<span class=\"meter\" title=\"token probability {Percent(option.TokenProbability)}\"><span style=\"width:{width:0.#}%\"></span></span>");
            html.Append(CultureInfo.InvariantCulture, $"<span class=\"policy\" title=\"policy probability\">{Percent(option.PolicyProbability)}</span></li>\n");
        }

        html.Append("</ol></li>\n");
    }

    private static string Percent(double probability) =>
        double.IsFinite(probability) ? (100 * probability).ToString(probability is > 0 and < 0.1 ? "0.0" : "0", CultureInfo.InvariantCulture) + "%" : "–";

    // White space is part of tokens and has to be seen.
    internal static string Visible(string token)
    {
        string shown = token.Replace(" ", "␣", StringComparison.Ordinal).Replace("\n", "↵", StringComparison.Ordinal).Replace("\t", "⇥", StringComparison.Ordinal).Replace("\r", "␍", StringComparison.Ordinal);
        return shown.Length == 0 ? "∅" : ReportPage.Encode(shown);
    }
}
