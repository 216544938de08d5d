namespace OllmNative.Tests.Ptx;

/// <summary>What an instruction is to the adversary.</summary>
internal enum PtxRole { Plain, GridWait, GridLaunch, Product, ProductFence, ProductCommit, ProductWait, MoreRegisters, FewerRegisters }

/// <summary>A launch that the adversary runs: decoded code, groups yet to start, groups that run.</summary>
internal sealed class PtxGrid
{
    private readonly PtxMemory _memory;
    private readonly Dim3 _grid, _group;
    private readonly int _dynamicShared;
    private readonly Stack<Dim3> _pending = new();

    public PtxGrid(PtxModule module, PtxMemory memory, Dim3 grid, Dim3 group, ulong[] arguments, int dynamicShared, bool overlaps)
    {
        if (arguments.Length != module.Parameters.Count) throw new PtxException($"{arguments.Length} arguments for {module.Parameters.Count} parameters");
        (Module, _memory, _grid, _group, _dynamicShared, Overlaps) = (module, memory, grid, group, dynamicShared, overlaps);
        var decoder = new PtxDecoder(module, arguments);
        Steps = [.. module.Code.Select(decoder.Decode)];
        Roles = [.. module.Code.Select(Role)];
        UsesProducts = Roles.Contains(PtxRole.Product);
        Registers = UsesProducts ? [.. module.Code.Select(RegistersOf)] : [];
    }

    public PtxModule Module { get; }
    public (Action<PtxThread>? One, Action<PtxThread[]>? Warp)[] Steps { get; }
    public PtxRole[] Roles { get; }

    /// <summary>Of each instruction the registers that it reads or writes, where products need that to be known.</summary>
    public int[][] Registers { get; }

    public bool UsesProducts { get; }

    /// <summary>It may start before the launch before it has ended.</summary>
    public bool Overlaps { get; }

    /// <summary>What is to be done when it has run.</summary>
    public Action? Freed { get; init; }

    /// <summary>Which instructions have been done.</summary>
    public required bool[] Reached { get; init; }

    public RaceLaunch? Race { get; private set; }
    public List<PtxGroupRun> Running { get; } = [];
    public bool Started { get; private set; }
    public bool Ended => Started && _pending.Count == 0 && Running.Count == 0;

    /// <summary>Each of its groups has let the next launch start, or has ended.</summary>
    public bool LetsNextStart => Started && _pending.Count == 0 && Running.TrueForAll(group => group.LetNextStart);

    /// <summary>Its groups in any order.</summary>
    public void Start(RaceWatch watch, Random random, RaceStream stream, RaceLaunch? overlapped)
    {
        var places = new List<Dim3>();
        for (int z = 0; z < _grid.Z; z++)
            for (int y = 0; y < _grid.Y; y++)
                for (int x = 0; x < _grid.X; x++) places.Add(new Dim3(x, y, z));
        Dim3[] shuffled = [.. places];
        random.Shuffle(shuffled);
        foreach (Dim3 place in shuffled) _pending.Push(place);
        (Started, Race) = (true, watch.Launch(Module, stream, overlapped));
    }

    /// <summary>Starts groups until so many run.</summary>
    public void Admit(RaceWatch watch, Random random, PtxMoment moment, int most)
    {
        while (Started && Running.Count < most && _pending.TryPop(out Dim3 index))
        {
            long statics = (Module.SharedBytes + 1023) / 1024 * 1024;
            var shared = new byte[statics + _dynamicShared];
            random.NextBytes(shared);
            var race = new RaceGroup(Race!, _group.Size, shared.Length);
            var group = new PtxGroup(_memory, shared, index, _grid, _group) { Race = race, Watch = watch, Moment = moment };
            Running.Add(new PtxGroupRun(this, group, random));
        }
    }

    private static PtxRole Role(PtxInstruction i) => i.Op switch
    {
        "griddepcontrol.wait" => PtxRole.GridWait,
        "griddepcontrol.launch_dependents" => PtxRole.GridLaunch,
        "wgmma.fence.sync.aligned" => PtxRole.ProductFence,
        "wgmma.commit_group.sync.aligned" => PtxRole.ProductCommit,
        "wgmma.wait_group.sync.aligned" => PtxRole.ProductWait,
        "setmaxnreg.inc.sync.aligned.u32" => PtxRole.MoreRegisters,
        "setmaxnreg.dec.sync.aligned.u32" => PtxRole.FewerRegisters,
        _ => i.Op.StartsWith("wgmma.mma_async", StringComparison.Ordinal) ? PtxRole.Product : PtxRole.Plain,
    };

    private static int[] RegistersOf(PtxInstruction instruction)
    {
        IEnumerable<int> Of(PtxOperand operand) => operand.Items.SelectMany(Of).Prepend(operand.Register);
        return [.. instruction.Operands.SelectMany(Of).Append(instruction.Guard).Where(register => register >= 0).Distinct()];
    }
}
