using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;

namespace OllmNative.Runtime.Cuda;

/// <summary>A CUDA graph.</summary>
internal sealed unsafe class CudaGraph : KernelGraph
{
    // cuGraphExecUpdate has its present form since then.
    private const int UpdatesInPlace = 12000;

    private readonly CudaAccelerator _gpu;
    private nint _executable;
    private int _nodes;

    public CudaGraph(CudaAccelerator accelerator, CudaStream stream, Action work) : base(stream)
    {
        _gpu = accelerator;
        nint graph = stream.Record(work);
        try
        {
            Instantiate(graph);
        }
        finally
        {
            _ = _gpu.Api.GraphDestroy(graph);
        }
        _gpu.Adopt(this);
    }

    public override int NodeCount => _nodes;

    public override void Launch(AcceleratorStream stream)
    {
        ObjectDisposedException.ThrowIf(_executable == 0, this);
        CudaStream own = _gpu.Own(stream);
        _gpu.Bind();
        if (LaunchProfiler.Active is { } profiler && !own.IsCapturing)
        {
            profiler.Origin(own);
            ProfilingMarker before = own.AddProfilingMarker();
            Start(own);
            profiler.Add($"graph of {_nodes}", own, _nodes, 0, before, own.AddProfilingMarker());
            return;
        }
        Start(own);
    }

    private void Start(CudaStream stream)
    {
        _gpu.Started("a graph");
        stream.EndsInOverlap = false;
        _gpu.Check("cuGraphLaunch", _gpu.Api.GraphLaunch(_executable, stream.StreamPtr));
    }

    public override void Update(Action work)
    {
        ObjectDisposedException.ThrowIf(_executable == 0, this);
        nint graph = ((CudaStream)Stream).Record(work);
        try
        {
            GraphUpdateInfo info;
            if (_gpu.Device.DriverNumber >= UpdatesInPlace && _gpu.Api.GraphExecUpdate(_executable, graph, &info) == CuResult.Success) return;
            // Other operations than before: a new one takes its place.
            nint old = _executable;
            Instantiate(graph);
            _ = _gpu.Api.GraphExecDestroy(old);
        }
        finally
        {
            _ = _gpu.Api.GraphDestroy(graph);
        }
    }

    private void Instantiate(nint graph)
    {
        nuint count = 0;
        _gpu.Check("cuGraphGetNodes", _gpu.Api.GraphGetNodes(graph, null, &count));
        CuResult status = _gpu.Api.GraphInstantiateWithFlags(out nint executable, graph, 0);
        if (status != CuResult.Success) throw _gpu.Failure("cuGraphInstantiateWithFlags", status, $"a graph of {count} operations");
        (_executable, _nodes) = (executable, (int)count);
    }

    protected override void Dispose(bool disposing)
    {
        if (_executable != 0) _gpu.Release(this, () => _gpu.Api.GraphExecDestroy(_executable));
        _executable = 0;
        base.Dispose(disposing);
    }
}
