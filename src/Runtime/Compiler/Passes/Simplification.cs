using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Passes;

/// <summary>Applies <see cref="Simplifier"/> to every instruction, and moves constant address parts into the accesses' offsets.</summary>
internal static class Simplification
{
    public static bool Run(KernelIr kernel)
    {
        bool changed = false, replaced = false;
        foreach (Block block in kernel.Blocks)
        {
            replaced |= block.Body.RemoveAll(value =>
            {
                for (int i = 0; i < value.Args.Length; i++) value.Args[i] = value.Args[i].Resolve();
                (Op op, Value? first, Value? second) = (value.Op, At(value, 0), At(value, 1));
                value.Forward = Simplifier.Simplify(kernel, value)?.Resolve();
                if (value.Forward is not null) return true;
                changed |= op != value.Op || first != At(value, 0) || second != At(value, 1);
                changed |= FoldOffset(value);
                return false;
            }) > 0;
        }
        if (replaced) kernel.ResolveOperands();
        return changed || replaced;
    }

    private static Value? At(Value value, int index) => index < value.Args.Length ? value.Args[index] : null;

    /// <summary>access [p + c] becomes access [p] + c; of an asynchronous copy, its target.</summary>
    private static bool FoldOffset(Value access)
    {
        if (access.Op is not (Op.Load or Op.LoadOnce or Op.Store or Op.LoadMatrix or Op.CopyAsync) || access.Args[0] is not { Op: Op.PtrAdd } address || !address.Args[1].IsConst) return false;
        long offset = access.Bits + address.Args[1].Bits;
        if (offset is < int.MinValue or > int.MaxValue) return false;
        access.Args[0] = address.Args[0];
        access.Bits = offset;
        return true;
    }
}
