using OllmNative.Runtime.Language;

namespace OllmNative.Runtime.Extensions;

/// <summary>
/// Launches, copies and fills that were recorded once and are started as one: on a GPU a CUDA graph, which costs the host one call instead
/// of one for each. Arguments are those of the recording; what changes from launch to launch belongs into device memory.
/// </summary>
public abstract class KernelGraph : AcceleratorObject
{
    /// <summary>For backends.</summary>
    protected KernelGraph(AcceleratorStream stream) : base((stream ?? throw new ArgumentNullException(nameof(stream))).Accelerator) => Stream = stream;

    /// <summary>Where it was recorded.</summary>
    public AcceleratorStream Stream { get; }

    /// <summary>How many operations it holds.</summary>
    public abstract int NodeCount { get; }

    /// <summary>Starts it on the stream of the recording.</summary>
    public void Launch() => Launch(Stream);

    /// <summary>Starts it; it runs after what the stream was given before.</summary>
    public abstract void Launch(AcceleratorStream stream);

    /// <summary>
    /// Records again, for other arguments. Where the operations are the same in kind and order the old graph takes the new arguments in
    /// place, otherwise it is made anew.
    /// </summary>
    public abstract void Update(Action work);
}

/// <summary>Recording and order between streams: what ILGPU does not have.</summary>
public static class StreamExtensions
{
    /// <summary>
    /// Records what <paramref name="work"/> gives to the stream, without running it. Within it nothing may wait for the stream: no
    /// Synchronize, and no copies from or to ordinary arrays, which wait; copies within the device and page-locked ones can be recorded.
    /// </summary>
    /// <exception cref="InvalidOperationException">The work waits for the stream.</exception>
    public static KernelGraph CaptureGraph(this AcceleratorStream stream, Action work)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(work);
        return stream.Capture(work);
    }

    /// <summary>Whether a graph is being recorded on the stream.</summary>
    public static bool IsRecording(this AcceleratorStream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        return stream.IsRecordingNow;
    }

    /// <summary>What the stream is given from now on waits, on the device, until the marker's stream has come to the marker.</summary>
    public static void WaitFor(this AcceleratorStream stream, ProfilingMarker marker)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(marker);
        stream.WaitForMarker(marker);
    }
}
