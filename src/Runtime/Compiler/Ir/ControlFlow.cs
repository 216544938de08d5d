namespace OllmNative.Runtime.Compiler.Ir;

/// <summary>Reachability, order, predecessors and dominators of a kernel's blocks.</summary>
internal static class ControlFlow
{
    /// <summary>Drops unreachable blocks and their phi operands, sorts blocks in reverse postorder and finds dominators.</summary>
    public static void Analyse(KernelIr kernel)
    {
        foreach (Block block in kernel.Blocks)
        {
            block.Order = -1;
            block.Predecessors.Clear();
            block.Dominator = null;
        }
        kernel.Blocks = ReversePostorder(kernel.Entry);
        for (int i = 0; i < kernel.Blocks.Count; i++) kernel.Blocks[i].Order = i;
        foreach (Block block in kernel.Blocks)
            foreach (Block next in block.Successors) next.Predecessors.Add(block);
        foreach (Block block in kernel.Blocks) DropDeadOperands(block);
        FindDominators(kernel.Blocks);
    }

    public static bool Dominates(Block above, Block below)
    {
        for (Block? at = below; at is not null; at = at.Dominator)
            if (at == above) return true;
        return false;
    }

    private static List<Block> ReversePostorder(Block entry)
    {
        var order = new List<Block>();
        var seen = new HashSet<Block> { entry };
        var stack = new Stack<(Block Block, IEnumerator<Block> Next)>();
        stack.Push((entry, Reversed(entry)));
        while (stack.Count > 0)
        {
            (Block block, IEnumerator<Block> next) = stack.Peek();
            if (next.MoveNext())
            {
                if (seen.Add(next.Current)) stack.Push((next.Current, Reversed(next.Current)));
                continue;
            }
            order.Add(block);
            stack.Pop();
        }
        order.Reverse();
        return order;
    }

    // Else before Then: in reverse postorder the then side follows its branch, and a loop's body its header, in source order.
    private static IEnumerator<Block> Reversed(Block block) => block.Successors.Reverse().GetEnumerator();

    private static void DropDeadOperands(Block block)
    {
        foreach (Value phi in block.Phis)
        {
            if (phi.Incoming.All(block.Predecessors.Contains)) continue;
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
