#if !ILGPU
using System.Globalization;
using System.Runtime.ExceptionServices;
using OllmNative.Model.Cpu;
using OllmNative.Runtime.Compiler;
using OllmNative.Runtime.Cuda;
using OllmNative.Runtime.Language;

namespace OllmNative.Model.Cuda;

/// <summary>How long a trial may stand still.</summary>
/// <param name="Running">Without a kernel being started or loaded.</param>
/// <param name="Compiling">For one kernel, in the driver's compiler.</param>
internal readonly record struct TrialPatience(TimeSpan Running, TimeSpan Compiling)
{
    /// <summary>A trial is through in milliseconds, and the driver's compiler takes at most some seconds for a kernel.</summary>
    public static TrialPatience Usual { get; } = new(TimeSpan.FromSeconds(20), TimeSpan.FromSeconds(90));
}

/// <summary>
/// Tries a version on an open GPU: its cases there against the processor's results, or against the same device without it. A trial runs on a thread
/// of its own, so that one which never ends can be given up.
/// </summary>
internal sealed class VersionTrial(CudaAccelerator gpu, TrialPatience patience)
{
    private const int Seed = 20260;

    /// <summary>Why the version cannot be used; null when it can.</summary>
    /// <param name="version">The version.</param>
    /// <param name="options">What the device would do with it and without those behind it.</param>
    /// <exception cref="CudaException">The GPU is lost to this process, by the version or by something else.</exception>
    public string? Run(DeviceVersion version, CudaDeviceOptions options)
    {
        (string? why, Exception? thrown) = (null, null);
        var thread = new Thread(() =>
        {
            try
            {
                why = Compare(version, version.Alone(options));
            }
#pragma warning disable CA1031 // Thrown again on the caller's thread, or told as the verdict.
            catch (Exception error)
#pragma warning restore CA1031
            {
                thrown = error;
            }
        }) { IsBackground = true, Name = $"trial of {version.Name}" };
        thread.Start();
        if (!Ended(thread)) throw gpu.Abandon($"'{version.Name}' did not come back");
        if (thrown is null) return why;
        if (gpu.IsLost || !IsTheVersions(thrown)) ExceptionDispatchInfo.Throw(thrown);
        return thrown.Message.Split('\n') is [var first, .. var rest] ? rest.Length > 0 ? $"{first} {rest[0]}" : first : thrown.Message;
    }

    /// <summary>What the driver or the kernel refuses; want of memory says nothing about a version.</summary>
    private static bool IsTheVersions(Exception error) => error is CudaException { Result: not CuResult.OutOfMemory } or KernelException or KernelCompileException or InvalidOperationException;

    private bool Ended(Thread thread)
    {
        const int look = 20;
        (int launches, bool loading, long since) = (gpu.Launches, gpu.IsLoading, Environment.TickCount64);
        while (!thread.Join(look))
        {
            if ((gpu.Launches, gpu.IsLoading) != (launches, loading)) (launches, loading, since) = (gpu.Launches, gpu.IsLoading, Environment.TickCount64);
            else if (Environment.TickCount64 - since > (loading ? patience.Compiling : patience.Running).TotalMilliseconds) return false;
        }
        return true;
    }

    private string? Compare(DeviceVersion version, CudaDeviceOptions with)
    {
        // Where a device goes another way by itself, the version does not do what it is for.
        with = with with { Warn = line => throw new KernelException(line) };
        CudaDeviceOptions without = with.Leaving(version.Kind);
        foreach ((int index, VersionCase test) in version.Cases().Index())
        {
            CudaDeviceOptions For(CudaDeviceOptions options) => options with { Tile = test.Tile, Multiprocessors = test.Multiprocessors };
            SelftestOutcome expected = version.IsAnOrderOfTheSame
                ? Results(test, index, CudaDevice.Borrowing(gpu, For(without)))
                : Results(test, index, new CpuDevice(1));
            SelftestOutcome found = Results(test, index, CudaDevice.Borrowing(gpu, For(with)));
            double error = expected.Error(found);
            if (error <= test.Test.Tolerance) continue;
            return string.Create(CultureInfo.InvariantCulture,
                $"{test.Test.Operation} ({expected.Shape}) is off by {error:0.0e+0} of the largest value, where {test.Test.Tolerance:0.0e+0} is rounding");
        }
        return null;
    }

    private static SelftestOutcome Results(in VersionCase test, int index, ComputeDevice device)
    {
        using (device) return SelftestOutcome.Of(test.Test, device, Seed + index);
    }
}
#endif
