#if ILGPU
using ILGPU.Runtime;
#else
using OllmNative.Runtime.Language;
#endif

namespace OllmNative.Model.Cuda;

/// <summary>Which kernels a <see cref="CudaDevice"/> takes where there are several.</summary>
public sealed record CudaDeviceOptions
{
    /// <summary>
    /// The plainest kernel of each operation: no barriers and groups of one warp. The emulator runs those at the speed of
    /// the C#, while a barrier of 256 simulated threads costs it most of a millisecond.
    /// </summary>
    public bool Plain { get; init; }

    /// <summary>Products with bf16 weights go to the tensor cores (sm_80 and later), activations rounded to bf16.</summary>
    public bool TensorCores { get; init; }

    /// <summary>Products of many rows, and prompts' attention, take wgmma and the tensor copy unit (compute capability 9.0, drivers of CUDA 12).</summary>
    public bool Hopper { get; init; }

    /// <summary>
    /// Which tiles a product takes is measured at its first use, and noted for this GPU, its driver and these kernels; otherwise it follows from
    /// the sizes alone. Tiles of mma.sync all give the same bits; those of wgmma may differ from them in the last place.
    /// </summary>
    public bool MeasureProducts { get; init; }

    /// <summary>The tile for every product that can have it: for trials and tests.</summary>
    internal ProductTile? Tile { get; init; }

    /// <summary>Multiprocessors that launches count on: for trials; null for the accelerator's own.</summary>
    internal int? Multiprocessors { get; init; }

    /// <summary>What the accelerator could do and is not asked to: it was wrong there, or somebody said so.</summary>
    internal KernelVersions Without { get; init; }

    /// <summary>Is told in a line when something has to be done in another way than was meant; null tells nobody.</summary>
    public Action<string>? Warn { get; init; }

    /// <summary>Products with f32 parameters too: from a bf16 copy, while masters, sums, moments and updates stay f32.</summary>
    public bool Bf16Parameters { get; init; }

    /// <summary>Repeated work (<see cref="ComputeDevice.Repeat"/>) is recorded once and then started as one.</summary>
    public bool Graphs { get; init; }

    /// <summary>
    /// Work goes on beside the host: uploads through page-locked memory, copies on a second stream, reports read a step later, and decoding
    /// steps from token to token without it.
    /// </summary>
    public bool RunsAhead { get; init; }

    /// <summary>Logits of the fused head and loss that exist at one time; the vocabulary goes by in chunks of at least 128.</summary>
    public long HeadWorkspace { get; init; } = 8L << 20;

    /// <summary>Whether a version is not left out; whether the accelerator has it is for the other options to say.</summary>
    internal bool Has(KernelVersions version) => (Without & version) == 0;

    /// <summary>The same without a version, and what builds on it.</summary>
    internal CudaDeviceOptions Leaving(KernelVersions version)
    {
        CudaDeviceOptions rest = this with { Without = Without | version };
        return version switch
        {
            KernelVersions.Portable => rest with { Plain = true, TensorCores = false, Bf16Parameters = false, Hopper = false },
            KernelVersions.Tensor => rest with { TensorCores = false, Bf16Parameters = false, Hopper = false },
            KernelVersions.Steps => rest with { RunsAhead = false },
            KernelVersions.Graphs => rest with { Graphs = false },
            _ => rest,
        };
    }

    /// <summary>What suits an accelerator: everything on a GPU, the plain kernels on the emulator.</summary>
    public static CudaDeviceOptions For(Accelerator accelerator)
    {
        ArgumentNullException.ThrowIfNull(accelerator);
#if ILGPU
        bool gpu = accelerator.AcceleratorType == AcceleratorType.Cuda;
        return new CudaDeviceOptions { Plain = !gpu, MeasureProducts = gpu, Graphs = gpu, RunsAhead = gpu };
#else
        return accelerator is Runtime.Cuda.CudaAccelerator gpu
            ? ForGpu(gpu.Architecture.Major, gpu.Architecture.Minor, gpu.DriverVersion.Major * 1000 + gpu.DriverVersion.Minor * 10)
            : new CudaDeviceOptions { Plain = true };
#endif
    }

#if !ILGPU
    /// <summary>Everything that a GPU of this compute capability has under a driver, by the driver's number.</summary>
    internal static CudaDeviceOptions ForGpu(int major, int minor, int driver) => new()
    {
        // bf16 products came with compute capability 8.0.
        TensorCores = major >= 8, Bf16Parameters = major >= 8, Hopper = major == 9 && minor == 0 && driver >= 12000,
        MeasureProducts = true, Graphs = true, RunsAhead = true,
        Without = Runtime.Cuda.CudaAccelerator.HasOverlap(major, driver) ? KernelVersions.None : KernelVersions.Overlap,
    };
#endif
}
