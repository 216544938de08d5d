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
                changed |= block.Phis.RemoveAll(phi =>
                {
                    phi.Forward = Only(kernel, phi);
                    return phi.Forward is not null;
                }) > 0;
            }
            any |= changed;
        }
        if (any) kernel.ResolveOperands();
        return any;
    }

    /// <summary>The one value that a phi's operands are, itself aside; null where there are more.</summary>
    public static Value? Only(KernelIr kernel, Value phi)
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
