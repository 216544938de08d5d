using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Passes;

/// <summary>Drops instructions whose results nobody reads.</summary>
internal static class DeadCode
{
    public static bool Run(KernelIr kernel)
    {
        int live = kernel.NewMark();
        var work = new Stack<Value>();
        foreach (Block block in kernel.Blocks)
        {
            if (block.Condition is { } condition) Mark(condition);
            foreach (Value value in block.Body)
                if (!value.Op.IsDroppable()) Mark(value);
        }
        while (work.Count > 0)
            foreach (Value arg in work.Pop().Args) Mark(arg);

        int removed = 0;
        foreach (Block block in kernel.Blocks)
            removed += block.Body.RemoveAll(value => value.Mark != live) + block.Phis.RemoveAll(phi => phi.Mark != live);
        return removed > 0;

        void Mark(Value value)
        {
            if (value.Mark == live) return;
            value.Mark = live;
            work.Push(value);
        }
    }
}
