namespace OllmNative.Tests.Ptx;

/// <summary>A thread's time and knowledge.</summary>
internal sealed class RaceThread(RaceGroup group, int linear)
{
    private readonly Queue<int> _copyGroups = new();
    private RaceClock _clock = group.Start;
    private RaceClock? _heard, _heardGroup;
    private int _copies;

    public RaceAgent Agent { get; } = group.Thread(linear);

    public int Time { get; private set; } = 1;

    /// <summary>What it knows of others; of itself it knows all.</summary>
    public RaceClock Clock => _clock;

    /// <summary>What a fence of the device's scope has made ready to be told by an atomic.</summary>
    public RaceClock? Told { get; private set; }

    /// <summary>The same within the group.</summary>
    public RaceClock? ToldGroup { get; private set; }

    /// <summary>Its knowledge with itself, as others get it; what it does later is not in it.</summary>
    public RaceClock Publish()
    {
        RaceClock published = _clock.With(Agent.Index, Time);
        Time++;
        return published;
    }

    public void Learn(RaceClock? clock) => _clock = _clock.Join(clock);

    public void See(RaceSeen seen) => _clock = _clock.WithSeen(seen);

    public void Fence(bool device)
    {
        Learn(_heardGroup);
        if (device) Learn(_heard);
        ToldGroup = Publish();
        if (device) Told = ToldGroup;
    }

    public void ProxyFence() => _clock = _clock.With(Agent.Index, Time++).Fenced();

    /// <summary>What an atomic read; known after a fence, of the device's scope where another group may have told it.</summary>
    public void Hear(RaceClock? clock, bool fromGroup)
    {
        if (clock is null) return;
        if (fromGroup) _heardGroup = Both(clock, _heardGroup);
        else _heard = Both(clock, _heard);
    }

    /// <summary>The time of a copy that it starts.</summary>
    public int StartCopy() => ++_copies;

    public void CommitCopies() => _copyGroups.Enqueue(_copies);

    public void WaitCopies(int pending)
    {
        int done = 0;
        while (_copyGroups.Count > pending) done = _copyGroups.Dequeue();
        if (done > 0) _clock = _clock.With(group.Copies(linear).Index, done);
    }

    /// <summary>All that meet at a barrier know what each of them knew.</summary>
    public static void Meet(IReadOnlyList<RaceThread> threads)
    {
        RaceClock? together = null, heard = null, heardGroup = null, told = null, toldGroup = null, last = null;
        int[] times = new int[threads.Count];
        for (int i = 0; i < threads.Count; i++)
        {
            RaceThread thread = threads[i];
            times[i] = thread.Time++;
            if (!ReferenceEquals(last, thread._clock)) together = (last = thread._clock).Join(together);
            heard = Both(heard, thread._heard);
            heardGroup = Both(heardGroup, thread._heardGroup);
            told = Both(told, thread.Told);
            toldGroup = Both(toldGroup, thread.ToldGroup);
        }
        together = together!.With(threads, times);
        // membar is fence.sc: one before the barrier and an atomic of another thread behind it order as well as both in one thread, and the other way round.
        foreach (RaceThread thread in threads)
            (thread._clock, thread._heard, thread._heardGroup, thread.Told, thread.ToldGroup) = (together, heard, heardGroup, told, toldGroup);
    }

    private static RaceClock? Both(RaceClock? one, RaceClock? other) => one is null ? other : one.Join(other);
}
