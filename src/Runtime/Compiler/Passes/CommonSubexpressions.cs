using System.Numerics;
using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Passes;

/// <summary>A computation that was already made in a dominating place is not made again.</summary>
internal static class CommonSubexpressions
{
    public static bool Run(KernelIr kernel)
    {
        bool changed = false;
        kernel.FindHomes();
        // What has been computed so far, in chains of like hashes; of one computation several, in places of which none dominates another.
        var known = new Value?[(int)BitOperations.RoundUpToPowerOf2((uint)kernel.Blocks.Sum(block => block.Body.Count) / 2 + 1)];
        foreach (Block block in kernel.Blocks)
        {
            changed |= block.Body.RemoveAll(value =>
            {
                for (int i = 0; i < value.Args.Length; i++) value.Args[i] = value.Args[i].Resolve();
                if (value.Op.IsPure() && value.Args.Length <= 3) value.Forward = EarlierOrAdd(ref known[Hash(value) & (known.Length - 1)], value);
                return value.Forward is not null;
            }) > 0;
        }
        foreach (Block block in kernel.Blocks)
            foreach (Value value in block.Body) value.Link = null;
        if (changed) kernel.ResolveOperands();
        return changed;
    }

    private static Value? EarlierOrAdd(ref Value? chain, Value value)
    {
        for (Value? earlier = chain; earlier is not null; earlier = earlier.Link)
            if (Same(earlier, value) && ControlFlow.Dominates(earlier.Home!, value.Home!)) return earlier;
        value.Link = chain;
        chain = value;
        return null;
    }

    /// <summary>Of operands and constants alone: they tell most computations apart. Commutative ones hash alike either way round.</summary>
    private static int Hash(Value value)
    {
        uint hash = (uint)value.Op + (uint)value.Bits * 486187739, weight = 1;
        foreach (Value arg in value.Args)
        {
            hash += (uint)arg.Id * 2654435761 * weight;
            if (!value.Op.IsCommutative()) weight += 2;
        }
        return (int)(hash ^ (hash >> 15));
    }

    private static bool Same(Value a, Value b)
    {
        if (a.Op != b.Op || a.Type != b.Type || a.Sub != b.Sub || a.Bits != b.Bits || a.Args.Length != b.Args.Length) return false;
        if (a.Args.AsSpan().SequenceEqual(b.Args)) return true;
        return a.Op.IsCommutative() && a.Args[0] == b.Args[1] && a.Args[1] == b.Args[0];
    }
}
