using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using OllmNative.Runtime.Cuda;
using OllmNative.Tests.Ptx;

namespace OllmNative.Tests.Cuda;

internal sealed unsafe partial class PtxDriver
{
    private const int DefaultShared = 48 * 1024, MaxShared = 227 * 1024;
    private static readonly byte[] ImageMark = "machine code of the interpreter\n"u8.ToArray();

    private sealed record Module(PtxModule Ptx);

    private sealed class Function(Module module)
    {
        public Module Module { get; } = module;
        public int GrantedShared { get; set; } = DefaultShared - (int)module.Ptx.SharedBytes;
    }

    private sealed class Link
    {
        public byte[]? Text { get; set; }
        public nint Image { get; set; }
    }

    /// <summary>Launches are accepted and forgotten, to see what a launch costs the host.</summary>
    public bool IgnoresLaunches { get; set; }

    /// <summary>Entries of the kernels that were launched.</summary>
    public HashSet<string> Launched { get; } = [];

    /// <summary>Attributes of the last launch that had some, as (number, x, y, z).</summary>
    public (uint Id, uint X, uint Y, uint Z)[] LastAttributes { get; private set; } = [];

    // Functions belong to their module: they go with it and are not given back.
    private readonly Dictionary<nint, Function> _functions = [];

    public CuResult LinkCreate(uint optionCount, JitOption* options, nint* values, out nint state)
    {
        state = 0;
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            if (!CanLink) return CuResult.NotSupported;
            state = NewHandle(new Link());
            return CuResult.Success;
        }
    }

    public CuResult LinkAddData(nint state, JitInput type, void* data, nuint bytes, byte* name, uint optionCount, JitOption* options, nint* values)
    {
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            if (Get<Link>(state) is not { } link || type != JitInput.Ptx) return CuResult.InvalidValue;
            var text = new ReadOnlySpan<byte>(data, (int)bytes);
            if (text.Length == 0 || text[^1] != 0) return CuResult.InvalidValue;
            CuResult result = Translate(Encoding.ASCII.GetString(text[..^1]), out _, out _);
            if (result == CuResult.Success) link.Text = [.. ImageMark, .. text];
            return result;
        }
    }

    public CuResult LinkComplete(nint state, out nint cubin, out nuint bytes)
    {
        (cubin, bytes) = (0, 0);
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            if (Get<Link>(state) is not { Text: { } text } link) return CuResult.InvalidValue;
            link.Image = cubin = (nint)NativeMemory.Alloc((nuint)text.Length);
            text.CopyTo(new Span<byte>((void*)cubin, text.Length));
            bytes = (nuint)text.Length;
            return CuResult.Success;
        }
    }

    public CuResult LinkDestroy(nint state)
    {
        lock (_gate)
        {
            if (Get<Link>(state) is not { } link) return CuResult.InvalidHandle;
            // Whoever still reads it reads nonsense.
            if (link.Image != 0) new Span<byte>((void*)link.Image, link.Text!.Length).Fill(0xDD);
            NativeMemory.Free((void*)link.Image);
            _live.Remove(state);
            return Enter(false);
        }
    }

    public CuResult ModuleLoadDataEx(out nint module, void* image, uint optionCount, JitOption* options, nint* values)
    {
        module = 0;
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            string text = Marshal.PtrToStringUTF8((nint)image)!;
            string mark = Encoding.ASCII.GetString(ImageMark);
            bool machineCode = text.StartsWith(mark, StringComparison.Ordinal);
            if (!machineCode && text.Length > 0 && text[0] != '.') return CuResult.InvalidImage;
            CuResult result = Translate(machineCode ? text[mark.Length..] : text, out PtxModule? ptx, out string log);
            if (result != CuResult.Success) WriteLog(log, optionCount, options, values);
            else module = NewHandle(new Module(ptx!));
            return result;
        }
    }

    private CuResult Translate(string text, out PtxModule? module, out string log)
    {
        (module, log) = (null, "");
        string version = text[(text.IndexOf(".version ", StringComparison.Ordinal) + 9)..].Split('\n')[0];
        // ISA 7.4 came with CUDA 11.4, 7.8 with 11.8, 8.0 with 12.0.
        int[] numbers = [.. version.Split('.').Select(part => int.Parse(part, CultureInfo.InvariantCulture))];
        if ((numbers[0] + 4) * 1000 + numbers[1] * 10 > Version) return CuResult.UnsupportedPtxVersion;
        try
        {
            module = PtxModule.Parse(text);
        }
        catch (PtxException error)
        {
            log = $"ptxas error: {error.Message}";
            return CuResult.InvalidPtx;
        }
        string target = module.Target["sm_".Length..];
        bool exact = target.EndsWith('a');
        int needed = int.Parse(target.TrimEnd('a'), CultureInfo.InvariantCulture), have = ComputeMajor * 10 + ComputeMinor;
        return (exact ? needed == have : needed <= have) ? CuResult.Success : CuResult.NoBinaryForGpu;
    }

    private static void WriteLog(string log, uint optionCount, JitOption* options, nint* values)
    {
        (nint buffer, int room) = (0, 0);
        for (uint i = 0; i < optionCount; i++)
        {
            if (options[i] == JitOption.ErrorLogBuffer) buffer = values[i];
            if (options[i] == JitOption.ErrorLogBufferSizeBytes) room = (int)values[i];
        }
        byte[] bytes = Encoding.UTF8.GetBytes(log + '\0');
        if (bytes.Length <= room) bytes.CopyTo(new Span<byte>((void*)buffer, room));
    }

    public CuResult ModuleUnload(nint module)
    {
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            if (Get<Module>(module) is not { } gone) return CuResult.InvalidHandle;
            DrainAll();
            foreach (nint function in _functions.Where(pair => pair.Value.Module == gone).Select(pair => pair.Key).ToArray()) _functions.Remove(function);
            _live.Remove(module);
            return CuResult.Success;
        }
    }

    public CuResult ModuleGetFunction(out nint function, nint module, byte* name)
    {
        function = 0;
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            if (Get<Module>(module) is not { } m) return CuResult.InvalidHandle;
            if (Marshal.PtrToStringUTF8((nint)name) != m.Ptx.Entry) return CuResult.NotFound;
            _functions[function = _lastHandle += 16] = new Function(m);
            return CuResult.Success;
        }
    }

    public CuResult FuncGetAttribute(out int value, FunctionAttribute attribute, nint function)
    {
        value = 0;
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            if (!_functions.TryGetValue(function, out Function? f)) return CuResult.InvalidHandle;
            value = attribute switch
            {
                FunctionAttribute.MaxThreadsPerBlock => 1024,
                FunctionAttribute.SharedSizeBytes => (int)f.Module.Ptx.SharedBytes,
                FunctionAttribute.LocalSizeBytes => (int)f.Module.Ptx.LocalBytes,
                _ => 32,
            };
            return CuResult.Success;
        }
    }

    public CuResult FuncSetAttribute(nint function, FunctionAttribute attribute, int value)
    {
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            if (!_functions.TryGetValue(function, out Function? f)) return CuResult.InvalidHandle;
            if (attribute != FunctionAttribute.MaxDynamicSharedSizeBytes) return CuResult.Success;
            if (value + f.Module.Ptx.SharedBytes > MaxShared) return CuResult.InvalidValue;
            f.GrantedShared = value;
            return CuResult.Success;
        }
    }

    public CuResult OccupancyMaxPotentialBlockSize(out int minGrid, out int block, nint function, nint sharedOfBlock, nuint sharedBytes, int blockLimit)
    {
        (minGrid, block) = (132, Math.Min(128, blockLimit));
        lock (_gate) return Enter() is var bad && bad != 0 ? bad : _functions.ContainsKey(function) ? CuResult.Success : CuResult.InvalidHandle;
    }

    public CuResult OccupancyMaxActiveBlocksPerMultiprocessor(out int blocks, nint function, int block, nuint sharedBytes)
    {
        blocks = 2048 / block;
        lock (_gate) return Enter() is var bad && bad != 0 ? bad : _functions.ContainsKey(function) ? CuResult.Success : CuResult.InvalidHandle;
    }

    public CuResult LaunchKernel(
        nint function, uint gridX, uint gridY, uint gridZ, uint blockX, uint blockY, uint blockZ, uint sharedBytes, nint stream, void** parameters, void** extra)
    {
        if (IgnoresLaunches)
        {
            if (_functions.TryGetValue(function, out Function? f)) Launched.Add(f.Module.Ptx.Entry);
            return CuResult.Success;
        }
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            return Start(function, new Dim3((int)gridX, (int)gridY, (int)gridZ), new Dim3((int)blockX, (int)blockY, (int)blockZ), (int)sharedBytes, stream, parameters);
        }
    }

    public CuResult LaunchKernelEx(LaunchConfig* config, nint function, void** parameters, void** extra)
    {
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            if (ComputeMajor < 9) return CuResult.NotSupported;
            LastAttributes = [.. Enumerable.Range(0, (int)config->AttributeCount).Select(i => config->Attributes[i]).Select(a => (a.Id, a.X, a.Y, a.Z))];
            return Start(function, new Dim3((int)config->GridX, (int)config->GridY, (int)config->GridZ),
                new Dim3((int)config->BlockX, (int)config->BlockY, (int)config->BlockZ), (int)config->SharedBytes, config->Stream, parameters,
                LastAttributes.Any(attribute => attribute is { Id: LaunchAttribute.ProgrammaticStreamSerialization, X: 1 }));
        }
    }

    private CuResult Start(nint function, Dim3 grid, Dim3 group, int shared, nint stream, void** parameters, bool overlaps = false)
    {
        if (!_functions.TryGetValue(function, out Function? f) || Get<Stream>(stream) is not { } s) return CuResult.InvalidHandle;
        Launched.Add(f.Module.Ptx.Entry);
        if (grid.Size <= 0 || group.Size is <= 0 or > 1024 || shared > f.GrantedShared) return CuResult.InvalidValue;
        if (IgnoresLaunches) return CuResult.Success;
        // The driver reads the values before it returns.
        byte[]?[] maps = [.. f.Module.Ptx.Parameters.Select((parameter, i) => parameter.Type == "b8" ? new ReadOnlySpan<byte>(parameters[i], sizeof(TensorMapBits)).ToArray() : null)];
        ulong[] arguments = [.. f.Module.Ptx.Parameters.Select((parameter, i) => maps[i] is null ? Read(parameters[i], parameter.Type) : 0)];
        return Give(s, new Work("kernel", function, () => Run(f.Module.Ptx, grid, group, arguments, maps, shared),
            () => NewGrid(f.Module.Ptx, grid, group, arguments, maps, shared, overlaps), overlaps));
    }

    private void Run(PtxModule module, Dim3 grid, Dim3 group, ulong[] arguments, byte[]?[] maps, int shared)
    {
        ulong[] all = PlaceMaps(arguments, maps);
        new PtxMachine(module, Memory).Launch(grid, group, all, shared);
        FreeMaps(all, maps);
    }

    /// <summary>Tensor maps lie in parameter memory while the kernel runs; here that is memory of its own.</summary>
    private ulong[] PlaceMaps(ulong[] arguments, byte[]?[] maps) => [.. arguments.Select((argument, i) => maps[i] is { } map ? Memory.Allocate(map) : argument)];

    private void FreeMaps(ulong[] arguments, byte[]?[] maps)
    {
        for (int i = 0; i < maps.Length; i++)
            if (maps[i] is not null) Memory.Free(arguments[i]);
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
        // The rules of the manual.
        if (ComputeMajor < 9) return CuResult.NotSupported;
        if (rank is < 1 or > 5 || address % 16 != 0 || (nint)map % 64 != 0) return CuResult.InvalidValue;
        for (int i = 0; i < rank; i++)
            if (dimensions[i] is 0 or > 1UL << 32 || box[i] is 0 or > 256 || elementStrides[i] is 0 or > 8 || (i + 1 < rank && strides[i] % 16 != 0)) return CuResult.InvalidValue;
        int elementSize = dataType switch { 0 => 1, 1 or 6 or 9 => 2, 2 or 3 or 7 => 4, _ => 8 };
        if (rank != 2 || box[0] * elementSize % 16 != 0) return CuResult.InvalidValue;
        new PtxTensorMap((ulong)address, (long)dimensions[0], (long)dimensions[1], (long)strides[0], (int)box[0], (int)box[1], elementSize, swizzle)
            .Encode().CopyTo(new Span<byte>(map, sizeof(TensorMapBits)));
        return Enter();
    }
}
