using System.Runtime.ExceptionServices;
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
        Check(config);
        accelerator.Run(new Launch(Entry.Name, config, arguments));
    }

    private void Check(in KernelConfig config)
    {
        int limit = Math.Min(accelerator.MaxNumThreadsPerGroup, Specialization.MaxNumThreadsPerGroup ?? int.MaxValue);
        if (!config.IsValid) throw new KernelException($"kernel {Entry.Name}: a launch of {config.GridDim} groups of {config.GroupDim} threads");
        if (config.GroupDim.LongSize > limit) throw new KernelException($"kernel {Entry.Name}: a group of {config.GroupDim.LongSize} threads; at most {limit}");
        if (!config.GridDim.InBoundsInclusive(accelerator.MaxGridSize))
            throw new KernelException($"kernel {Entry.Name}: a grid of {config.GridDim} groups; at most {accelerator.MaxGridSize}");
        if (config.SharedMemoryConfig.ArraySize > accelerator.MaxSharedMemoryPerGroup)
            throw new KernelException($"kernel {Entry.Name}: {config.SharedMemoryConfig.ArraySize} bytes of shared memory; at most {accelerator.MaxSharedMemoryPerGroup}");
    }
}
