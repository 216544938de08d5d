#if !ILGPU
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;

namespace OllmNative.Model.Cuda;

/// <summary>
/// Page-locked memory that uploads go through, so that they wait for nothing: a copy into it, a copy from it in the queue's order. Four
/// quarters are filled in turn; one is used again when the queue has come to the end of its last copies.
/// </summary>
internal sealed unsafe class UploadRing(Accelerator accelerator, AcceleratorStream queue) : IDisposable
{
    private const int Quarters = 4, Alignment = 16;

    /// <summary>Bytes of a quarter; larger uploads come in pieces.</summary>
    public const int QuarterBytes = 1 << 20;

    private readonly PageLockedArray1D<byte> _memory = accelerator.AllocatePageLocked1D<byte>(Quarters * (long)QuarterBytes);
    private readonly ProfilingMarker?[] _ends = new ProfilingMarker?[Quarters];
    private int _quarter, _used;

    /// <summary>target = source, in the queue's order; the source may change at once.</summary>
    public void Upload<T>(ArrayView<T> target, ReadOnlySpan<T> source) where T : unmanaged
    {
        if (queue.IsRecording()) throw new InvalidOperationException("the queue is being recorded: an upload would be repeated with what its memory then holds");
        int most = QuarterBytes / sizeof(T);
        for (int first = 0; first < source.Length; first += most)
        {
            ReadOnlySpan<T> piece = source.Slice(first, Math.Min(most, source.Length - first));
            int bytes = piece.Length * sizeof(T);
            int at = Take(bytes);
            System.Runtime.InteropServices.MemoryMarshal.AsBytes(piece).CopyTo(_memory.Span.Slice(at, bytes));
            target.SubView(first, piece.Length).CopyFromHost(queue, _memory, at);
        }
    }

    public void Dispose()
    {
        foreach (ProfilingMarker? end in _ends) end?.Dispose();
        _memory.Dispose();
    }

    private int Take(int bytes)
    {
        if (_used + bytes > QuarterBytes)
        {
            _ends[_quarter]?.Dispose();
            _ends[_quarter] = queue.AddProfilingMarker();
            _quarter = (_quarter + 1) % Quarters;
            _ends[_quarter]?.Synchronize();
            _used = 0;
        }
        int at = _quarter * QuarterBytes + _used;
        _used += (bytes + Alignment - 1) / Alignment * Alignment;
        return at;
    }
}

/// <summary>Downloads into page-locked memory on a stream of their own, which waits for the work before each.</summary>
internal sealed unsafe class CudaReadBack<T>(Accelerator accelerator, AcceleratorStream queue, AcceleratorStream copies, long capacity, int slots) : ReadBack<T>
    where T : unmanaged
{
    private readonly PageLockedArray1D<byte>[] _memory = [.. Enumerable.Range(0, slots).Select(_ => accelerator.AllocatePageLocked1D<byte>(capacity * sizeof(T)))];
    private readonly ProfilingMarker?[] _ends = new ProfilingMarker?[slots];
    private readonly int[] _counts = new int[slots];
    private int _started;

    public override void Start(DeviceView<T> source)
    {
        if (Pending == slots) throw new InvalidOperationException($"{slots} copies are under way");
        int slot = _started++ % slots;
        _counts[slot] = checked((int)source.Length);
        using (ProfilingMarker before = queue.AddProfilingMarker()) copies.WaitFor(before);
        ((CudaBuffer<T>)source.Buffer!).Read(source.Offset, source.Length).CopyToHost(copies, _memory[slot], 0);
        _ends[slot]?.Dispose();
        _ends[slot] = copies.AddProfilingMarker();
        Pending++;
    }

    public override void Settle()
    {
        if (_started > 0) queue.WaitFor(_ends[(_started - 1) % slots]!);
    }

    public override ReadOnlySpan<T> Read()
    {
        if (Pending == 0) throw new InvalidOperationException("no copy was started");
        int slot = (_started - Pending--) % slots;
        _ends[slot]!.Synchronize();
        return System.Runtime.InteropServices.MemoryMarshal.Cast<byte, T>(_memory[slot].Span)[.._counts[slot]];
    }

    protected override void Dispose(bool disposing)
    {
        foreach (ProfilingMarker? end in _ends) end?.Dispose();
        foreach (PageLockedArray1D<byte> memory in _memory) memory.Dispose();
    }
}

/// <summary>Uploads from page-locked memory on a stream of their own; the queue waits for a copy only when it takes it.</summary>
internal sealed unsafe class CudaFeed<T>(CudaDevice device, Accelerator accelerator, AcceleratorStream queue, AcceleratorStream copies, long capacity) : Feed<T>
    where T : unmanaged
{
    private readonly PageLockedArray1D<byte>[] _memory = [.. Enumerable.Range(0, Slots).Select(_ => accelerator.AllocatePageLocked1D<byte>(capacity * sizeof(T)))];
    private readonly CudaBuffer<T>[] _buffers = [.. Enumerable.Range(0, Slots).Select(_ => (CudaBuffer<T>)device.Allocate<T>(capacity))];
    private readonly ProfilingMarker?[] _arrived = new ProfilingMarker?[Slots], _released = new ProfilingMarker?[Slots];
    private readonly int[] _counts = new int[Slots];

    public override Span<T> Host(int count)
    {
        Expect(HasRoom, "both buffers are in use");
        int slot = Sent % Slots;
        _arrived[slot]?.Synchronize();
        _counts[slot] = count;
        return System.Runtime.InteropServices.MemoryMarshal.Cast<byte, T>(_memory[slot].Span)[..count];
    }

    public override void Send()
    {
        int slot = Sent++ % Slots;
        // The first time it is the zeros that have to be there.
        copies.WaitFor(_released[slot] ??= queue.AddProfilingMarker());
        _buffers[slot].Write(0, _counts[slot]).CopyFromHost(copies, _memory[slot], 0);
        Mark(ref _arrived[slot], copies);
    }

    public override DeviceView<T> Take()
    {
        Expect(Waiting > 0, "nothing was sent");
        int slot = Taken++ % Slots;
        queue.WaitFor(_arrived[slot]!);
        return _buffers[slot].First(_counts[slot]);
    }

    public override void Release()
    {
        Expect(Released < Taken, "nothing was taken");
        Mark(ref _released[Released++ % Slots], queue);
    }

    protected override void Dispose(bool disposing)
    {
        copies.Synchronize();
        foreach (ProfilingMarker? marker in (ProfilingMarker?[])[.. _arrived, .. _released]) marker?.Dispose();
        foreach (CudaBuffer<T> buffer in _buffers) buffer.Dispose();
        foreach (PageLockedArray1D<byte> memory in _memory) memory.Dispose();
    }

    private static void Mark(ref ProfilingMarker? marker, AcceleratorStream stream)
    {
        marker?.Dispose();
        marker = stream.AddProfilingMarker();
    }
}
#endif
