namespace OllmNative.Runtime.Language;

/// <summary>Holds the layout of a launch against the limits of kernel and device, so that every backend refuses the same ones with the same words.</summary>
internal static class LaunchCheck
{
    /// <summary>Throws for a layout that the device cannot run.</summary>
    /// <param name="kernel">The kernel's name.</param>
    /// <param name="config">The layout.</param>
    /// <param name="accelerator">The device.</param>
    /// <param name="maxThreads">Threads that a group of this kernel can have.</param>
    /// <param name="staticShared">Shared memory that the kernel has beside what the launch asks for.</param>
    public static void Throw(string kernel, in KernelConfig config, Accelerator accelerator, int maxThreads, int staticShared = 0)
    {
        if (!config.IsValid) throw new KernelException($"kernel {kernel}: a launch of {config.GridDim} groups of {config.GroupDim} threads");
        if (config.GroupDim.LongSize > maxThreads)
            throw new KernelException($"kernel {kernel}: a group of {config.GroupDim.LongSize} threads; at most {maxThreads}");
        if (!config.GroupDim.InBoundsInclusive(accelerator.MaxGroupSize))
            throw new KernelException($"kernel {kernel}: a group of {config.GroupDim} threads; at most {accelerator.MaxGroupSize}");
        if (!config.GridDim.InBoundsInclusive(accelerator.MaxGridSize))
            throw new KernelException($"kernel {kernel}: a grid of {config.GridDim} groups; at most {accelerator.MaxGridSize}");
        if (config.SharedMemoryConfig.ArraySize + staticShared > accelerator.MaxSharedMemoryPerGroup)
        {
            string own = staticShared > 0 ? $" beside {staticShared} of its own" : "";
            throw new KernelException($"kernel {kernel}: {config.SharedMemoryConfig.ArraySize} bytes of shared memory{own}; at most {accelerator.MaxSharedMemoryPerGroup}");
        }
    }
}
