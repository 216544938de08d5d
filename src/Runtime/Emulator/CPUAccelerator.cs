using System.Collections.Immutable;
using System.Runtime.InteropServices;
using OllmNative.Runtime.Language;

namespace OllmNative.Runtime.Emulator;

/// <summary>How many groups the emulator runs at once.</summary>
public enum CPUAcceleratorMode
{
    Auto = 0,

    /// <summary>One: the same order at each run, also across groups.</summary>
    Sequential = 1,

    /// <summary>As many as there are processors.</summary>
    Parallel = 2,
}

/// <summary>The emulator as a device, with the limits of an H200.</summary>
public sealed class CPUDevice : Device
{
    public static readonly CPUDevice Default = new();
    public static readonly ImmutableArray<CPUDevice> All = [Default];

    private CPUDevice() : base(AcceleratorType.CPU, "emulator")
    {
        MemorySize = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        MaxSharedMemoryPerGroup = 227 * 1024;
        NumMultiprocessors = Environment.ProcessorCount;
    }

    public override Accelerator CreateAccelerator(Context context) => CreateCPUAccelerator(context);
    public CPUAccelerator CreateCPUAccelerator(Context context) => CreateCPUAccelerator(context, CPUAcceleratorMode.Auto);
    public CPUAccelerator CreateCPUAccelerator(Context context, CPUAcceleratorMode mode) => new(context, this, mode);
}

/// <summary>The ways to the emulator from a context.</summary>
public static class CPUContextExtensions
{
    /// <summary>Adds the emulator.</summary>
    public static Context.Builder DefaultCPU(this Context.Builder builder) => builder.CPU();

    public static Context.Builder CPU(this Context.Builder builder, Predicate<CPUDevice> predicate)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(predicate);
        return builder.AllAccelerators(device => device is CPUDevice cpu && predicate(cpu));
    }

    public static Context.DeviceCollection<CPUDevice> GetCPUDevices(this Context context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return context.GetDevices<CPUDevice>();
    }

    public static Context.Builder CPU(this Context.Builder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AllAccelerators(static device => device is CPUDevice);
    }

    public static CPUDevice GetCPUDevice(this Context context, int cpuDeviceIndex)
    {
        ArgumentNullException.ThrowIfNull(context);
        return context.GetDevice<CPUDevice>(cpuDeviceIndex);
    }

    public static CPUAccelerator CreateCPUAccelerator(this Context context, int cpuDeviceIndex) =>
        context.GetCPUDevice(cpuDeviceIndex).CreateCPUAccelerator(context);
    public static CPUAccelerator CreateCPUAccelerator(this Context context, int cpuDeviceIndex, CPUAcceleratorMode mode) =>
        context.GetCPUDevice(cpuDeviceIndex).CreateCPUAccelerator(context, mode);
}

/// <summary>
/// Runs kernels as the C# that they are, each thread of a group in turn, groups side by side. A launch has ended when it returns,
/// and throws <see cref="KernelException"/> if the kernel went wrong.
/// </summary>
public sealed class CPUAccelerator : Accelerator
{
    private readonly List<EmulatedGroup> _groups = [];
    private readonly object _launching = new();

    internal CPUAccelerator(Context context, CPUDevice device, CPUAcceleratorMode mode) : base(context, device) => Mode = mode;

    public CPUAcceleratorMode Mode { get; }
    public bool UsesSequentialExecution => Mode == CPUAcceleratorMode.Sequential;

    public override void Synchronize() { }

    /// <summary>Runs all groups of a launch.</summary>
    internal void Run(Launch launch)
    {
        lock (_launching)
        {
            int workers = UsesSequentialExecution ? 1 : Math.Min(Environment.ProcessorCount, launch.GroupCount);
            while (_groups.Count < workers) _groups.Add(new EmulatedGroup(this, Context.Properties.EnableRaceCheck));
            Task[] others = [.. _groups.Take(workers).Skip(1).Select(group => Task.Factory.StartNew(
                () => launch.RunGroups(group), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default))];
            launch.RunGroups(_groups[0]);
            Task.WaitAll(others);
            launch.ThrowFailure();
        }
    }

    protected override MemoryBuffer AllocateRawCore(long length, int elementSize) => new HostBuffer(this, length, elementSize);
    protected override AcceleratorStream CreateStreamCore() => new EmulatorStream(this);
    protected internal override Kernel LoadKernelCore(KernelEntry entry) => new EmulatorKernel(this, entry);

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            foreach (EmulatedGroup group in _groups) group.Dispose();
            _groups.Clear();
        }
        base.Dispose(disposing);
    }
}

/// <summary>The emulator's memory. Freshly allocated memory is filled with NaN patterns, since nothing else may be relied on.</summary>
internal sealed unsafe class HostBuffer : MemoryBuffer
{
    public HostBuffer(Accelerator accelerator, long length, int elementSize) : base(accelerator, length, elementSize)
    {
        NativePtr = (nint)NativeMemory.AlignedAlloc((nuint)Math.Max(1, LengthInBytes), 256);
        NativeMemory.Fill((void*)NativePtr, (nuint)LengthInBytes, 0xff);
    }

    public override void MemSet(AcceleratorStream stream, byte value, long targetOffsetInBytes, long length)
    {
        nint target = NativePtr + (nint)targetOffsetInBytes;
        Do(stream, () => NativeMemory.Fill((void*)target, (nuint)length, value));
    }

    protected internal override void CopyFromHost(AcceleratorStream stream, nint source, long targetOffsetInBytes, long lengthInBytes) =>
        Copy(stream, source, NativePtr + (nint)targetOffsetInBytes, LengthInBytes - targetOffsetInBytes, lengthInBytes);

    protected internal override void CopyToHost(AcceleratorStream stream, nint target, long sourceOffsetInBytes, long lengthInBytes) =>
        Copy(stream, NativePtr + (nint)sourceOffsetInBytes, target, lengthInBytes, lengthInBytes);

    protected internal override void CopyFromDevice(AcceleratorStream stream, nint source, long targetOffsetInBytes, long lengthInBytes) =>
        CopyFromHost(stream, source, targetOffsetInBytes, lengthInBytes);

    private static void Copy(AcceleratorStream stream, nint source, nint target, long room, long length) =>
        Do(stream, () => Buffer.MemoryCopy((void*)source, (void*)target, room, length));

    private static void Do(AcceleratorStream stream, Action work)
    {
        if (stream is EmulatorStream { Recording: { } recording }) recording.Add(work);
        else work();
    }

    protected override void Dispose(bool disposing)
    {
        if (NativePtr != 0) NativeMemory.AlignedFree((void*)NativePtr);
        NativePtr = 0;
        base.Dispose(disposing);
    }
}
