using System.Collections.Concurrent;
using System.Diagnostics;
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;

namespace OllmNative.Runtime.Cuda;

/// <summary>
/// An open GPU. It holds the device's primary context, and makes it current on each thread that calls. Whatever was made here is given back
/// at the latest when it closes.
/// </summary>
public sealed class CudaAccelerator : Accelerator
{
    // Page-locked for every context, not for this one alone.
    private const uint PortableHostMemory = 1;

    private static long s_lastNumber;

    // The accelerator whose context is current on this thread. Numbers are never used twice, so one that has closed is never taken for open.
    [ThreadStatic] private static long t_current;

    private readonly long _number = Interlocked.Increment(ref s_lastNumber);
    private readonly nint _context;
    private readonly ConcurrentDictionary<IDisposable, byte> _children = new();
    private readonly string?[] _recent = new string?[4];
    private int _launches;
    private CudaException? _lost;
    private bool _disposed, _stuck;

    internal CudaAccelerator(Context context, CudaDevice device, KernelCache? cache = null) : base(context, device)
    {
        Api = device.Api;
        CuResult status = Api.DevicePrimaryCtxRetain(out _context, device.Handle);
        if (status != CuResult.Success) throw Failure("cuDevicePrimaryCtxRetain", status, $"{device.Name} cannot be opened");
        cache ??= KernelCache.Default;
        Notes = new CudaNotes(cache, device.Name, device.Architecture!.Value, device.DriverNumber);
        Kernels = new KernelLoader(this, cache);
    }

    /// <summary>The GPU.</summary>
    public new CudaDevice Device => (CudaDevice)base.Device;

    /// <summary>The driver's number for it.</summary>
    public int DeviceId => Device.DeviceId;

    /// <summary>The CUDA version that the driver supports.</summary>
    public CudaDriverVersion DriverVersion => Device.DriverVersion;

    /// <summary>Its compute capability.</summary>
    public CudaArchitecture Architecture => Device.Architecture!.Value;

    /// <summary>Where kernels came from so far: compiled, or found in the cache.</summary>
    public KernelLoadCounts KernelLoads => Kernels.Counts;

    /// <summary>Set when an error has made the context unusable; every later call throws.</summary>
    public bool IsLost => _lost is not null;

    /// <summary>What earlier runs have found out about this GPU under this driver.</summary>
    public CudaNotes Notes { get; }

    /// <summary>Whether a GPU of this compute capability can overlap launches, in graphs too: from 9.0 and drivers of CUDA 12.3 on.</summary>
    public static bool HasOverlap(int computeMajor, int driver) => computeMajor >= 9 && driver >= 12030;

    /// <summary>Whether kernels that can may start before their predecessors have ended.</summary>
    public bool Overlaps { get; set; } = true;

    /// <summary>Kernels started so far.</summary>
    public int Launches => Volatile.Read(ref _launches);

    /// <summary>Whether a kernel is being compiled and loaded at this moment.</summary>
    public bool IsLoading => Kernels.IsLoading;

    internal ICudaApi Api { get; }
    internal KernelLoader Kernels { get; }

    /// <summary>Bytes of the GPU's memory that nobody uses.</summary>
    public long GetFreeMemory()
    {
        Bind();
        Check("cuMemGetInfo", Api.MemGetInfo(out nuint free, out _));
        return (long)free;
    }

    /// <summary>
    /// Gives the GPU up while something runs there that does not end: the driver would wait for it in nearly every call, so there are no more.
    /// </summary>
    /// <returns>What every later call throws too.</returns>
    public CudaException Abandon(string why)
    {
        string kernels = string.Join(", ", RecentKernels());
        var error = new CudaException($"{Name} is given up: {why}{(kernels.Length > 0 ? $"; the last kernels started were {kernels}" : "")}");
        _stuck = true;
        Interlocked.CompareExchange(ref _lost, error, null);
        if (Api is CudaLibrary) QuickExit.Arm();
        return error;
    }

    public override void Synchronize()
    {
        Bind();
        Check("cuCtxSynchronize", Api.CtxSynchronize());
    }

