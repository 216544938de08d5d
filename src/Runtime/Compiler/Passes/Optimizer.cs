using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Passes;

/// <summary>The passes in their order. Each is a static class with Run, which says whether it changed anything.</summary>
internal static class Optimizer
{
    /// <summary>From the translator's IR to what is emitted.</summary>
    /// <param name="kernel">Changed in place.</param>
    /// <param name="fuse">Whether a * b + c becomes one fma.</param>
    public static void Run(KernelIr kernel, bool fuse)
    {
        CleanUp(kernel);
        // Unrolling turns indices into constants, which lets local arrays go to registers, which lets more loops count.
        for (int round = 0; round < 8; round++)
        {
            bool changed = Unrolling.Run(kernel);
            changed |= LocalArrays.Run(kernel);
            if (!changed) break;
            CleanUp(kernel);
        }
        if (Remainders.Run(kernel)) CleanUp(kernel);
        for (int round = 0; round < 4 && Selections.Run(kernel); round++) CleanUp(kernel);
        if (Loads.Run(kernel)) CleanUp(kernel);
        if (PartialUnrolling.Run(kernel)) CleanUp(kernel);
        if (Addresses.Run(kernel)) CleanUp(kernel);
        bool moved = LoopInvariants.Run(kernel);
        moved |= InductionPointers.Run(kernel);
        if (moved) CleanUp(kernel);
        if (fuse && MultiplyAdd.Run(kernel)) DeadCode.Run(kernel);
        AddressSpaces.Run(kernel);
        LoopLayout.Run(kernel);
        ControlFlow.Analyse(kernel);
    }

    /// <summary>The cheap passes until nothing changes; the dearest of them only once the others are through.</summary>
    public static void CleanUp(KernelIr kernel)
    {
        bool merged = false;
        for (int round = 0; round < 32; round++)
        {
            ControlFlow.Analyse(kernel);
            bool changed = Phis.Run(kernel);
            changed |= Simplification.Run(kernel);
            changed |= Branches.Run(kernel);
            changed |= DeadCode.Run(kernel);
            if (changed)
            {
                merged = false;
                continue;
            }
            // One pass over the blocks in their order finds all there is until something else changes.
            if (merged || !CommonSubexpressions.Run(kernel)) return;
            merged = true;
        }
    }
}
