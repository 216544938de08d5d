using System.Collections.Immutable;
using OllmNative.Runtime.Language;

namespace OllmNative.Runtime.Cuda;

/// <summary>A GPU that can run kernels. Names are ILGPU's.</summary>
public sealed class CudaDevice : Device
{
    private CudaDevice(ICudaApi api, CudaGpu gpu, int handle, int driver) : base(AcceleratorType.Cuda, gpu.Name)
    {
        (Api, Gpu, Handle, DriverNumber) = (api, gpu, handle, driver);
        MemorySize = gpu.MemoryBytes;
        MaxGridSize = new(Ask(DeviceAttribute.MaxGridDimX), Ask(DeviceAttribute.MaxGridDimY), Ask(DeviceAttribute.MaxGridDimZ));
        MaxGroupSize = new(Ask(DeviceAttribute.MaxBlockDimX), Ask(DeviceAttribute.MaxBlockDimY), Ask(DeviceAttribute.MaxBlockDimZ));
        MaxNumThreadsPerGroup = Ask(DeviceAttribute.MaxThreadsPerBlock);
        DefaultSharedMemoryPerGroup = Ask(DeviceAttribute.MaxSharedMemoryPerBlock);
        MaxSharedMemoryPerGroup = Math.Max(DefaultSharedMemoryPerGroup, Ask(DeviceAttribute.MaxSharedMemoryPerBlockOptin));
        MaxConstantMemory = Ask(DeviceAttribute.TotalConstantMemory);
        WarpSize = Ask(DeviceAttribute.WarpSize);
        NumMultiprocessors = gpu.Multiprocessors;
        MaxNumThreadsPerMultiprocessor = Ask(DeviceAttribute.MaxThreadsPerMultiprocessor);
        MemoryClockRate = Ask(DeviceAttribute.MemoryClockRate) / 1000;
        MemoryBusWidth = Ask(DeviceAttribute.GlobalMemoryBusWidth);
        L2CacheSize = Ask(DeviceAttribute.L2CacheSize);
        MaxSharedMemoryPerMultiprocessor = Ask(DeviceAttribute.MaxSharedMemoryPerMultiprocessor);
        TotalNumRegistersPerMultiprocessor = Ask(DeviceAttribute.MaxRegistersPerMultiprocessor);
        TotalNumRegistersPerGroup = Ask(DeviceAttribute.MaxRegistersPerBlock);
        HasECCSupport = Ask(DeviceAttribute.EccEnabled) != 0;
        PCIDomainId = Ask(DeviceAttribute.PciDomainId);
        PCIBusId = Ask(DeviceAttribute.PciBusId);
        PCIDeviceId = Ask(DeviceAttribute.PciDeviceId);
    }

    /// <summary>The driver's number for it.</summary>
    public int DeviceId => Gpu.Index;

    /// <summary>The CUDA version that the driver supports.</summary>
    public CudaDriverVersion DriverVersion => new(DriverNumber / 1000, DriverNumber % 1000 / 10);

    /// <summary>Its compute capability.</summary>
    public CudaArchitecture? Architecture => new CudaArchitecture(Gpu.ComputeMajor, Gpu.ComputeMinor);

    /// <summary>Highest clock of the multiprocessors, in MHz.</summary>
    public int ClockRate => Gpu.ClockMegahertz;

    /// <summary>In MHz.</summary>
    public int MemoryClockRate { get; }

    /// <summary>In bits.</summary>
    public int MemoryBusWidth { get; }
    public int L2CacheSize { get; }
    public int MaxSharedMemoryPerMultiprocessor { get; }
    public int TotalNumRegistersPerMultiprocessor { get; }
    public int TotalNumRegistersPerGroup { get; }
    public bool HasECCSupport { get; }
    public int PCIDomainId { get; }
    public int PCIBusId { get; }
    public int PCIDeviceId { get; }

    /// <summary>Shared memory of a group without asking for more.</summary>
    internal int DefaultSharedMemoryPerGroup { get; }
    internal ICudaApi Api { get; }
    internal CudaGpu Gpu { get; }
    internal int Handle { get; }
    internal int DriverNumber { get; }

    /// <summary>The usable GPUs that fit; none where there is no driver. Never throws.</summary>
    public static ImmutableArray<Device> GetDevices(Predicate<CudaDevice> predicate) =>
        CudaLibrary.IsInstalled ? [.. Find(CudaLibrary.Instance, CudaDriver.Probe()).Where(device => predicate(device))] : [];

    /// <summary>The usable GPUs of any implementation of the driver.</summary>
    internal static IEnumerable<CudaDevice> Find(ICudaApi api, CudaProbe probe)
    {
        foreach (CudaGpu gpu in probe.Gpus)
        {
            if (gpu.Refusal is null && Open(api, gpu, probe.DriverNumber) is { } device) yield return device;
        }
    }

    private static CudaDevice? Open(ICudaApi api, CudaGpu gpu, int driver)
    {
        try
        {
            return api.DeviceGet(out int handle, gpu.Index) == CuResult.Success ? new CudaDevice(api, gpu, handle, driver) : null;
        }
        catch (CudaException)
        {
            // A GPU that went away since it was counted is as good as none.
            return null;
        }
    }

    public override Accelerator CreateAccelerator(Context context) => CreateCudaAccelerator(context);

    /// <summary>Opens the GPU.</summary>
    /// <exception cref="CudaException">The driver cannot make a context there.</exception>
    public CudaAccelerator CreateCudaAccelerator(Context context) => new(context, this);

    private int Ask(DeviceAttribute attribute)
    {
        CuResult status = Api.DeviceGetAttribute(out int value, attribute, Handle);
        return status == CuResult.Success ? value : throw CudaException.Of(Api, "cuDeviceGetAttribute", status, $"{attribute} of {Name}");
    }
}

/// <summary>The ways to GPUs from a context.</summary>
public static class CudaContextExtensions
{
    /// <summary>Adds the GPUs.</summary>
    public static Context.Builder Cuda(this Context.Builder builder) => builder.Cuda(static _ => true);

    /// <summary>Adds the GPUs that fit.</summary>
    public static Context.Builder Cuda(this Context.Builder builder, Predicate<CudaDevice> predicate)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AllAccelerators(device => device is CudaDevice gpu && predicate(gpu));
    }

    public static CudaDevice GetCudaDevice(this Context context, int cudaDeviceIndex)
    {
        ArgumentNullException.ThrowIfNull(context);
        return context.GetDevice<CudaDevice>(cudaDeviceIndex);
    }

    public static Context.DeviceCollection<CudaDevice> GetCudaDevices(this Context context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return context.GetDevices<CudaDevice>();
    }

    public static CudaAccelerator CreateCudaAccelerator(this Context context, int cudaDeviceIndex) =>
        context.GetCudaDevice(cudaDeviceIndex).CreateCudaAccelerator(context);
}
