using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Passes;

/// <summary>Branches on constants, chains of blocks, and empty blocks go away.</summary>
internal static class Branches
{
    public static bool Run(KernelIr kernel)
    {
        bool any = false;
        foreach (Block block in kernel.Blocks)
        {
            if (block.Condition is not { } condition) continue;
            if (condition.IsConst)
            {
                block.JumpTo(condition.Bits != 0 ? block.Then! : block.Else!);
                any = true;
            }
            else if (condition.Op == Op.Not)
            {
                (block.Condition, block.Then, block.Else) = (condition.Args[0], block.Else, block.Then);
                any = true;
            }
        }
        ControlFlow.Analyse(kernel);
        any |= SkipEmpty(kernel);
        any |= Merge(kernel);
        return any;
    }

    /// <summary>A block without instructions that only jumps on is left out, where the target's phis still know their sources apart.</summary>
    private static bool SkipEmpty(KernelIr kernel)
    {
        bool any = false;
        foreach (Block block in kernel.Blocks)
        {
            if (block == kernel.Entry || block.Body.Count > 0 || block.Phis.Count > 0 || block.Condition is not null || block.Then is not { } target || target == block) continue;
            Block[] sources = [.. block.Predecessors];
            // A loop keeps one way back and one way in: the passes that work on loops ask for that.
            if (sources.Length > 1 && target.Predecessors.Exists(from => from.Order >= target.Order)) continue;
            if (target.Phis.Count > 0 && sources.Any(source => source.Successors.Contains(target))) continue;
            foreach (Value phi in target.Phis) Spread(phi, block, sources);
            foreach (Block source in sources)
            {
                source.Retarget(block, target);
                if (!target.Predecessors.Contains(source)) target.Predecessors.Add(source);
            }
            target.Predecessors.Remove(block);
            block.Predecessors.Clear();
            any = true;
        }
        if (any) ControlFlow.Analyse(kernel);
        return any;
    }

    private static void Spread(Value phi, Block from, Block[] sources)
    {
        int at = Array.IndexOf(phi.Incoming, from);
        Value value = phi.Args[at];
        phi.Args = [.. phi.Args.Where((_, i) => i != at), .. sources.Select(_ => value)];
        phi.Incoming = [.. phi.Incoming.Where((_, i) => i != at), .. sources];
    }

    /// <summary>A block and its only successor, whose only predecessor it is, become one.</summary>
    private static bool Merge(KernelIr kernel)
    {
        bool any = false;
        foreach (Block block in kernel.Blocks)
        {
            if (block.Order < 0) continue;
            while (block.Condition is null && block.Then is { } next && next != block && next != kernel.Entry && next.Predecessors.Count == 1)
            {
                foreach (Value phi in next.Phis) phi.Forward = phi.Args[0].Resolve();
                block.Body.AddRange(next.Body);
                (block.Condition, block.Then, block.Else) = (next.Condition, next.Then, next.Else);
                foreach (Block after in block.Successors)
                {
                    int at = after.Predecessors.IndexOf(next);
                    if (at >= 0) after.Predecessors[at] = block;
                    foreach (Value phi in after.Phis)
                        for (int i = 0; i < phi.Incoming.Length; i++)
                            if (phi.Incoming[i] == next) phi.Incoming[i] = block;
                }
                next.Body = [];
                next.Phis.Clear();
                next.Order = -1;
                (next.Condition, next.Then, next.Else) = (null, null, null);
                any = true;
            }
        }
        if (!any) return false;
        kernel.ResolveOperands();
        ControlFlow.Analyse(kernel);
        return true;
    }
}
