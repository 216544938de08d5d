using System.Reflection;
using OllmNative.Runtime.Extensions;

namespace OllmNative.Runtime.Language;

/// <summary>
/// An open device: memory, streams, kernels. A backend derives from it and gives raw memory, streams and kernels;
/// everything else is common.
/// </summary>
public abstract partial class Accelerator : IDisposable
{
    private readonly Dictionary<(MethodInfo, IndexType), Kernel> _launched = [];
    private AcceleratorStream? _defaultStream;

    protected Accelerator(Context context, Device device)
    {
        Context = context;
        Device = device;
    }

    public Context Context { get; }
    public Device Device { get; }
    public AcceleratorStream DefaultStream => _defaultStream ??= CreateStreamCore();
    public AcceleratorType AcceleratorType => Device.AcceleratorType;
    public string Name => Device.Name;
    public long MemorySize => Device.MemorySize;
    public Index3D MaxGridSize => Device.MaxGridSize;
    public Index3D MaxGroupSize => Device.MaxGroupSize;
    public int MaxNumThreadsPerGroup => Device.MaxNumThreadsPerGroup;
    public int MaxSharedMemoryPerGroup => Device.MaxSharedMemoryPerGroup;
    public int MaxConstantMemory => Device.MaxConstantMemory;
    public int WarpSize => Device.WarpSize;
    public int NumMultiprocessors => Device.NumMultiprocessors;
    public int MaxNumThreadsPerMultiprocessor => Device.MaxNumThreadsPerMultiprocessor;
    public int MaxNumThreads => Device.MaxNumThreads;

    public AcceleratorStream CreateStream() => CreateStreamCore();

    /// <summary>Waits for everything that was started on this device. Throws what a kernel failed with.</summary>
    public abstract void Synchronize();

    public Kernel LoadKernel(MethodInfo method) => LoadKernel(method, KernelSpecialization.Empty);

    public Kernel LoadKernel(MethodInfo method, KernelSpecialization specialization) =>
        LoadKernelCore(new KernelEntry(method, IndexType.KernelConfig, 0, specialization));

    public void PrintInformation(TextWriter writer) => Device.PrintInformation(writer);

    /// <summary>The same on the console.</summary>
    public void PrintInformation() => PrintInformation(Console.Out);

    /// <summary>The most groups of the device's largest size that run at once, and that size.</summary>
    public (Index1D, Index1D) MaxNumGroupsExtent => (NumMultiprocessors * Math.Max(1, MaxNumThreadsPerMultiprocessor / MaxNumThreadsPerGroup), MaxNumThreadsPerGroup);

    public override string ToString() => $"{Name} [{AcceleratorType}]";

    public Kernel LoadImplicitlyGroupedKernel(MethodInfo method, int customGroupSize) =>
        LoadKernelCore(new KernelEntry(method, IndexOf(method), customGroupSize, KernelSpecialization.Empty));

    public Kernel LoadAutoGroupedKernel(MethodInfo method) => LoadImplicitlyGroupedKernel(method, 0);

    /// <summary>A pinned array's memory, for copies.</summary>
    public unsafe PageLockScope<T> CreatePageLockFromPinned<T>(T[] pinned) where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(pinned);
        return CreatePageLockFromPinned<T>(System.Runtime.InteropServices.Marshal.UnsafeAddrOfPinnedArrayElement(pinned, 0), pinned.LongLength);
    }

    /// <summary>Pinned memory of the host, for copies.</summary>
    public PageLockScope<T> CreatePageLockFromPinned<T>(nint pinned, long numElements) where T : unmanaged => new(this, pinned, numElements);

    /// <summary>The kernel of a launch without a loader.</summary>
    private Kernel Launched(Delegate action, IndexType index)
    {
        ArgumentNullException.ThrowIfNull(action);
        lock (_launched)
        {
            if (!_launched.TryGetValue((action.Method, index), out Kernel? kernel))
                _launched[(action.Method, index)] = kernel = KernelLoaders.Load(this, action, index, 0, KernelSpecialization.Empty);
            return kernel;
        }
    }

    private static IndexType IndexOf(MethodInfo method)
    {
        ArgumentNullException.ThrowIfNull(method);
        return method.GetParameters() is [{ ParameterType: var first }, ..] && typeof(IIndex).IsAssignableFrom(first) && first != typeof(KernelConfig)
            ? ((IIndex)Activator.CreateInstance(first)!).IndexType
            : throw new ArgumentException($"{method.Name} does not start with its index: Index1D, Index2D, Index3D or a long form", nameof(method));
    }

    /// <summary>Raw memory of the device.</summary>
    protected abstract MemoryBuffer AllocateRawCore(long length, int elementSize);

    protected abstract AcceleratorStream CreateStreamCore();

    /// <summary>Memory of the host that copies need not stage, and its release.</summary>
    protected internal virtual nint AllocatePageLocked(long bytes) => System.Runtime.InteropServices.Marshal.AllocHGlobal(checked((nint)bytes));

    protected internal virtual void FreePageLocked(nint address) => System.Runtime.InteropServices.Marshal.FreeHGlobal(address);

    /// <summary>Makes a kernel ready to launch: compiles it where there is something to compile.</summary>
    protected internal abstract Kernel LoadKernelCore(KernelEntry entry);

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing)
    {
        if (!disposing) return;
        foreach (Kernel kernel in _launched.Values) kernel.Dispose();
        _launched.Clear();
        _defaultStream?.Dispose();
    }
}

