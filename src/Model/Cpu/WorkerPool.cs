using System.Runtime.InteropServices;

namespace OllmNative.Model.Cpu;

/// <summary>A piece of parallel work that lives on the caller's stack: pointers and sizes only, so that starting it allocates nothing.</summary>
internal interface IParallelBody
{
    /// <summary>Does item <paramref name="index"/> on thread <paramref name="thread"/> (0 is the caller).</summary>
    void Run(int index, int thread);
}

/// <summary>
/// Threads that share out the items of a parallel loop. Each begins with a stretch of its own, whose items follow each other
/// in memory, and then helps with what the others have left, so that all finish together; what an item computes never
/// depends on the thread that runs it, hence neither do results.
/// </summary>
internal sealed unsafe class WorkerPool : IDisposable
{
    private const int SpinsBeforeSleep = 2000;

    /// <summary>The counters of two threads are never in one cache line, nor in the pair that the processor fetches together.</summary>
    private const int CounterStride = 32;

    private readonly Lock _callers = new();
    private readonly object _sleep = new();
    private readonly Thread[] _workers;
    private readonly int* _next;
    private delegate*<void*, int, int, void> _run;
    private void* _body;
    private int _count;
    private int _active;
    private int _sleeping;
    private volatile bool _closed = true;
    private volatile int _generation;
    private volatile bool _stopping;

    public WorkerPool(int threads)
    {
        Threads = Math.Max(1, threads);
        _next = (int*)NativeMemory.AlignedAlloc((nuint)(Threads * CounterStride * sizeof(int)), 128);
        _workers = new Thread[Threads - 1];
        for (int i = 0; i < _workers.Length; i++)
        {
            int thread = i + 1;
            _workers[i] = new Thread(() => Work(thread)) { IsBackground = true, Name = $"ollm-worker-{thread}" };
            _workers[i].Start();
        }
    }

    /// <summary>Threads that take part, the caller included.</summary>
    public int Threads { get; }

    /// <summary>Runs items 0..<paramref name="count"/>-1 and returns when all are done.</summary>
    /// <param name="count">Number of items.</param>
    /// <param name="body">What an item does.</param>
    /// <param name="worthSharing">False for work so small that waking a thread costs more than it gives.</param>
    public void For<TBody>(int count, TBody body, bool worthSharing = true) where TBody : unmanaged, IParallelBody
    {
        if (_workers.Length == 0 || count <= 1 || !worthSharing)
        {
            for (int i = 0; i < count; i++) body.Run(i, 0);
            return;
        }
        lock (_callers)
        {
            _run = &Invoke<TBody>;
            _body = &body;
            _count = count;
            for (int t = 0; t < Threads; t++) _next[t * CounterStride] = First(t);
            _closed = false;
            // A full fence on both sides: either the worker sees the new generation before it sleeps, or it is seen sleeping.
            Interlocked.Increment(ref _generation);
            if (Volatile.Read(ref _sleeping) > 0) Wake();
            TakeItems(0);
            // A worker that the system has not let run yet finds the loop closed; only those inside are waited for, so a
            // busy machine costs the help of a thread, not a time slice for each loop.
            _closed = true;
            Interlocked.MemoryBarrier();
            var spin = new SpinWait();
            while (Volatile.Read(ref _active) != 0)
            {
                if (spin.Count < 100) Thread.SpinWait(20);
                spin.SpinOnce(sleep1Threshold: -1);
            }
        }
    }

    public void Dispose()
    {
        _stopping = true;
        Interlocked.Increment(ref _generation);
        Wake();
        foreach (Thread worker in _workers) worker.Join();
        NativeMemory.AlignedFree(_next);
    }

    private static void Invoke<TBody>(void* body, int index, int thread) where TBody : unmanaged, IParallelBody =>
        ((TBody*)body)->Run(index, thread);

    /// <summary>First item of a thread's own stretch.</summary>
    private int First(int thread) => (int)((long)_count * thread / Threads);

    private void TakeItems(int thread)
    {
        for (int t = 0; t < Threads; t++)
        {
            int owner = thread + t < Threads ? thread + t : thread + t - Threads, end = First(owner + 1), index;
            ref int next = ref _next[owner * CounterStride];
            while ((index = Interlocked.Increment(ref next) - 1) < end) _run(_body, index, thread);
        }
    }

    private void Wake()
    {
        lock (_sleep) Monitor.PulseAll(_sleep);
    }

    private void Work(int thread)
    {
        int seen = 0;
        while (true)
        {
            for (int spins = 0; _generation == seen && spins < SpinsBeforeSleep; spins++) Thread.SpinWait(30);
            if (_generation == seen) Sleep(seen);
            seen = _generation;
            if (_stopping) return;
            Interlocked.Increment(ref _active);
            if (!_closed) TakeItems(thread);
            Interlocked.Decrement(ref _active);
        }
    }

    private void Sleep(int seen)
    {
        lock (_sleep)
        {
            Interlocked.Increment(ref _sleeping);
            while (_generation == seen) Monitor.Wait(_sleep);
            Interlocked.Decrement(ref _sleeping);
        }
    }
}
