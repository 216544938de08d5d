using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Passes;

/// <summary>Removes phis that choose between one value and themselves.</summary>
internal static class Phis
{
    public static bool Run(KernelIr kernel)
    {
        bool any = false, changed = true;
        while (changed)
        {
            changed = false;
            foreach (Block block in kernel.Blocks)
            {
                for (int i = block.Phis.Count - 1; i >= 0; i--)
                {
                    Value phi = block.Phis[i];
                    if (Only(kernel, phi) is not { } only) continue;
                    phi.Forward = only;
                    block.Phis.RemoveAt(i);
                    any = changed = true;
                }
            }
        }
        kernel.ResolveOperands();
        return any;
    }

    private static Value? Only(KernelIr kernel, Value phi)
    {
        Value? only = null;
        foreach (Value arg in phi.Args)
        {
            Value value = arg.Resolve();
            if (value == phi || value == only) continue;
            if (only is not null) return null;
            only = value;
        }
        return only ?? kernel.Undefined(phi.Type);
    }
}
