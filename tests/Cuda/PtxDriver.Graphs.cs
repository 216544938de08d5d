using OllmNative.Runtime.Cuda;

namespace OllmNative.Tests.Cuda;

/// <summary>Captures and graphs, and what may not happen while a stream is captured.</summary>
internal sealed unsafe partial class PtxDriver
{
    private const int GlobalMode = 0, ThreadMode = 1, RelaxedMode = 2;

    private sealed class Graph(List<Work> work)
    {
        public List<Work> Work { get; } = work;
    }

    private sealed class GraphExec(List<Work> work)
    {
        public List<Work> Work { get; set; } = work;
    }

    private int _captures;

    /// <summary>Captures that fit are worth nothing from now on; whether there were any.</summary>
    private bool Spoil(Func<Stream, bool> fits)
    {
        if (_captures == 0) return false;
        Stream[] captured = [.. _live.Values.OfType<Stream>().Where(stream => stream.Captured is not null && fits(stream))];
        foreach (Stream stream in captured) stream.CaptureSpoilt = true;
        return captured.Length > 0;
    }

    /// <summary>Calls that may wait for the device: refused while a stream is captured, except in relaxed mode.</summary>
    private CuResult Unsafe(string call)
    {
        if (_captures == 0) return CuResult.Success;
        bool refused = Spoil(stream => stream.CaptureMode == GlobalMode || (stream.CaptureMode == ThreadMode && stream.CaptureThread == Environment.CurrentManagedThreadId));
        return refused ? Refuse(CuResult.StreamCaptureUnsupported, $"{call} while a stream is captured") : CuResult.Success;
    }

    public CuResult StreamBeginCapture(nint stream, int mode)
    {
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            if (Get<Stream>(stream) is not { Captured: null } s || mode is < GlobalMode or > RelaxedMode)
                return Refuse(CuResult.InvalidValue, "cuStreamBeginCapture: no such stream, one that is captured, or no such mode");
            (s.Captured, s.CaptureSpoilt, s.CaptureMode, s.CaptureThread) = ([], false, mode, Environment.CurrentManagedThreadId);
            _captures++;
            return CuResult.Success;
        }
    }

    public CuResult StreamEndCapture(nint stream, out nint graph)
    {
        graph = 0;
        lock (_gate)
        {
            CuResult bad = Enter();
            if (Get<Stream>(stream) is not { Captured: { } captured } s) return Refuse(CuResult.InvalidValue, "cuStreamEndCapture: the stream is not captured");
            s.Captured = null;
            _captures--;
            if (bad != 0) return bad;
            if (s.CaptureMode != RelaxedMode && s.CaptureThread != Environment.CurrentManagedThreadId)
                return Refuse(CuResult.StreamCaptureWrongThread, "cuStreamEndCapture on another thread than its beginning");
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
        const int topologyChanged = 3;
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            if (Get<GraphExec>(executable) is not { } e || Get<Graph>(graph) is not { } g) return CuResult.InvalidHandle;
            if (info == null) return Refuse(CuResult.InvalidValue, "cuGraphExecUpdate: no room for its result");
            *info = new GraphUpdateInfo { Result = topologyChanged };
            if (!e.Work.Select(work => (work.Kind, work.Subject)).SequenceEqual(g.Work.Select(work => (work.Kind, work.Subject)))) return CuResult.GraphExecUpdateFailure;
            e.Work = [.. g.Work];
            info->Result = 0;
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
