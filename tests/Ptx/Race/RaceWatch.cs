namespace OllmNative.Tests.Ptx;

/// <summary>ReadConstant: ld.global.nc, of what nobody writes as long as the kernel runs.</summary>
internal enum PtxAccess { None, Read, ReadConstant, Write, Atomic }

/// <summary>
/// Looks for races: two accesses of the same bytes, one a write, with nothing in the PTX ISA's memory model that puts one before the other.
/// Program order, barriers, arrivals and waits, fences with atomics, the ends of asynchronous work, and launches do. Shuffles, votes and
/// matrix instructions do not. What the asynchronous proxy reads must have been handed over by a fence; what it overwrites, only read before.
/// </summary>
internal sealed class RaceWatch
{
    private const int MostReaders = 6;

    private readonly RaceMemory _global = new();
    private readonly Dictionary<(RaceGroup? Group, ulong Address), RaceClock> _told = [];
    private readonly Dictionary<object, RaceStream> _streams = [];
    private int _launches;
    private uint _draw = 1;

    /// <summary>What the host has waited for: whatever it asks for from now on comes after.</summary>
    public RaceSeen Host { get; private set; } = RaceSeen.None;

    public void HostWaits(RaceSeen? seen) => Host = Host.Join(seen);

    public RaceStream Stream(object key)
    {
        if (!_streams.TryGetValue(key, out RaceStream? stream)) _streams[key] = stream = new RaceStream(_streams.Count);
        return stream;
    }

    /// <summary>A launch of a stream.</summary>
    public RaceLaunch Launch(PtxModule module, RaceStream stream, RaceLaunch? overlapped)
    {
        if (overlapped is null) _told.Clear();
        return new RaceLaunch(module, ++_launches, stream, overlapped);
    }

    /// <summary>A copy or a fill of a stream reads or writes device memory.</summary>
    public void Copy(RaceStream stream, ulong address, long bytes, PtxAccess access)
    {
        var group = new RaceGroup(new RaceLaunch(null, ++_launches, stream, null), 1, 0);
        var by = new RaceThread(group, 0);
        var now = new RaceAccess(by.Agent, by.Time, -1);
        for (long done = 0; done < bytes;)
        {
            // Pieces on multiples of their size.
            int piece = (address + (ulong)done) % 16 == 0 && bytes - done >= 16 ? 16 : (address + (ulong)done) % 4 == 0 && bytes - done >= 4 ? 4 : 1;
            Touch(by, now, _global.At(address + (ulong)done, piece), access, false);
            done += piece;
        }
        stream.Did(_launches);
    }

    public void Touch(PtxThread t, bool shared, ulong address, int bytes, PtxAccess access)
    {
        RaceThread by = t.Race!;
        var now = new RaceAccess(by.Agent, by.Time, t.Pc);
        Touch(by, now, Cells(t, shared, address, bytes), access, shared);
        if (access == PtxAccess.Atomic) Tell(t, by, shared, address);
    }

    /// <summary>An access that another agent makes for a thread, at some time after now.</summary>
    public void TouchFor(PtxThread t, RaceAgent agent, int time, bool shared, ulong address, int bytes, PtxAccess access) =>
        Touch(t.Race!, new RaceAccess(agent, time, t.Pc), Cells(t, shared, address, bytes), access, shared);

    /// <summary>A transaction barrier is used: it must be known to be there, to the copy unit too when that counts on it.</summary>
    public static void UseBarrier(PtxThread t, ulong address, bool byCopies)
    {
        RaceThread by = t.Race!;
        RaceAgent agent = byCopies ? t.Group.Race!.TensorCopies(address) : by.Agent;
        foreach (ref RaceCell cell in t.Group.Race!.Shared.At((long)address, 8))
            if (cell.Write.Agent is null || !Ordered(cell.Write, by, agent, true)) throw Race(cell.Write, new RaceAccess(agent, 0, t.Pc), "a barrier's beginning");
    }

    private Span<RaceCell> Cells(PtxThread t, bool shared, ulong address, int bytes) =>
        shared ? t.Group.Race!.Shared.At((long)address, bytes) : _global.At(address, bytes);

