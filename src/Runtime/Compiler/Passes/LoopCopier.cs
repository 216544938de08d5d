using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Passes;

/// <summary>Writes out the rounds of one loop.</summary>
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

        var values = header.Phis.ToDictionary(phi => phi, phi => phi.Args[Unrolling.EntryIndex(phi, loop)].Resolve());
        Block from = entry;
        for (int round = 0; ; round++)
        {
            Block head = kernel.NewBlock();
            if (from == entry) entry.Retarget(header, head);
            else from.Retarget(header, head);
            CopyBody(header, head, values);
            if (round == rounds)
            {
                Leave(head, exit, values);
                return;
            }
            from = CopyRound(head, inside, body, values);
            values = header.Phis.ToDictionary(phi => phi, phi => Map(phi.Args[1 - Unrolling.EntryIndex(phi, loop)], values));
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
        Dictionary<Value, Value> values = new(phis);
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
            CopyBody(header, head, values);
            from = CopyRound(head, inside, body, values);
            values = header.Phis.ToDictionary(phi => phi, phi => Map(phi.Args[1 - Unrolling.EntryIndex(phi, loop)], values));
        }
        from.Retarget(header, newHeader);
        before.Retarget(header, newHeader);
        middle.JumpTo(header);
        foreach ((Value phi, Value copy) in phis)
        {
            int entry = Unrolling.EntryIndex(phi, loop);
            copy.Args = [phi.Args[entry], values[phi]];
            (copy.Incoming, copy.Space) = ([before, from], phi.Space);
            phi.Args[entry] = copy;
            phi.Incoming[entry] = middle;
        }
    }

    private Block CopyRound(Block head, Block inside, Block[] body, Dictionary<Value, Value> values)
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
                values[phi] = copy;
                blocks[block].Phis.Add(copy);
                phis.Add((phi, copy));
            }
        }
        foreach (Block block in body) CopyBody(block, blocks[block], values);
        foreach ((Value old, Value copy) in phis) copy.Args = [.. old.Args.Select(arg => Map(arg, values))];
        foreach (Block block in body)
        {
            Block copy = blocks[block];
            Block then = block.Then == loop.Header ? loop.Header : blocks[block.Then!];
            if (block.Condition is null) copy.JumpTo(then);
            else copy.BranchTo(Map(block.Condition, values), then, block.Else == loop.Header ? loop.Header : blocks[block.Else!]);
        }
        return blocks[loop.Latch];
    }

    private void CopyBody(Block source, Block target, Dictionary<Value, Value> values)
    {
        foreach (Value value in source.Body)
        {
            if (_allocations.TryGetValue(value, out Value? allocation))
            {
                values[value] = allocation;
                continue;
            }
            Value copy = kernel.New(value.Op, value.Type, [.. value.Args.Select(arg => Map(arg, values))]);
            (copy.Bits, copy.Sub, copy.Count, copy.Space, copy.Place) = (value.Bits, value.Sub, value.Count, value.Space, value.Place);
            if (Simplifier.Simplify(kernel, copy) is { } simpler)
            {
                values[value] = simpler;
                continue;
            }
            values[value] = copy;
            target.Body.Add(copy);
            if (value.Op is Op.SharedAlloc or Op.LocalAlloc) _allocations[value] = copy;
        }
    }

    /// <summary>What the header computed last is what code after the loop sees.</summary>
    private void Leave(Block head, Block exit, Dictionary<Value, Value> values)
    {
        foreach (Value phi in exit.Phis)
        {
            for (int i = 0; i < phi.Incoming.Length; i++)
            {
                if (phi.Incoming[i] != loop.Header) continue;
                phi.Incoming[i] = head;
                phi.Args[i] = Map(phi.Args[i], values);
            }
        }
        head.JumpTo(exit);
        foreach (Value value in loop.Header.Phis.Concat(loop.Header.Body))
            if (values.TryGetValue(value, out Value? last) && last != value) value.Forward = last;
    }

    private static Value Map(Value value, Dictionary<Value, Value> values)
    {
        Value resolved = value.Resolve();
        return values.TryGetValue(resolved, out Value? mapped) ? mapped.Resolve() : resolved;
    }
}
