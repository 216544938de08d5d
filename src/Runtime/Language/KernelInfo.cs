using System.Globalization;
using System.Runtime.CompilerServices;

namespace OllmNative.Runtime.Language;

/// <summary>What is known of a loaded kernel.</summary>
/// <param name="minGroupSize">The group size that the runtime chose, for a kernel whose launches leave it open; otherwise null.</param>
/// <param name="minGridSize">The groups of that size that fill the device; otherwise null.</param>
public sealed class KernelInfo(int? minGroupSize, int? minGridSize)
{
    public int? MinGroupSize { get; } = minGroupSize;
    public int? MinGridSize { get; } = minGridSize;

    /// <summary>Writes it as text.</summary>
    public void Dump(TextWriter textWriter)
    {
        ArgumentNullException.ThrowIfNull(textWriter);
        textWriter.WriteLine(string.Create(CultureInfo.InvariantCulture, $"group size {MinGroupSize?.ToString(CultureInfo.InvariantCulture) ?? "open"}, grid size {MinGridSize?.ToString(CultureInfo.InvariantCulture) ?? "open"}"));
    }

    internal static TLauncher Of<TLauncher>(TLauncher launcher, out KernelInfo info) where TLauncher : Delegate
    {
        Kernel kernel = launcher.GetKernel();
        int size = kernel.Entry.GroupSize > 0 ? kernel.Entry.GroupSize : kernel.PreferredGroupSize;
        info = kernel.Entry.IsIndexed
            ? new KernelInfo(size, kernel.Accelerator.NumMultiprocessors * Math.Max(1, kernel.Accelerator.MaxNumThreadsPerMultiprocessor / size))
            : new KernelInfo(null, null);
        return launcher;
    }
}

/// <summary>From a launcher back to its kernel.</summary>
public static class KernelUtil
{
    private static readonly ConditionalWeakTable<Delegate, Kernel> Kernels = [];

    public static Kernel GetKernel<TDelegate>(this TDelegate kernelDelegate) where TDelegate : Delegate =>
        kernelDelegate.TryGetKernel(out Kernel? kernel) ? kernel! : throw new ArgumentException("the delegate is not a launcher of a loaded kernel", nameof(kernelDelegate));

    public static bool TryGetKernel<TDelegate>(this TDelegate kernelDelegate, out Kernel? kernel) where TDelegate : Delegate => Kernels.TryGetValue(kernelDelegate, out kernel);

    public static KernelSpecialization GetKernelSpecialization<TDelegate>(this TDelegate kernelDelegate) where TDelegate : Delegate => kernelDelegate.GetKernel().Specialization;

    /// <summary>Remembers that a launcher starts this kernel.</summary>
    internal static TLauncher For<TLauncher>(this Kernel kernel, TLauncher launcher) where TLauncher : Delegate
    {
        Kernels.Add(launcher, kernel);
        return launcher;
    }
}
