namespace OllmNative.Runtime.Compiler.Ir;

/// <summary>Reachability, order, predecessors and dominators of a kernel's blocks.</summary>
internal static class ControlFlow
{
    private const int Unvisited = -1, Visited = -2;

    /// <summary>Drops unreachable blocks and their phi operands, sorts blocks in reverse postorder and finds dominators.</summary>
    public static void Analyse(KernelIr kernel)
    {
        foreach (Block block in kernel.Blocks)
        {
            block.Order = Unvisited;
            block.Predecessors.Clear();
            block.Dominator = null;
        }
        kernel.Blocks = ReversePostorder(kernel.Entry);
        for (int i = 0; i < kernel.Blocks.Count; i++) kernel.Blocks[i].Order = i;
        foreach (Block block in kernel.Blocks)
        {
            block.Then?.Predecessors.Add(block);
            if (block.Condition is not null) block.Else?.Predecessors.Add(block);
        }
        foreach (Block block in kernel.Blocks) DropDeadOperands(block);
        FindDominators(kernel.Blocks);
        NumberDominated(kernel.Blocks);
    }

    /// <summary>Of blocks that were there at the last analysis.</summary>
    public static bool Dominates(Block above, Block below) =>
        above == below || (above.Dominated.First <= below.Dominated.First && below.Dominated.First <= above.Dominated.Last);

    /// <summary>
    /// By a block's order, the joins that it reaches without dominating them: where a value that it makes meets others (Cytron et al., "Efficiently
    /// Computing Static Single Assignment Form and the Control Dependence Graph", 1991). Of a kernel that was just analysed.
    /// </summary>
    public static List<Block>[] Frontiers(KernelIr kernel)
    {
        List<Block>[] frontiers = [.. kernel.Blocks.Select(_ => new List<Block>())];
        foreach (Block join in kernel.Blocks)
        {
            if (join.Predecessors.Count < 2) continue;
            foreach (Block from in join.Predecessors)
                for (Block? at = from; at is not null && at != join.Dominator && !frontiers[at.Order].Contains(join); at = at.Dominator) frontiers[at.Order].Add(join);
        }
        return frontiers;
    }

    /// <summary>Numbers the tree of dominators in preorder: what a block dominates is then a range.</summary>
    private static void NumberDominated(List<Block> blocks)
    {
        int[] sizes = new int[blocks.Count];
        for (int i = blocks.Count - 1; i >= 0; i--)
        {
            sizes[i]++;
            if (blocks[i].Dominator is { } above) sizes[above.Order] += sizes[i];
        }
        int[] next = new int[blocks.Count];
        for (int i = 0; i < blocks.Count; i++)
        {
            // A dominator comes before what it dominates in reverse postorder.
            int first = blocks[i].Dominator is { } above ? next[above.Order] : 0;
            if (blocks[i].Dominator is { } parent) next[parent.Order] += sizes[i];
            blocks[i].Dominated = (first, first + sizes[i] - 1);
            next[i] = first + 1;
        }
    }

    private static List<Block> ReversePostorder(Block entry)
    {
        var order = new List<Block>();
        var stack = new Stack<(Block Block, int Next)>();
        Visit(entry);
        while (stack.TryPop(out (Block Block, int Next) top))
        {
            if (top.Next < 2)
            {
                stack.Push((top.Block, top.Next + 1));
                // Else before Then: in reverse postorder the then side follows its branch, and a loop's body its header, in source order.
                Block? next = top.Next == 1 ? top.Block.Then : top.Block.Condition is null ? null : top.Block.Else;
                if (next is { Order: Unvisited }) Visit(next);
                continue;
            }
            order.Add(top.Block);
        }
        order.Reverse();
        return order;

        void Visit(Block block)
        {
            block.Order = Visited;
            stack.Push((block, 0));
        }
    }

    private static void DropDeadOperands(Block block)
    {
        foreach (Value phi in block.Phis)
        {
            if (Array.TrueForAll(phi.Incoming, block.Predecessors.Contains)) continue;
            int[] kept = [.. Enumerable.Range(0, phi.Args.Length).Where(i => block.Predecessors.Contains(phi.Incoming[i]))];
            phi.Args = [.. kept.Select(i => phi.Args[i])];
            phi.Incoming = [.. kept.Select(i => phi.Incoming[i])];
        }
    }

    /// <summary>Cooper, Harvey and Kennedy's iteration over reverse postorder.</summary>
    private static void FindDominators(List<Block> blocks)
    {
        bool changed = true;
        while (changed)
        {
            changed = false;
            for (int i = 1; i < blocks.Count; i++)
            {
                Block? meet = null;
                foreach (Block from in blocks[i].Predecessors)
                    if (from.Order == 0 || from.Dominator is not null) meet = meet is null ? from : Meet(meet, from);
                if (meet == blocks[i].Dominator) continue;
                blocks[i].Dominator = meet;
                changed = true;
            }
        }
    }

    private static Block Meet(Block a, Block b)
    {
        while (a != b)
        {
            while (a.Order > b.Order) a = a.Dominator!;
            while (b.Order > a.Order) b = b.Dominator!;
        }
        return a;
    }
}
