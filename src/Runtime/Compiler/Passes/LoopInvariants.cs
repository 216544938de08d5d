using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Passes;

/// <summary>
/// What a loop computes anew in each round from values of outside is computed once before it. Conditions stay: there are few predicate
/// registers. A pure instruction cannot fail, so it may be moved out of a branch too.
/// </summary>
internal static class LoopInvariants
{
    public static bool Run(KernelIr kernel)
    {
        bool any = false;
        foreach (Loop loop in Loop.FindWithPreheaders(kernel))
            if (loop.Preheader is { } before) any |= Hoist(kernel, loop, before);
        return any;
    }

    private static bool Hoist(KernelIr kernel, Loop loop, Block before)
    {
        HashSet<Value> inside = Defined(loop);
        bool any = false;
        foreach (Block block in kernel.Blocks)
        {
            if (!loop.Blocks.Contains(block)) continue;
            any |= block.Body.RemoveAll(value =>
            {
                if (!value.Op.IsPure() || value.Op == Op.Extract || value.Type == IrType.I1 || Array.Exists(value.Args, arg => inside.Contains(arg) || IsSum(arg))) return false;
                before.Body.Add(value);
                inside.Remove(value);
                return true;
            }) > 0;
        }
        return any;
    }

    /// <summary>A sum of a product of a warp group is there when it has been waited for, and the wait may be in the loop.</summary>
    private static bool IsSum(Value value) => value is { Op: Op.Extract } && value.Args[0].Op == Op.Wgmma;

    /// <summary>The values that the loop's blocks make.</summary>
    public static HashSet<Value> Defined(Loop loop)
    {
        var inside = new HashSet<Value>();
        foreach (Block block in loop.Blocks)
        {
            inside.UnionWith(block.Phis);
            inside.UnionWith(block.Body);
        }
        return inside;
    }
}
