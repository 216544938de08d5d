using System.Globalization;
using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Cli;

/// <summary>A tree of options as lines of text, as JSON and for a page.</summary>
internal sealed class OptionTreeText(OptionTree tree, Tokenizer tokenizer)
{
    /// <summary>What the figures of a page's tree are.</summary>
    public const string Hint = "Each node is a token; the bar shows how likely the policy is to come there from the prompt. The policy's own path is marked.";

    /// <summary>One line for each node, its ancestors' branches before it.</summary>
    public IEnumerable<string> Lines()
    {
        foreach (string line in Lines(tree.Roots, "")) yield return line;
        if (tree.IsCut) yield return $"({tree.Nodes} nodes; --tree-nodes shows more)";
    }

    /// <summary>For --json.</summary>
    public object Json() => new { nodes = tree.Nodes, cut = tree.IsCut, children = tree.Roots.Select(Json) };

    /// <summary>For a page.</summary>
    public IReadOnlyList<TreeNode> Nodes() => [.. tree.Roots.Select(node => Node(node, onPath: true))];

    private IEnumerable<string> Lines(IReadOnlyList<OptionNode> nodes, string before)
    {
        for (int i = 0; i < nodes.Count; i++)
        {
            bool last = i == nodes.Count - 1;
            yield return $"{before}{(last ? "└─ " : "├─ ")}{tokenizer.TokenText(nodes[i].Token)}{(nodes[i].IsChosen ? " *" : "")}  {Note(nodes[i])}";
            foreach (string line in Lines(nodes[i].Children, before + (last ? "   " : "│  "))) yield return line;
        }
    }

    private object Json(OptionNode node) => new
    {
        token = node.Token,
        text = tokenizer.TokenText(node.Token),
        options = node.Options,
        probability = node.Probability,
        policy_probability = node.PolicyProbability,
        path_probability = node.PathProbability,
        chosen = node.IsChosen,
        ends = node.Ends,
        children = node.Children.Select(Json),
    };

    private TreeNode Node(OptionNode node, bool onPath) => new(
        tokenizer.TokenText(node.Token), node.PathProbability, Note(node), onPath && node.IsChosen, [.. node.Children.Select(child => Node(child, onPath && node.IsChosen))]);

    private static string Note(OptionNode node) => string.Create(
        CultureInfo.InvariantCulture,
        $"policy {100 * node.PolicyProbability:0.#} %, here {100 * node.PathProbability:0.##} %, token {100 * node.Probability:0.#} %, options {string.Join(' ', node.Options)}");
}
