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

    /// <summary>The tile for every product that can have it: for tests.</summary>
    internal ProductTile? Tile { get; init; }

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

    /// <summary>What suits an accelerator: everything on a GPU, the plain kernels on the emulator.</summary>
    public static CudaDeviceOptions For(Accelerator accelerator)
    {
        ArgumentNullException.ThrowIfNull(accelerator);
        bool gpu = accelerator.AcceleratorType == AcceleratorType.Cuda;
#if ILGPU
        const bool tensorCores = false, hopper = false;
#else
        // bf16 products came with compute capability 8.0.
        bool tensorCores = accelerator is Runtime.Cuda.CudaAccelerator { Architecture.Major: >= 8 };
        bool hopper = accelerator is Runtime.Cuda.CudaAccelerator { Architecture: { Major: 9, Minor: 0 }, DriverVersion.Major: >= 12 };
#endif
        return new CudaDeviceOptions
        {
            Plain = !gpu, TensorCores = tensorCores, Bf16Parameters = tensorCores, Hopper = hopper, MeasureProducts = gpu,
            Graphs = gpu, RunsAhead = gpu,
        };
    }
}
