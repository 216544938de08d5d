using System.Diagnostics;
using OllmNative.Runtime.Cuda;
using OllmNative.Tests.Ptx;

namespace OllmNative.Tests.Cuda;

internal sealed unsafe partial class PtxDriver
{
    /// <summary>Something for a stream to do: its kind, the function of a launch, and how; a launch also as the adversary runs it.</summary>
    private sealed record Work(string Kind, object? Subject, Action Run, Func<PtxGrid>? Grid = null, bool Overlaps = false, RaceSeen? Host = null)
    {
        /// <summary>The event, and which of its recordings, that has to be reached first.</summary>
        public (Event Event, int Number)? After { get; init; }
    }

    private sealed class Stream
    {
        public Queue<Work> Pending { get; } = new();
        public List<Work>? Captured { get; set; }
        public bool CaptureSpoilt { get; set; }
    }

    private sealed class Event
    {
        public Stream? Stream { get; set; }
        public int Recorded { get; set; }
        public int Reached { get; set; }
        public long Time { get; set; }

        /// <summary>What was over when it was reached.</summary>
        public RaceSeen? Clock { get; set; }
    }

    private sealed class Graph(List<Work> work)
    {
        public List<Work> Work { get; } = work;
    }

    private sealed class GraphExec(List<Work> work)
    {
        public List<Work> Work { get; set; } = work;
    }

    private CuResult Give(Stream stream, Work work)
    {
        if (stream.Captured is { } captured) captured.Add(work);
        else stream.Pending.Enqueue(work with { Host = Adversary?.Watch.Host });
        return CuResult.Success;
    }

    /// <summary>
    /// Does what a stream has been given, or so much of it that something holds. Work that waits for an event stays in the queue until the other stream has come
    /// so far, which may be by way of this one. A kernel that fails takes the context with it.
    /// </summary>
    private void Drain(Stream stream, Func<bool>? until = null)
    {
        while (_sticky == 0 && until?.Invoke() != true && stream.Pending.TryPeek(out Work? work))
        {
            if (work.After is { } after && after.Event.Reached < after.Number && after.Event.Stream is { } other && other != stream)
            {
                Drain(other, () => after.Event.Reached >= after.Number);
                if (!stream.Pending.TryPeek(out Work? still) || still != work) continue;
            }
            stream.Pending.Dequeue();
            try
            {
                Adversary?.Watch.Stream(stream).After(work.Host);
                if (Adversary is not null && work.Grid is not null) RunBadly(stream, work);
                else work.Run();
            }
            catch (PtxException error)
            {
                KernelFailure = error.Message;
                _sticky = error.Message.Contains("multiple of", StringComparison.Ordinal) ? CuResult.MisalignedAddress : CuResult.IllegalAddress;
            }
        }
    }

    private void DrainAll()
    {
        foreach (Stream stream in _live.Values.OfType<Stream>().ToArray())
        {
            Drain(stream);
            Adversary?.Watch.HostWaits(Adversary.Watch.Stream(stream).Clock);
        }
    }