    private void Touch(RaceThread by, in RaceAccess now, Span<RaceCell> cells, PtxAccess access, bool shared)
    {
        foreach (ref RaceCell cell in cells)
        {
            if (access is PtxAccess.Read or PtxAccess.ReadConstant)
            {
                if (access == PtxAccess.ReadConstant) BeConstant(ref cell, now);
                if (cell.Write.Agent is not null)
                {
                    if (!Ordered(cell.Write, by, now.Agent, true)) throw Race(cell.Write, now, "a write and a read");
                }
                else if (shared)
                {
                    throw new PtxException($"shared memory that nobody has written is read by {now}");
                }
                Remember(ref cell, by, now);
                continue;
            }
            if (cell.ConstantIn == by.Agent.Group.Launch.Number) throw Race(cell.Read, now, "a read by ld.global.nc and a write of the same launch");
            bool together = access == PtxAccess.Atomic && cell.Atomic;
            if (!together && cell.Write.Agent is not null && !Ordered(cell.Write, by, now.Agent, true)) throw Race(cell.Write, now, "two writes");
            if (cell.Read.Agent is not null && !Ordered(cell.Read, by, now.Agent, false)) throw Race(cell.Read, now, "a read and a write");
            foreach (RaceAccess read in cell.More ?? [])
                if (read.Agent is not null && !Ordered(read, by, now.Agent, false)) throw Race(read, now, "a read and a write");
            (cell.Write, cell.Read, cell.More, cell.Atomic) = (now, default, null, access == PtxAccess.Atomic);
        }
    }

    /// <summary>What is read past the caches must be over before the kernel starts, also where that waits for its predecessor later.</summary>
    private static void BeConstant(ref RaceCell cell, in RaceAccess now)
    {
        RaceLaunch launch = now.Agent.Group.Launch;
        RaceLaunch? wrote = cell.Write.Agent?.Group.Launch;
        if (wrote is not null && wrote.Number > launch.Start.Of(wrote.Stream)) throw Race(cell.Write, now, "a write and a read by ld.global.nc");
        cell.ConstantIn = launch.Number;
    }

    /// <summary>Whether an access comes before what a thread does now, itself or through an agent.</summary>
    private static bool Ordered(in RaceAccess before, RaceThread by, RaceAgent agent, bool isWrite)
    {
        RaceGroup group = before.Agent.Group, own = by.Agent.Group;
        if (group.Launch != own.Launch) return group.Launch.Number <= by.Clock.Seen.Of(group.Launch.Stream);
        bool crosses = isWrite && agent.AsyncProxy && !before.Agent.AsyncProxy && group == own;
        if (crosses) return by.Clock.Proxied[before.Agent.Index] >= before.Time;
        return before.Agent == by.Agent || by.Clock.Of(group, before.Agent.Index) >= before.Time;
    }

    /// <summary>Readers that no order connects are kept side by side, a few of them.</summary>
    private void Remember(ref RaceCell cell, RaceThread by, in RaceAccess now)
    {
        if (cell.Read.Agent is null || cell.Read.Agent == now.Agent || Ordered(cell.Read, by, now.Agent, false))
        {
            cell.Read = now;
            return;
        }
        cell.More ??= new RaceAccess[MostReaders];
        for (int i = 0; i < MostReaders; i++)
        {
            if (cell.More[i].Agent is not null && cell.More[i].Agent != now.Agent && !Ordered(cell.More[i], by, now.Agent, false)) continue;
            cell.More[i] = now;
            return;
        }
        _draw = _draw * 1664525 + 1013904223;
        cell.More[(int)((_draw >> 16) % MostReaders)] = now;
    }

    /// <summary>An atomic hands on what was fenced before it, and hears what others' atomics did.</summary>
    private void Tell(PtxThread t, RaceThread by, bool shared, ulong address)
    {
        (RaceGroup?, ulong) place = (shared ? t.Group.Race : null, address);
        RaceClock? there = _told.GetValueOrDefault(place);
        by.Hear(there, shared);
        if ((shared ? by.ToldGroup : by.Told) is { } told) _told[place] = told.Join(there);
    }

    private static PtxException Race(in RaceAccess before, in RaceAccess now, string what) =>
        new($"race: {what}: {(before.Agent is null ? "nobody" : before)} and then, unordered, {now}");
}
