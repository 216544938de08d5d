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