/// <summary>What a kernel is made from.</summary>
/// <param name="Method">The static method, generic arguments filled in.</param>
/// <param name="IndexType">KernelConfig where the launch lays out groups; otherwise the kind of index that is its first parameter, and the runtime lays them out.</param>
/// <param name="GroupSize">Threads of a group for an indexed kernel; 0 lets the runtime choose.</param>
/// <param name="Specialization">What launches keep to.</param>
public sealed record KernelEntry(MethodInfo Method, IndexType IndexType, int GroupSize, KernelSpecialization Specialization)
{
    /// <summary>Whether the launch gives an extent instead of a grid.</summary>
    public bool IsIndexed => IndexType != IndexType.KernelConfig;
    public string Name => $"{Method.DeclaringType?.Name}.{Method.Name}";
}

/// <summary>Something that belongs to an accelerator.</summary>
public abstract class AcceleratorObject : IDisposable
{
    protected AcceleratorObject(Accelerator accelerator) => Accelerator = accelerator;

    public Accelerator Accelerator { get; }
    public AcceleratorType AcceleratorType => Accelerator.AcceleratorType;

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing) { }
}

/// <summary>An order of launches and copies.</summary>
public abstract class AcceleratorStream : AcceleratorObject
{
    protected AcceleratorStream(Accelerator accelerator) : base(accelerator) { }

    /// <summary>Waits for what this stream has been given. Throws what a kernel failed with.</summary>
    public abstract void Synchronize();

    public Task SynchronizeAsync() => Task.Run(Synchronize);

    /// <summary>A point of this stream's time.</summary>
    public ProfilingMarker AddProfilingMarker() => AddProfilingMarkerCore();

    protected abstract ProfilingMarker AddProfilingMarkerCore();

    /// <summary>Whether a graph is being recorded.</summary>
    internal virtual bool IsRecordingNow => false;

    /// <summary>Records what the work gives to this stream.</summary>
    internal virtual KernelGraph Capture(Action work) => throw new NotSupportedException($"{Accelerator.Name} has no graphs");

    /// <summary>Holds later work of this stream back until the marker is reached; nothing to do where work is done when it is given.</summary>
    internal virtual void WaitForMarker(ProfilingMarker marker) { }
}

/// <summary>A point of a stream's time.</summary>
public abstract class ProfilingMarker : AcceleratorObject
{
    protected ProfilingMarker(Accelerator accelerator) : base(accelerator) { }

    public abstract void Synchronize();

    /// <summary>Moves the marker to the present point of a stream; nothing to do where work is done when it is given.</summary>
    internal virtual void Move(AcceleratorStream stream) { }

    /// <summary>Time since another marker.</summary>
    public abstract TimeSpan MeasureFrom(ProfilingMarker marker);

    public static TimeSpan operator -(ProfilingMarker end, ProfilingMarker start) => end.MeasureFrom(start);
}

/// <summary>Markers on the default stream.</summary>
public static class ProfilingMarkers
{
    public static ProfilingMarker AddProfilingMarker(this Accelerator accelerator) => accelerator.DefaultStream.AddProfilingMarker();
}
