namespace OllmNative.Tests.Ptx;

/// <summary>
/// Runs a PTX module: groups one after the other, a group's warps in turn, a warp's threads in lock step. Threads that part at a branch
/// run on separately, the ones furthest behind first, until they meet again. An instruction for a whole warp that not every live thread
/// has reached is an error, and so is a barrier that some threads cannot reach.
/// </summary>
internal sealed class PtxMachine
{
    private readonly PtxModule _module;
    private readonly Action<PtxThread>?[] _steps;
    private readonly Action<PtxThread[]>?[] _warpSteps;

    public PtxMachine(string ptx) : this(PtxModule.Parse(ptx), new PtxMemory()) { }

    /// <summary>A parsed module on memory that others may use too.</summary>
    public PtxMachine(PtxModule module, PtxMemory memory)
    {
        (_module, Memory) = (module, memory);
        _steps = new Action<PtxThread>?[_module.Code.Count];
        _warpSteps = new Action<PtxThread[]>?[_module.Code.Count];
    }

    public PtxMemory Memory { get; }

    public PtxModule Module => _module;

    public long Steps { get; private set; }

    /// <summary>Runs the grid. Arguments are the bits of the entry's parameters.</summary>
    public void Launch(Dim3 grid, Dim3 group, ulong[] arguments, int dynamicShared = 0)
    {
        if (arguments.Length != _module.Parameters.Count) throw new PtxException($"{arguments.Length} arguments for {_module.Parameters.Count} parameters");
        var decoder = new PtxDecoder(_module, arguments);
        for (int i = 0; i < _module.Code.Count; i++) (_steps[i], _warpSteps[i]) = decoder.Decode(_module.Code[i]);
        for (int z = 0; z < grid.Z; z++)
            for (int y = 0; y < grid.Y; y++)
                for (int x = 0; x < grid.X; x++) RunGroup(new Dim3(x, y, z), grid, group, dynamicShared);
    }

    private void RunGroup(Dim3 index, Dim3 grid, Dim3 groupDim, int dynamicShared)
    {
        long statics = (_module.SharedBytes + 1023) / 1024 * 1024;
        var shared = new byte[statics + dynamicShared];
        Array.Fill(shared, (byte)0xCD); // whatever was there before
        var group = new PtxGroup(Memory, shared, index, grid, groupDim);
        PtxThread[] threads = [.. Enumerable.Range(0, groupDim.Size).Select(i => new PtxThread(group, i, _module.RegisterCount, _module.LocalBytes))];
        PtxThread[][] warps = [.. threads.Chunk(32)];
        long progress = -1;
        while (true)
        {
            foreach (PtxThread[] warp in warps) RunWarp(warp);
            PtxThread[] live = [.. threads.Where(thread => !thread.Done)];
            if (live.Length == 0) return;
            if (live.Any(thread => thread.Paused))
            {
                if (group.Progress == progress) throw new PtxException("threads wait for a barrier's phase that never ends");
                progress = group.Progress;
                foreach (PtxThread thread in live) thread.Paused = false;
                continue;
            }
            int pc = live[0].Pc;
            if (live.Any(thread => thread.Pc != pc)) throw new PtxException("threads of a group wait at different barriers");
            Release(live, pc);
        }
    }

    private void Release(PtxThread[] live, int pc)
    {
        PtxInstruction barrier = _module.Code[pc];
        if (barrier.Op != "bar.sync") PtxDecoder.BarrierReduce(barrier, live);
        foreach (PtxThread thread in live)
        {
            thread.Waiting = false;
            thread.Pc++;
        }
    }

    private void RunWarp(PtxThread[] warp)
    {
        var active = new List<PtxThread>(32);
        while (true)
        {
            int pc = int.MaxValue;
            foreach (PtxThread thread in warp)
                if (!thread.Done && !thread.Waiting && !thread.Paused && thread.Pc < pc) pc = thread.Pc;
            if (pc == int.MaxValue) return;
            active.Clear();
            foreach (PtxThread thread in warp)
                if (!thread.Done && !thread.Waiting && !thread.Paused && thread.Pc == pc) active.Add(thread);
            Step(warp, active, pc);
            if (++Steps > 200_000_000) throw new PtxException("the kernel does not end");
        }
    }

    private void Step(PtxThread[] warp, List<PtxThread> active, int pc)
    {
        if (pc >= _module.Code.Count) throw new PtxException("a thread ran past the end");
        if (_warpSteps[pc] is { } together)
        {
            PtxThread[] live = [.. warp.Where(thread => !thread.Done)];
            if (live.Length != active.Count) throw new PtxException($"only {active.Count} of {live.Length} threads are at {_module.Code[pc].Text}");
            together(live);
            foreach (PtxThread thread in live) thread.Pc++;
            return;
        }
        PtxInstruction instruction = _module.Code[pc];
        Action<PtxThread> step = _steps[pc]!;
        foreach (PtxThread thread in active)
        {
            bool skip = instruction.Guard >= 0 && (thread.R[instruction.Guard] != 0) == instruction.GuardNegated;
            int before = thread.Pc;
            if (!skip) step(thread);
            if (thread.Pc == before && !thread.Waiting && !thread.Done) thread.Pc++;
        }
    }
}
