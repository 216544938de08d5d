using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using OllmNative.Runtime.Cuda;
using OllmNative.Tests.Ptx;

namespace OllmNative.Tests.Cuda;

/// <summary>
/// A CUDA driver without a GPU. It keeps the driver's rules as the manual has them: handles that live until they are given back, a current
/// context on each thread, streams whose work is done no earlier than it must be, errors that stick. Modules are PTX that the interpreter runs,
/// launches have exactly the parameters that came through the pointers. Any call can be made to fail.
/// </summary>
internal sealed unsafe partial class PtxDriver : ICudaApi, IDisposable
{
    private const nint ContextHandle = 0xC0DE;

    [ThreadStatic] private static PtxDriver? t_currentDriver;

    private readonly object _gate = new();
    private readonly Dictionary<string, (CuResult Result, int After)> _faults = [];
    private readonly Dictionary<string, int> _calls = [];
    private readonly Dictionary<CuResult, nint> _texts = [];
    private readonly Dictionary<nint, object> _live = [];
    private nint _lastHandle = 0x1000;
    private int _retained;
    private bool _initialized;
    private CuResult _sticky;

    public int ComputeMajor { get; init; } = 9;
    public int ComputeMinor { get; init; }
    public int Version { get; init; } = 12080;
    public int Count { get; init; } = 1;
    public long MemoryBytes { get; init; } = 1L << 30;
    public CuResult InitResult { get; init; }
    public bool CanLink { get; init; } = true;
    public string Name { get; init; } = "PTX interpreter";
    public PtxMemory Memory { get; } = new();

    /// <summary>Hears of each call that breaks a rule, and of kernels that fail.</summary>
    public Action<string>? Explain { get; init; }

    /// <summary>Hears that the last holder of the context has given it back.</summary>
    public Action<PtxDriver>? Closed { get; init; }

    /// <summary>The message of the kernel failure that made the context unusable.</summary>
    public string? KernelFailure { get; private set; }

    /// <summary>How often a function was called.</summary>
    public int Calls(string name)
    {
        lock (_gate) return _calls.GetValueOrDefault(name);
    }

    /// <summary>Names of all functions that were called.</summary>
    public IReadOnlyList<string> Called
    {
        get
        {
            lock (_gate) return [.. _calls.Keys];
        }
    }

    /// <summary>Makes a call fail: the next one, or one after some that succeed. It fails once.</summary>
    public void Fail(string name, CuResult result, int after = 0)
    {
        lock (_gate) _faults[name] = (result, after);
    }

    /// <summary>What has not been given back: handles by kind, memory, the context.</summary>
    public string[] Leaks()
    {
        lock (_gate)
        {
            IEnumerable<string> handles = _live.Values.GroupBy(value => value.GetType().Name).Select(group => $"{group.Count()} {group.Key}");
            string[] rest = [.. Memory.Count > 0 ? [$"{Memory.Count} buffers"] : Array.Empty<string>(), .. _retained > 0 ? [$"{_retained} contexts"] : Array.Empty<string>()];
            return [.. handles, .. rest];
        }
    }

    public CuResult Init(uint flags)
    {
        if (Enter(false) is var bad && bad != 0 && bad != CuResult.NotInitialized) return bad;
        if (flags != 0) return Refuse(CuResult.InvalidValue, $"cuInit: flags {flags}");
        if (InitResult == CuResult.Success) _initialized = true;
        return InitResult;
    }

    public CuResult DriverGetVersion(out int version)
    {
        version = Version;
        return Enter(false) is var bad && bad == CuResult.NotInitialized ? CuResult.Success : bad;
    }

    public CuResult GetErrorName(CuResult error, out nint text)
    {
        lock (_gate)
        {
            if (!_texts.TryGetValue(error, out text)) _texts[error] = text = Marshal.StringToCoTaskMemUTF8(NameOf(error));
            return CuResult.Success;
        }
    }

    public CuResult GetErrorString(CuResult error, out nint text)
    {
        text = 0;
        return CuResult.InvalidValue;
    }

    public CuResult DeviceGetCount(out int count)
    {
        count = Count;
        return Enter(false);
    }

    public CuResult DeviceGet(out int device, int ordinal)
    {
        device = ordinal;
        return Enter(false) is var bad && bad != 0 ? bad : ordinal < Count ? CuResult.Success : CuResult.InvalidDevice;
    }

    public CuResult DeviceGetName(byte* name, int length, int device)
    {
        Encoding.ASCII.GetBytes(Name + '\0').CopyTo(new Span<byte>(name, length));
        return Enter(false);
    }

    public CuResult DeviceTotalMem(out nuint bytes, int device)
    {
        bytes = (nuint)MemoryBytes;
        return Enter(false);
    }

