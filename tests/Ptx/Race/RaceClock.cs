namespace OllmNative.Tests.Ptx;

/// <summary>
/// What a thread knows to have happened: for each agent of its group (threads, their copies, the copy unit, warps' products) the last time
/// that is behind it, the same for what the asynchronous proxy may rely on, and other groups' times where a fence and an atomic told of them.
/// Never changed once made, so that all threads share one after a barrier.
/// </summary>
internal sealed class RaceClock
{
    private static readonly Dictionary<RaceGroup, int[]> s_nobody = [];

    // A group's threads learn the same one after the other.
    private (RaceSeen Seen, RaceClock Clock)? _lastSeen;
    private (RaceClock Other, RaceClock Clock)? _lastJoin;

    private RaceClock(RaceGroup group, int[] known, int[] proxied, Dictionary<RaceGroup, int[]> others, RaceSeen seen) =>
        (Group, Known, Proxied, Others, Seen) = (group, known, proxied, others, seen);

    /// <summary>A group's threads before they have done anything.</summary>
    public static RaceClock Start(RaceGroup group, int agents, RaceSeen seen) => new(group, new int[agents], new int[agents], s_nobody, seen);

    public RaceGroup Group { get; }

    /// <summary>Times by agent.</summary>
    public int[] Known { get; }

    /// <summary>Times that a fence.proxy.async has handed to the asynchronous proxy.</summary>
    public int[] Proxied { get; }

    private Dictionary<RaceGroup, int[]> Others { get; }

    /// <summary>The launches that are over and seen.</summary>
    public RaceSeen Seen { get; }

    public int Of(RaceGroup group, int agent) =>
        group == Group ? Known[agent] : Others.TryGetValue(group, out int[]? times) ? times[agent] : -1;

    /// <summary>The same with one agent's time.</summary>
    public RaceClock With(int agent, int time)
    {
        if (Known[agent] >= time) return this;
        int[] known = [.. Known];
        known[agent] = time;
        return new RaceClock(Group, known, Proxied, Others, Seen);
    }

    /// <summary>The same with the times of threads that meet.</summary>
    public RaceClock With(IReadOnlyList<RaceThread> threads, int[] times)
    {
        int[] known = [.. Known];
        for (int i = 0; i < times.Length; i++) known[threads[i].Agent.Index] = Math.Max(known[threads[i].Agent.Index], times[i]);
        return new RaceClock(Group, known, Proxied, Others, Seen);
    }

    public RaceClock WithSeen(RaceSeen seen)
    {
        RaceSeen joined = Seen.Join(seen);
        if (ReferenceEquals(joined, Seen)) return this;
        if (_lastSeen is null || !ReferenceEquals(_lastSeen.Value.Seen, seen)) _lastSeen = (seen, new RaceClock(Group, Known, Proxied, Others, joined));
        return _lastSeen.Value.Clock;
    }

    /// <summary>After a fence between the proxies.</summary>
    public RaceClock Fenced() => new(Group, Known, Known, Others, Seen);

    /// <summary>What both know, as a thread of this clock's group.</summary>
    public RaceClock Join(RaceClock? other)
    {
        if (other is null || ReferenceEquals(this, other)) return this;
        if (_lastJoin is null || !ReferenceEquals(_lastJoin.Value.Other, other)) _lastJoin = (other, Joined(other));
        return _lastJoin.Value.Clock;
    }

    private RaceClock Joined(RaceClock other)
    {
        RaceSeen seen = Seen.Join(other.Seen);
        if (other.Group == Group && other.Others.Count == 0) return new RaceClock(Group, Max(Known, other.Known), Max(Proxied, other.Proxied), Others, seen);
        (int[] known, int[] proxied) = (Known, Proxied);
        var others = new Dictionary<RaceGroup, int[]>(Others);
        if (other.Group == Group) (known, proxied) = (Max(known, other.Known), Max(proxied, other.Proxied));
        else Add(others, other.Group, other.Known);
        foreach ((RaceGroup group, int[] times) in other.Others)
            if (group == Group) known = Max(known, times);
            else Add(others, group, times);
        return new RaceClock(Group, known, proxied, others, seen);
    }

    private static void Add(Dictionary<RaceGroup, int[]> others, RaceGroup group, int[] times) =>
        others[group] = others.TryGetValue(group, out int[]? had) ? Max(had, times) : times;

    private static int[] Max(int[] a, int[] b)
    {
        if (ReferenceEquals(a, b)) return a;
        int[] max = new int[a.Length];
        for (int i = 0; i < max.Length; i++) max[i] = Math.Max(a[i], b[i]);
        return max;
    }
}
