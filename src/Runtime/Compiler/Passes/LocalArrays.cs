using OllmNative.Runtime.Compiler.Frontend;
using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Passes;

/// <summary>Local arrays that are only accessed at constant places become registers; the others stay in local memory.</summary>
internal static class LocalArrays
{
    /// <summary>What an array holds at one place, as what it is read and written there, and which blocks write it.</summary>
    private sealed class Cell(IrType memory)
    {
        public IrType Memory { get; } = memory;
        public HashSet<Block> Writers { get; } = [];
        public Slot Slot { get; } = new(memory.InRegister()) { Joins = [] };
    }

    public static bool Run(KernelIr kernel)
    {
        var arrays = new Dictionary<Value, Dictionary<long, Cell>>();
        foreach (Block block in kernel.Blocks)
            foreach (Value value in block.Body)
                if (value.Op == Op.LocalAlloc) arrays[value] = [];
        if (arrays.Count == 0) return false;
        FindCells(kernel, arrays);
        if (arrays.Count == 0) return false;
        Promote(kernel, arrays);
        return true;
    }

    /// <summary>Takes out the arrays with an address that escapes, an index that is not constant, or accesses that overlap.</summary>
    private static void FindCells(KernelIr kernel, Dictionary<Value, Dictionary<long, Cell>> arrays)
    {
        foreach (Block block in kernel.Blocks)
        {
            foreach (Value phi in block.Phis)
                foreach (Value arg in phi.Args) arrays.Remove(arg);
            foreach (Value value in block.Body)
            {
                for (int i = 0; i < value.Args.Length; i++)
                {
                    Value array = value.Args[i];
                    if (array.Op != Op.LocalAlloc || !arrays.TryGetValue(array, out Dictionary<long, Cell>? cells)) continue;
                    bool access = (value.Op is Op.Load or Op.Store) && i == 0 && value.Count == 1;
                    if (!access || !Note(cells, value, block)) arrays.Remove(array);
                }
            }
        }
        foreach ((Value array, Dictionary<long, Cell> cells) in arrays)
            if (Overlap(cells)) arrays.Remove(array);
    }

    /// <summary>False for a second access of a place as another type.</summary>
    private static bool Note(Dictionary<long, Cell> cells, Value access, Block block)
    {
        if (!cells.TryGetValue(access.Bits, out Cell? cell)) cells[access.Bits] = cell = new Cell(access.Memory);
        if (access.Op == Op.Store) cell.Writers.Add(block);
        return cell.Memory == access.Memory;
    }

    private static bool Overlap(Dictionary<long, Cell> cells)
    {
        foreach ((long offset, Cell cell) in cells)
            for (long other = offset + 1; other < offset + cell.Memory.Size(); other++)
                if (cells.ContainsKey(other)) return true;
        return false;
    }

    private static void Promote(KernelIr kernel, Dictionary<Value, Dictionary<long, Cell>> arrays)
    {
        FindJoins(kernel, arrays);
        var variables = new SsaVariables(kernel);
        foreach (Block block in kernel.Blocks)
            foreach (Block next in block.Successors) variables.Edge(block, next);
        foreach (Block block in kernel.Blocks)
        {
            if (block.Predecessors.TrueForAll(from => from.Order < block.Order)) variables.Seal(block);
            var body = new List<Value>(block.Body.Count);
            foreach (Value value in block.Body)
            {
                Dictionary<long, Cell>? cells = null;
                bool access = value.Op is Op.Load or Op.Store && value.Args[0].Op == Op.LocalAlloc && arrays.TryGetValue(value.Args[0], out cells);
                if (access && value.Op == Op.Load) value.Forward = variables.Read(block, cells![value.Bits].Slot);
                else if (access) variables.Write(block, cells![value.Bits].Slot, Stored(kernel, value, body));
                else if (value.Op != Op.LocalAlloc || !arrays.ContainsKey(value)) body.Add(value);
            }
            block.Body = body;
        }
        foreach (Block block in kernel.Blocks) variables.Seal(block);
        SsaVariables.DropForwardedPhis(kernel);
        kernel.ResolveOperands();
    }

    /// <summary>Writes meet in the frontiers of the writing blocks, and in those of the joins, which are writes too.</summary>
    private static void FindJoins(KernelIr kernel, Dictionary<Value, Dictionary<long, Cell>> arrays)
    {
        List<Block>[] frontiers = ControlFlow.Frontiers(kernel);
        foreach (Cell cell in arrays.Values.SelectMany(cells => cells.Values))
        {
            var work = new Stack<Block>(cell.Writers);
            while (work.TryPop(out Block? writer))
                foreach (Block join in frontiers[writer.Order])
                    if (cell.Slot.Joins!.Add(join)) work.Push(join);
        }
    }

    /// <summary>Memory narrower than a register cuts what is stored; so must the register.</summary>
    private static Value Stored(KernelIr kernel, Value store, List<Value> body)
    {
        Value value = store.Args[1].Resolve();
        if (store.Memory.InRegister() == store.Memory) return value;
        Value narrow = kernel.New(Op.Narrow, IrType.I32, value);
        narrow.Sub = store.Sub;
        if (Simplifier.Simplify(kernel, narrow) is { } simpler) return simpler;
        body.Add(narrow);
        return narrow;
    }
}
