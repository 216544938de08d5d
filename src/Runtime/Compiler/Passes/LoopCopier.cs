using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Passes;

/// <summary>
/// Writes out the rounds of one loop. A value of the loop links to what it is in the round being written; as it is copied before it is read,
/// of what rounds before left nothing is seen.
/// </summary>
internal sealed class LoopCopier(KernelIr kernel, Loop loop)
{
    private readonly Dictionary<Value, Value> _allocations = [];

    /// <summary>The loop's body <paramref name="rounds"/> times, then its header once more, which leaves.</summary>
    public void Unroll(int rounds)
    {
        Block header = loop.Header;
        Block entry = header.Predecessors.First(from => !loop.Blocks.Contains(from));
        Block exit = loop.Blocks.Contains(header.Then!) ? header.Else! : header.Then!;
        Block inside = exit == header.Then ? header.Else! : header.Then!;
        Block[] body = [.. kernel.Blocks.Where(block => loop.Blocks.Contains(block) && block != header)];

        foreach (Value phi in header.Phis) phi.Link = phi.Args[Unrolling.EntryIndex(phi, loop)].Resolve();
        Block from = entry;
        for (int round = 0; ; round++)
        {
            Block head = kernel.NewBlock();
            if (from == entry) entry.Retarget(header, head);
            else from.Retarget(header, head);
            CopyBody(header, head);
            if (round == rounds)
            {
                Leave(head, exit);
                return;
            }
            from = CopyRound(head, inside, body);
            NextRound();
        }
    }

    /// <summary>
    /// Puts a loop before this one whose round is <paramref name="rounds"/> of its rounds, and which stays while <paramref name="counter"/> is below
    /// <paramref name="limit"/>: where it leaves, this one goes on.
    /// </summary>
    public void Precede(Block before, int rounds, Value counter, Value limit)
    {
        Block header = loop.Header, inside = loop.Blocks.Contains(header.Then!) ? header.Then! : header.Else!;
        Block[] body = [.. kernel.Blocks.Where(block => loop.Blocks.Contains(block) && block != header)];
        Block newHeader = kernel.NewBlock(), middle = kernel.NewBlock();
        var phis = header.Phis.ToDictionary(phi => phi, phi => kernel.New(Op.Phi, phi.Type));
        newHeader.Phis.AddRange(phis.Values);
        foreach ((Value phi, Value copy) in phis) phi.Link = copy;
        Block from = newHeader;
        for (int round = 0; round < rounds; round++)
        {
            Block head = kernel.NewBlock();
            if (round == 0)
            {
                Value stay = kernel.New(Op.Compare, IrType.I1, phis[counter], limit);
                stay.Sub = (int)CompareKind.Lt;
                newHeader.Body.Add(stay);
                newHeader.BranchTo(stay, head, middle);
            }
            else
            {
                from.Retarget(header, head);
            }
            CopyBody(header, head);
            from = CopyRound(head, inside, body);
            NextRound();
        }
        from.Retarget(header, newHeader);
        before.Retarget(header, newHeader);
        middle.JumpTo(header);
        foreach ((Value phi, Value copy) in phis)
        {
            int entry = Unrolling.EntryIndex(phi, loop);
            copy.Args = [phi.Args[entry], phi.Link!];
            (copy.Incoming, copy.Space) = ([before, from], phi.Space);
            phi.Args[entry] = copy;
            phi.Incoming[entry] = middle;
        }
        Unlink();
    }

    /// <summary>The header's phis become, all at once, what the round that was written leaves for the next.</summary>
    private void NextRound()
    {
        Value[] next = [.. loop.Header.Phis.Select(phi => Map(phi.Args[1 - Unrolling.EntryIndex(phi, loop)]))];
        for (int i = 0; i < next.Length; i++) loop.Header.Phis[i].Link = next[i];
    }

    private Block CopyRound(Block head, Block inside, Block[] body)
    {
        var blocks = body.ToDictionary(block => block, _ => kernel.NewBlock());
        blocks[loop.Header] = head;
        head.JumpTo(blocks[inside]);
        var phis = new List<(Value Old, Value New)>();
        foreach (Block block in body)
        {
            foreach (Value phi in block.Phis)
            {
                Value copy = kernel.New(Op.Phi, phi.Type);
                copy.Incoming = [.. phi.Incoming.Select(incoming => blocks[incoming])];
                phi.Link = copy;
                blocks[block].Phis.Add(copy);
                phis.Add((phi, copy));
            }
        }
        foreach (Block block in body) CopyBody(block, blocks[block]);
        foreach ((Value old, Value copy) in phis) copy.Args = Array.ConvertAll(old.Args, Map);
        foreach (Block block in body)
        {
            Block copy = blocks[block];
            Block then = block.Then == loop.Header ? loop.Header : blocks[block.Then!];
            if (block.Condition is null) copy.JumpTo(then);
            else copy.BranchTo(Map(block.Condition), then, block.Else == loop.Header ? loop.Header : blocks[block.Else!]);
        }
        return blocks[loop.Latch];
    }

    private void CopyBody(Block source, Block target)
    {
        foreach (Value value in source.Body)
        {
            bool allocates = value.Op is Op.SharedAlloc or Op.LocalAlloc;
            if (allocates && _allocations.TryGetValue(value, out Value? allocation))
            {
                value.Link = allocation;
                continue;
            }
            Value copy = kernel.New(value.Op, value.Type, Array.ConvertAll(value.Args, Map));
            (copy.Bits, copy.Sub, copy.Count, copy.Space, copy.Place) = (value.Bits, value.Sub, value.Count, value.Space, value.Place);
            if (Simplifier.Simplify(kernel, copy) is { } simpler)
            {
                value.Link = simpler;
                continue;
            }
            value.Link = copy;
            target.Body.Add(copy);
            if (allocates) _allocations[value] = copy;
        }
    }

    /// <summary>What the header computed last is what code after the loop sees.</summary>
    private void Leave(Block head, Block exit)
    {
        foreach (Value phi in exit.Phis)
        {
            for (int i = 0; i < phi.Incoming.Length; i++)
            {
                if (phi.Incoming[i] != loop.Header) continue;
                phi.Incoming[i] = head;
                phi.Args[i] = Map(phi.Args[i]);
            }
        }
        head.JumpTo(exit);
        // A loop that begins at the exit may be next, with no analysis in between.
        int at = exit.Predecessors.IndexOf(loop.Header);
        if (at >= 0) exit.Predecessors[at] = head;
        foreach (Value value in loop.Header.Phis.Concat(loop.Header.Body))
            if (value.Link is { } last && last != value) value.Forward = last;
        Unlink();
    }

    private void Unlink()
    {
        foreach (Block block in loop.Blocks)
        {
            foreach (Value phi in block.Phis) phi.Link = null;
            foreach (Value value in block.Body) value.Link = null;
        }
    }

    private static Value Map(Value value)
    {
        Value resolved = value.Resolve();
        return resolved.Link?.Resolve() ?? resolved;
    }
}
