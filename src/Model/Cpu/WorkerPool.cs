namespace OllmNative.Model.Cpu;

/// <summary>A piece of parallel work that lives on the caller's stack: pointers and sizes only, so that starting it allocates nothing.</summary>
internal interface IParallelBody
{
    /// <summary>Does item <paramref name="index"/> on thread <paramref name="thread"/> (0 is the caller).</summary>
    void Run(int index, int thread);
}

/// <summary>
/// Threads that share out the items of a parallel loop. Items are handed out one by one, so that both cores finish
/// together; what an item computes never depends on the thread that runs it, hence neither do results.
/// </summary>
internal sealed unsafe class WorkerPool : IDisposable
{
    private const int SpinsBeforeSleep = 2000;

    private readonly Lock _callers = new();
    private readonly object _sleep = new();
    private readonly Thread[] _workers;
    private delegate*<void*, int, int, void> _run;
    private void* _body;
    private int _count;
    private int _next;
    private int _active;
    private volatile bool _closed = true;
    private volatile int _generation;
    private volatile bool _stopping;

    public WorkerPool(int threads)
    {
        Threads = Math.Max(1, threads);
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
    public void For<TBody>(int count, TBody body) where TBody : unmanaged, IParallelBody
    {
        if (_workers.Length == 0 || count <= 1)
        {
            for (int i = 0; i < count; i++) body.Run(i, 0);
            return;
        }
        lock (_callers)
        {
            _run = &Invoke<TBody>;
            _body = &body;
            _count = count;
            _next = 0;
            _closed = false;
            lock (_sleep)
            {
                _generation++;
                Monitor.PulseAll(_sleep);
            }
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
        lock (_sleep)
        {
            _stopping = true;
            _generation++;
            Monitor.PulseAll(_sleep);
        }
        foreach (Thread worker in _workers) worker.Join();
    }

    private static void Invoke<TBody>(void* body, int index, int thread) where TBody : unmanaged, IParallelBody =>
        ((TBody*)body)->Run(index, thread);

    private void TakeItems(int thread)
    {
        int index;
        while ((index = Interlocked.Increment(ref _next) - 1) < _count) _run(_body, index, thread);
    }

    private void Work(int thread)
    {
        int seen = 0;
        while (true)
        {
            for (int spins = 0; _generation == seen && spins < SpinsBeforeSleep; spins++) Thread.SpinWait(30);
            if (_generation == seen)
            {
                lock (_sleep)
                {
                    while (_generation == seen) Monitor.Wait(_sleep);
                }
            }
            seen = _generation;
            if (_stopping) return;
            Interlocked.Increment(ref _active);
            if (!_closed) TakeItems(thread);
            Interlocked.Decrement(ref _active);
        }
    }
}
