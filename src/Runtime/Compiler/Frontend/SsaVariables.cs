using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Frontend;

/// <summary>
/// Variables to SSA values while the code is being translated (Braun et al., "Simple and Efficient Construction of Static Single
/// Assignment Form", 2013): a block remembers the last value of each slot; a slot read before it is written asks the predecessors,
/// with a phi where they are several. A block whose predecessors are not all known yet (a loop header) keeps open phis until sealed.
/// </summary>
internal sealed class SsaVariables(KernelIr kernel)
{
    private readonly Dictionary<Block, State> _states = [];

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
        if (!_states.TryGetValue(block, out State? state)) _states[block] = state = new State();
        return state;
    }

    private Value NewPhi(Block block, Slot slot)
    {
        Value phi = kernel.New(Op.Phi, slot.Type);
        block.Phis.Add(phi);
        return phi;
    }

    private Value Complete(Block block, Slot slot, Value phi)
    {
        Block[] from = [.. Of(block).Predecessors];
        phi.Incoming = from;
        phi.Args = [.. from.Select(predecessor => Read(predecessor, slot))];
        Value? only = null;
        foreach (Value arg in phi.Args.Select(arg => arg.Resolve()))
        {
            if (arg == phi || arg == only) continue;
            if (only is not null) return phi;
            only = arg;
        }
        phi.Forward = only ?? kernel.Undefined(slot.Type);
        block.Phis.Remove(phi);
        return phi.Forward.Resolve();
    }
}
