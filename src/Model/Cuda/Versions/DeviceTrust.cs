#if !ILGPU
using System.Runtime.InteropServices;
using OllmNative.Runtime.Cuda;

namespace OllmNative.Model.Cuda;

/// <summary>
/// A fast version is used on a chip only after it has been right there. The first start on a chip tries each, the plainest first, and notes the
/// verdicts beside the compiled kernels; what differs, is refused, or loses the device, is left out from then on.
/// </summary>
public static class DeviceTrust
{
    /// <summary>The environment variable with versions to leave out, names with commas between them.</summary>
    public const string Variable = "OLLM_CUDA_WITHOUT";

    // Another process is through with all versions long before.
    private static readonly TimeSpan Turn = TimeSpan.FromMinutes(10);

    /// <summary>The options for a GPU: everything that it has, without what is known to be wrong there or the environment leaves out.</summary>
    /// <param name="gpu">An open GPU.</param>
    /// <param name="warn">Is told of what is left out for the first time, a line each.</param>
    /// <exception cref="OllmException">A name in the environment is not known, or a version has lost the device: the next process leaves it out.</exception>
    public static CudaDeviceOptions Settle(CudaAccelerator gpu, Action<string>? warn) =>
        Settle(gpu, warn, Environment.GetEnvironmentVariable(Variable), TrialPatience.Usual);

    internal static CudaDeviceOptions Settle(CudaAccelerator gpu, Action<string>? warn, string? without, TrialPatience patience)
    {
        ArgumentNullException.ThrowIfNull(gpu);
        CudaDeviceOptions options = ByHand(CudaDeviceOptions.For(gpu), without) with { Warn = warn };
        if (Known(VersionNotes.Read(gpu.Notes), options) is { } settled) return settled;
        using IDisposable? hold = gpu.Notes.HoldOthers(Turn);
        // Whoever had the turn before may have tried them.
        VersionNotes notes = VersionNotes.Read(gpu.Notes);
        using var guard = new InterruptionGuard(notes);
        var trial = new VersionTrial(gpu, patience);
        foreach (DeviceVersion version in DeviceVersion.All)
        {
            if (!version.IsIn(options)) continue;
            bool isNew = !notes.IsTried(version);
            if (isNew) Try(trial, gpu, version, options, notes);
            if (notes.WhyNot(version) is not { } why) continue;
            options = options.Leaving(version.Kind);
            if (isNew) warn?.Invoke($"'{version.Name}' ({version.Title}) is left out on {NameOf(gpu)}: {why}; in its place: {version.InPlace}");
            if (version.Kind == KernelVersions.Portable) ExpectPlain(trial, gpu, options);
        }
        return options;
    }

    /// <summary>Tries versions whatever is known of them, and notes the verdicts.</summary>
    /// <param name="gpu">An open GPU.</param>
    /// <param name="wanted">Which, by name.</param>
    /// <returns>Those that the GPU has, each as it has been tried, and how long that took.</returns>
    /// <exception cref="OllmException">A version has lost the device.</exception>
    public static IEnumerable<(VersionReport Report, TimeSpan Time)> TryAgain(CudaAccelerator gpu, Func<string, bool> wanted)
    {
        ArgumentNullException.ThrowIfNull(gpu);
        ArgumentNullException.ThrowIfNull(wanted);
        using IDisposable? hold = gpu.Notes.HoldOthers(Turn);
        VersionNotes notes = VersionNotes.Read(gpu.Notes);
        using var guard = new InterruptionGuard(notes);
        var trial = new VersionTrial(gpu, TrialPatience.Usual);
        CudaDeviceOptions options = CudaDeviceOptions.For(gpu);
        foreach (DeviceVersion version in DeviceVersion.All)
        {
            if (!version.IsIn(options)) continue;
            if (wanted(version.Name))
            {
                long start = System.Diagnostics.Stopwatch.GetTimestamp();
                Try(trial, gpu, version, options, notes, again: true);
                yield return (Report(version, options, notes), System.Diagnostics.Stopwatch.GetElapsedTime(start));
            }
            if (notes.WhyNot(version) is not null) options = options.Leaving(version.Kind);
        }
    }

