using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Passes;

/// <summary>A computation that was already made in a dominating place is not made again.</summary>
internal static class CommonSubexpressions
{
    /// <summary>Values of one kind in places of which none dominates another.</summary>
    private sealed record Known(Value Value, Block Block, Known? Next);

    private readonly record struct Key(Op Op, IrType Type, int Sub, long Bits, int A, int B, int C)
    {
        // Cheaper than combining all seven: operands and constants tell most values apart.
        public override int GetHashCode() => (((A * 31) + B) * 31 + C) * 31 + (int)Op + (int)Bits * 486187739;
    }

    public static bool Run(KernelIr kernel)
    {
        bool changed = false;
        var known = new Dictionary<Key, Known>(kernel.Blocks.Sum(block => block.Body.Count));
        foreach (Block block in kernel.Blocks)
        {
            int removed = 0;
            foreach (Value value in block.Body)
            {
                for (int i = 0; i < value.Args.Length; i++) value.Args[i] = value.Args[i].Resolve();
                if (!value.Op.IsPure() || value.Args.Length > 3 || Earlier(known, value, block) is not { } earlier) continue;
                value.Forward = earlier;
                removed++;
            }
            if (removed == 0) continue;
            block.Body.RemoveAll(value => value.Forward is not null);
            changed = true;
        }
        if (changed) kernel.ResolveOperands();
        return changed;
    }

    private static Value? Earlier(Dictionary<Key, Known> known, Value value, Block block)
    {
        Key key = KeyOf(value);
        known.TryGetValue(key, out Known? first);
        for (Known? candidate = first; candidate is not null; candidate = candidate.Next)
            if (ControlFlow.Dominates(candidate.Block, block)) return candidate.Value;
        known[key] = new Known(value, block, first);
        return null;
    }

    private static Key KeyOf(Value value)
    {
        int a = Id(value, 0), b = Id(value, 1);
        if (value.Op.IsCommutative() && a > b) (a, b) = (b, a);
        return new Key(value.Op, value.Type, value.Sub, value.Bits, a, b, Id(value, 2));
    }

    private static int Id(Value value, int index) => index < value.Args.Length ? value.Args[index].Id : -1;
}
