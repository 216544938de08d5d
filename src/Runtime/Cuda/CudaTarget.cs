using OllmNative.Runtime.Compiler.Ptx;

namespace OllmNative.Runtime.Cuda;

/// <summary>
/// Which PTX a GPU gets. PTX of a plain target runs on every later GPU; that of sm_90a on compute capability 9.0 alone, so it is made only
/// there, and only for a kernel that needs it.
/// </summary>
internal static class CudaTarget
{
    // Drivers from CUDA 11.8 on know Ada and Hopper, from 12.0 on sm_90a.
    private const int KnowsHopper = 11080, KnowsHopperExtensions = 12000;

    private static readonly PtxTarget[] Plain = [PtxTarget.Sm90, PtxTarget.Sm89, PtxTarget.Sm86, PtxTarget.Sm80, PtxTarget.Sm75];

    /// <summary>The newest plain target that the GPU and the driver take; null for a GPU older than all of them.</summary>
    /// <param name="major">Compute capability, first digit.</param>
    /// <param name="minor">Compute capability, second digit.</param>
    /// <param name="driver">The driver's version, 12080 for 12.8.</param>
    public static PtxTarget? For(int major, int minor, int driver)
    {
        foreach (PtxTarget target in Plain)
            if ((int)target <= major * 10 + minor && (target < PtxTarget.Sm89 || driver >= KnowsHopper)) return target;
        return null;
    }

    /// <summary>Whether kernels with Hopper's own instructions run here.</summary>
    public static bool HasHopperExtensions(int major, int minor, int driver) => major == 9 && minor == 0 && driver >= KnowsHopperExtensions;
}
