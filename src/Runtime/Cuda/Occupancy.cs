using OllmNative.Runtime.Compiler.Ptx;

namespace OllmNative.Runtime.Cuda;

/// <summary>
/// How many groups of a kernel fit on a multiprocessor at once, from the limits in the CUDA programming guide's table of compute
/// capabilities. The driver says it for its own device; this needs none.
/// </summary>
/// <param name="Groups">Groups at once.</param>
/// <param name="Fraction">Their warps, as a share of those that the multiprocessor can hold.</param>
/// <param name="Limit">What allows no further group: <c>threads</c>, <c>groups</c>, <c>registers</c> or <c>shared memory</c>.</param>
public readonly record struct Occupancy(int Groups, double Fraction, string Limit)
{
    private const int WarpSize = 32, RegisterFile = 65536, RegistersOfAnAllocation = 256, Schedulers = 4;

    // Shared memory that the system keeps for itself in each group, from compute capability 8.0 on.
    private const int ReservedShared = 1024;

    /// <summary>The occupancy of a kernel on a target's chips.</summary>
    /// <param name="target">The architecture.</param>
    /// <param name="registers">Of a thread, at least 1.</param>
    /// <param name="sharedBytes">Of a group, static and dynamic.</param>
    /// <param name="threads">Of a group, 1 to 1024.</param>
    public static Occupancy Of(PtxTarget target, int registers, int sharedBytes, int threads)
    {
        (int mostWarps, int mostGroups, int mostShared, int unit) = Limits(target);
        int warps = (threads + WarpSize - 1) / WarpSize;
        int warpRegisters = RoundUp(registers * WarpSize, RegistersOfAnAllocation);
        int shared = sharedBytes == 0 && target < PtxTarget.Sm80 ? 0 : RoundUp(sharedBytes + (target < PtxTarget.Sm80 ? 0 : ReservedShared), unit);
        // Each of the four schedulers has its quarter of the registers.
        int warpsByRegisters = RegisterFile / Schedulers / warpRegisters * Schedulers;
        (int Groups, string Limit) least = (mostWarps / warps, "threads");
        foreach ((int Groups, string Limit) other in new[] { (mostGroups, "groups"), (warpsByRegisters / warps, "registers"), (shared == 0 ? int.MaxValue : mostShared / shared, "shared memory") })
            if (other.Groups < least.Groups) least = other;
        return new Occupancy(least.Groups, (double)least.Groups * warps / mostWarps, least.Limit);
    }

    private static (int Warps, int Groups, int SharedBytes, int SharedUnit) Limits(PtxTarget target) => target switch
    {
        PtxTarget.Sm75 => (32, 16, 64 * 1024, 256),
        PtxTarget.Sm80 => (64, 32, 164 * 1024, 128),
        PtxTarget.Sm86 => (48, 16, 100 * 1024, 128),
        PtxTarget.Sm89 => (48, 24, 100 * 1024, 128),
        _ => (64, 32, 228 * 1024, 128),
    };

    private static int RoundUp(int value, int unit) => (value + unit - 1) / unit * unit;
}
