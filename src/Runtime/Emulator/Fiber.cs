namespace OllmNative.Runtime.Emulator;

/// <summary>A thread of the operating system that carries an emulated thread, and its turnstile.</summary>
internal sealed class Fiber
{
    private const int StackBytes = 512 * 1024;
    private readonly object _gate = new();
    private bool _open;
    private bool _stopped;

    /// <summary>Waits for <see cref="Wake"/>; one that came before counts.</summary>
    public void Wait()
    {
        lock (_gate)
        {
            while (!_open) Monitor.Wait(_gate);
            _open = false;
        }
    }

    public void Wake()
    {
        lock (_gate)
        {
            _open = true;
            Monitor.Pulse(_gate);
        }
    }

    /// <summary>Starts a thread that runs <paramref name="body"/> at each wake-up.</summary>
    public void Start(Action<Fiber> body)
    {
        var thread = new Thread(() => Loop(body), StackBytes) { IsBackground = true, Name = "kernel thread" };
        thread.Start();
    }

    public void Stop()
    {
        _stopped = true;
        Wake();
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
