using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Passes;

/// <summary>
/// Replaces a loop whose number of rounds is known by that many copies of its body. Only loops that are left from their header alone
/// (for, while; no break) and that stay small.
/// </summary>
internal static class Unrolling
{
    private const int MostRounds = 64, MostInstructions = 4096;

    public static bool Run(KernelIr kernel)
    {
        bool any = false;
        while (UnrollInnermost(kernel)) any = true;
        if (any) Optimizer.CleanUp(kernel);
        return any;
    }

    /// <summary>Unrolls each loop that counts and has no unrolled one inside: that one must be analysed again first.</summary>
    private static bool UnrollInnermost(KernelIr kernel)
    {
        ControlFlow.Analyse(kernel);
        Loop.Straighten(kernel);
        var unrolled = new List<Block>();
        foreach (Loop loop in Loop.Find(kernel))
        {
            if (!LeavesFromHeader(loop) || unrolled.Exists(loop.Blocks.Contains)) continue;
            int size = loop.Blocks.Sum(block => block.Body.Count);
            if (Rounds(kernel, loop) is not { } rounds || rounds * size > MostInstructions) continue;
            new LoopCopier(kernel, loop).Unroll(rounds);
            unrolled.Add(loop.Header);
        }
        if (unrolled.Count > 0) kernel.ResolveOperands();
        return unrolled.Count > 0;
    }

    private static bool LeavesFromHeader(Loop loop)
    {
        Block header = loop.Header;
        return header.Condition is not null && header.Predecessors.Count == 2
            && loop.Blocks.Contains(header.Then!) != loop.Blocks.Contains(header.Else!)
            && loop.Blocks.All(block => block == header || (block.Then is not null && block.Successors.All(loop.Blocks.Contains)));
    }

    /// <summary>Runs the header's condition with the counters that start from constants; null when it depends on anything else.</summary>
    private static int? Rounds(KernelIr kernel, Loop loop)
    {
        Block header = loop.Header;
        var state = new Dictionary<Value, long>();
        foreach (Value phi in header.Phis)
            if (phi.Args[EntryIndex(phi, loop)].Resolve() is { IsConst: true } start) state[phi] = start.Bits;
        bool stayOn = loop.Blocks.Contains(header.Then!);
        for (int round = 0; round <= MostRounds; round++)
        {
            var known = new Dictionary<Value, long>(state);
            if (Evaluate(header.Condition!, known, 0) is not { } condition) return null;
            if ((condition != 0) != stayOn) return round;
            state.Clear();
            foreach (Value phi in header.Phis)
                if (known.ContainsKey(phi) && Evaluate(phi.Args[1 - EntryIndex(phi, loop)], known, 0) is { } next) state[phi] = kernel.Constant(phi.Type, next).Bits;
        }
        return null;
    }

    public static int EntryIndex(Value phi, Loop loop) => loop.Blocks.Contains(phi.Incoming[0]) ? 1 : 0;

    private static long? Evaluate(Value unresolved, Dictionary<Value, long> known, int depth)
    {
        Value value = unresolved.Resolve();
        if (value.IsConst) return value.Bits;
        if (known.TryGetValue(value, out long bits)) return bits;
        if (!value.Op.IsPure() || depth > 16 || value.Type is IrType.Ptr || value.Args.Length > 3) return null;
        Span<long> args = stackalloc long[value.Args.Length];
        for (int i = 0; i < args.Length; i++)
        {
            if (Evaluate(value.Args[i], known, depth + 1) is not { } arg) return null;
            args[i] = arg;
        }
        return ConstantMath.Evaluate(value, args);
    }
}
