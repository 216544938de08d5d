using OllmNative.Runtime.Emulator;
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;

namespace OllmNative.Runtime.Cuda;

/// <summary>A stream of a GPU; it waits for no other.</summary>
public sealed class CudaStream : AcceleratorStream
{
    // Work of one stream never waits for the driver's own default stream.
    private const uint NonBlocking = 1;

    // Allocating and loading modules stay possible while a graph is recorded.
    private const int RelaxedCapture = 2;

    private readonly CudaAccelerator _gpu;

    internal CudaStream(CudaAccelerator accelerator) : base(accelerator)
    {
        _gpu = accelerator;
        _gpu.Bind();
        _gpu.Check("cuStreamCreate", _gpu.Api.StreamCreate(out nint stream, NonBlocking));
        StreamPtr = stream;
        _gpu.Adopt(this);
    }

    /// <summary>The driver's handle.</summary>
    public nint StreamPtr { get; private set; }

    /// <summary>Whether a graph is being recorded.</summary>
    internal bool IsCapturing { get; private set; }

    /// <summary>
    /// Whether the last thing asked of the stream is a kernel that overlaps its predecessor. Only such a one may be overlapped itself: all others, which write
    /// weights too, are over before the next kernel starts, so what a kernel reads ahead of its wait is there.
    /// </summary>
    internal bool EndsInOverlap { get; set; }

    internal override bool IsRecordingNow => IsCapturing;

    public override void Synchronize()
    {
        if (IsCapturing) throw new InvalidOperationException(EmulatorStream.CapturedWait);
        _gpu.Bind();
        _gpu.Check("cuStreamSynchronize", _gpu.Api.StreamSynchronize(StreamPtr));
    }

    protected override ProfilingMarker AddProfilingMarkerCore() => new CudaMarker(_gpu, this);

    internal override void WaitForMarker(ProfilingMarker marker)
    {
        if (marker is not CudaMarker { Event: var handle } || marker.Accelerator != _gpu)
            throw new ArgumentException($"the marker belongs to {marker.Accelerator.Name}, not to {_gpu.Name}", nameof(marker));
        _gpu.Bind();
        EndsInOverlap = false;
        _gpu.Check("cuStreamWaitEvent", _gpu.Api.StreamWaitEvent(StreamPtr, handle, 0));
    }

    internal override KernelGraph Capture(Action work) => new CudaGraph(_gpu, this, work);

    /// <summary>Records the work into a graph of the driver, which the caller gives back.</summary>
    internal nint Record(Action work)
    {
        if (IsCapturing) throw new InvalidOperationException("the stream is being recorded already");
        _gpu.Bind();
        _gpu.Check("cuStreamBeginCapture", _gpu.Api.StreamBeginCapture(StreamPtr, RelaxedCapture));
        IsCapturing = true;
        EndsInOverlap = false;
        nint graph;
        CuResult status;
        try
        {
            work();
        }
        catch
        {
            // The stream must leave its recording state whatever went wrong.
            if (_gpu.Api.StreamEndCapture(StreamPtr, out graph) == CuResult.Success && graph != 0) _ = _gpu.Api.GraphDestroy(graph);
            throw;
        }
        finally
        {
            IsCapturing = false;
            EndsInOverlap = false;
        }
        status = _gpu.Api.StreamEndCapture(StreamPtr, out graph);
        return status == CuResult.Success ? graph : throw _gpu.Failure("cuStreamEndCapture", status, "the recorded work did something that a graph cannot hold");
    }

    protected override void Dispose(bool disposing)
    {
        if (StreamPtr != 0) _gpu.Release(this, () => _gpu.Api.StreamDestroy(StreamPtr));
        StreamPtr = 0;
        base.Dispose(disposing);
    }
}

/// <summary>An event of the driver.</summary>
internal sealed class CudaMarker : ProfilingMarker
{
    private readonly CudaAccelerator _gpu;

    public CudaMarker(CudaAccelerator accelerator, CudaStream stream) : base(accelerator)
    {
        _gpu = accelerator;
        _gpu.Bind();
        _gpu.Check("cuEventCreate", _gpu.Api.EventCreate(out nint handle, 0));
        Event = handle;
        _gpu.Adopt(this);
        CuResult status = _gpu.Api.EventRecord(Event, stream.StreamPtr);
        if (status == CuResult.Success) return;
        Dispose();
        throw _gpu.Failure("cuEventRecord", status, "");
    }

    /// <summary>The driver's handle.</summary>
    public nint Event { get; private set; }

    public override void Synchronize()
    {
        _gpu.Bind();
        _gpu.Check("cuEventSynchronize", _gpu.Api.EventSynchronize(Event));
    }

    internal override void Move(AcceleratorStream stream)
    {
        CudaStream own = _gpu.Own(stream);
        _gpu.Bind();
        _gpu.Check("cuEventRecord", _gpu.Api.EventRecord(Event, own.StreamPtr));
    }

    public override TimeSpan MeasureFrom(ProfilingMarker marker)
    {
        if (marker is not CudaMarker { Event: var start } earlier || earlier._gpu != _gpu)
            throw new ArgumentException("the marker belongs to another device", nameof(marker));
        earlier.Synchronize();
        Synchronize();
        _gpu.Check("cuEventElapsedTime", _gpu.Api.EventElapsedTime(out float milliseconds, start, Event));
        return TimeSpan.FromMilliseconds(milliseconds);
    }

    protected override void Dispose(bool disposing)
    {
        if (Event != 0) _gpu.Release(this, () => _gpu.Api.EventDestroy(Event));
        Event = 0;
        base.Dispose(disposing);
    }
}
