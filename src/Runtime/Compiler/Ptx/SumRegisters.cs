using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Ptx;

/// <summary>
/// Gives the sums of a warp group's products, before and after, one register: the products are in flight together, and a copy between them
/// would make each wait for the last. A sum's register is handed on where nothing reads the old sum once the product has begun.
/// </summary>
internal sealed class SumRegisters(KernelIr kernel, PtxRegisters registers)
{
    private readonly Dictionary<Value, Block> _home = [];
    private readonly Dictionary<Value, HashSet<Block>> _readers = [];

    public void Assign()
    {
        foreach (Value product in kernel.Blocks.SelectMany(block => block.Body).Where(value => value.Op == Op.Wgmma))
            foreach (Value sum in Before(product)) _readers[sum] = [];
        if (_readers.Count == 0) return;
        foreach (Block block in kernel.Blocks)
        {
            foreach (Value phi in block.Phis) _home[phi] = block;
            foreach (Value value in block.Body)
            {
                _home[value] = block;
                foreach (Value arg in value.Args)
                    if (_readers.TryGetValue(arg, out HashSet<Block>? blocks)) blocks.Add(block);
            }
        }
        foreach (Block block in kernel.Blocks)
        {
            for (int at = 0; at < block.Body.Count; at++)
            {
                Value product = block.Body[at];
                if (product.Op != Op.Wgmma || IsReadLater(product, block, at)) continue;
                for (int i = 0; i < product.Count; i++)
                {
                    Value before = Before(product)[i];
                    if (before.IsConst || before.Op == Op.Undefined) continue;
                    registers.Share(product, i, before);
                }
            }
        }
    }

    private bool IsReadLater(Value product, Block block, int at)
    {
        HashSet<Value> before = [.. Before(product).Where(arg => !arg.IsConst && arg.Op != Op.Undefined)];
        for (int i = at + 1; i < block.Body.Count; i++)
            if (block.Body[i].Args.Any(before.Contains)) return true;
        HashSet<Block> readers = [.. before.SelectMany(value => _readers[value])];
        Dictionary<Block, int> defined = before.CountBy(Defined).ToDictionary();
        var seen = new HashSet<Block>();
        var work = new Stack<Block>();
        work.Push(block);
        while (work.TryPop(out Block? from))
        {
            if (from.Condition is { } condition && before.Contains(condition)) return true;
            foreach (Block next in from.Successors)
            {
                // A phi of the next block reads its operand on the way there; where a sum itself is such a phi, it becomes new.
                if (next.Phis.Any(phi => before.Contains(phi.Args[Array.IndexOf(phi.Incoming, from)]))) return true;
                int alive = before.Count - defined.GetValueOrDefault(next);
                if (alive < before.Count && alive > 0) return true;
                if (alive == 0 || !seen.Add(next)) continue;
                if (readers.Contains(next)) return true;
                work.Push(next);
            }
        }
        return false;
    }

    /// <summary>The sums that a product adds to: its last operands.</summary>
    public static ArraySegment<Value> Before(Value product) => new(product.Args, product.Args.Length - product.Count, product.Count);

    private Block Defined(Value value) => _home[value.Op == Op.Extract && value.Args[0].Op == Op.Wgmma ? value.Args[0] : value];
}
