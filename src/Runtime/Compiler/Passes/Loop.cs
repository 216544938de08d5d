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

    /// <summary>
    /// Gives each loop one way back and one way in: several of either are led together in a block of their own. The kernel was just analysed,
    /// and is again where something changed.
    /// </summary>
    public static void Straighten(KernelIr kernel)
    {
        bool any = false;
        foreach (Block header in kernel.Blocks.ToArray())
        {
            Block[] back = [.. header.Predecessors.Where(from => from.Order >= header.Order && ControlFlow.Dominates(header, from))];
            if (back.Length == 0) continue;
            Block[] outside = [.. header.Predecessors.Except(back)];
            if (back.Length > 1) LeadTogether(kernel, header, back);
            if (outside.Length > 1) LeadTogether(kernel, header, outside);
            any |= back.Length > 1 || outside.Length > 1;
        }
        if (any) ControlFlow.Analyse(kernel);
    }

    private static void LeadTogether(KernelIr kernel, Block header, Block[] sources)
    {
        Block middle = kernel.NewBlock();
        foreach (Value phi in header.Phis)
        {
            Value[] args = [.. sources.Select(source => phi.Args[Array.IndexOf(phi.Incoming, source)])];
            Value merged = args[0];
            if (args.Any(arg => arg != merged))
            {
                merged = kernel.New(Op.Phi, phi.Type, args);
                (merged.Incoming, merged.Space) = ([.. sources], phi.Space);
                middle.Phis.Add(merged);
            }
            int[] kept = [.. Enumerable.Range(0, phi.Args.Length).Where(i => !sources.Contains(phi.Incoming[i]))];
            phi.Args = [.. kept.Select(i => phi.Args[i]), merged];
            phi.Incoming = [.. kept.Select(i => phi.Incoming[i]), middle];
        }
        middle.JumpTo(header);
        foreach (Block source in sources) source.Retarget(header, middle);
    }

    /// <summary>Gives each loop a preheader. Finds the loops again.</summary>
    public static List<Loop> FindWithPreheaders(KernelIr kernel)
    {
        ControlFlow.Analyse(kernel);
        Straighten(kernel);
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
