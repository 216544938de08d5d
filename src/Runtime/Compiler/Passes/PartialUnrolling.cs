using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Passes;

/// <summary>
/// A short counted loop that only reads gets a loop before it that does several rounds at once, as long as there are so many: their loads are
/// on the way together, which is what a loop over memory waits for. The order of the arithmetic stays, and with it every bit.
/// </summary>
internal static class PartialUnrolling
{
    private const int MostInstructions = 48, BytesAtOnce = 32, MostRounds = 4;

    public static bool Run(KernelIr kernel)
    {
        bool any = false;
        foreach (Loop loop in Loop.FindWithPreheaders(kernel))
        {
            if (loop.Preheader is not { } before || RoundsAtOnce(loop) is not (> 1 and var rounds) || Counter(loop) is not { } counter) continue;
            Value limit = Limit(kernel, before, counter, rounds);
            new LoopCopier(kernel, loop).Precede(before, rounds, counter.Phi, limit);
            kernel.ResolveOperands();
            any = true;
        }
        return any;
    }

    /// <summary>The rounds that fetch a few vectors' worth; 1 where the loop is not of the kind.</summary>
    private static int RoundsAtOnce(Loop loop)
    {
        if (loop.Blocks.Count != 2 || loop.Header.Condition is null || loop.Header == loop.Latch) return 1;
        Block body = loop.Latch;
        if (body.Condition is not null || body.Body.Count > MostInstructions || !loop.Header.Body.TrueForAll(value => value.Op.IsPure())) return 1;
        int bytes = 0;
        foreach (Value value in body.Body)
        {
            if (value.Op is Op.Load or Op.LoadOnce) bytes += value.Count * value.Memory.Size();
            else if (!value.Op.IsPure()) return 1;
        }
        int rounds = bytes == 0 ? 1 : Math.Min(MostRounds, BytesAtOnce / bytes);
        return rounds >= MostRounds ? MostRounds : rounds >= 2 ? 2 : 1;
    }

    private sealed record CounterOf(Value Phi, Value Step, Value End, bool Inclusive);

    /// <summary>i of a loop that goes on while i is less than (or equal to) an end that it does not change, by a step that it does not change.</summary>
    private static CounterOf? Counter(Loop loop)
    {
        if (loop.Header.Condition is not { Op: Op.Compare } condition) return null;
        HashSet<Value> inside = LoopInvariants.Defined(loop);
        CompareKind kind = loop.Blocks.Contains(loop.Header.Then!) ? condition.Compare : condition.Compare.Inverse(isFloat: false);
        (Value phi, Value end) = (condition.Args[0], condition.Args[1]);
        if (kind is CompareKind.Gt or CompareKind.Ge) (phi, end, kind) = (end, phi, kind == CompareKind.Gt ? CompareKind.Lt : CompareKind.Le);
        if (kind is not (CompareKind.Lt or CompareKind.Le) || phi.Type != IrType.I32 || !loop.Header.Phis.Contains(phi) || inside.Contains(end)) return null;
        Value next = phi.Args[1 - Unrolling.EntryIndex(phi, loop)];
        if (next.Op != Op.Add || !next.Args.Contains(phi)) return null;
        Value step = next.Args[0] == phi ? next.Args[1] : next.Args[0];
        return inside.Contains(step) || (step.IsConst && step.Bits <= 0) ? null : new CounterOf(phi, step, end, kind == CompareKind.Le);
    }

    /// <summary>
    /// Below end - (rounds - 1) step, in 64 bits and then as near as 32 come, the round and those after it are due; nowhere where the step turns
    /// out not to be positive.
    /// </summary>
    private static Value Limit(KernelIr kernel, Block before, CounterOf counter, int rounds)
    {
        Value ahead = Append(Op.Mul, IrType.I64, Append(Op.SignExtend, IrType.I64, counter.Step), kernel.Long(rounds - 1));
        Value limit = Append(Op.Sub, IrType.I64, Append(Op.SignExtend, IrType.I64, counter.End), ahead);
        if (counter.Inclusive) limit = Append(Op.Add, IrType.I64, limit, kernel.Long(1));
        limit = Append(Op.Cut, IrType.I32, Append(Op.Max, IrType.I64, limit, kernel.Long(int.MinValue)));
        if (counter.Step.IsConst) return limit;
        Value positive = kernel.New(Op.Compare, IrType.I1, counter.Step, kernel.Int(0));
        positive.Sub = (int)CompareKind.Gt;
        before.Body.Add(positive);
        return Append(Op.Select, IrType.I32, positive, limit, kernel.Int(int.MinValue));

        Value Append(Op op, IrType type, params Value[] args)
        {
            Value value = kernel.New(op, type, args);
            if (Simplifier.Simplify(kernel, value) is { } simpler) return simpler;
            before.Body.Add(value);
            return value;
        }
    }
}
