using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Passes;

/// <summary>A natural loop with one way back: its header dominates the rest.</summary>
internal sealed record Loop(Block Header, Block Latch, HashSet<Block> Blocks)
{
    /// <summary>The loops of a kernel that was just analysed, inner ones first.</summary>
    public static List<Loop> Find(KernelIr kernel)
    {
        var loops = new List<Loop>();
        foreach (Block header in kernel.Blocks)
        {
            Block[] latches = [.. header.Predecessors.Where(from => from.Order >= header.Order && ControlFlow.Dominates(header, from))];
            if (latches.Length == 1) loops.Add(new Loop(header, latches[0], Body(header, latches[0])));
        }
        loops.Sort((a, b) => a.Blocks.Count.CompareTo(b.Blocks.Count));
        return loops;
    }

    /// <summary>The block that alone leads into the loop from outside and nowhere else; null when there is none.</summary>
    public Block? Preheader
    {
        get
        {
            Block[] outside = [.. Header.Predecessors.Where(from => !Blocks.Contains(from))];
            return outside is [{ Condition: null }] ? outside[0] : null;
        }
    }

    /// <summary>Gives each loop that is entered from one block a preheader. Finds the loops again.</summary>
    public static List<Loop> FindWithPreheaders(KernelIr kernel)
    {
        ControlFlow.Analyse(kernel);
        List<Loop> loops = Find(kernel);
        bool any = false;
        foreach (Loop loop in loops)
        {
            Block[] outside = [.. loop.Header.Predecessors.Where(from => !loop.Blocks.Contains(from))];
            if (outside is not [{ Condition: not null } entry]) continue;
            Block middle = kernel.NewBlock();
            middle.JumpTo(loop.Header);
            entry.Retarget(loop.Header, middle);
            foreach (Value phi in loop.Header.Phis) phi.Incoming[Array.IndexOf(phi.Incoming, entry)] = middle;
            any = true;
        }
        if (!any) return loops;
        ControlFlow.Analyse(kernel);
        return Find(kernel);
    }

    private static HashSet<Block> Body(Block header, Block latch)
    {
        var blocks = new HashSet<Block> { header };
        var work = new Stack<Block>();
        work.Push(latch);
        while (work.Count > 0)
        {
            Block block = work.Pop();
            if (!blocks.Add(block)) continue;
            foreach (Block from in block.Predecessors) work.Push(from);
        }
        return blocks;
    }
}
