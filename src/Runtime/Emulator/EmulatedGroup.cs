using System.Runtime.ExceptionServices;
using OllmNative.Runtime.Language;

namespace OllmNative.Runtime.Emulator;

/// <summary>
/// Runs a group's threads. Exactly one of them runs at a time: it holds the baton until it finishes or has to wait for the others,
/// then hands it on, to a thread that has not started yet or to the one that has been able to go on for longest. So a run's order
/// depends on the kernel alone, and a kernel without barriers never leaves the calling thread.
/// </summary>
internal sealed class EmulatedGroup : IDisposable
{
    private readonly List<EmulatedThread> _threads = [];
    private readonly Queue<EmulatedThread> _runnable = new();
    private readonly Stack<Fiber> _idle = new();
    private readonly List<Fiber> _fibers = [];
    private readonly Fiber _main = new();
    private readonly Dictionary<nint, EmulatedBarrier> _barriers = [];
    private readonly int[] _votes = new int[2];
    private readonly int[] _warpArrivals = new int[32];
    private readonly Collective[] _warpKinds = new Collective[32];
    private int _groupArrivals;
    private Collective _groupKind;
    private int _started;
    private int _finished;
    private Launch _launch = null!;
    private ExceptionDispatchInfo? _failure;

    public EmulatedGroup(Accelerator accelerator, bool raceCheck)
    {
        Shared = new SharedArena(accelerator, this, raceCheck);
        LocalBuffer = new LocalBuffer(accelerator);
    }

    public SharedArena Shared { get; }
    public LocalBuffer LocalBuffer { get; }
    public Index3D GridIndex { get; private set; }
    public Index3D GridDim => _launch.Config.GridDim;
    public Index3D GroupDim => _launch.Config.GroupDim;
    public string KernelName => _launch.Name;
    public int ThreadCount { get; private set; }

    /// <summary>The thread that holds the baton.</summary>
    public EmulatedThread Running { get; private set; } = null!;

    public EmulatedThread Thread(int index) => _threads[index];
    public int LanesOfWarp(int warp) => Math.Min(32, ThreadCount - warp * 32);

    /// <summary>The transaction barrier at an address of shared memory.</summary>
    public EmulatedBarrier Barrier(nint address)
    {
        if (!_barriers.TryGetValue(address, out EmulatedBarrier? barrier)) _barriers[address] = barrier = new EmulatedBarrier(this);
        return barrier;
    }

    /// <summary>Waits for <see cref="Released"/>.</summary>
    public void WaitAtBarrier(EmulatedThread thread)
    {
        Shared.Races?.EndSlice();
        Block(thread, Collective.TransactionBarrier);
    }

    /// <summary>A transaction barrier's phase has ended: who waited for it can go on, and sees what was written before.</summary>
    public void Released(List<EmulatedThread> waiting)
    {
        Shared.Races?.EndSlice();
        Shared.Races?.GroupBarrier();
        foreach (EmulatedThread thread in waiting.Where(thread => thread.WaitsFor == Collective.TransactionBarrier)) MakeRunnable(thread);
    }

    /// <summary>Runs one group of a launch to its end. Throws what its first failing thread threw.</summary>
    public void Run(Launch launch, Index3D gridIndex)
    {
        Prepare(launch, gridIndex);
        StartThreads(_main);
        if (_finished < ThreadCount)
        {
            HandOn();
            _main.Wait();
        }

        _failure?.Throw();
    }

    public void Vote(int turn, bool predicate)
    {
        if (_groupArrivals == 0) _votes[turn] = 0;
        if (predicate) _votes[turn]++;
    }

    public int Votes(int turn) => _votes[turn];

    /// <summary>Waits until all threads of the group have come to the same collective operation.</summary>
    public void ArriveAtGroup(EmulatedThread thread, Collective kind)
    {
        Shared.Races?.EndSlice();
        if (_groupArrivals == 0) _groupKind = kind;
        else if (_groupKind != kind) throw Divergence(thread, kind, _threads.First(t => t.WaitsFor == _groupKind));
        if (++_groupArrivals < ThreadCount)
        {
            Block(thread, kind);
            return;
        }

        _groupArrivals = 0;
        Shared.Races?.GroupBarrier();
        Release(0, ThreadCount, thread);
    }

    /// <summary>Waits until all threads of the warp have come to the same collective operation.</summary>
    public void ArriveAtWarp(EmulatedThread thread, Collective kind)
    {
        int warp = thread.LinearIndex >> 5;
        Shared.Races?.EndSlice();
        if (_warpArrivals[warp] == 0) _warpKinds[warp] = kind;
        else if (_warpKinds[warp] != kind)
            throw Divergence(thread, kind, _threads.Skip(warp * 32).First(t => t.WaitsFor == _warpKinds[warp]));
        if (++_warpArrivals[warp] < LanesOfWarp(warp))
        {
            Block(thread, kind);
            return;
        }

        _warpArrivals[warp] = 0;
        if (kind == Collective.WarpBarrier) Shared.Races?.WarpBarrier(warp);
        Release(warp * 32, LanesOfWarp(warp), thread);
    }

    public void Dispose()
    {
        foreach (Fiber fiber in _fibers) fiber.Dispose();
        _main.Dispose();
        foreach (EmulatedThread thread in _threads) thread.Locals.Dispose();
        Shared.Dispose();
    }

