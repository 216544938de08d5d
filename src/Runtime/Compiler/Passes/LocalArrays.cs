using OllmNative.Runtime.Compiler.Frontend;
using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Passes;

/// <summary>Local arrays that are only accessed at constant places become registers; the others stay in local memory.</summary>
internal static class LocalArrays
{
    public static bool Run(KernelIr kernel)
    {
        var cells = new Dictionary<Value, Dictionary<long, Slot>>();
        foreach (Value value in kernel.Blocks.SelectMany(block => block.Body))
            if (value.Op == Op.LocalAlloc) cells[value] = [];
        if (cells.Count == 0) return false;
        Refuse(kernel, cells);
        if (cells.Count == 0) return false;
        Promote(kernel, cells);
        return true;
    }

    /// <summary>Takes out the arrays with an address that escapes, an index that is not constant, or accesses that overlap.</summary>
    private static void Refuse(KernelIr kernel, Dictionary<Value, Dictionary<long, Slot>> cells)
    {
        var types = new Dictionary<(Value, long), IrType>();
        foreach (Block block in kernel.Blocks)
        {
            foreach (Value phi in block.Phis)
                foreach (Value arg in phi.Args) cells.Remove(arg);
            foreach (Value value in block.Body)
            {
                for (int i = 0; i < value.Args.Length; i++)
                {
                    Value array = value.Args[i];
                    if (!cells.ContainsKey(array)) continue;
                    bool access = (value.Op is Op.Load or Op.Store) && i == 0 && value.Count == 1;
                    if (!access || (types.TryGetValue((array, value.Bits), out IrType type) && type != value.Memory)) cells.Remove(array);
                    else types[(array, value.Bits)] = value.Memory;
                }
            }
        }
        foreach (((Value array, long offset), IrType type) in types)
        {
            for (long other = offset + 1; other < offset + type.Size(); other++)
                if (types.ContainsKey((array, other))) cells.Remove(array);
        }
    }

    private static void Promote(KernelIr kernel, Dictionary<Value, Dictionary<long, Slot>> cells)
    {
        var variables = new SsaVariables(kernel);
        foreach (Block block in kernel.Blocks)
            foreach (Block next in block.Successors) variables.Edge(block, next);
        foreach (Block block in kernel.Blocks)
        {
            if (block.Predecessors.All(from => from.Order < block.Order)) variables.Seal(block);
            List<Value> body = [];
            foreach (Value value in block.Body)
            {
                if (value.Op is Op.Load && cells.TryGetValue(value.Args[0], out Dictionary<long, Slot>? read))
                    value.Forward = variables.Read(block, Cell(read, value));
                else if (value.Op is Op.Store && cells.TryGetValue(value.Args[0], out Dictionary<long, Slot>? written))
                    variables.Write(block, Cell(written, value), Stored(kernel, value, body));
                else if (!cells.ContainsKey(value)) body.Add(value);
            }
            block.Body = body;
        }
        foreach (Block block in kernel.Blocks) variables.Seal(block);
        kernel.ResolveOperands();
    }

    private static Slot Cell(Dictionary<long, Slot> cells, Value access)
    {
        if (!cells.TryGetValue(access.Bits, out Slot? slot)) cells[access.Bits] = slot = new Slot(access.Memory.InRegister());
        return slot;
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
