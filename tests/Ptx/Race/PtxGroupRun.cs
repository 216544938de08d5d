namespace OllmNative.Tests.Ptx;

/// <summary>A group that runs: its warps, and what they do together.</summary>
internal sealed class PtxGroupRun
{
    private readonly PtxGrid _grid;
    private int _freeRegisters;

    public PtxGroupRun(PtxGrid grid, PtxGroup group, Random random)
    {
        (_grid, Group) = (grid, group);
        PtxThread[] threads = [.. Enumerable.Range(0, group.GroupDim.Size).Select(i => new PtxThread(group, i, grid.Module.RegisterCount, grid.Module.LocalBytes))];
        // What nobody has written yet is anything.
        foreach (PtxThread thread in threads) random.NextBytes(System.Runtime.InteropServices.MemoryMarshal.AsBytes(thread.R.AsSpan()));
        Threads = threads;
        Warps = [.. threads.Chunk(32).Select((warp, i) => new PtxWarpRun(grid, this, warp, i))];
    }

    public PtxGroup Group { get; }
    public PtxThread[] Threads { get; }
    public PtxWarpRun[] Warps { get; }
    public bool LetNextStart { get; set; }
    public bool Ended => Array.TrueForAll(Threads, thread => thread.Done);

    /// <summary>Lets the threads that wait at a barrier go once all that live do.</summary>
    public bool Release()
    {
        var live = new List<PtxThread>(Threads.Length);
        foreach (PtxThread thread in Threads)
        {
            if (thread.Done) continue;
            if (!thread.Waiting) return false;
            live.Add(thread);
        }
        if (live.Count == 0) return false;
        int pc = live[0].Pc;
        if (live.Exists(thread => thread.Pc != pc)) throw new PtxException("threads of a group wait at different barriers");
        PtxInstruction barrier = _grid.Module.Code[pc];
        if (barrier.Op != "bar.sync") PtxDecoder.BarrierReduce(barrier, [.. live]);
        RaceThread.Meet([.. live.Select(thread => thread.Race!)]);
        foreach (PtxThread thread in live)
        {
            thread.Waiting = false;
            thread.Pc++;
        }
        return true;
    }

    /// <summary>
    /// setmaxnreg: 24 to 256 by 8, less with dec and more with inc, which waits until others have given enough. At the start the registers are
    /// shared out as .maxntid and .minnctapersm have it.
    /// </summary>
    public bool TakeRegisters(PtxWarpRun warp, int count, bool more)
    {
        if (count is < 24 or > 256 || count % 8 != 0) throw new PtxException($"setmaxnreg of {count}");
        int change = count - (warp.Registers == 0 ? StartRegisters() : warp.Registers);
        if (more ? change < 0 : change > 0) throw new PtxException($"setmaxnreg.{(more ? "inc" : "dec")} to {count} from {count - change}");
        if (change > _freeRegisters) return false;
        (_freeRegisters, warp.Registers) = (_freeRegisters - change, count);
        return true;
    }

    private int StartRegisters() => _grid.Module.BoundsThreads
        ? Math.Min(255, 65536 / _grid.Module.MaxThreads / Math.Max(1, _grid.Module.MinGroups)) / 8 * 8
        : throw new PtxException("setmaxnreg without .maxntid has no effect");

    /// <summary>
    /// Whether all four warps of the warp group have come as far with their products: these belong to all of them, and end for all at once. If so,
    /// they are made, and the waiting warp knows of all four warps' reads.
    /// </summary>
    public bool WaitProducts(PtxWarpRun warp, int pending)
    {
        int groups = warp.Commits.Count - pending;
        if (groups <= 0) return true;
        PtxWarpRun[] four = Warps[(warp.Index / 4 * 4)..Math.Min(warp.Index / 4 * 4 + 4, Warps.Length)];
        if (Array.Exists(four, other => other.Commits.Count < groups)) return false;
        foreach (PtxWarpRun other in four)
        {
            foreach (PtxThread lane in other.Lanes) lane.WaitProducts(other.Commits.Count - groups);
        }
        RaceClock clock = warp.Lanes[0].Race!.Clock, last = clock, learned = Learn(clock);
        foreach (PtxThread lane in warp.Lanes)
        {
            if (!ReferenceEquals(lane.Race!.Clock, last)) learned = Learn(last = lane.Race.Clock);
            lane.Race.Learn(learned);
        }
        return true;

        RaceClock Learn(RaceClock from)
        {
            foreach (PtxWarpRun other in four) from = from.With(Group.Race!.Products(other.Index).Index, other.Commits[groups - 1].Time);
            return from;
        }
    }
}
