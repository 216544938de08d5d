using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using OllmNative.Runtime.Compiler.Ptx;

namespace OllmNative.Runtime.Cuda;

/// <summary>A GPU as the CUDA driver describes it.</summary>
/// <param name="Index">The driver's number for it.</param>
/// <param name="Name">Product name.</param>
/// <param name="ComputeMajor">Compute capability, first digit.</param>
/// <param name="ComputeMinor">Compute capability, second digit.</param>
/// <param name="MemoryBytes">Its memory.</param>
public sealed record CudaGpu(int Index, string Name, int ComputeMajor, int ComputeMinor, long MemoryBytes)
{
    /// <summary>Why it cannot be used; null where it can.</summary>
    public string? Refusal { get; init; }

    /// <summary>Streaming multiprocessors.</summary>
    public int Multiprocessors { get; init; }

    /// <summary>Highest clock of the multiprocessors, in MHz.</summary>
    public int ClockMegahertz { get; init; }

    /// <summary>What the memory can carry by its clock and width, in bytes a second; 0 where the driver does not say.</summary>
    public double MemoryBytesPerSecond { get; init; }
}

/// <summary>What is known of CUDA on this machine.</summary>
/// <param name="Message">One line for people: what was found, or what is missing.</param>
/// <param name="DriverVersion">The CUDA version that the driver supports, such as 12.8; null without a driver.</param>
/// <param name="Gpus">The GPUs that the driver knows, also those that cannot be used; empty when there is none.</param>
public sealed record CudaProbe(string Message, string? DriverVersion, IReadOnlyList<CudaGpu> Gpus)
{
    /// <summary>The driver's version as it numbers it: 12080 for 12.8; 0 without a driver.</summary>
    public int DriverNumber { get; init; }
}

/// <summary>
/// Asks the CUDA driver (libcuda.so.1, nvcuda.dll) what is there. Nothing needs to be installed beside the driver itself,
/// and a machine without one gets a plain message.
/// </summary>
public static unsafe class CudaDriver
{
    /// <summary>The oldest driver that loads the PTX which the compiler writes: that of CUDA 11.4.</summary>
    internal const int OldestDriver = 11040;

    private static readonly Lazy<CudaProbe> Probed = new(() => Ask(CudaLibrary.Instance));

    /// <summary>Looks for a driver and its GPUs; asked once in a process. Never throws.</summary>
    public static CudaProbe Probe() => CudaLibrary.IsInstalled
        ? Probed.Value
        : new CudaProbe($"no CUDA driver: {CudaLibrary.FileName} was not found; an NVIDIA driver brings it", null, []);

    /// <summary>The same of any implementation of the driver.</summary>
    internal static CudaProbe Ask(ICudaApi api)
    {
        int number = api.DriverGetVersion(out int version) == CuResult.Success ? version : 0;
        string text = VersionText(number);
        CudaProbe Nothing(string message) => new(message, number == 0 ? null : text, []) { DriverNumber = number };

        CuResult status = api.Init(0);
        if (status == CuResult.NoDevice) return Nothing("a CUDA driver, but no GPU that it can use");
        if (status != CuResult.Success) return Nothing($"the CUDA driver cannot start: cuInit: {CudaException.Describe(api, status)}");
        if ((status = api.DeviceGetCount(out int count)) != CuResult.Success)
            return Nothing($"the CUDA driver cannot count GPUs: cuDeviceGetCount: {CudaException.Describe(api, status)}");
        if (count == 0) return Nothing("a CUDA driver, but no GPU that it can use");

        CudaGpu[] gpus = [.. Enumerable.Range(0, count).Select(index => Describe(api, index, number))];
        int usable = gpus.Count(gpu => gpu.Refusal is null);
        string message = usable > 0
            ? $"CUDA {text}, {usable} {(usable == 1 ? "GPU" : "GPUs")}"
            : $"CUDA {text}, but no GPU that can be used: {gpus[0].Refusal}";
        return new CudaProbe(message, text, gpus) { DriverNumber = number };
    }

    internal static string VersionText(int number) => string.Create(CultureInfo.InvariantCulture, $"{number / 1000}.{number % 1000 / 10}");

    private static CudaGpu Describe(ICudaApi api, int index, int driver)
    {
        const int nameBytes = 256;
        byte* name = stackalloc byte[nameBytes];
        CuResult status;
        if ((status = api.DeviceGet(out int device, index)) != CuResult.Success || (status = api.DeviceGetName(name, nameBytes, device)) != CuResult.Success
            || (status = api.DeviceTotalMem(out nuint memory, device)) != CuResult.Success
            || (status = api.DeviceGetAttribute(out int major, DeviceAttribute.ComputeCapabilityMajor, device)) != CuResult.Success
            || (status = api.DeviceGetAttribute(out int minor, DeviceAttribute.ComputeCapabilityMinor, device)) != CuResult.Success)
            return new CudaGpu(index, $"GPU {index}", 0, 0, 0) { Refusal = $"the driver cannot describe it: {CudaException.Describe(api, status)}" };

        int Attribute(DeviceAttribute attribute) => api.DeviceGetAttribute(out int value, attribute, device) == CuResult.Success ? value : 0;
        string product = Encoding.UTF8.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(name));
        return new CudaGpu(index, product, major, minor, (long)memory)
        {
            Refusal = Refusal(product, major, minor, driver),
            Multiprocessors = Attribute(DeviceAttribute.MultiprocessorCount),
            ClockMegahertz = Attribute(DeviceAttribute.ClockRate) / 1000,
            // Two transfers a clock.
            MemoryBytesPerSecond = 2 * 1000.0 * Attribute(DeviceAttribute.MemoryClockRate) * Attribute(DeviceAttribute.GlobalMemoryBusWidth) / 8,
        };
    }

    private static string? Refusal(string name, int major, int minor, int driver)
    {
        if (CudaTarget.For(major, minor, driver) is null)
            return $"{name} has compute capability {major}.{minor}; kernels need {(int)PtxTarget.Sm75 / 10}.{(int)PtxTarget.Sm75 % 10} (Turing) or later";
        return driver < OldestDriver
            ? $"the driver supports CUDA {VersionText(driver)}; kernels need a driver of CUDA {VersionText(OldestDriver)} or later"
            : null;
    }
}
