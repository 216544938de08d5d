using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Frontend;

/// <summary>
/// Variables to SSA values while the code is being translated (Braun et al., "Simple and Efficient Construction of Static Single
/// Assignment Form", 2013): a block remembers the last value of each slot; a slot read before it is written asks the predecessors,
/// with a phi where they are several. A block whose predecessors are not all known yet (a loop header) keeps open phis until sealed.
/// </summary>
internal sealed class SsaVariables(KernelIr kernel)
{
    // By the blocks' numbers.
    private readonly List<State?> _states = [];

    private sealed class State
    {
        public Dictionary<Slot, Value> Values { get; } = [];
        public List<Block> Predecessors { get; } = [];
        public List<(Slot Slot, Value Phi)> Open { get; } = [];
        public bool Sealed { get; set; }
    }

    public void Write(Block block, Slot slot, Value value) => Of(block).Values[slot] = value;

    public Value Read(Block block, Slot slot)
    {
        State state = Of(block);
        // Where no writes meet, a block sees what its dominator leaves: that spares most joins a phi which would turn out to be one value.
        while (slot.Joins is { } joins && !state.Values.ContainsKey(slot) && block.Dominator is { } above && !joins.Contains(block))
            (block, state) = (above, Of(above));
        if (state.Values.TryGetValue(slot, out Value? known)) return known.Resolve();
        Value value;
        if (!state.Sealed)
        {
            value = NewPhi(block, slot);
            state.Open.Add((slot, value));
        }
        else if (state.Predecessors.Count == 0)
        {
            value = slot.Type == IrType.Ptr ? kernel.Undefined(IrType.Ptr) : kernel.Constant(slot.Type, 0); // locals start at zero
        }
        else if (state.Predecessors.Count == 1)
        {
            value = Read(state.Predecessors[0], slot);
        }
        else
        {
            Value phi = NewPhi(block, slot);
            state.Values[slot] = phi;
            value = Complete(block, slot, phi);
        }
        state.Values[slot] = value;
        return value;
    }

    /// <summary>Records an edge; call it when a block's end is decided.</summary>
    public void Edge(Block from, Block to)
    {
        State state = Of(to);
        if (state.Sealed) throw new InvalidOperationException($"an edge into the sealed block {to}");
        if (!state.Predecessors.Contains(from)) state.Predecessors.Add(from);
    }

    /// <summary>No more predecessors will come.</summary>
    public void Seal(Block block)
    {
        State state = Of(block);
        if (state.Sealed) return;
        state.Sealed = true;
        foreach ((Slot slot, Value phi) in state.Open) Complete(block, slot, phi);
    }

    public int PredecessorCount(Block block) => Of(block).Predecessors.Count;

    private State Of(Block block)
    {
        while (_states.Count <= block.Id) _states.Add(null);
        return _states[block.Id] ??= new State();
    }

    private Value NewPhi(Block block, Slot slot)
    {
        Value phi = kernel.New(Op.Phi, slot.Type);
        block.Phis.Add(phi);
        return phi;
    }

    /// <summary>
    /// The phi's operands, or what it stands for where they are one value. Then it stays in its block until <see cref="DropForwardedPhis"/>: taking
    /// it out of the many of an array's elements would look through all of them.
    /// </summary>
    private Value Complete(Block block, Slot slot, Value phi)
    {
        phi.Incoming = Of(block).Predecessors.ToArray();
        phi.Args = new Value[phi.Incoming.Length];
        for (int i = 0; i < phi.Args.Length; i++) phi.Args[i] = Read(phi.Incoming[i], slot);
        if (Passes.Phis.Only(kernel, phi) is not { } only) return phi;
        phi.Forward = only;
        return only;
    }

    /// <summary>Takes the phis that turned out to be another value out of their blocks.</summary>
    public static void DropForwardedPhis(KernelIr kernel)
    {
        foreach (Block block in kernel.Blocks) block.Phis.RemoveAll(phi => phi.Forward is not null);
    }
}
