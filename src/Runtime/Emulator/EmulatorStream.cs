using System.Diagnostics;
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;

namespace OllmNative.Runtime.Emulator;

/// <summary>A stream whose work is done when it is given, unless it is being recorded.</summary>
internal sealed class EmulatorStream(Accelerator accelerator) : AcceleratorStream(accelerator)
{
    /// <summary>Takes the work while a graph is recorded.</summary>
    public List<Action>? Recording { get; private set; }

    internal override bool IsRecordingNow => Recording is not null;

    public override void Synchronize()
    {
        if (Recording is not null) throw new InvalidOperationException(CapturedWait);
    }

    /// <summary>What is wrong with waiting inside of a recording.</summary>
    internal const string CapturedWait = "the stream is being recorded into a graph: nothing can wait for it, and copies from or to ordinary arrays do";

    protected override ProfilingMarker AddProfilingMarkerCore() => new EmulatorMarker(Accelerator);

    internal override KernelGraph Capture(Action work) => new EmulatorGraph(this, work);

    internal List<Action> Record(Action work)
    {
        if (Recording is not null) throw new InvalidOperationException("the stream is being recorded already");
        List<Action> recording = Recording = [];
        try
        {
            work();
        }
        finally
        {
            Recording = null;
        }
        return recording;
    }
}

/// <summary>A point of the host's time.</summary>
internal sealed class EmulatorMarker(Accelerator accelerator) : ProfilingMarker(accelerator)
{
    private readonly long _time = Stopwatch.GetTimestamp();

    public override void Synchronize() { }
    public override TimeSpan MeasureFrom(ProfilingMarker marker) => Stopwatch.GetElapsedTime(((EmulatorMarker)marker)._time, _time);
}

/// <summary>Recorded work, done again at each launch.</summary>
internal sealed class EmulatorGraph : KernelGraph
{
    private List<Action> _work;

    public EmulatorGraph(EmulatorStream stream, Action work) : base(stream) => _work = stream.Record(work);

    public override int NodeCount => _work.Count;

    public override void Launch(AcceleratorStream stream)
    {
        foreach (Action step in _work) step();
    }

    public override void Update(Action work) => _work = ((EmulatorStream)Stream).Record(work);
}
