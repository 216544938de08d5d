namespace OllmNative.Model;

/// <summary>
/// Host memory that takes copies from a device while both go on. <see cref="Copy"/> only starts one; who wants the values marks a point of the
/// device's order behind it and later waits for that point. Made by <see cref="ComputeDevice.NewHostPlaces"/>.
/// </summary>
/// <typeparam name="T">Element type.</typeparam>
public abstract class HostPlaces<T> : IDisposable where T : unmanaged
{
    /// <summary>Starts a copy to the beginning of a place, after what the device was asked for before.</summary>
    public abstract void Copy(DeviceView<T> source, int place);

    /// <summary>Remembers the point behind all copies so far, under a place's number.</summary>
    public abstract void Mark(int place);

    /// <summary>Waits until the device has come to the point.</summary>
    public abstract void Wait(int place);

    /// <summary>Operations that are asked for from now on come after the point. The host does not wait.</summary>
    public abstract void Settle(int place);

    /// <summary>The last copy to a place that has ended, and perhaps parts of a later one.</summary>
    public abstract ReadOnlySpan<T> Values(int place);

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Gives memory back.</summary>
    protected abstract void Dispose(bool disposing);
}

/// <summary>For devices whose operations are done when they return.</summary>
internal sealed class HostArrays<T>(long capacity, int places) : HostPlaces<T> where T : unmanaged
{
    private readonly T[][] _memory = [.. Enumerable.Range(0, places).Select(_ => new T[capacity])];

    public override void Copy(DeviceView<T> source, int place) => source.Download(_memory[place].AsSpan(0, checked((int)source.Length)));

    public override void Mark(int place) { }

    public override void Wait(int place) { }

    public override void Settle(int place) { }

    public override ReadOnlySpan<T> Values(int place) => _memory[place];

    protected override void Dispose(bool disposing) { }
}

/// <summary>Copies from a device to the host, in the order in which they were started; each waits for the work before it, and later work runs beside it.</summary>
/// <typeparam name="T">Element type.</typeparam>
public sealed class ReadBack<T> : IDisposable where T : unmanaged
{
    private readonly HostPlaces<T> _places;
    private readonly int[] _counts;
    private int _started;

    internal ReadBack(HostPlaces<T> places, int slots) => (_places, _counts) = (places, new int[slots]);

    /// <summary>Copies that were started and not read.</summary>
    public int Pending { get; private set; }

    /// <summary>Starts a copy; its source must not be written before <see cref="Settle"/> or <see cref="Read"/>.</summary>
    /// <exception cref="InvalidOperationException">All slots are under way.</exception>
    public void Start(DeviceView<T> source)
    {
        if (Pending == _counts.Length) throw new InvalidOperationException($"{_counts.Length} copies are under way");
        int slot = _started++ % _counts.Length;
        _counts[slot] = checked((int)source.Length);
        _places.Copy(source, slot);
        _places.Mark(slot);
        Pending++;
    }

    /// <summary>Operations that are asked for from now on come after all copies, so that they may write the sources. The host does not wait.</summary>
    public void Settle()
    {
        if (_started > 0) _places.Settle((_started - 1) % _counts.Length);
    }

    /// <summary>Waits for the oldest copy and returns it; valid until as many more have been started as there are slots.</summary>
    /// <exception cref="InvalidOperationException">No copy was started.</exception>
    public ReadOnlySpan<T> Read()
    {
        if (Pending == 0) throw new InvalidOperationException("no copy was started");
        int slot = (_started - Pending--) % _counts.Length;
        _places.Wait(slot);
        return _places.Values(slot)[.._counts[slot]];
    }

    /// <inheritdoc/>
    public void Dispose() => _places.Dispose();
}
