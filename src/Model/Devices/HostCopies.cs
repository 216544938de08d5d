namespace OllmNative.Model;

/// <summary>Copies from a device to the host, in the order in which they were started; each waits for the work before it, and later work runs beside it.</summary>
/// <typeparam name="T">Element type.</typeparam>
public abstract class ReadBack<T> : IDisposable where T : unmanaged
{
    /// <summary>Copies that were started and not read.</summary>
    public int Pending { get; protected set; }

    /// <summary>Starts a copy; its source must not be written before <see cref="Settle"/> or <see cref="Read"/>.</summary>
    /// <exception cref="InvalidOperationException">All slots are under way.</exception>
    public abstract void Start(DeviceView<T> source);

    /// <summary>Operations that are asked for from now on come after all copies, so that they may write the sources. The host does not wait.</summary>
    public virtual void Settle() { }

    /// <summary>Waits for the oldest copy and returns it; valid until as many more have been started as there are slots.</summary>
    public abstract ReadOnlySpan<T> Read();

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Gives memory back.</summary>
    protected virtual void Dispose(bool disposing) { }
}

/// <summary>
/// Copies from the host to a device that run beside its work, into two buffers in turn: <see cref="Host"/> is filled and sent, then taken
/// and released, each in the order of the sending.
/// </summary>
/// <typeparam name="T">Element type.</typeparam>
public abstract class Feed<T> : IDisposable where T : unmanaged
{
    /// <summary>Buffers.</summary>
    protected const int Slots = 2;

    /// <summary>Buffers sent so far, taken so far and released so far.</summary>
    protected int Sent { get; set; }

    /// <inheritdoc cref="Sent"/>
    protected int Taken { get; set; }

    /// <inheritdoc cref="Sent"/>
    protected int Released { get; set; }

    /// <summary>Buffers that were sent and not yet taken.</summary>
    public int Waiting => Sent - Taken;

    /// <summary>Whether another buffer may be filled: at most two are between sending and release.</summary>
    public bool HasRoom => Sent - Released < Slots;

    /// <summary>Host memory to fill; waits until an earlier copy has left it.</summary>
    public abstract Span<T> Host(int count);

    /// <summary>Starts the copy of what <see cref="Host"/> gave.</summary>
    public abstract void Send();

    /// <summary>The oldest buffer that was sent; operations that are asked for from now on find the copy there.</summary>
    public abstract DeviceView<T> Take();

    /// <summary>The operations asked for so far are the last that read what was taken.</summary>
    public abstract void Release();

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Gives memory back.</summary>
    protected virtual void Dispose(bool disposing) { }

    /// <summary>Misuse is a bug of the caller.</summary>
    protected static void Expect(bool condition, string what)
    {
        if (!condition) throw new InvalidOperationException(what);
    }
}

/// <summary>For devices whose operations are done when they return.</summary>
internal sealed class HostReadBack<T>(long capacity, int slots) : ReadBack<T> where T : unmanaged
{
    private readonly T[][] _memory = [.. Enumerable.Range(0, slots).Select(_ => new T[capacity])];
    private readonly int[] _counts = new int[slots];
    private int _started;

    public override void Start(DeviceView<T> source)
    {
        if (Pending == slots) throw new InvalidOperationException($"{slots} copies are under way");
        int slot = _started++ % slots;
        _counts[slot] = checked((int)source.Length);
        source.Download(_memory[slot].AsSpan(0, _counts[slot]));
        Pending++;
    }

    public override ReadOnlySpan<T> Read()
    {
        if (Pending == 0) throw new InvalidOperationException("no copy was started");
        int slot = (_started - Pending--) % slots;
        return _memory[slot].AsSpan(0, _counts[slot]);
    }
}

/// <summary>For devices whose operations are done when they return.</summary>
internal sealed class HostFeed<T>(ComputeDevice device, long capacity) : Feed<T> where T : unmanaged
{
    private readonly T[] _host = new T[capacity];
    private readonly DeviceBuffer<T>[] _buffers = [.. Enumerable.Range(0, Slots).Select(_ => device.Allocate<T>(capacity))];
    private readonly int[] _counts = new int[Slots];

    public override Span<T> Host(int count)
    {
        Expect(HasRoom, "both buffers are in use");
        _counts[Sent % Slots] = count;
        return _host.AsSpan(0, count);
    }

    public override void Send()
    {
        int slot = Sent++ % Slots;
        _buffers[slot].Upload(0, _host.AsSpan(0, _counts[slot]));
    }

    public override DeviceView<T> Take()
    {
        Expect(Waiting > 0, "nothing was sent");
        int slot = Taken++ % Slots;
        return _buffers[slot].First(_counts[slot]);
    }

    public override void Release()
    {
        Expect(Released < Taken, "nothing was taken");
        Released++;
    }

    protected override void Dispose(bool disposing)
    {
        foreach (DeviceBuffer<T> buffer in _buffers) buffer.Dispose();
    }
}
