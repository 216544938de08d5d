using System.Reflection;
using System.Reflection.Emit;

namespace OllmNative.Runtime.Compiler.Il;

/// <summary>A run of IL instructions entered only at its start.</summary>
internal sealed class IlBlock(int start)
{
    public int Start { get; } = start;
    public List<IlInstruction> Code { get; } = [];
    public List<IlBlock> Successors { get; } = [];

    /// <summary>Place in reverse postorder.</summary>
    public int Order { get; set; } = -1;

    /// <summary>Order of the last predecessor; a loop header has one at or after itself.</summary>
    public int LastPredecessor { get; set; } = -1;

    public bool IsLoopHeader => LastPredecessor >= Order;
}

/// <summary>A method's IL as basic blocks in reverse postorder.</summary>
internal sealed class IlGraph
{
    private IlGraph(List<IlBlock> blocks, Dictionary<int, IlBlock> byOffset) => (Blocks, ByOffset) = (blocks, byOffset);

    public List<IlBlock> Blocks { get; }
    public Dictionary<int, IlBlock> ByOffset { get; }

    public static IlGraph Build(MethodBase method)
    {
        List<IlInstruction> code = IlDecoder.Decode(method);
        var starts = new SortedSet<int> { 0 };
        foreach (IlInstruction instruction in code)
        {
            foreach (int target in Targets(instruction)) starts.Add(target);
            if (instruction.EndsBlock) starts.Add(instruction.NextOffset);
        }
        Dictionary<int, IlBlock> byOffset = starts.ToDictionary(start => start, start => new IlBlock(start));
        IlBlock current = byOffset[0];
        foreach (IlInstruction instruction in code)
        {
            if (byOffset.TryGetValue(instruction.Offset, out IlBlock? next)) current = next;
            current.Code.Add(instruction);
        }
        foreach (IlBlock block in byOffset.Values.Where(block => block.Code.Count > 0)) Connect(block, byOffset);
        return new IlGraph(Order(byOffset[0]), byOffset);
    }

    public static IEnumerable<int> Targets(IlInstruction instruction) => instruction.Operand switch
    {
        int target when instruction.IsBranch => [target],
        int[] targets => targets,
        _ => [],
    };

    private static void Connect(IlBlock block, Dictionary<int, IlBlock> byOffset)
    {
        IlInstruction last = block.Code[^1];
        foreach (int target in Targets(last)) block.Successors.Add(byOffset[target]);
        bool fallsThrough = last.Code.FlowControl is not (FlowControl.Branch or FlowControl.Return or FlowControl.Throw);
        if (fallsThrough && byOffset.TryGetValue(last.NextOffset, out IlBlock? next) && next.Code.Count > 0) block.Successors.Add(next);
    }

    private static List<IlBlock> Order(IlBlock entry)
    {
        var order = new List<IlBlock>();
        var seen = new HashSet<IlBlock>();
        Visit(entry);
        order.Reverse();
        for (int i = 0; i < order.Count; i++) order[i].Order = i;
        foreach (IlBlock block in order)
            foreach (IlBlock next in block.Successors) next.LastPredecessor = Math.Max(next.LastPredecessor, block.Order);
        return order;

        void Visit(IlBlock block)
        {
            if (!seen.Add(block)) return;
            // Later code first, so that reverse postorder keeps the source's order.
            foreach (IlBlock next in block.Successors.OrderByDescending(next => next.Start)) Visit(next);
            order.Add(block);
        }
    }
}