    public CuResult StreamCreate(out nint stream, uint flags)
    {
        stream = 0;
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            stream = NewHandle(new Stream());
            return CuResult.Success;
        }
    }

    public CuResult StreamDestroy(nint stream)
    {
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            if (Get<Stream>(stream) is not { } s) return CuResult.InvalidHandle;
            Drain(s);
            _live.Remove(stream);
            return CuResult.Success;
        }
    }

    public CuResult StreamSynchronize(nint stream)
    {
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            if (Get<Stream>(stream) is not { } s) return CuResult.InvalidHandle;
            if (s.Captured is not null)
            {
                s.CaptureSpoilt = true;
                return CuResult.StreamCaptureUnsupported;
            }
            Drain(s);
            Adversary?.Watch.HostWaits(Adversary.Watch.Stream(s).Clock);
            return _sticky;
        }
    }

    public CuResult StreamWaitEvent(nint stream, nint @event, uint flags)
    {
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            if (Get<Stream>(stream) is not { } s || Get<Event>(@event) is not { } e) return CuResult.InvalidHandle;
            int number = e.Recorded;
            return Give(s, new Work("wait", null, () => Adversary?.Watch.Stream(s).After(e.Clock)) { After = (e, number) });
        }
    }

    public CuResult EventCreate(out nint @event, uint flags)
    {
        @event = 0;
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            @event = NewHandle(new Event());
            return CuResult.Success;
        }
    }

    public CuResult EventRecord(nint @event, nint stream)
    {
        if (IgnoresLaunches) return Enter();
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            if (Get<Event>(@event) is not { } e || Get<Stream>(stream) is not { } s) return CuResult.InvalidHandle;
            e.Stream = s;
            int number = ++e.Recorded;
            return Give(s, new Work("event", null, () => (e.Reached, e.Time, e.Clock) = (number, Stopwatch.GetTimestamp(), Adversary?.Watch.Stream(s).Clock)));
        }
    }

    public CuResult EventSynchronize(nint @event)
    {
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            if (Get<Event>(@event) is not { } e) return CuResult.InvalidHandle;
            if (e.Reached < e.Recorded && e.Stream is { } stream) Drain(stream);
            Adversary?.Watch.HostWaits(e.Clock);
            return _sticky;
        }
    }

    public CuResult EventElapsedTime(out float milliseconds, nint start, nint end)
    {
        milliseconds = 0;
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            if (Get<Event>(start) is not { } from || Get<Event>(end) is not { } to) return CuResult.InvalidHandle;
            if (from.Reached < from.Recorded || to.Reached < to.Recorded) return CuResult.NotReady;
            milliseconds = (float)Stopwatch.GetElapsedTime(from.Time, to.Time).TotalMilliseconds;
            return CuResult.Success;
        }
    }

    public CuResult EventDestroy(nint @event)
    {
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            return Get<Event>(@event) is not null && _live.Remove(@event) ? CuResult.Success : CuResult.InvalidHandle;
        }
    }

    public CuResult StreamBeginCapture(nint stream, int mode)
    {
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            if (Get<Stream>(stream) is not { Captured: null } s) return CuResult.InvalidValue;
            (s.Captured, s.CaptureSpoilt) = ([], false);
            return CuResult.Success;
        }
    }

    public CuResult StreamEndCapture(nint stream, out nint graph)
    {
        graph = 0;
        lock (_gate)
        {
            CuResult bad = Enter();
            if (Get<Stream>(stream) is not { Captured: { } captured } s) return CuResult.InvalidValue;
            s.Captured = null;
            if (bad != 0) return bad;
            if (s.CaptureSpoilt) return CuResult.StreamCaptureInvalidated;
            graph = NewHandle(new Graph(captured));
            return CuResult.Success;
        }
    }

    public CuResult GraphGetNodes(nint graph, nint* nodes, nuint* count)
    {
        lock (_gate)
        {
            if (Enter(false) is var bad && bad != 0) return bad;
            if (Get<Graph>(graph) is not { } g || nodes != null) return CuResult.InvalidValue;
            *count = (nuint)g.Work.Count;
            return CuResult.Success;
        }
    }

    public CuResult GraphInstantiateWithFlags(out nint executable, nint graph, ulong flags)
    {
        executable = 0;
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            if (Get<Graph>(graph) is not { } g) return CuResult.InvalidHandle;
            executable = NewHandle(new GraphExec([.. g.Work]));
            return CuResult.Success;
        }
    }

    public CuResult GraphExecUpdate(nint executable, nint graph, GraphUpdateInfo* info)
    {
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            if (Get<GraphExec>(executable) is not { } e || Get<Graph>(graph) is not { } g) return CuResult.InvalidHandle;
            if (!e.Work.Select(work => (work.Kind, work.Subject)).SequenceEqual(g.Work.Select(work => (work.Kind, work.Subject)))) return CuResult.GraphExecUpdateFailure;
            e.Work = [.. g.Work];
            return CuResult.Success;
        }
    }

    public CuResult GraphLaunch(nint executable, nint stream)
    {
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            if (Get<GraphExec>(executable) is not { } e || Get<Stream>(stream) is not { } s) return CuResult.InvalidHandle;
            if (IgnoresLaunches) return CuResult.Success;
            foreach (Work work in e.Work) Give(s, work);
            return CuResult.Success;
        }
    }

    public CuResult GraphExecDestroy(nint executable)
    {
        lock (_gate)
        {
            if (Enter(false) is var bad && bad != 0) return bad;
            return Get<GraphExec>(executable) is not null && _live.Remove(executable) ? CuResult.Success : CuResult.InvalidHandle;
        }
    }

    public CuResult GraphDestroy(nint graph)
    {
        lock (_gate)
        {
            if (Enter(false) is var bad && bad != 0) return bad;
            return Get<Graph>(graph) is not null && _live.Remove(graph) ? CuResult.Success : CuResult.InvalidHandle;
        }
    }
}
