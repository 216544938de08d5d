using System.Reflection;
using System.Reflection.Emit;
using System.Runtime.CompilerServices;

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

/// <summary>A method's IL as basic blocks in reverse postorder, and what its signature says. Each method is read once.</summary>
internal sealed class IlGraph
{
    private static readonly ConditionalWeakTable<MethodBase, IlGraph> Known = [];
    private static readonly ConditionalWeakTable<MethodBase, Type[]> Signatures = [];

    private IlGraph(MethodBase method, List<IlBlock> blocks, Dictionary<int, IlBlock> byOffset)
    {
        (Blocks, ByOffset) = (blocks, byOffset);
        Arguments = ArgumentsOf(method);
        Locals = [.. method.GetMethodBody()!.LocalVariables.Select(local => local.LocalType)];
        Returns = method is MethodInfo { ReturnType: var type } && type != typeof(void) ? type : null;
        AssignedArguments = [.. blocks.SelectMany(block => block.Code).Where(il => il.Parts[0] is "starg" or "ldarga").Select(il => (int)il.Operand!).Distinct()];
    }

    public List<IlBlock> Blocks { get; }
    public Dictionary<int, IlBlock> ByOffset { get; }

    /// <summary>See <see cref="ArgumentsOf"/>.</summary>
    public Type[] Arguments { get; }

    public Type[] Locals { get; }

    /// <summary>Null for void.</summary>
    public Type? Returns { get; }

    /// <summary>Arguments that are written or whose address is taken.</summary>
    public int[] AssignedArguments { get; }

    public static IlGraph Of(MethodBase method) => Known.GetValue(method, Build);

    /// <summary>Types of a method's arguments, with the reference to itself of an instance method.</summary>
    public static Type[] ArgumentsOf(MethodBase method) => Signatures.GetValue(method, static asked =>
    {
        IEnumerable<Type> types = asked.GetParameters().Select(parameter => parameter.ParameterType);
        return [.. asked.IsStatic ? types : types.Prepend(asked.DeclaringType!.MakeByRefType())];
    });

    private static IlGraph Build(MethodBase method)
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
        return new IlGraph(method, Order(byOffset[0]), byOffset);
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
