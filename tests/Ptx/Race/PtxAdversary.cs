namespace OllmNative.Tests.Ptx;

/// <summary>
/// Runs launches as badly for them as the PTX ISA allows: several groups at a time in any order, warps and parted lanes by turns of any length, copies and
/// products at the earliest, the latest or any moment, a launch that may overlap its predecessor as soon as it may; registers and shared memory
/// begin as noise. Everything is looked at by <see cref="RaceWatch"/> and <see cref="RegisterWatch"/>, and follows from the seed.
/// </summary>
internal sealed class PtxAdversary(int seed, PtxMoment moment, int groupsAtATime = 3)
{
    private const long MostSteps = 100_000_000;

    private readonly Random _random = new(seed);

    public RaceWatch Watch { get; } = new();

    /// <summary>Runs launches of one stream, one after the other, or beside each other where that was asked for.</summary>
    public void Run(IReadOnlyList<PtxGrid> launches, RaceStream stream)
    {
        try
        {
            RunAll(launches, stream);
        }
        finally
        {
            foreach (PtxGrid launch in launches)
            {
                launch.Freed?.Invoke();
                // One that was given up is over too.
                if (launch.Race is { } race) stream.Did(race.Number);
            }
        }
    }

    private void RunAll(IReadOnlyList<PtxGrid> launches, RaceStream stream)
    {
        int idle = 0;
        long steps = 0;
        while (true)
        {
            PtxGroupRun[] running = Admit(launches, stream);
            if (running.Length == 0) return;
            PtxGroupRun group = running[_random.Next(running.Length)];
            bool went = Float(group) | RunSome(group) | group.Release();
            idle = went ? 0 : idle + 1;
            if (idle > 4 * running.Length && !running.Aggregate(false, (any, each) => any | FloatAll(each) | RunSome(each) | each.Release())) throw Stuck(launches);
            if ((steps += 1) > MostSteps) throw new PtxException("the kernel does not end");
        }
    }

    private PtxGroupRun[] Admit(IReadOnlyList<PtxGrid> launches, RaceStream stream)
    {
        for (int i = 0; i < launches.Count; i++)
        {
            (PtxGrid launch, PtxGrid? before) = (launches[i], i > 0 ? launches[i - 1] : null);
            bool early = before is not null && launch.Overlaps;
            if (!launch.Started && (before is null || before.Ended || (early && before.LetsNextStart))) launch.Start(Watch, _random, stream, early ? before!.Race : null);
            launch.Running.RemoveAll(group => group.Ended);
            launch.Admit(Watch, _random, moment, groupsAtATime);
            if (launch.Ended) End(launch, stream);
        }
        return [.. launches.SelectMany(launch => launch.Running)];
    }

    private static void End(PtxGrid launch, RaceStream stream)
    {
        if (launch.Race!.Over) return;
        launch.Race.Over = true;
        stream.Did(launch.Race.Number);
        if (launch.Race.Before is not null && !launch.Race.Waited)
            throw new PtxException($"race: {launch.Race.Name} overlaps its predecessor and never waits for it: who waits for it does not wait for all");
    }

    /// <summary>Some copy or product of the group takes effect now.</summary>
    private bool Float(PtxGroupRun group)
    {
        if (moment != PtxMoment.Random || _random.Next(2) == 0) return false;
        List<PtxAsync> floating = group.Group.Floating;
        floating.RemoveAll(copy => copy.Done);
        if (floating.Count > 0)
        {
            floating[_random.Next(floating.Count)].Do();
            return true;
        }
        PtxWarpRun warp = group.Warps[_random.Next(group.Warps.Length)];
        foreach (PtxThread lane in warp.Lanes) lane.MakeProduct();
        return false;
    }

    private static bool FloatAll(PtxGroupRun group)
    {
        List<PtxAsync> floating = group.Group.Floating;
        floating.RemoveAll(copy => copy.Done);
        PtxAsync[] left = [.. floating];
        foreach (PtxAsync copy in left) copy.Do();
        return left.Length > 0;
    }

    /// <summary>A turn of the first warp from a random one on that can go on.</summary>
    private bool RunSome(PtxGroupRun group)
    {
        int first = _random.Next(group.Warps.Length), quantum = 1 << _random.Next(9);
        for (int i = 0; i < group.Warps.Length; i++)
            if (group.Warps[(first + i) % group.Warps.Length].Run(quantum, _random)) return true;
        return false;
    }

    private static PtxException Stuck(IReadOnlyList<PtxGrid> launches)
    {
        PtxGrid launch = launches.First(launch => launch.Running.Count > 0);
        IEnumerable<string> places = launch.Running[0].Threads.Where(thread => !thread.Done).GroupBy(thread => thread.Pc)
            .Select(at => $"{at.Count()} at \"{(at.Key < launch.Module.Code.Count ? launch.Module.Code[at.Key].Text : "the end")}\"");
        return new PtxException($"{launch.Module.Entry} does not go on: {string.Join(", ", places)}");
    }
}
