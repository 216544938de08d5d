using OllmNative.Model;

namespace OllmNative.Tests;

/// <summary>The tree of texts that options lead to, and the explorer under it.</summary>
public sealed class OptionTreeTests : IDisposable
{
    private const int K = 5;

    private readonly TinyBackbone _tiny = new();
    private readonly OllmModel _ollm;
    private readonly OptionExplorer _explorer;
    private readonly int[] _prompt;

    public OptionTreeTests()
    {
        _ollm = _tiny.NewOllm(K, 12, scale: 2);
        _explorer = new OptionExplorer(_tiny.Model, _ollm, 40);
        _prompt = _tiny.Tokens(6);
    }

    public void Dispose()
    {
        _explorer.Dispose();
        _ollm.Dispose();
        _tiny.Dispose();
    }

    [Fact]
    public void Grow_EveryPath_SaysWhatAFreshExplorerSays()
    {
        OptionTree tree = OptionTree.Grow(_explorer, _prompt, depth: 3, maxNodes: 1000, stopTokens: []);
        Assert.False(tree.IsCut);
        Assert.Equal(tree.Nodes, Check(tree.Roots, [], 1));
        Assert.True(tree.Nodes > 3, "the options all say the same: the test shows nothing");
    }

    [Fact]
    public void Grow_ChosenPath_IsTheGreedyText()
    {
        List<int> greedy = [.. _explorer.Run(_prompt, 4, []).Select(step => step.Token)];
        IReadOnlyList<OptionNode> level = OptionTree.Grow(_explorer, _prompt, 4, 10_000, []).Roots;
        foreach (int token in greedy)
        {
            OptionNode chosen = Assert.Single(level, node => node.IsChosen);
            Assert.Equal(token, chosen.Token);
            level = chosen.Children;
        }
        Assert.Empty(level);
    }

    [Fact]
    public void Grow_FewNodes_KeepsTheLikeliest()
    {
        OptionTree full = OptionTree.Grow(_explorer, _prompt, 3, 1000, []);
        int bound = full.Nodes / 2;
        OptionTree cut = OptionTree.Grow(_explorer, _prompt, 3, bound, []);
        Assert.True(cut.IsCut);
        Assert.Equal(bound, cut.Nodes);
        Assert.Equal(bound, Count(cut.Roots));
        // A node is expanded only when no likelier one waits.
        OptionNode[] all = [.. Flat(cut.Roots)];
        double least = all.Where(node => node.Children.Count > 0).Min(node => node.PathProbability);
        Assert.All(Flat(cut.Roots, maxDepth: 2).Where(node => node.Children.Count == 0), node => Assert.True(node.PathProbability <= least + 1e-12));
    }

    [Fact]
    public void Grow_StopToken_EndsThePath()
    {
        int stop = OptionTree.Grow(_explorer, _prompt, 1, 100, []).Roots[0].Token;
        OptionTree tree = OptionTree.Grow(_explorer, _prompt, 3, 1000, [stop]);
        Assert.All(Flat(tree.Roots).Where(node => node.Token == stop), node => Assert.True(node.Ends && node.Children.Count == 0));
        Assert.Contains("the prompt is empty", FormatsFiles.Error(() => OptionTree.Grow(_explorer, [], 3, 10, [])), StringComparison.Ordinal);
    }

    /// <summary>Compares a level with an explorer that has not seen anything; returns the nodes.</summary>
    private int Check(IReadOnlyList<OptionNode> nodes, int[] path, double reached)
    {
        if (nodes.Count == 0) return 0;
        using var fresh = new OptionExplorer(_tiny.Model, _ollm, 40);
        IReadOnlyList<ExploredOption> options = fresh.Run([.. _prompt, .. path], 1, []).Single().Options;
        Assert.Equal(options.Select(option => option.Token).Distinct().Order(), nodes.Select(node => node.Token).Order());
        Assert.Equal(1, nodes.Sum(node => node.PolicyProbability), 1e-5);
        int count = nodes.Count;
        foreach (OptionNode node in nodes)
        {
            Assert.All(node.Options, k => Assert.Equal(node.Token, options[k].Token));
            Assert.Equal(node.Options.Sum(k => options[k].PolicyProbability), node.PolicyProbability, 1e-5);
            Assert.Equal(options[node.Options[0]].Probability, node.Probability, 1e-4);
            Assert.Equal(reached * node.PolicyProbability, node.PathProbability, 1e-5);
            count += Check(node.Children, [.. path, node.Token], node.PathProbability);
        }
        return count;
    }

    private static int Count(IReadOnlyList<OptionNode> nodes) => nodes.Count + nodes.Sum(node => Count(node.Children));

    private static IEnumerable<OptionNode> Flat(IReadOnlyList<OptionNode> nodes, int maxDepth = int.MaxValue) =>
        maxDepth == 0 ? [] : nodes.SelectMany(node => Flat(node.Children, maxDepth - 1).Prepend(node));
}
