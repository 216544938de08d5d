namespace OllmNative.Model;

/// <summary>
/// Copies from the host to a device that run beside its work, into two buffers in turn: <see cref="Host"/> is filled and sent, then taken
/// and released, each in the order of the sending.
/// </summary>
/// <typeparam name="T">Element type.</typeparam>
public abstract class Feed<T> : IDisposable where T : unmanaged
{
    /// <summary>Buffers.</summary>
    protected const int Slots = 2;

    private readonly DeviceBuffer<T>[] _buffers;
    private readonly int[] _counts = new int[Slots];
    private int _sent, _taken, _released;

    /// <summary>Allocates the buffers on the device.</summary>
    protected Feed(ComputeDevice device, long capacity)
    {
        ArgumentNullException.ThrowIfNull(device);
        _buffers = [.. Enumerable.Range(0, Slots).Select(_ => device.Allocate<T>(capacity))];
    }

    /// <summary>Buffers that were sent and not yet taken.</summary>
    public int Waiting => _sent - _taken;

    /// <summary>Whether another buffer may be filled: at most two are between sending and release.</summary>
    public bool HasRoom => _sent - _released < Slots;

    /// <summary>Host memory to fill; waits until an earlier copy has left it.</summary>
    public Span<T> Host(int count)
    {
        if (!HasRoom) throw new InvalidOperationException("both buffers are in use");
        _counts[_sent % Slots] = count;
        return Memory(_sent % Slots)[..count];
    }

    /// <summary>Starts the copy of what <see cref="Host"/> gave.</summary>
    public void Send()
    {
        int slot = _sent++ % Slots;
        Copy(slot, _buffers[slot].First(_counts[slot]));
    }

    /// <summary>The oldest buffer that was sent; operations that are asked for from now on find the copy there.</summary>
    public DeviceView<T> Take()
    {
        if (Waiting == 0) throw new InvalidOperationException("nothing was sent");
        int slot = _taken++ % Slots;
        Arrive(slot);
        return _buffers[slot].First(_counts[slot]);
    }

    /// <summary>The operations asked for so far are the last that read what was taken.</summary>
    public void Release()
    {
        if (_released == _taken) throw new InvalidOperationException("nothing was taken");
        Leave(_released++ % Slots);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Host memory of a slot, once an earlier copy has left it.</summary>
    protected abstract Span<T> Memory(int slot);

    /// <summary>Starts the copy of a slot's memory, once the device has left its buffer.</summary>
    protected abstract void Copy(int slot, DeviceView<T> target);

    /// <summary>The device's next operations come after the slot's copy.</summary>
    protected abstract void Arrive(int slot);

    /// <summary>The device's operations so far are the last that read the slot's buffer.</summary>
    protected abstract void Leave(int slot);

    /// <summary>Gives memory back.</summary>
    protected virtual void Dispose(bool disposing)
    {
        foreach (DeviceBuffer<T> buffer in _buffers) buffer.Dispose();
    }
}

/// <summary>For devices whose operations are done when they return.</summary>
internal sealed class HostFeed<T>(ComputeDevice device, long capacity) : Feed<T>(device, capacity) where T : unmanaged
{
    private readonly T[] _memory = new T[capacity];

    protected override Span<T> Memory(int slot) => _memory;

    protected override void Copy(int slot, DeviceView<T> target) => target.Upload(_memory.AsSpan(0, checked((int)target.Length)));

    protected override void Arrive(int slot) { }

    protected override void Leave(int slot) { }
}
