using System.Runtime.InteropServices;

namespace OllmNative.Runtime.Emulator;

/// <summary>A thread of the operating system that carries an emulated thread, and its turnstile.</summary>
internal sealed unsafe class Fiber : IDisposable
{
    private const int StackBytes = 512 * 1024;

    // 1 when open. Alone in its cache line, and at an address that stays.
    private readonly int* _open = (int*)NativeMemory.AlignedAlloc(64, 64);
    private readonly object _gate = new();
    private volatile bool _stopped;
    private Thread? _thread;

    public Fiber() => *_open = 0;

    /// <summary>Waits for <see cref="Wake"/>; one that came before counts.</summary>
    public void Wait()
    {
        if (Futex.IsAvailable)
        {
            while (Interlocked.Exchange(ref *_open, 0) == 0) Futex.Wait(_open, 0);
            return;
        }

        lock (_gate)
        {
            while (*_open == 0) Monitor.Wait(_gate);
            *_open = 0;
        }
    }

    public void Wake()
    {
        if (Futex.IsAvailable)
        {
            Volatile.Write(ref *_open, 1);
            Futex.Wake(_open);
            return;
        }

        lock (_gate)
        {
            *_open = 1;
            Monitor.Pulse(_gate);
        }
    }

    /// <summary>Starts a thread that runs <paramref name="body"/> at each wake-up.</summary>
    public void Start(Action<Fiber> body)
    {
        _thread = new Thread(() => Loop(body), StackBytes) { IsBackground = true, Name = "kernel thread" };
        _thread.Start();
    }

    /// <summary>Ends its thread, which must be waiting for a wake-up of <see cref="Start"/>.</summary>
    public void Dispose()
    {
        _stopped = true;
        if (_thread is not null)
        {
            Wake();
            _thread.Join();
        }

        NativeMemory.AlignedFree(_open);
    }

    private void Loop(Action<Fiber> body)
    {
        while (true)
        {
            Wait();
            if (_stopped) return;
            body(this);
        }
    }
}
