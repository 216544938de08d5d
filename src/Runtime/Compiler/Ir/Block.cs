namespace OllmNative.Runtime.Compiler.Ir;

/// <summary>Straight-line code with one way in and up to two ways out. No target: the thread ends.</summary>
internal sealed class Block(int id)
{
    public int Id { get; } = id;
    public List<Value> Phis { get; } = [];
    public List<Value> Body { get; set; } = [];

    /// <summary>Chooses between <see cref="Then"/> (true) and <see cref="Else"/>; null for a jump or an end.</summary>
    public Value? Condition { get; set; }

    public Block? Then { get; set; }
    public Block? Else { get; set; }

    /// <summary>Filled by <see cref="ControlFlow"/>.</summary>
    public List<Block> Predecessors { get; } = [];

    /// <summary>Place in reverse postorder; -1 when nothing leads here.</summary>
    public int Order { get; set; } = -1;

    public Block? Dominator { get; set; }

    /// <summary>First and last number of the blocks that this one dominates, itself included.</summary>
    public (int First, int Last) Dominated { get; set; }

    public IEnumerable<Block> Successors
    {
        get
        {
            if (Then is not null) yield return Then;
            if (Condition is not null && Else is not null) yield return Else;
        }
    }

    public void JumpTo(Block target)
    {
        Condition = null;
        Then = target;
        Else = null;
    }

    public void BranchTo(Value condition, Block then, Block otherwise)
    {
        if (then == otherwise)
        {
            JumpTo(then);
            return;
        }
        Condition = condition;
        Then = then;
        Else = otherwise;
    }

    public void Retarget(Block from, Block to)
    {
        if (Then == from) Then = to;
        if (Else == from) Else = to;
        if (Condition is not null && Then == Else) JumpTo(Then!);
    }

    public override string ToString() => $"b{Id}";
}
