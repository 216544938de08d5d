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
    // A thread copies about 7 GB/s out of a mapped file, a GPU's link takes 25 to 55: weights are copied by several.
    private const int Quarters = 4, Alignment = 16, ThreadBytes = 1 << 19, MostThreads = 8;

    /// <summary>Bytes of a quarter; larger uploads come in pieces.</summary>
    public const int QuarterBytes = 1 << 22;

    private static readonly ParallelOptions Copying = new() { MaxDegreeOfParallelism = Math.Min(MostThreads, Environment.ProcessorCount) };

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
            fixed (T* from = piece)
            fixed (byte* to = _memory.Span.Slice(at, bytes)) Copy((byte*)from, to, bytes);
            target.SubView(first, piece.Length).CopyFromHost(queue, _memory, at);
        }
    }

    public void Dispose()
    {
        foreach (ProfilingMarker? end in _ends) end?.Dispose();
        _memory.Dispose();
    }

    private static void Copy(byte* from, byte* to, int bytes)
    {
        int parts = bytes / ThreadBytes;
        if (parts < 2) Buffer.MemoryCopy(from, to, bytes, bytes);
        else CopyTogether(from, to, bytes, parts);
    }

    // A function of its own: what the threads share is made on the heap, which small uploads do not touch.
    private static void CopyTogether(byte* from, byte* to, int bytes, int parts) => Parallel.For(0, parts, Copying, i =>
    {
        long first = (long)bytes * i / parts, end = (long)bytes * (i + 1) / parts;
        Buffer.MemoryCopy(from + first, to + first, end - first, end - first);
    });

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

/// <summary>Streams that are about to close.</summary>
internal static class ClosingStreams
{
    /// <summary>Waits until nothing is under way. A device that was lost has nothing under way, and has told so already.</summary>
    public static void Drain(this AcceleratorStream stream)
    {
        try
        {
            stream.Synchronize();
        }
        catch (Runtime.Cuda.CudaException)
        {
        }
    }
}

/// <summary>
/// Page-locked memory for copies from the device, each place with an event that is recorded again and again. Copies go on the queue itself, or
/// on a second stream that waits for the queue's work before each.
/// </summary>
internal sealed unsafe class PageLockedPlaces<T> : HostPlaces<T> where T : unmanaged
{
    private readonly AcceleratorStream _queue, _copies;
    private readonly PageLockedArray1D<byte>[] _memory;
    private readonly ProfilingMarker[] _marks;
    private readonly ProfilingMarker? _before;

    public PageLockedPlaces(Accelerator accelerator, AcceleratorStream queue, AcceleratorStream copies, long capacity, int places)
    {
        (_queue, _copies) = (queue, copies);
        _memory = [.. Enumerable.Range(0, places).Select(_ => accelerator.AllocatePageLocked1D<byte>(Math.Max(1, capacity) * sizeof(T)))];
        _marks = [.. Enumerable.Range(0, places).Select(_ => copies.AddProfilingMarker())];
        if (copies != queue) _before = queue.AddProfilingMarker();
    }

    public override void Copy(DeviceView<T> source, int place)
    {
        if (_before is not null)
        {
            _queue.Move(_before);
            _copies.WaitFor(_before);
        }
        ((CudaBuffer<T>)source.Buffer!).Read(source.Offset, source.Length).CopyToHost(_copies, _memory[place], 0);
    }

    public override void Mark(int place) => _copies.Move(_marks[place]);

    public override void Wait(int place) => _marks[place].Synchronize();

    public override void Settle(int place) => _queue.WaitFor(_marks[place]);

    public override ReadOnlySpan<T> Values(int place) => System.Runtime.InteropServices.MemoryMarshal.Cast<byte, T>(_memory[place].Span);

    protected override void Dispose(bool disposing)
    {
        // A copy that is under way writes to the memory.
        _copies.Drain();
        foreach (ProfilingMarker mark in _marks) mark.Dispose();
        _before?.Dispose();
        foreach (PageLockedArray1D<byte> memory in _memory) memory.Dispose();
    }
}

/// <summary>Uploads from page-locked memory on a stream of their own; the queue waits for a copy only when it takes it.</summary>
internal sealed unsafe class CudaFeed<T> : Feed<T> where T : unmanaged
{
    private readonly AcceleratorStream _queue, _copies;
    private readonly PageLockedArray1D<byte>[] _memory;
    private readonly ProfilingMarker[] _arrived, _released;

    public CudaFeed(CudaDevice device, Accelerator accelerator, AcceleratorStream queue, AcceleratorStream copies, long capacity) : base(device, capacity)
    {
        (_queue, _copies) = (queue, copies);
        _memory = [.. Enumerable.Range(0, Slots).Select(_ => accelerator.AllocatePageLocked1D<byte>(capacity * sizeof(T)))];
        _arrived = [.. Enumerable.Range(0, Slots).Select(_ => copies.AddProfilingMarker())];
        // The first time it is the buffers' zeros that have to be there: the base class has just asked for them.
        _released = [.. Enumerable.Range(0, Slots).Select(_ => queue.AddProfilingMarker())];
    }

    protected override Span<T> Memory(int slot)
    {
        _arrived[slot].Synchronize();
        return System.Runtime.InteropServices.MemoryMarshal.Cast<byte, T>(_memory[slot].Span);
    }

    protected override void Copy(int slot, DeviceView<T> target)
    {
        _copies.WaitFor(_released[slot]);
        ((CudaBuffer<T>)target.Buffer!).Write(target.Offset, target.Length).CopyFromHost(_copies, _memory[slot], 0);
        _copies.Move(_arrived[slot]);
    }

    protected override void Arrive(int slot) => _queue.WaitFor(_arrived[slot]);

    protected override void Leave(int slot) => _queue.Move(_released[slot]);

    protected override void Dispose(bool disposing)
    {
        _copies.Drain();
        foreach (ProfilingMarker marker in (ProfilingMarker[])[.. _arrived, .. _released]) marker.Dispose();
        foreach (PageLockedArray1D<byte> memory in _memory) memory.Dispose();
        base.Dispose(disposing);
    }
}
#endif
