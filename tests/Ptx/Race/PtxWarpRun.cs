namespace OllmNative.Tests.Ptx;

/// <summary>
/// A warp that runs. Lanes that have parted go on in any order, or the ones furthest behind first; an instruction of the whole warp waits until
/// all that live are at it, one that blocks until what it waits for is there.
/// </summary>
internal sealed class PtxWarpRun(PtxGrid grid, PtxGroupRun group, PtxThread[] lanes, int index)
{
    private readonly RegisterWatch? _registers = grid.UsesProducts ? new RegisterWatch(grid.Module.RegisterCount) : null;
    private readonly List<PtxThread> _active = new(32);

    public PtxThread[] Lanes { get; } = lanes;

    public int Index { get; } = index;

    /// <summary>Groups of products: the time of the last one in each.</summary>
    public List<(int Time, int Product)> Commits { get; } = [];

    /// <summary>What setmaxnreg gave it; 0 before.</summary>
    public int Registers { get; set; }

    public long Retired { get; private set; }

    /// <summary>So many instructions, or fewer when it cannot go on. Says whether it did any.</summary>
    public bool Run(int quantum, Random random)
    {
        long before = Retired;
        foreach (PtxThread lane in Lanes) lane.Paused = false;
        int leader = random.Next(4) == 0 ? random.Next(Lanes.Length) : -1;
        for (int i = 0; i < quantum; i++)
            if (!Next(leader, random)) break;
        return Retired != before;
    }

    private bool Next(int leader, Random random)
    {
        int pc = Choose(leader);
        if (pc < 0) return false;
        if (pc >= grid.Module.Code.Count) throw new PtxException("a thread ran past the end");
        grid.Reached[pc] = true;
        if (grid.Steps[pc].Warp is { } together) return Together(pc, together);
        _registers?.Ordinary(grid.Registers[pc], grid.Module.Code[pc]);
        PtxInstruction instruction = grid.Module.Code[pc];
        // Lanes of one instruction act in any order.
        int turn = random.Next(_active.Count);
        for (int i = 0; i < _active.Count; i++) Step(_active[(i + turn) % _active.Count], instruction, pc);
        return true;
    }

    /// <summary>The place of some lanes that can go on, which become the active ones; -1 when none can.</summary>
    private int Choose(int leader)
    {
        int chosen = leader >= 0 && CanGo(Lanes[leader]) && Ready(Lanes[leader].Pc) ? Lanes[leader].Pc : -1;
        if (chosen < 0)
        {
            int lowest = int.MaxValue;
            foreach (PtxThread lane in Lanes)
                if (CanGo(lane) && lane.Pc < lowest && Ready(lane.Pc)) lowest = lane.Pc;
            if (lowest == int.MaxValue) return -1;
            chosen = lowest;
        }
        _active.Clear();
        foreach (PtxThread lane in Lanes)
            if (CanGo(lane) && lane.Pc == chosen) _active.Add(lane);
        return chosen;
    }

    private static bool CanGo(PtxThread lane) => !lane.Done && !lane.Waiting && !lane.Paused;

    private bool Ready(int pc)
    {
        if (pc >= grid.Steps.Length || grid.Steps[pc].Warp is null) return true;
        foreach (PtxThread lane in Lanes)
            if (!lane.Done && (lane.Pc != pc || lane.Paused)) return false;
        return true;
    }

    private void Step(PtxThread lane, PtxInstruction instruction, int pc)
    {
        bool skip = instruction.Guard >= 0 && (lane.R[instruction.Guard] != 0) == instruction.GuardNegated;
        if (!skip && !Special(lane, pc))
        {
            grid.Steps[pc].One!(lane);
            if (lane.Paused) return;
        }
        else if (lane.Paused)
        {
            return;
        }
        Retired++;
        if (lane.Pc == pc && !lane.Waiting && !lane.Done) lane.Pc++;
    }

    /// <summary>What launches that overlap do: wait for the one before, let the next one start.</summary>
    private bool Special(PtxThread lane, int pc)
    {
        if (grid.Roles[pc] == PtxRole.GridLaunch)
        {
            group.LetNextStart = true;
            grid.Race!.LetStart(lane.Race!.Clock.Seen);
            return true;
        }
        if (grid.Roles[pc] != PtxRole.GridWait) return false;
        if (grid.Race!.Before is { Over: false })
        {
            lane.Paused = true;
            return true;
        }
        lane.Race!.See(grid.Race.AfterWait);
        grid.Race.Waited = true;
        return true;
    }

    private bool Together(int pc, Action<PtxThread[]> together)
    {
        PtxInstruction instruction = grid.Module.Code[pc];
        PtxThread[] live = _active.Count == Lanes.Length ? Lanes : [.. _active];
        if (!Allowed(pc, instruction))
        {
            foreach (PtxThread lane in live) lane.Paused = true;
            return false;
        }
        together(live);
        Retired++;
        foreach (PtxThread lane in live) lane.Pc++;
        return true;
    }

    private bool Allowed(int pc, PtxInstruction instruction)
    {
        int first = (int)(instruction.Operands.Length > 0 ? instruction.Operands[0].Bits : 0);
        switch (grid.Roles[pc])
        {
            case PtxRole.MoreRegisters: return group.TakeRegisters(this, first, true);
            case PtxRole.FewerRegisters: return group.TakeRegisters(this, first, false);
            case PtxRole.ProductFence:
                _registers!.Fence();
                return true;
            case PtxRole.Product:
                _registers!.Product(instruction);
                return true;
            case PtxRole.ProductCommit:
                RaceGroup race = group.Group.Race!;
                Commits.Add((race.TimeOf(race.Products(Index)), _registers!.Products));
                return true;
            case PtxRole.ProductWait:
                if (!group.WaitProducts(this, first)) return false;
                if (Commits.Count > first) _registers!.Wait(Commits[Commits.Count - first - 1].Product);
                return true;
            default:
                _registers?.Ordinary(grid.Registers[pc], instruction);
                return true;
        }
    }
}
