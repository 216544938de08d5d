using System.Globalization;

namespace OllmNative.Runtime.Language;

/// <summary>What kind of machine executes kernels.</summary>
public enum AcceleratorType
{
    /// <summary>The emulator.</summary>
    CPU = 0,
    Cuda = 1,
    OpenCL = 2,
}

/// <summary>A machine that can execute kernels, before it is opened.</summary>
public abstract class Device
{
    protected Device(AcceleratorType acceleratorType, string name)
    {
        AcceleratorType = acceleratorType;
        Name = name;
    }

    public AcceleratorType AcceleratorType { get; }
    public string Name { get; }
    public long MemorySize { get; protected init; }
    public Index3D MaxGridSize { get; protected init; } = new(int.MaxValue, 65535, 65535);
    public Index3D MaxGroupSize { get; protected init; } = new(1024, 1024, 64);
    public int MaxNumThreadsPerGroup { get; protected init; } = 1024;

    /// <summary>Bytes of shared memory that a group can have, the dynamic part included.</summary>
    public int MaxSharedMemoryPerGroup { get; protected init; }
    public int MaxConstantMemory { get; protected init; } = 65536;
    public int WarpSize { get; protected init; } = 32;
    public int NumMultiprocessors { get; protected init; } = 1;
    public int MaxNumThreadsPerMultiprocessor { get; protected init; } = 2048;
    public int MaxNumThreads => NumMultiprocessors * MaxNumThreadsPerMultiprocessor;

    /// <summary>Opens the device. The caller disposes of the accelerator, before the context.</summary>
    public abstract Accelerator CreateAccelerator(Context context);

    public void PrintInformation(TextWriter writer) => writer.WriteLine(string.Create(CultureInfo.InvariantCulture,
        $"{Name} ({AcceleratorType}): {MemorySize} bytes, {NumMultiprocessors} multiprocessors, {MaxNumThreadsPerGroup} threads and {MaxSharedMemoryPerGroup} shared bytes a group"));

    /// <summary>The same on the console.</summary>
    public void PrintInformation() => PrintInformation(Console.Out);

    public override string ToString() => $"{Name} [{AcceleratorType}]";
}