    /// <summary>What is known of the versions on a GPU, which need not be open.</summary>
    /// <param name="gpu">The GPU.</param>
    /// <param name="driver">The driver, as <see cref="CudaProbe.DriverNumber"/> has it.</param>
    public static IReadOnlyList<VersionReport> Reports(CudaGpu gpu, int driver)
    {
        ArgumentNullException.ThrowIfNull(gpu);
        VersionNotes notes = VersionNotes.Read(CudaNotes.Of(gpu, driver));
        CudaDeviceOptions options = CudaDeviceOptions.ForGpu(gpu.ComputeMajor, gpu.ComputeMinor, driver), asked = ByHand(options, Environment.GetEnvironmentVariable(Variable));
        var all = new List<VersionReport>();
        foreach (DeviceVersion version in DeviceVersion.All)
        {
            bool byHand = version.IsIn(options) && !asked.Has(version.Kind);
            VersionReport report = Report(version, options, notes);
            all.Add(byHand ? report with { State = "left out", Why = Variable } : report);
            if (byHand || notes.WhyNot(version) is not null) options = options.Leaving(version.Kind);
        }
        return all;
    }

    /// <summary>Forgets what is known of the versions on a GPU: the next start tries them anew.</summary>
    /// <param name="gpu">The GPU.</param>
    /// <param name="driver">The driver, as <see cref="CudaProbe.DriverNumber"/> has it.</param>
    public static void Forget(CudaGpu gpu, int driver) => VersionNotes.Forget(CudaNotes.Of(gpu, driver));

    private static VersionReport Report(DeviceVersion version, CudaDeviceOptions options, VersionNotes notes) => new(
        version.Name, version.Title,
        !version.IsIn(options) ? "not here" : notes.IsRight(version) ? "in use" : notes.IsTried(version) ? "left out" : "not tried",
        version.IsIn(options) ? notes.WhyNot(version) : null, version.InPlace);

    private static CudaDeviceOptions ByHand(CudaDeviceOptions options, string? names)
    {
        KernelVersions without = DeviceVersion.Parse(names, Variable);
        foreach (DeviceVersion version in DeviceVersion.All)
            if ((without & version.Kind) != 0) options = options.Leaving(version.Kind);
        return options;
    }

    /// <summary>The options, if every version that they have has been tried.</summary>
    private static CudaDeviceOptions? Known(VersionNotes notes, CudaDeviceOptions options)
    {
        foreach (DeviceVersion version in DeviceVersion.All)
        {
            if (!version.IsIn(options)) continue;
            if (!notes.IsTried(version)) return null;
            if (!notes.IsRight(version)) options = options.Leaving(version.Kind);
        }
        return options;
    }

    /// <summary>Comes to a verdict and notes it, before anything else can happen.</summary>
    private static void Try(VersionTrial trial, CudaAccelerator gpu, DeviceVersion version, CudaDeviceOptions options, VersionNotes notes, bool again = false)
    {
        // Others are kept waiting, so whoever left the mark has ended.
        if (notes.WasTrying(version) && !again)
        {
            notes.Decide(version, "the process that tried it ended before it came back");
            return;
        }
        notes.Mark(version);
        try
        {
            notes.Decide(version, trial.Run(version, options));
        }
        catch (CudaException error) when (gpu.IsLost && (error.IsOfAKernel || error.Call.Length == 0))
        {
            notes.Decide(version, error.Message);
            throw new OllmException(
                $"--device cuda: {NameOf(gpu)} was lost while '{version.Name}' ({version.Title}) was tried: {error.Message}. This is noted: "
                + $"the next run leaves '{version.Name}' out and uses in its place: {version.InPlace}", error);
        }
        catch
        {
            // Nothing that speaks against the version.
            notes.Unmark();
            throw;
        }
    }

    /// <summary>Where even groups of threads are wrong, the kernels of one thread a result must be right: there is nothing plainer.</summary>
    private static void ExpectPlain(VersionTrial trial, CudaAccelerator gpu, CudaDeviceOptions options)
    {
        var plain = new DeviceVersion(KernelVersions.Portable, "plain", "", "", _ => true, VersionCases.Portable);
        if (trial.Run(plain, options) is { } why)
            throw new OllmException($"--device cuda: {NameOf(gpu)} computes wrongly even with the plainest kernels: {why}; --device cpu computes on the processor");
    }

    private static string NameOf(CudaAccelerator gpu) => $"{gpu.Name} (compute capability {gpu.Architecture.Major}.{gpu.Architecture.Minor}, driver for CUDA {gpu.DriverVersion})";

    /// <summary>A signal that ends the process during a trial is the user's doing, not the version's.</summary>
    private sealed class InterruptionGuard : IDisposable
    {
        private readonly PosixSignalRegistration _interrupt, _terminate;
        private readonly EventHandler _exit;

        public InterruptionGuard(VersionNotes notes)
        {
            _interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, _ => notes.Unmark());
            _terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, _ => notes.Unmark());
            _exit = (_, _) => notes.Unmark();
            AppDomain.CurrentDomain.ProcessExit += _exit;
        }

        public void Dispose()
        {
            AppDomain.CurrentDomain.ProcessExit -= _exit;
            _interrupt.Dispose();
            _terminate.Dispose();
        }
    }
}
#endif
