using OllmNative.Runtime.Cuda;
using OllmNative.Tests.Ptx;

namespace OllmNative.Tests.Cuda;

/// <summary>Launches, and the limits that a driver holds them to.</summary>
internal sealed unsafe partial class PtxDriver
{
    // What every GPU takes; compute capability 7.0 with CUDA 12.1 takes 32,764.
    private const int MaxParameterBytes = 4096;

    /// <summary>Launches, copies and fills are accepted and forgotten, to see what they cost the host.</summary>
    public bool IgnoresLaunches { get; set; }

    /// <summary>Entries of the kernels that were launched.</summary>
    public HashSet<string> Launched { get; } = [];

    /// <summary>Attributes of the last launch that had some, as (number, x, y, z).</summary>
    public (uint Id, uint X, uint Y, uint Z)[] LastAttributes { get; private set; } = [];

    public CuResult LaunchKernel(
        nint function, uint gridX, uint gridY, uint gridZ, uint blockX, uint blockY, uint blockZ, uint sharedBytes, nint stream, void** parameters, void** extra)
    {
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            var config = new LaunchConfig
            {
                GridX = gridX, GridY = gridY, GridZ = gridZ, BlockX = blockX, BlockY = blockY, BlockZ = blockZ, SharedBytes = sharedBytes, Stream = stream,
            };
            return Start(function, config, default, parameters, extra);
        }
    }

    public CuResult LaunchKernelEx(LaunchConfig* config, nint function, void** parameters, void** extra)
    {
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            if (config == null || (config->AttributeCount > 0 && config->Attributes == null)) return Refuse(CuResult.InvalidValue, "cuLaunchKernelEx: no configuration");
            if (ComputeMajor < 9) return CuResult.NotSupported;
            if (Attributes(*config, out Dim3 cluster) is var refused && refused != 0) return refused;
            if (!IgnoresLaunches)
                LastAttributes = [.. Enumerable.Range(0, (int)config->AttributeCount).Select(i => config->Attributes[i]).Select(a => (a.Id, a.X, a.Y, a.Z))];
            return Start(function, *config, cluster, parameters, extra);
        }
    }

    private CuResult Attributes(in LaunchConfig config, out Dim3 cluster)
    {
        cluster = default;
        for (uint i = 0; i < config.AttributeCount; i++)
        {
            LaunchAttribute attribute = config.Attributes[i];
            switch (attribute.Id)
            {
                case LaunchAttribute.ClusterDimension:
                    if (attribute.X == 0 || attribute.Y == 0 || attribute.Z == 0 || config.GridX % attribute.X != 0 || config.GridY % attribute.Y != 0 || config.GridZ % attribute.Z != 0)
                        return Refuse(CuResult.InvalidClusterSize, "cuLaunchKernelEx: a cluster that does not divide the grid");
                    cluster = new Dim3((int)attribute.X, (int)attribute.Y, (int)attribute.Z);
                    break;
                case LaunchAttribute.ProgrammaticStreamSerialization when attribute.X <= 1: break;
                default: return Refuse(CuResult.InvalidValue, $"cuLaunchKernelEx: attribute {attribute.Id} = {attribute.X}");
            }
        }
        return CuResult.Success;
    }

    private CuResult Start(nint function, in LaunchConfig config, Dim3 cluster, void** parameters, void** extra)
    {
        if (!_functions.TryGetValue(function, out Function? f)) return Refuse(CuResult.InvalidHandle, "a launch of a function of no module");
        if (Get<Stream>(config.Stream) is not { } s) return Refuse(CuResult.InvalidHandle, $"{f.Module.Ptx.Entry}: a launch on no stream");
        Launched.Add(f.Module.Ptx.Entry);
        if (Broken(f, config, cluster, parameters, extra) is { } rule) return Refuse(CuResult.InvalidValue, $"{f.Module.Ptx.Entry}: {rule}");
        if (IgnoresLaunches) return CuResult.Success;
        if (Has(Trouble.NotLaunched, f.Module.Ptx.Entry)) return CuResult.LaunchOutOfResources;
        if (InRecording != 0 && s.Captured is not null) return InRecording;
        return Queue(s, f, function, config, parameters);
    }

    /// <summary>The rule that a launch breaks; null for one that a driver takes.</summary>
    private static string? Broken(Function f, in LaunchConfig config, Dim3 cluster, void** parameters, void** extra)
    {
        const uint maxGridYZ = 65535, maxBlockXY = 1024, maxBlockZ = 64;
        const int portableCluster = 8, largestCluster = 16;
        if (config.GridX is 0 or > int.MaxValue || config.GridY is 0 or > maxGridYZ || config.GridZ is 0 or > maxGridYZ) return "a grid outside of the limits";
        if (config.BlockX is 0 or > maxBlockXY || config.BlockY is 0 or > maxBlockXY || config.BlockZ is 0 or > maxBlockZ) return "a group outside of the limits";
        if ((ulong)config.BlockX * config.BlockY * config.BlockZ > (ulong)f.Module.Ptx.MaxThreads) return $"a group of more than {f.Module.Ptx.MaxThreads} threads";
        if (config.SharedBytes > f.GrantedShared) return $"{config.SharedBytes} bytes of dynamic shared memory; {f.GrantedShared} are granted";
        if (cluster.Size > (f.TakesLargeClusters ? largestCluster : portableCluster)) return $"clusters of {cluster.Size} groups";
        if (extra != null) return "parameters in two ways";
        if (parameters == null && f.Module.Ptx.Parameters.Count > 0) return "no parameters";
        for (int i = 0; i < f.Module.Ptx.Parameters.Count; i++)
            if (parameters[i] == null) return $"parameter {i} is nowhere";
        return null;
    }

    /// <summary>The driver reads the values before it returns.</summary>
    private CuResult Queue(Stream stream, Function f, nint function, in LaunchConfig config, void** parameters)
    {
        PtxModule module = f.Module.Ptx;
        var maps = new byte[]?[module.Parameters.Count];
        ulong[] arguments = new ulong[module.Parameters.Count];
        for (int i = 0; i < arguments.Length; i++)
        {
            string type = module.Parameters[i].Type;
            if (type == "b8") maps[i] = new ReadOnlySpan<byte>(parameters[i], sizeof(TensorMapBits)).ToArray();
            else arguments[i] = Read(parameters[i], type);
        }
        Dim3 grid = new((int)config.GridX, (int)config.GridY, (int)config.GridZ), group = new((int)config.BlockX, (int)config.BlockY, (int)config.BlockZ);
        int shared = (int)config.SharedBytes;
        return Give(stream, new Work("kernel", function, InTrouble(module.Entry, () =>
        {
            if (!_functions.ContainsKey(function)) throw new InvalidOperationException($"{module.Entry}: its module was unloaded");
            Run(module, grid, group, arguments, maps, shared);
        })));
    }

    /// <summary>Tensor maps lie in parameter memory while the kernel runs; here that is memory of its own.</summary>
    private void Run(PtxModule module, Dim3 grid, Dim3 group, ulong[] arguments, byte[]?[] maps, int shared)
    {
        ulong[] all = [.. arguments.Select((argument, i) => maps[i] is { } map ? Memory.Allocate(map) : argument)];
        new PtxMachine(module, Memory).Launch(grid, group, all, shared);
        for (int i = 0; i < maps.Length; i++)
            if (maps[i] is not null) Memory.Free(all[i]);
    }

    private static ulong Read(void* at, string type) => type switch
    {
        "u8" => *(byte*)at,
        "u16" => *(ushort*)at,
        "u32" or "f32" => *(uint*)at,
        "u64" or "f64" => *(ulong*)at,
        _ => throw new PtxException($"a parameter of type {type}"),
    };

    public CuResult TensorMapEncodeTiled(
        TensorMapBits* map, int dataType, uint rank, nint address, ulong* dimensions, ulong* strides, uint* box, uint* elementStrides,
        int interleave, int swizzle, int promotion, int fill)
    {
        if (Enter() is var bad && bad != 0) return bad;
        if (ComputeMajor < 9) return CuResult.NotSupported;
        if (map == null || dimensions == null || strides == null || box == null || elementStrides == null) return Refuse(CuResult.InvalidValue, "cuTensorMapEncodeTiled: a null pointer");
        int size = dataType switch { 0 => 1, 1 or 6 or 9 => 2, 2 or 3 or 7 or 10 or 11 or 12 => 4, 4 or 5 or 8 => 8, _ => 0 };
        string? rule = rank is < 1 or > 5 ? $"rank {rank}"
            : (nint)map % 64 != 0 ? "the map is not on a multiple of 64"
            : address == 0 || address % 16 != 0 ? $"address 0x{address:x} is not a multiple of 16"
            : size == 0 ? $"type {dataType}"
            : interleave != 0 || swizzle is < 0 or > 3 || promotion is < 0 or > 3 || fill is not (0 or 1) || (fill == 1 && dataType < 6) ? "interleave, swizzle, promotion or fill"
            : BrokenShape(size, rank, dimensions, strides, box, elementStrides, swizzle);
        if (rule is not null) return Refuse(CuResult.InvalidValue, $"cuTensorMapEncodeTiled: {rule}");
        // The interpreter's copies know matrices alone.
        if (rank != 2) return Refuse(CuResult.NotSupported, "cuTensorMapEncodeTiled: the interpreter copies matrices");
        new PtxTensorMap((ulong)address, (long)dimensions[0], (long)dimensions[1], (long)strides[0], (int)box[0], (int)box[1], size, swizzle)
            .Encode().CopyTo(new Span<byte>(map, sizeof(TensorMapBits)));
        return CuResult.Success;
    }

    /// <summary>The manual's rules for a tensor without interleaving.</summary>
    private static string? BrokenShape(int size, uint rank, ulong* dimensions, ulong* strides, uint* box, uint* elementStrides, int swizzle)
    {
        const ulong maxDimension = 1UL << 32, maxStride = 1UL << 40;
        ulong row = dimensions[0] * (ulong)size;
        for (int i = 0; i < rank; i++)
        {
            if (dimensions[i] is 0 or > maxDimension) return $"dimension {i} is {dimensions[i]}";
            if (box[i] is 0 or > 256) return $"side {i} of the box is {box[i]}";
            if (elementStrides[i] is 0 or > 8) return $"element stride {i} is {elementStrides[i]}";
            if (i + 1 == rank) break;
            if (strides[i] % 16 != 0 || strides[i] >= maxStride || strides[i] < row) return $"stride {i} is {strides[i]}, rows of {row} bytes";
            row = strides[i] * dimensions[i + 1];
        }
        ulong inner = box[0] * (ulong)size;
        if (inner % 16 != 0) return $"rows of the box are {inner} bytes, no multiple of 16";
        return swizzle > 0 && inner > 16UL << swizzle ? $"rows of the box are {inner} bytes, more than a swizzle of {16 << swizzle}" : null;
    }
}
