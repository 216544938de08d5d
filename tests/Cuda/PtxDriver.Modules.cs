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
        public bool TakesLargeClusters { get; set; }
        public int GrantedShared { get; set; } = DefaultShared - (int)module.Ptx.SharedBytes;
    }

    private sealed class Link
    {
        public byte[]? Text { get; set; }
        public nint Image { get; set; }
    }

    // Functions belong to their module: they go with it and are not given back.
    private readonly Dictionary<nint, Function> _functions = [];

    public CuResult LinkCreate(uint optionCount, JitOption* options, nint* values, out nint state)
    {
        state = 0;
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            if (!CanLink) return CuResult.NotSupported;
            if (Unsound(optionCount, options, values)) return Refuse(CuResult.InvalidValue, "cuLinkCreate: options");
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
            if (Unsafe("cuModuleLoadDataEx") is var unsafeNow && unsafeNow != 0) return unsafeNow;
            if (image == null || Unsound(optionCount, options, values)) return Refuse(CuResult.InvalidValue, "cuModuleLoadDataEx: image or options");
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
        if (Has(Trouble.Refused, module.Entry))
        {
            (module, log) = (null, "ptxas fatal: of no use here");
            return CuResult.InvalidPtx;
        }
        if (module.ParameterBytes > MaxParameterBytes)
        {
            log = $"ptxas error: {module.ParameterBytes} bytes of parameters; at most {MaxParameterBytes}";
            return CuResult.InvalidPtx;
        }
        string target = module.Target["sm_".Length..];
        bool exact = target.EndsWith('a');
        int needed = int.Parse(target.TrimEnd('a'), CultureInfo.InvariantCulture), have = ComputeMajor * 10 + ComputeMinor;
        return (exact ? needed == have : needed <= have) ? CuResult.Success : CuResult.NoBinaryForGpu;
    }

    /// <summary>Options come in two arrays; a log's buffer and its size need each other, and only known options have meaning.</summary>
    private static bool Unsound(uint count, JitOption* options, nint* values)
    {
        if (count > 0 && (options == null || values == null)) return true;
        (nint Buffer, nint Size) information = default, errors = default;
        for (uint i = 0; i < count; i++)
        {
            switch (options[i])
            {
                case JitOption.InfoLogBuffer: information.Buffer = values[i]; break;
                case JitOption.InfoLogBufferSizeBytes: information.Size = values[i]; break;
                case JitOption.ErrorLogBuffer: errors.Buffer = values[i]; break;
                case JitOption.ErrorLogBufferSizeBytes: errors.Size = values[i]; break;
                default: return true;
            }
        }
        return (information.Buffer == 0) != (information.Size == 0) || (errors.Buffer == 0) != (errors.Size == 0);
    }

    /// <summary>The end of a log that is too long is lost; its size comes back in the place of the buffer's.</summary>
    private static void WriteLog(string log, uint optionCount, JitOption* options, nint* values)
    {
        nint buffer = 0;
        nint* room = null;
        for (uint i = 0; i < optionCount; i++)
        {
            if (options[i] == JitOption.ErrorLogBuffer) buffer = values[i];
            if (options[i] == JitOption.ErrorLogBufferSizeBytes) room = values + i;
        }
        if (room == null) return;
        var target = new Span<byte>((void*)buffer, (int)(uint)*room);
        byte[] bytes = Encoding.UTF8.GetBytes(log);
        int length = Math.Min(bytes.Length, target.Length - 1);
        bytes.AsSpan(0, length).CopyTo(target);
        target[length] = 0;
        // A word of 32 bits, as the driver has it.
        *(uint*)room = (uint)length + 1;
    }

    public CuResult ModuleUnload(nint module)
    {
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            if (Unsafe("cuModuleUnload") is var unsafeNow && unsafeNow != 0) return unsafeNow;
            if (Get<Module>(module) is not { } gone) return Refuse(CuResult.InvalidHandle, "cuModuleUnload: no such module");
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
            if (!_functions.TryGetValue(function, out Function? f)) return Refuse(CuResult.InvalidHandle, "a function of no module");
            value = attribute switch
            {
                FunctionAttribute.MaxThreadsPerBlock => f.Module.Ptx.MaxThreads,
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
            if (!_functions.TryGetValue(function, out Function? f)) return Refuse(CuResult.InvalidHandle, "a function of no module");
            switch (attribute)
            {
                case FunctionAttribute.NonPortableClusterSizeAllowed when value is 0 or 1:
                    f.TakesLargeClusters = value == 1;
                    return CuResult.Success;
                case FunctionAttribute.MaxDynamicSharedSizeBytes when value >= 0 && value + f.Module.Ptx.SharedBytes <= MaxShared:
                    f.GrantedShared = value;
                    return CuResult.Success;
                default:
                    return Refuse(CuResult.InvalidValue, $"cuFuncSetAttribute: {attribute} = {value} with {f.Module.Ptx.SharedBytes} bytes of static shared memory");
            }
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
}
