using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;

namespace OllmNative.Runtime.Cuda;

/// <summary>A loaded module with its one entry point.</summary>
internal sealed unsafe class CudaFunction : IDisposable
{
    private readonly CudaAccelerator _gpu;
    private readonly string _name;
    private readonly GroupClusterAttribute? _cluster;
    private readonly bool _overlaps;
    private readonly int _maxThreads, _staticShared;
    private nint _module;
    private readonly nint _function;
    private int _grantedShared;

    public CudaFunction(CudaAccelerator accelerator, KernelEntry entry, string entryPoint, nint module)
    {
        _gpu = accelerator;
        _name = entry.Name;
        _module = module;
        _gpu.Adopt(this);
        try
        {
            fixed (byte* name = System.Text.Encoding.ASCII.GetBytes(entryPoint + '\0'))
            {
                CuResult status = _gpu.Api.ModuleGetFunction(out _function, module, name);
                if (status != CuResult.Success) throw _gpu.Failure("cuModuleGetFunction", status, $"kernel {_name}, entry point {entryPoint}");
            }
            _staticShared = Ask(FunctionAttribute.SharedSizeBytes);
            _maxThreads = Math.Min(Ask(FunctionAttribute.MaxThreadsPerBlock), entry.Specialization.MaxNumThreadsPerGroup ?? int.MaxValue);
            _grantedShared = Math.Max(0, _gpu.Device.DefaultSharedMemoryPerGroup - _staticShared);
            _cluster = (GroupClusterAttribute?)Attribute.GetCustomAttribute(entry.Method, typeof(GroupClusterAttribute));
            _overlaps = Attribute.IsDefined(entry.Method, typeof(OverlapsPredecessorAttribute)) && CudaAccelerator.HasOverlap(_gpu.Architecture.Major, _gpu.Device.DriverNumber);
            if (_cluster is not null) PrepareCluster(_cluster);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    // Clusters came with compute capability 9.0.
    private bool IsHopper => _gpu.Architecture.Major >= 9;

    /// <summary>Threads of a group that keep the GPU fullest.</summary>
    public int PotentialGroupSize()
    {
        _gpu.Bind();
        CuResult status = _gpu.Api.OccupancyMaxPotentialBlockSize(out _, out int block, _function, 0, 0, _maxThreads);
        return status == CuResult.Success ? block : throw _gpu.Failure("cuOccupancyMaxPotentialBlockSize", status, $"kernel {_name}");
    }

    /// <summary>Starts the kernel. Pointers are those of the parameters' values, which the driver copies before it returns.</summary>
    public void Launch(CudaStream stream, in KernelConfig config, void** pointers)
    {
        LaunchCheck.Throw(_name, config, _gpu, _maxThreads, _staticShared);
        _gpu.Bind();
        int shared = config.SharedMemoryConfig.ArraySize;
        if (shared > _grantedShared) GrantShared(shared);
        if (LaunchProfiler.Active is { } profiler && !stream.IsCapturing)
        {
            profiler.Origin(stream);
            ProfilingMarker before = stream.AddProfilingMarker();
            Start(stream, config, shared, pointers);
            profiler.Add(_name, stream, config.GridDim.LongSize, (int)config.GroupDim.LongSize, before, stream.AddProfilingMarker());
            return;
        }
        Start(stream, config, shared, pointers);
    }

    private void Start(CudaStream stream, in KernelConfig config, int shared, void** pointers)
    {
        (Index3D grid, Index3D group) = (config.GridDim, config.GroupDim);
        _gpu.Started(_name);
        bool overlaps = _overlaps && _gpu.Overlaps, plain = _cluster is null && !overlaps;
        CuResult status = plain
            ? _gpu.Api.LaunchKernel(
                _function, (uint)grid.X, (uint)grid.Y, (uint)grid.Z, (uint)group.X, (uint)group.Y, (uint)group.Z, (uint)shared, stream.StreamPtr, pointers, null)
            : StartWithAttributes(stream, config, shared, overlaps, pointers);
        if (status == CuResult.Success) return;
        throw _gpu.Failure(plain ? "cuLaunchKernel" : "cuLaunchKernelEx", status,
            $"kernel {_name}, {grid} groups of {group} threads, {shared} bytes of dynamic shared memory{(_cluster is null ? "" : $", clusters of ({_cluster.X}, {_cluster.Y}, {_cluster.Z})")}");
    }

    private CuResult StartWithAttributes(CudaStream stream, in KernelConfig config, int shared, bool overlaps, void** pointers)
    {
        (Index3D grid, Index3D group) = (config.GridDim, config.GroupDim);
        LaunchAttribute* attributes = stackalloc LaunchAttribute[2];
        uint count = 0;
        if (_cluster is { } cluster)
        {
            if (grid.X % cluster.X != 0 || grid.Y % cluster.Y != 0 || grid.Z % cluster.Z != 0)
                throw new KernelException($"kernel {_name}: a grid of {grid} groups is no multiple of its clusters of ({cluster.X}, {cluster.Y}, {cluster.Z})");
            attributes[count++] = new LaunchAttribute { Id = LaunchAttribute.ClusterDimension, X = (uint)cluster.X, Y = (uint)cluster.Y, Z = (uint)cluster.Z };
        }
        if (overlaps) attributes[count++] = new LaunchAttribute { Id = LaunchAttribute.ProgrammaticStreamSerialization, X = 1 };
        var launch = new LaunchConfig
        {
            GridX = (uint)grid.X, GridY = (uint)grid.Y, GridZ = (uint)grid.Z,
            BlockX = (uint)group.X, BlockY = (uint)group.Y, BlockZ = (uint)group.Z,
            SharedBytes = (uint)shared, Stream = stream.StreamPtr, Attributes = attributes, AttributeCount = count,
        };
        return _gpu.Api.LaunchKernelEx(&launch, _function, pointers, null);
    }

    /// <summary>More shared memory than every GPU gives without being asked.</summary>
    private void GrantShared(int bytes)
    {
        CuResult status = _gpu.Api.FuncSetAttribute(_function, FunctionAttribute.MaxDynamicSharedSizeBytes, bytes);
        if (status != CuResult.Success) throw _gpu.Failure("cuFuncSetAttribute", status, $"kernel {_name}, {bytes} bytes of dynamic shared memory");
        _grantedShared = bytes;
    }

    private void PrepareCluster(GroupClusterAttribute cluster)
    {
        // What every GPU with clusters promises; more must be asked for.
        const int portableClusterSize = 8;
        if (!IsHopper) throw new KernelException($"kernel {_name} runs in clusters of groups, which {_gpu.Name} does not have; compute capability 9.0 does");
        if (cluster.X * cluster.Y * cluster.Z <= portableClusterSize) return;
        CuResult status = _gpu.Api.FuncSetAttribute(_function, FunctionAttribute.NonPortableClusterSizeAllowed, 1);
        if (status != CuResult.Success) throw _gpu.Failure("cuFuncSetAttribute", status, $"kernel {_name}, clusters of {cluster.X * cluster.Y * cluster.Z} groups");
    }

    private int Ask(FunctionAttribute attribute)
    {
        CuResult status = _gpu.Api.FuncGetAttribute(out int value, attribute, _function);
        return status == CuResult.Success ? value : throw _gpu.Failure("cuFuncGetAttribute", status, $"kernel {_name}");
    }

    public void Dispose()
    {
        if (_module != 0) _gpu.Release(this, () => _gpu.Api.ModuleUnload(_module));
        _module = 0;
    }
}
