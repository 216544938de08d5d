using System.Diagnostics;
using System.Runtime.ExceptionServices;
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;

namespace OllmNative.Runtime.Emulator;

/// <summary>One launch: its layout, its arguments, and which of its groups is next.</summary>
internal sealed class Launch(string name, KernelConfig config, IKernelArguments body)
{
    private int _next;
    private ExceptionDispatchInfo? _failure;

    public string Name { get; } = name;
    public KernelConfig Config { get; } = config;
    public IKernelArguments Body { get; } = body;
    public int GroupCount { get; } = checked((int)config.GridDim.LongSize);

    /// <summary>Runs groups until none is left or one has failed.</summary>
    public void RunGroups(EmulatedGroup group)
    {
        try
        {
            int number;
            while (_failure is null && (number = Interlocked.Increment(ref _next) - 1) < GroupCount)
                group.Run(this, new Index3D(number % Config.GridDim.X, number / Config.GridDim.X % Config.GridDim.Y, number / Config.GridDim.X / Config.GridDim.Y));
        }
        catch (KernelException error)
        {
            Interlocked.CompareExchange(ref _failure, ExceptionDispatchInfo.Capture(error), null);
        }
    }

    public void ThrowFailure() => _failure?.Throw();
}

/// <summary>A kernel of the emulator: the method itself.</summary>
internal sealed class EmulatorKernel(CPUAccelerator accelerator, KernelEntry entry) : Kernel(accelerator, entry)
{
    protected internal override void Launch<TArguments>(AcceleratorStream stream, in KernelConfig config, in TArguments arguments)
    {
        LaunchCheck.Throw(Entry.Name, config, accelerator, Math.Min(accelerator.MaxNumThreadsPerGroup, Specialization.MaxNumThreadsPerGroup ?? int.MaxValue));
        if (stream is EmulatorStream { Recording: { } recording }) Record(recording, config, arguments);
        else Run(config, arguments);
    }

    private void Record(List<Action> recording, KernelConfig config, IKernelArguments arguments) => recording.Add(() => Run(config, arguments));

    private void Run(in KernelConfig config, IKernelArguments arguments)
    {
        long started = Stopwatch.GetTimestamp();
        accelerator.Run(new Launch(Entry.Name, config, arguments));
        LaunchProfiler.Active?.Add(Entry.Name, accelerator, config, started);
    }
}