    public CuResult DeviceGetAttribute(out int value, DeviceAttribute attribute, int device)
    {
        value = attribute switch
        {
            DeviceAttribute.MaxThreadsPerBlock or DeviceAttribute.MaxBlockDimX or DeviceAttribute.MaxBlockDimY => 1024,
            DeviceAttribute.MaxBlockDimZ => 64,
            DeviceAttribute.MaxGridDimX => int.MaxValue,
            DeviceAttribute.MaxGridDimY or DeviceAttribute.MaxGridDimZ => 65535,
            DeviceAttribute.MaxSharedMemoryPerBlock => DefaultShared,
            DeviceAttribute.MaxSharedMemoryPerBlockOptin => MaxShared,
            DeviceAttribute.WarpSize => 32,
            DeviceAttribute.MultiprocessorCount => 132,
            DeviceAttribute.MaxThreadsPerMultiprocessor => 2048,
            DeviceAttribute.MaxRegistersPerBlock or DeviceAttribute.MaxRegistersPerMultiprocessor or DeviceAttribute.TotalConstantMemory => 65536,
            DeviceAttribute.MaxSharedMemoryPerMultiprocessor => 228 * 1024,
            DeviceAttribute.L2CacheSize => 60 << 20,
            DeviceAttribute.ClockRate => 1_980_000,
            DeviceAttribute.MemoryClockRate => 3_201_000,
            DeviceAttribute.GlobalMemoryBusWidth => 6144,
            DeviceAttribute.ComputeCapabilityMajor => ComputeMajor,
            DeviceAttribute.ComputeCapabilityMinor => ComputeMinor,
            DeviceAttribute.EccEnabled or DeviceAttribute.PciBusId => 1,
            DeviceAttribute.PciDeviceId or DeviceAttribute.PciDomainId => 0,
            _ => -1,
        };
        if (Enter(false) is var bad && bad != 0) return bad;
        if (value < 0) return Refuse(CuResult.InvalidValue, $"cuDeviceGetAttribute: {attribute} is not known");
        return (uint)device < Count ? CuResult.Success : CuResult.InvalidDevice;
    }

    public CuResult DevicePrimaryCtxRetain(out nint context, int device)
    {
        context = ContextHandle;
        lock (_gate)
        {
            if (Enter(false) is var bad && bad != 0) return bad;
            _retained++;
            return CuResult.Success;
        }
    }

    public CuResult DevicePrimaryCtxRelease(int device)
    {
        lock (_gate)
        {
            if (_retained == 0) return CuResult.InvalidContext;
            if (--_retained == 0) Closed?.Invoke(this);
            return Enter(false);
        }
    }

    public CuResult CtxSetCurrent(nint context)
    {
        lock (_gate)
        {
            if (Enter(false) is var bad && bad != 0) return bad;
            if (context != 0 && (context != ContextHandle || _retained == 0)) return CuResult.InvalidContext;
            t_currentDriver = context == 0 ? null : this;
            return CuResult.Success;
        }
    }

    public CuResult CtxSynchronize()
    {
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            if (Spoil(_ => true)) return Refuse(CuResult.StreamCaptureUnsupported, "cuCtxSynchronize while a stream is captured");
            DrainAll();
            return _sticky;
        }
    }

    /// <summary>What every call begins with: counting, a planned fault, a context that is lost or missing.</summary>
    private CuResult Enter(bool needsContext = true, [CallerMemberName] string call = "")
    {
        lock (_gate)
        {
            _calls[call] = _calls.GetValueOrDefault(call) + 1;
            if (_faults.TryGetValue(call, out (CuResult Result, int After) fault))
            {
                if (fault.After > 0)
                {
                    _faults[call] = (fault.Result, fault.After - 1);
                }
                else
                {
                    _faults.Remove(call);
                    if (fault.Result.IsSticky()) _sticky = fault.Result;
                    return fault.Result;
                }
            }
            if (_sticky != 0) return _sticky;
            if (!_initialized) return CuResult.NotInitialized;
            return needsContext && (t_currentDriver != this || _retained == 0) ? Refuse(CuResult.InvalidContext, $"cu{call}: no context on this thread") : CuResult.Success;
        }
    }

    /// <summary>A call that breaks a rule of the driver.</summary>
    private CuResult Refuse(CuResult result, string rule)
    {
        Explain?.Invoke($"{NameOf(result)}: {rule}");
        return result;
    }

    private nint NewHandle(object value)
    {
        _lastHandle += 16;
        _live[_lastHandle] = value;
        return _lastHandle;
    }

    private T? Get<T>(nint handle) where T : class => _live.GetValueOrDefault(handle) as T;

    /// <summary>The driver's spelling: OutOfMemory becomes CUDA_ERROR_OUT_OF_MEMORY.</summary>
    private static string NameOf(CuResult error) =>
        "CUDA_ERROR" + string.Concat(error.ToString().Select(c => char.IsUpper(c) ? $"_{c}" : char.ToUpperInvariant(c).ToString()));

    public void Dispose()
    {
        foreach (nint text in _texts.Values) Marshal.FreeCoTaskMem(text);
        foreach (HostBlock block in _live.Values.OfType<HostBlock>()) NativeMemory.Free((void*)block.Address);
        _texts.Clear();
        _live.Clear();
    }
}
