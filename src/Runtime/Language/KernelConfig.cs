using System.Runtime.CompilerServices;

namespace OllmNative.Runtime.Language;

/// <summary>Dynamic shared memory that a launch asks for.</summary>
public readonly struct SharedMemoryConfig
{
    public static readonly SharedMemoryConfig Empty;

    public SharedMemoryConfig(int numElements, int elementSize)
    {
        NumElements = numElements;
        ElementSize = elementSize;
    }

    public int NumElements { get; }
    public int ElementSize { get; }

    /// <summary>Its size in bytes.</summary>
    public int ArraySize => NumElements * ElementSize;
    public bool UsesDynamicSharedMemory => NumElements > 0;

    public static SharedMemoryConfig RequestDynamic<T>(int numElements) where T : unmanaged => new(numElements, Unsafe.SizeOf<T>());
}

/// <summary>How a launch is laid out: groups in the grid, threads in a group, dynamic shared memory.</summary>
public readonly struct KernelConfig : IIndex
{
    public KernelConfig(Index1D gridDim, Index1D groupDim) : this(gridDim, groupDim, SharedMemoryConfig.Empty) { }

    public KernelConfig(Index1D gridDim, Index1D groupDim, SharedMemoryConfig sharedMemoryConfig)
        : this(new Index3D(gridDim.X, 1, 1), new Index3D(groupDim.X, 1, 1), sharedMemoryConfig) { }

    public KernelConfig(Index2D gridDim, Index2D groupDim) : this(gridDim, groupDim, SharedMemoryConfig.Empty) { }

    public KernelConfig(Index2D gridDim, Index2D groupDim, SharedMemoryConfig sharedMemoryConfig)
        : this(new Index3D(gridDim, 1), new Index3D(groupDim, 1), sharedMemoryConfig) { }

    public KernelConfig(Index3D gridDim, Index3D groupDim) : this(gridDim, groupDim, SharedMemoryConfig.Empty) { }

    public KernelConfig(int gridDimX, int gridDimY, int gridDimZ, int groupDimX, int groupDimY, int groupDimZ)
        : this(new Index3D(gridDimX, gridDimY, gridDimZ), new Index3D(groupDimX, groupDimY, groupDimZ)) { }

    public KernelConfig(Index3D gridDim, Index3D groupDim, SharedMemoryConfig sharedMemoryConfig)
    {
        GridDim = gridDim;
        GroupDim = groupDim;
        SharedMemoryConfig = sharedMemoryConfig;
    }

    public IndexType IndexType => IndexType.KernelConfig;
    public Index3D GridDim { get; }
    public Index3D GroupDim { get; }
    public SharedMemoryConfig SharedMemoryConfig { get; }
    public bool UsesDynamicSharedMemory => SharedMemoryConfig.UsesDynamicSharedMemory;

    /// <summary>Whether there is at least one thread.</summary>
    public bool IsValid => Index3D.Min(GridDim, GroupDim) is { X: > 0, Y: > 0, Z: > 0 };

    /// <summary>Threads of the whole launch.</summary>
    public long Size => GridDim.LongSize * GroupDim.LongSize;

    public (Index3D, Index3D) ToDimensions() => (GridDim, GroupDim);
    public (Index3D, Index3D, SharedMemoryConfig) ToValueTuple() => (GridDim, GroupDim, SharedMemoryConfig);

    public void Deconstruct(out Index3D gridDim, out Index3D groupDim)
    {
        gridDim = GridDim;
        groupDim = GroupDim;
    }

    public void Deconstruct(out Index3D gridDim, out Index3D groupDim, out SharedMemoryConfig sharedMemoryConfig)
    {
        gridDim = GridDim;
        groupDim = GroupDim;
        sharedMemoryConfig = SharedMemoryConfig;
    }

    public static implicit operator KernelConfig((Index1D, Index1D) dimensions) => new(dimensions.Item1, dimensions.Item2);
    public static implicit operator KernelConfig((Index2D, Index2D) dimensions) => new(dimensions.Item1, dimensions.Item2);
    public static implicit operator KernelConfig((Index3D, Index3D) dimensions) => new(dimensions.Item1, dimensions.Item2);
    public static implicit operator KernelConfig((Index3D, Index1D) dimensions) => new(dimensions.Item1, new Index3D(dimensions.Item2.X, 1, 1));
    public static implicit operator KernelConfig((Index3D, Index2D) dimensions) => new(dimensions.Item1, new Index3D(dimensions.Item2, 1));
    public static implicit operator KernelConfig((Index1D, Index1D, SharedMemoryConfig) dimensions) => new(dimensions.Item1, dimensions.Item2, dimensions.Item3);
    public static implicit operator KernelConfig((Index3D, Index3D, SharedMemoryConfig) dimensions) => new(dimensions.Item1, dimensions.Item2, dimensions.Item3);
    public static implicit operator (Index3D, Index3D)(KernelConfig config) => config.ToDimensions();
    public static implicit operator (Index3D, Index3D, SharedMemoryConfig)(KernelConfig config) => config.ToValueTuple();
}

/// <summary>What a kernel promises about its launches, so that its registers can be planned.</summary>
public readonly struct KernelSpecialization : IEquatable<KernelSpecialization>
{
    public static readonly KernelSpecialization Empty;

    public KernelSpecialization(int? maxNumThreadsPerGroup, int? minNumGroupsPerMultiprocessor)
    {
        MaxNumThreadsPerGroup = maxNumThreadsPerGroup;
        MinNumGroupsPerMultiprocessor = minNumGroupsPerMultiprocessor;
    }

    public int? MaxNumThreadsPerGroup { get; }
    public int? MinNumGroupsPerMultiprocessor { get; }

    public bool Equals(KernelSpecialization other) =>
        MaxNumThreadsPerGroup == other.MaxNumThreadsPerGroup && MinNumGroupsPerMultiprocessor == other.MinNumGroupsPerMultiprocessor;
    public override bool Equals(object? obj) => obj is KernelSpecialization other && Equals(other);
    public override int GetHashCode() => HashCode.Combine(MaxNumThreadsPerGroup, MinNumGroupsPerMultiprocessor);
    public static bool operator ==(KernelSpecialization first, KernelSpecialization second) => first.Equals(second);
    public static bool operator !=(KernelSpecialization first, KernelSpecialization second) => !first.Equals(second);
}

/// <summary>A kernel argument that is compiled in as a constant; each value makes its own version of the kernel.</summary>
public struct SpecializedValue<T> : IEquatable<SpecializedValue<T>> where T : unmanaged, IEquatable<T>
{
    public SpecializedValue(T value) => Value = value;

    public T Value { get; set; }

    public readonly bool Equals(SpecializedValue<T> other) => Value.Equals(other.Value);
    public override readonly bool Equals(object? obj) => obj is SpecializedValue<T> other && Equals(other);
    public override readonly int GetHashCode() => Value.GetHashCode();
    public static bool operator ==(SpecializedValue<T> first, SpecializedValue<T> second) => first.Equals(second);
    public static bool operator !=(SpecializedValue<T> first, SpecializedValue<T> second) => !first.Equals(second);
    public static implicit operator T(SpecializedValue<T> value) => value.Value;
}

/// <summary>Shorthand for specialised arguments.</summary>
public static class SpecializedValue
{
    public static SpecializedValue<T> New<T>(T value) where T : unmanaged, IEquatable<T> => new(value);
}
