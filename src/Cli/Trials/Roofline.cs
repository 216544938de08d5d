using OllmNative.Runtime.Cuda;
using OllmNative.Runtime.Language;

namespace OllmNative.Cli.Trials;

/// <summary>What a GPU could do at best, by its clocks and units; a kernel's time is held against the slower of the two limits.</summary>
/// <param name="BytesPerSecond">Memory traffic.</param>
/// <param name="FlopsPerSecond">f32 arithmetic.</param>
/// <param name="TensorFlopsPerSecond">bf16 products summed in f32, on the tensor cores.</param>
internal sealed record Roofline(double BytesPerSecond, double FlopsPerSecond, double TensorFlopsPerSecond)
{
    /// <summary>The limits of a GPU; null for anything else, which has none worth the name.</summary>
    public static Roofline? Of(Accelerator accelerator)
    {
        if (accelerator is not CudaAccelerator gpu) return null;
        CudaDevice device = gpu.Device;
        double clocks = 1e6 * device.ClockRate * device.NumMultiprocessors;
        (int flops, int tensorFlops) = PerClock(gpu.Architecture);
        return new Roofline(2e6 * device.MemoryClockRate * device.MemoryBusWidth / 8, clocks * flops, clocks * tensorFlops);
    }

    /// <summary>Arithmetic of one multiprocessor in one clock, from NVIDIA's architecture papers.</summary>
    private static (int Flops, int TensorFlops) PerClock(CudaArchitecture architecture) => (architecture.Major, architecture.Minor) switch
    {
        (7, _) => (128, 1024),
        (8, 0) => (128, 2048),
        (8, _) => (256, 512),
        (9, _) => (256, 4096),
        _ => (256, 4096),
    };

    /// <summary>The shortest time that a launch can take, in seconds.</summary>
    public double Seconds(KernelTrial trial) => Math.Max(trial.Bytes / BytesPerSecond, trial.Flops / (trial.OnTensorCores ? TensorFlopsPerSecond : FlopsPerSecond));
}
