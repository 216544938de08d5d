using OllmNative.Model.Cpu;
#if ILGPU
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using ILGPU.Runtime.Cuda;
#else
using OllmNative.Runtime.Cuda;
using OllmNative.Runtime.Emulator;
using OllmNative.Runtime.Language;
#endif
using KernelDevice = OllmNative.Model.Cuda.CudaDevice;

namespace OllmNative.Model;

/// <summary>Opens the device that a name on the command line means.</summary>
public static class DeviceChoice
{
    /// <summary><c>auto</c> (a GPU where there is one, otherwise the processor), <c>cpu</c>, <c>cuda</c>, <c>emulator</c> (the kernels, run as C#).</summary>
    public static IReadOnlyList<string> Names { get; } = ["auto", "cpu", "cuda", "emulator"];

    /// <summary>Opens a device.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="threads">Processor threads of the cpu device; 0 takes one for each core.</param>
    /// <param name="number">Number of this process among those on the machine: each takes a GPU of its own, in turn.</param>
    /// <param name="warn">Is told, a line each time, when a GPU does something in another way than was meant.</param>
    /// <exception cref="OllmException">There is no such name, or no usable GPU.</exception>
    public static ComputeDevice Open(string name, int threads = 0, int number = 0, Action<string>? warn = null) => name switch
    {
        "cpu" => new CpuDevice(threads),
        "cuda" => OpenCuda(number, warn),
        "emulator" => OpenEmulator(),
        "auto" => HasGpu ? OpenCuda(number, warn) : new CpuDevice(threads),
        _ => throw new OllmException($"--device {name}: expected one of {string.Join(", ", Names)}"),
    };

    private static KernelDevice OpenEmulator()
    {
        Context context = Context.Create(builder => builder.CPU());
        return new KernelDevice(context.CreateCPUAccelerator(0), options: null, context);
    }

#if ILGPU
    private static bool HasGpu => false;

    private static KernelDevice OpenCuda(int number, Action<string>? warn)
    {
        Context context = Context.Create(builder => builder.Cuda());
        if (context.Devices.Length == 0) throw new OllmException("--device cuda: there is no GPU that ILGPU can use; --device cpu computes on the processor");
        return new KernelDevice(context.Devices[number % context.Devices.Length].CreateAccelerator(context), new Cuda.CudaDeviceOptions(), context);
    }
#else
    private static bool HasGpu => CudaDriver.Probe().Gpus.Any(gpu => gpu.Refusal is null);

    private static KernelDevice OpenCuda(int number, Action<string>? warn)
    {
        CudaProbe probe = CudaDriver.Probe();
        if (!HasGpu)
        {
            string why = probe.Gpus.Count > 0 ? string.Join("; ", probe.Gpus.Select(gpu => $"{gpu.Name}: {gpu.Refusal}")) : probe.Message;
            throw new OllmException($"--device cuda: {why}; --device cpu computes on the processor");
        }
        Context context = Context.Create(builder => builder.Cuda());
        try
        {
            if (context.Devices.Length == 0) throw new OllmException($"--device cuda: {probe.Message}, but it cannot be opened; --device cpu computes on the processor");
            var gpu = (CudaAccelerator)context.Devices[number % context.Devices.Length].CreateAccelerator(context);
            return Trusted(gpu, warn, context);
        }
        catch (CudaException error)
        {
            context.Dispose();
            throw new OllmException($"--device cuda: {error.Message}");
        }
    }

    /// <summary>The device on an open GPU, with what has been right there.</summary>
    private static KernelDevice Trusted(CudaAccelerator gpu, Action<string>? warn, Context context)
    {
        try
        {
            return new KernelDevice(gpu, Cuda.DeviceTrust.Settle(gpu, warn), context);
        }
        catch
        {
            gpu.Dispose();
            throw;
        }
    }
#endif
}
