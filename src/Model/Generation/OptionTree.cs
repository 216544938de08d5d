using System.Runtime.InteropServices;

namespace OllmNative.Model;

/// <summary>A token that one or several options of the same step say.</summary>
public sealed class OptionNode
{
    internal OptionNode(int token, IReadOnlyList<int> options, float probability, float policyProbability, double pathProbability, bool isChosen, bool ends)
    {
        (Token, Options, Probability, PolicyProbability) = (token, options, probability, policyProbability);
        (PathProbability, IsChosen, Ends) = (pathProbability, isChosen, ends);
    }

    /// <summary>The token.</summary>
    public int Token { get; }

    /// <summary>The options whose likeliest token it is, likeliest option first.</summary>
    public IReadOnlyList<int> Options { get; }

    /// <summary>The token's probability under the first of them.</summary>
    public float Probability { get; }

    /// <summary>How likely the policy is to take one of them here.</summary>
    public float PolicyProbability { get; }

    /// <summary>How likely it is to come here from the root: the product of the policy's probabilities on the way.</summary>
    public double PathProbability { get; }

    /// <summary>Whether the policy's likeliest option is among them.</summary>
    public bool IsChosen { get; }

    /// <summary>Whether the token ends the text.</summary>
    public bool Ends { get; }

    /// <summary>What can follow, likeliest first; empty for ends and for nodes that were not expanded.</summary>
    public IReadOnlyList<OptionNode> Children { get; internal set; } = [];
}

/// <summary>
/// The texts that options can lead to: the distinct tokens of a step's K options, after each of them those of the next step, and
/// so on. The node that is likeliest to be reached is expanded first, so that a bounded tree shows what the policy is likeliest to
/// do. (The paper's Appendix C shows one path of it.)
/// </summary>
public sealed class OptionTree
{
    private OptionTree(IReadOnlyList<OptionNode> roots, int nodes, bool isCut) => (Roots, Nodes, IsCut) = (roots, nodes, isCut);

    /// <summary>What can follow the prompt, likeliest first.</summary>
    public IReadOnlyList<OptionNode> Roots { get; }

    /// <summary>Nodes in all.</summary>
    public int Nodes { get; }

    /// <summary>Whether the bound on nodes left something out.</summary>
    public bool IsCut { get; }

    /// <summary>Grows a tree.</summary>
    /// <param name="explorer">With room for the prompt and <paramref name="depth"/> tokens.</param>
    /// <param name="prompt">Token ids.</param>
    /// <param name="depth">Tokens of the longest path.</param>
    /// <param name="maxNodes">Most nodes.</param>
    /// <param name="stopTokens">Tokens that end a text.</param>
    /// <param name="cancellation">Stops between two nodes.</param>
    /// <exception cref="OllmException">The prompt is empty or does not fit.</exception>
    public static OptionTree Grow(
        OptionExplorer explorer, IReadOnlyList<int> prompt, int depth, int maxNodes, IReadOnlyList<int> stopTokens, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(explorer);
        ArgumentNullException.ThrowIfNull(prompt);
        ArgumentNullException.ThrowIfNull(stopTokens);
        explorer.CheckPrompt(prompt);
        var waiting = new PriorityQueue<(OptionNode? Node, List<int> Sequence), (double, int)>();
        waiting.Enqueue((null, [.. prompt]), default);
        IReadOnlyList<OptionNode> roots = [];
        int nodes = 0;
        bool cut = false;
        while (waiting.TryDequeue(out (OptionNode? Node, List<int> Sequence) next, out _))
        {
            cancellation.ThrowIfCancellationRequested();
            if (nodes >= maxNodes)
            {
                cut = true;
                break;
            }
            List<OptionNode> children = Group(explorer.After(CollectionsMarshal.AsSpan(next.Sequence)), next.Node?.PathProbability ?? 1, stopTokens);
            cut |= children.Count > maxNodes - nodes;
            children = children[..Math.Min(children.Count, maxNodes - nodes)];
            nodes += children.Count;
            if (next.Node is null) roots = children;
            else next.Node.Children = children;
            if (next.Sequence.Count + 1 - prompt.Count >= depth) continue;
            foreach (OptionNode child in children.Where(child => !child.Ends))
                waiting.Enqueue((child, [.. next.Sequence, child.Token]), (-child.PathProbability, waiting.Count));
        }
        return new OptionTree(roots, nodes, cut);
    }

    /// <summary>The distinct tokens of a step, by the policy's probability.</summary>
    private static List<OptionNode> Group(IReadOnlyList<ExploredOption> options, double path, IReadOnlyList<int> stopTokens)
    {
        int[] byPolicy = [.. Enumerable.Range(0, options.Count).OrderByDescending(k => options[k].PolicyProbability)];
        return
        [
            .. byPolicy.GroupBy(k => options[k].Token).Select(group =>
            {
                float policy = group.Sum(k => options[k].PolicyProbability);
                return new OptionNode(group.Key, [.. group], options[group.First()].Probability, policy, path * policy, group.Contains(byPolicy[0]), stopTokens.Contains(group.Key));
            }).OrderByDescending(node => node.PolicyProbability),
        ];
    }
}
