using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace OllmNative.Runtime.Cuda;

/// <summary>A GPU as the CUDA driver describes it.</summary>
/// <param name="Index">The driver's number for it.</param>
/// <param name="Name">Product name.</param>
/// <param name="ComputeMajor">Compute capability, first digit.</param>
/// <param name="ComputeMinor">Compute capability, second digit.</param>
/// <param name="MemoryBytes">Its memory.</param>
public sealed record CudaGpu(int Index, string Name, int ComputeMajor, int ComputeMinor, long MemoryBytes);

/// <summary>What is known of CUDA on this machine.</summary>
/// <param name="Message">One line for people: what was found, or what is missing.</param>
/// <param name="DriverVersion">The CUDA version that the driver supports, such as 12.8; null without a driver.</param>
/// <param name="Gpus">The GPUs that can be used; empty when there is none.</param>
public sealed record CudaProbe(string Message, string? DriverVersion, IReadOnlyList<CudaGpu> Gpus);

/// <summary>
/// Asks the CUDA driver (libcuda.so.1, nvcuda.dll) what is there. Nothing needs to be installed beside the driver itself,
/// and a machine without one gets a plain message.
/// </summary>
public static unsafe class CudaDriver
{
    private const int Success = 0, NoDevice = 100;
    private const int ComputeCapabilityMajor = 75, ComputeCapabilityMinor = 76;
    private static readonly Lazy<CudaProbe> Probed = new(ProbeOnce);

    /// <summary>Looks for a driver and its GPUs; asked once in a process. Never throws.</summary>
    public static CudaProbe Probe() => Probed.Value;

    private static CudaProbe ProbeOnce()
    {
        string library = OperatingSystem.IsWindows() ? "nvcuda.dll" : "libcuda.so.1";
        if (!NativeLibrary.TryLoad(library, out nint driver)) return Missing($"no CUDA driver: {library} was not found; an NVIDIA driver brings it");
        return Symbol(driver, "cuInit") is var init && init != 0
            && Symbol(driver, "cuDriverGetVersion") is var getVersion && getVersion != 0
            && Symbol(driver, "cuDeviceGetCount") is var getCount && getCount != 0
            ? Ask(driver, (delegate* unmanaged<uint, int>)init, (delegate* unmanaged<int*, int>)getVersion, (delegate* unmanaged<int*, int>)getCount)
            : Missing($"{library} is no CUDA driver: it lacks the functions of one");
    }

    private static CudaProbe Ask(nint driver, delegate* unmanaged<uint, int> init, delegate* unmanaged<int*, int> getVersion, delegate* unmanaged<int*, int> getCount)
    {
        int version, count;
        string? versionText = getVersion(&version) == Success ? string.Create(CultureInfo.InvariantCulture, $"{version / 1000}.{version % 1000 / 10}") : null;
        int status = init(0);
        if (status == NoDevice) return new CudaProbe("a CUDA driver, but no GPU that it can use", versionText, []);
        if (status != Success) return new CudaProbe($"the CUDA driver cannot start: error {status} ({ErrorName(driver, status)})", versionText, []);
        if ((status = getCount(&count)) != Success) return new CudaProbe($"the CUDA driver cannot count GPUs: error {status} ({ErrorName(driver, status)})", versionText, []);

        CudaGpu[] gpus = [.. Enumerable.Range(0, count).Select(index => Describe(driver, index)).OfType<CudaGpu>()];
        return gpus.Length == 0
            ? new CudaProbe("a CUDA driver, but no GPU that it can use", versionText, [])
            : new CudaProbe($"CUDA {versionText}, {gpus.Length} {(gpus.Length == 1 ? "GPU" : "GPUs")}", versionText, gpus);
    }

    private static CudaGpu? Describe(nint driver, int index)
    {
        var getDevice = (delegate* unmanaged<int*, int, int>)Symbol(driver, "cuDeviceGet");
        var getName = (delegate* unmanaged<byte*, int, int, int>)Symbol(driver, "cuDeviceGetName");
        var getAttribute = (delegate* unmanaged<int*, int, int, int>)Symbol(driver, "cuDeviceGetAttribute");
        var getMemory = (delegate* unmanaged<nuint*, int, int>)Symbol(driver, "cuDeviceTotalMem_v2");
        if (getDevice == null || getName == null || getAttribute == null || getMemory == null) return null;

        const int nameBytes = 256;
        byte* name = stackalloc byte[nameBytes];
        int device, major = 0, minor = 0;
        nuint memory = 0;
        bool known = getDevice(&device, index) == Success && getName(name, nameBytes, device) == Success
            && getAttribute(&major, ComputeCapabilityMajor, device) == Success && getAttribute(&minor, ComputeCapabilityMinor, device) == Success
            && getMemory(&memory, device) == Success;
        return known
            ? new CudaGpu(index, Encoding.UTF8.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(name)), major, minor, (long)memory)
            : null;
    }

    private static string ErrorName(nint driver, int status)
    {
        var getName = (delegate* unmanaged<int, byte**, int>)Symbol(driver, "cuGetErrorName");
        byte* name = null;
        return getName != null && getName(status, &name) == Success && name != null ? Marshal.PtrToStringUTF8((nint)name)! : "unknown";
    }

    private static nint Symbol(nint library, string name) => NativeLibrary.TryGetExport(library, name, out nint address) ? address : 0;

    private static CudaProbe Missing(string message) => new(message, null, []);
}
