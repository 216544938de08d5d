using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Passes;

/// <summary>
/// A branch around a few cheap instructions becomes those instructions and a choice between their results: a warp does not part, and the blocks
/// before and behind become one. Only where nothing is loaded or stored: an address may be good on one side alone.
/// </summary>
internal static class Selections
{
    private const int MostInstructions = 8, MostChoices = 4;

    public static bool Run(KernelIr kernel)
    {
        ControlFlow.Analyse(kernel);
        bool any = false;
        // Inner branches come later in the order; once they are gone, the outer ones are short enough.
        for (int i = kernel.Blocks.Count - 1; i >= 0; i--) any |= Convert(kernel, kernel.Blocks[i]);
        if (!any) return false;
        kernel.ResolveOperands();
        ControlFlow.Analyse(kernel);
        return true;
    }

    private static bool Convert(KernelIr kernel, Block block)
    {
        if (block.Condition is not { } condition) return false;
        (Block then, Block otherwise) = (block.Then!, block.Else!);
        Block? join = IsSide(then, block) && then.Then == otherwise ? otherwise
            : IsSide(otherwise, block) && otherwise.Then == then ? then
            : IsSide(then, block) && IsSide(otherwise, block) && then.Then == otherwise.Then ? then.Then
            : null;
        if (join is null || join == block) return false;
        Block[] sides = [.. new[] { then, otherwise }.Where(side => side != join)];
        if (sides.Contains(join) || sides.Sum(side => side.Body.Count) > MostInstructions) return false;
        if (!sides.All(side => side.Body.TrueForAll(IsCheap)) || !CanChoose(join, then == join ? block : then, otherwise == join ? block : otherwise)) return false;

        foreach (Block side in sides) block.Body.AddRange(side.Body);
        foreach (Value phi in join.Phis)
        {
            Value chosen = Choose(kernel, block, condition, Operand(phi, then == join ? block : then), Operand(phi, otherwise == join ? block : otherwise));
            int[] kept = [.. Enumerable.Range(0, phi.Args.Length).Where(i => phi.Incoming[i] != block && !sides.Contains(phi.Incoming[i]))];
            phi.Args = [.. kept.Select(i => phi.Args[i]), chosen];
            phi.Incoming = [.. kept.Select(i => phi.Incoming[i]), block];
        }
        foreach (Block side in sides)
        {
            side.Body = [];
            side.Then = null;
            join.Predecessors.Remove(side);
        }
        if (!join.Predecessors.Contains(block)) join.Predecessors.Add(block);
        block.JumpTo(join);
        return true;
    }

    /// <summary>A block that only this branch leads to, and that only leads on.</summary>
    private static bool IsSide(Block side, Block branch) =>
        side.Predecessors.Count == 1 && side.Predecessors[0] == branch && side.Condition is null && side.Then is not null && side.Phis.Count == 0;

    private static bool IsCheap(Value value) => value.Op.IsPure()
        && value.Op is not (Op.Div or Op.DivU or Op.Rem or Op.RemU or Op.Sqrt or Op.Rcp or Op.Rsqrt or Op.Exp2 or Op.Sin or Op.Cos) && value.Type != IrType.F64;

    private static bool CanChoose(Block join, Block then, Block otherwise)
    {
        Value[] differing = [.. join.Phis.Where(phi => Operand(phi, then) != Operand(phi, otherwise))];
        return differing.Length <= MostChoices && Array.TrueForAll(differing, phi => phi.Type != IrType.Ptr);
    }

    private static Value Operand(Value phi, Block from) => phi.Args[Array.IndexOf(phi.Incoming, from)].Resolve();

    private static Value Choose(KernelIr kernel, Block block, Value condition, Value then, Value otherwise)
    {
        if (then == otherwise) return then;
        // Of conditions "c and x" and "c or x" are one instruction; the other two forms are these of the opposite.
        if (then.Type == IrType.I1 && (then.IsConstant(0) || otherwise.IsConstant(1)))
            (condition, then, otherwise) = (Append(kernel.New(Op.Not, IrType.I1, condition)), otherwise, then);
        return Append(kernel.New(Op.Select, then.Type, condition, then, otherwise));

        Value Append(Value value)
        {
            if (Simplifier.Simplify(kernel, value) is { } simpler) return simpler;
            block.Body.Add(value);
            return value;
        }
    }
}
