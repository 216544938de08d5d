using System.Runtime.InteropServices;

namespace OllmNative.Runtime.Cuda;

/// <summary>Properties of a GPU by the driver's numbers.</summary>
internal enum DeviceAttribute
{
    MaxThreadsPerBlock = 1,
    MaxBlockDimX = 2,
    MaxBlockDimY = 3,
    MaxBlockDimZ = 4,
    MaxGridDimX = 5,
    MaxGridDimY = 6,
    MaxGridDimZ = 7,
    MaxSharedMemoryPerBlock = 8,
    TotalConstantMemory = 9,
    WarpSize = 10,
    MaxRegistersPerBlock = 12,

    /// <summary>In kHz.</summary>
    ClockRate = 13,
    MultiprocessorCount = 16,
    EccEnabled = 32,
    PciBusId = 33,
    PciDeviceId = 34,

    /// <summary>In kHz.</summary>
    MemoryClockRate = 36,

    /// <summary>In bits.</summary>
    GlobalMemoryBusWidth = 37,
    L2CacheSize = 38,
    MaxThreadsPerMultiprocessor = 39,
    PciDomainId = 50,
    ComputeCapabilityMajor = 75,
    ComputeCapabilityMinor = 76,
    MaxSharedMemoryPerMultiprocessor = 81,
    MaxRegistersPerMultiprocessor = 82,
    MaxSharedMemoryPerBlockOptin = 97,
}

/// <summary>Properties of a kernel by the driver's numbers.</summary>
internal enum FunctionAttribute
{
    MaxThreadsPerBlock = 0,
    SharedSizeBytes = 1,
    LocalSizeBytes = 3,
    NumRegisters = 4,
    MaxDynamicSharedSizeBytes = 8,
    NonPortableClusterSizeAllowed = 14,
}

/// <summary>Options of the driver's PTX compiler by its numbers.</summary>
internal enum JitOption
{
    InfoLogBuffer = 3,
    InfoLogBufferSizeBytes = 4,
    ErrorLogBuffer = 5,
    ErrorLogBufferSizeBytes = 6,
}

/// <summary>What is given to the driver's linker.</summary>
internal enum JitInput
{
    Cubin = 0,
    Ptx = 1,
}

/// <summary>CUlaunchConfig: the layout of a launch with attributes. 56 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct LaunchConfig
{
    public uint GridX, GridY, GridZ;
    public uint BlockX, BlockY, BlockZ;
    public uint SharedBytes;
    public nint Stream;
    public LaunchAttribute* Attributes;
    public uint AttributeCount;
}

/// <summary>CUlaunchAttribute: a number and a union of 64 bytes, of which the runtime uses the first three words. 72 bytes.</summary>
[StructLayout(LayoutKind.Explicit, Size = 72)]
internal struct LaunchAttribute
{
    /// <summary>CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION: X, Y, Z.</summary>
    public const uint ClusterDimension = 4;

    /// <summary>CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION: X is 1 where the kernel may start before its predecessor ends.</summary>
    public const uint ProgrammaticStreamSerialization = 6;

    [FieldOffset(0)] public uint Id;
    [FieldOffset(8)] public uint X;
    [FieldOffset(12)] public uint Y;
    [FieldOffset(16)] public uint Z;
}

/// <summary>CUtensorMap: a description of a tensor for the copy engine of Hopper. 128 bytes that only the driver reads.</summary>
[StructLayout(LayoutKind.Sequential, Size = 128)]
internal struct TensorMapBits
{
    private readonly ulong _first;

    /// <summary>Whether it was filled in.</summary>
    public readonly bool IsEmpty => _first == 0;
}

/// <summary>CUgraphExecUpdateResultInfo. 24 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct GraphUpdateInfo
{
    public int Result;
    public nint ErrorNode, ErrorFromNode;
}