    /// <summary>Makes the context current on the calling thread.</summary>
    internal void Bind()
    {
        if (_lost is { } lost) throw new CudaException($"{Name} was lost earlier and cannot be used in this process any more: {lost.Message}", lost);
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (t_current != _number) Enter();
    }

    private void Enter()
    {
        Check("cuCtxSetCurrent", Api.CtxSetCurrent(_context));
        t_current = _number;
    }

    internal void Check(string call, CuResult result)
    {
        if (result != CuResult.Success) throw Failure(call, result, "");
    }

    /// <summary>The exception for a failed call. What cannot be recovered from closes the device.</summary>
    internal CudaException Failure(string call, CuResult result, string detail)
    {
        if (result == CuResult.OutOfMemory && Api.MemGetInfo(out nuint free, out nuint total) == CuResult.Success)
            detail = $"{detail}{(detail.Length > 0 ? "; " : "")}{CudaText.Bytes((long)free)} of {CudaText.Bytes((long)total)} are free on {Name}";
        if (!result.IsSticky()) return CudaException.Of(Api, call, result, detail);

        string kernels = string.Join(", ", RecentKernels());
        string started = kernels.Length > 0
            ? $"the last kernels started were {kernels} (the error shows at a later call; with CUDA_LAUNCH_BLOCKING=1 in the environment it shows at the launch itself)"
            : "no kernel was started";
        CudaException error = CudaException.Of(Api, call, result, $"{Name} is lost to this process; {started}{(detail.Length > 0 ? $"; {detail}" : "")}");
        Interlocked.CompareExchange(ref _lost, error, null);
        return error;
    }

    /// <summary>Remembers a launch for the message of a later failure.</summary>
    internal void Started(string kernel) => _recent[(uint)(Interlocked.Increment(ref _launches) - 1) % _recent.Length] = kernel;

    private IEnumerable<string> RecentKernels() =>
        Enumerable.Range(1, Math.Min(_launches, _recent.Length)).Select(back => _recent[(uint)(_launches - back) % _recent.Length]!);

    /// <summary>The stream as one of this device.</summary>
    internal CudaStream Own(AcceleratorStream stream) => stream is CudaStream cuda && cuda.Accelerator == this
        ? cuda
        : throw new ArgumentException($"the stream belongs to {stream?.Accelerator.Name ?? "nothing"}, not to {Name}", nameof(stream));

    internal void Adopt(IDisposable child) => _children[child] = 0;

    /// <summary>Gives something back to the driver, if the driver is still there to take it. Never throws: an error that nobody could act upon.</summary>
    internal void Release(IDisposable child, Action give)
    {
        if (!_children.TryRemove(child, out _) || _lost is not null) return;
        if (t_current != _number && Api.CtxSetCurrent(_context) == CuResult.Success) t_current = _number;
        give();
    }

    protected override MemoryBuffer AllocateRawCore(long length, int elementSize) => new CudaBuffer(this, length, elementSize);

    protected override AcceleratorStream CreateStreamCore() => new CudaStream(this);

    protected internal override Kernel LoadKernelCore(KernelEntry entry) => new CudaKernel(this, entry);

    protected internal override nint AllocatePageLocked(long bytes)
    {
        Bind();
        CuResult status = Api.MemHostAlloc(out nint address, (nuint)bytes, PortableHostMemory);
        return status == CuResult.Success ? address : throw Failure("cuMemHostAlloc", status, $"{CudaText.Bytes(bytes)} of page-locked memory asked for");
    }

    protected internal override void FreePageLocked(nint address)
    {
        // Closing the device gives its page-locked memory back too.
        if (_disposed || _lost is not null) return;
        Bind();
        _ = Api.MemFreeHost(address);
    }

    protected override void Dispose(bool disposing)
    {
        if (!disposing || _disposed) return;
        LaunchProfiler.Closing(this);
        base.Dispose(disposing);
        foreach (IDisposable child in _children.Keys) child.Dispose();
        Debug.Assert(_children.IsEmpty || _lost is not null, "children remove themselves");
        _disposed = true;
        if (_stuck) return;
        if (t_current == _number)
        {
            _ = Api.CtxSetCurrent(0);
            t_current = 0;
        }
        _ = Api.DevicePrimaryCtxRelease(Device.Handle);
    }
}