    private void Prepare(Launch launch, Index3D gridIndex)
    {
        _launch = launch;
        GridIndex = gridIndex;
        ThreadCount = launch.Config.GroupDim.Size;
        while (_threads.Count < ThreadCount) _threads.Add(new EmulatedThread(this, _threads.Count));
        for (int i = 0; i < ThreadCount; i++) _threads[i].Reset(GroupDim);
        _started = _finished = _groupArrivals = 0;
        Array.Clear(_warpArrivals);
        _barriers.Clear();
        _failure = null;
        Shared.Reset(launch.Config.SharedMemoryConfig.ArraySize);
    }

    /// <summary>Runs threads that have not started, one after the other, on this fiber.</summary>
    private void StartThreads(Fiber fiber)
    {
        while (_started < ThreadCount)
        {
            EmulatedThread thread = _threads[_started++];
            thread.Fiber = fiber;
            if (_failure is null) RunThread(thread);
            thread.IsFinished = true;
            _finished++;
        }
    }

    private void RunThread(EmulatedThread thread)
    {
        Running = thread;
        EmulatedThread.Enter(thread);
        try
        {
            _launch.Body.Invoke();
            thread.AsyncCopies.Finish();
            Shared.Races?.EndSlice();
        }
        catch (GroupAbandonedException)
        {
            // Another thread of the group failed; its error is the one to report.
        }
        catch (Exception error)
        {
            Fail(thread, error);
        }
        finally
        {
            EmulatedThread.Enter(null);
        }
    }

    private void Fail(EmulatedThread thread, Exception error)
    {
        if (_failure is not null) return;
        _failure = ExceptionDispatchInfo.Capture(error as KernelException
            ?? new KernelException($"kernel {KernelName}, {thread.Description}: {error.Message}", error));
        Shared.Races?.Abandon();
        foreach (EmulatedThread waiting in _threads.Take(_started).Where(t => t.WaitsFor != Collective.None)) MakeRunnable(waiting);
    }

    /// <summary>Gives the baton away and waits for it to come back.</summary>
    private void Block(EmulatedThread thread, Collective kind)
    {
        thread.WaitsFor = kind;
        HandOn();
        thread.Fiber!.Wait();
        if (_failure is not null) throw new GroupAbandonedException();
        Running = thread;
    }

    private void Release(int first, int count, EmulatedThread last)
    {
        for (int i = first; i < first + count; i++)
            if (_threads[i] != last) MakeRunnable(_threads[i]);
    }

    private void MakeRunnable(EmulatedThread thread)
    {
        thread.WaitsFor = Collective.None;
        _runnable.Enqueue(thread);
    }

    /// <summary>Gives the baton to whoever can go on, or back to the caller of Run when all have finished.</summary>
    private void HandOn()
    {
        if (_started < ThreadCount) IdleFiber().Wake();
        else if (_runnable.TryDequeue(out EmulatedThread? next)) next.Fiber!.Wake();
        else if (_finished == ThreadCount) _main.Wake();
        else
        {
            EmulatedThread waiting = _threads.Take(ThreadCount).First(t => t.WaitsFor != Collective.None);
            Fail(waiting, waiting.WaitsFor == Collective.TransactionBarrier
                ? new KernelException($"kernel {KernelName}, {waiting.Description}: it waits at a transaction barrier whose arrivals or bytes never come")
                : Divergence(waiting, waiting.WaitsFor, Missing(waiting)));
            HandOn();
        }
    }

    /// <summary>A thread that another waits for in vain.</summary>
    private EmulatedThread Missing(EmulatedThread waiting)
    {
        IEnumerable<EmulatedThread> partners = _threads.Take(ThreadCount);
        if (waiting.WaitsFor >= Collective.WarpBarrier) partners = partners.Where(t => t.LinearIndex >> 5 == waiting.LinearIndex >> 5);
        return partners.First(t => t.IsFinished || t.WaitsFor != waiting.WaitsFor);
    }

    private KernelException Divergence(EmulatedThread thread, Collective kind, EmulatedThread other) => new(
        $"kernel {KernelName}, {thread.Description}: it waits at {Name(kind)}, but thread {other.Index} " +
        (other.IsFinished ? "has finished" : $"waits at {Name(other.WaitsFor)}") +
        $"; every thread of the {(kind >= Collective.WarpBarrier ? "warp" : "group")} must come to it");

    private static string Name(Collective kind) => kind switch
    {
        Collective.Barrier => "Group.Barrier",
        Collective.Vote => "a Group barrier with a vote",
        Collective.Broadcast => "Group.Broadcast",
        Collective.WarpBarrier => "Warp.Barrier",
        Collective.Shuffle => "a Warp shuffle",
        Collective.Ballot => "a warp vote",
        Collective.MatrixLoad => "a matrix load of the warp",
        Collective.MatrixProduct => "a matrix product of the warp",
        Collective.TransactionBarrier => "a transaction barrier",
        _ => "nothing",
    };

    private Fiber IdleFiber()
    {
        if (_idle.TryPop(out Fiber? fiber)) return fiber;
        fiber = new Fiber();
        _fibers.Add(fiber);
        fiber.Start(RunFiber);
        return fiber;
    }

    private void RunFiber(Fiber fiber)
    {
        StartThreads(fiber);
        _idle.Push(fiber);
        HandOn();
    }
}

/// <summary>Unwinds a thread whose group has failed elsewhere.</summary>
internal sealed class GroupAbandonedException : Exception;
