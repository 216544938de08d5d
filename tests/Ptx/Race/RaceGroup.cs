namespace OllmNative.Tests.Ptx;

/// <summary>A kernel's launch, or a copy's, as races are told by it. One that overlaps its predecessor begins with what was over when that let it start.</summary>
internal sealed class RaceLaunch(PtxModule? module, int number, RaceStream stream, RaceLaunch? overlapped)
{
    private readonly RaceSeen _before = stream.Clock.With(stream.Ordinal, number - 1);
    private RaceSeen _told = overlapped?._told ?? stream.Clock;
    private int _starting;

    /// <summary>Its place among all launches, and its stream.</summary>
    public int Number { get; } = number;

    public int Stream { get; } = stream.Ordinal;

    public string Name { get; } = module is null ? $"a copy ({number})" : $"{module.Entry} (launch {number})";

    /// <summary>What is over when its first groups start.</summary>
    public RaceSeen Start { get; } = overlapped?._told ?? stream.Clock;

    /// <summary>What is over once it has waited: all that came before it in its stream.</summary>
    public RaceSeen AfterWait => _before;

    /// <summary>The launch that it may overlap.</summary>
    public RaceLaunch? Before { get; } = overlapped;

    public bool Over { get; set; }

    /// <summary>Whether a thread has waited for the launches before, so that their end is part of its own.</summary>
    public bool Waited { get; set; }

    /// <summary>A group lets the next launch start, and knows what is over; all groups must, so the next one may count on it.</summary>
    public void LetStart(RaceSeen seen) => _told = _told.Join(seen);

    public string Text(int pc) => pc < 0 || module is null ? "the host" : module.Code[pc].Text;

    public int NextGroup() => _starting++;
}

/// <summary>A group's share: its agents' times and its shared memory.</summary>
internal sealed class RaceGroup
{
    // Behind the threads and their copies: barriers that count copies, then warps.
    private const int MostBarriers = 32;

    private readonly int _threads;
    private readonly RaceAgent?[] _agents;
    private readonly int[] _times;
    private readonly List<ulong> _barriers = [];

    public RaceGroup(RaceLaunch launch, int threads, int sharedBytes)
    {
        (Launch, Number, _threads) = (launch, launch.NextGroup(), threads);
        int agents = 2 * threads + MostBarriers + (threads + 31) / 32;
        (_agents, _times) = (new RaceAgent?[agents], new int[agents]);
        Shared = new RacePage(sharedBytes);
        Start = RaceClock.Start(this, agents, launch.Start);
    }

    public RaceLaunch Launch { get; }
    public int Number { get; }
    public RacePage Shared { get; }
    public RaceClock Start { get; }

    public RaceAgent Thread(int thread) => _agents[thread] ??= new RaceAgent(this, thread, $"thread {thread}", false);

    public RaceAgent Copies(int thread) => _agents[_threads + thread] ??= new RaceAgent(this, _threads + thread, $"a copy of thread {thread}", false);

    /// <summary>Copies that the barrier at an address counts.</summary>
    public RaceAgent TensorCopies(ulong barrier)
    {
        int slot = _barriers.IndexOf(barrier);
        if (slot < 0)
        {
            slot = _barriers.Count;
            _barriers.Add(barrier);
        }
        int index = 2 * _threads + slot;
        return _agents[index] ??= new RaceAgent(this, index, $"a tensor copy to barrier {slot}", true);
    }

    public RaceAgent Products(int warp)
    {
        int index = 2 * _threads + MostBarriers + warp;
        return _agents[index] ??= new RaceAgent(this, index, $"a product of warp {warp}", true);
    }

    /// <summary>A new time of an agent that is no thread.</summary>
    public int Tick(RaceAgent agent) => ++_times[agent.Index];

    public int TimeOf(RaceAgent agent) => _times[agent.Index];
}
