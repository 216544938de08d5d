using System.Reflection;

namespace OllmNative.Runtime.Language;

/// <summary>A kernel made ready on an accelerator.</summary>
public abstract class Kernel : AcceleratorObject
{
    protected Kernel(Accelerator accelerator, KernelEntry entry) : base(accelerator) => Entry = entry;

    /// <summary>What it was made from.</summary>
    public KernelEntry Entry { get; }
    public KernelSpecialization Specialization => Entry.Specialization;

    /// <summary>
    /// Starts the kernel. <typeparamref name="TArguments"/> is a struct of the kernel's typed arguments: the emulator calls its
    /// Invoke on each thread, a compiling backend has it write them into a parameter block. Nothing is boxed or allocated.
    /// </summary>
    protected internal abstract void Launch<TArguments>(AcceleratorStream stream, in KernelConfig config, in TArguments arguments)
        where TArguments : struct, IKernelArguments;

    /// <summary>Threads of a group where the launch leaves it open.</summary>
    internal virtual int PreferredGroupSize => 256;

    /// <summary>A launch of an indexed kernel: groups enough for its extent, given as (x, y, z) with ones for missing axes.</summary>
    internal void LaunchIndexed<TArguments>(AcceleratorStream stream, Index3D extent, in TArguments arguments) where TArguments : struct, IKernelArguments
    {
        if (extent.X == 0 || extent.Y == 0 || extent.Z == 0) return;
        int size = Entry.GroupSize > 0 ? Entry.GroupSize : PreferredGroupSize;
        Index3D group = extent.Y == 1 && extent.Z == 1 ? new(size, 1, 1) : new(Math.Min(size, 32), Math.Max(1, size / 32), 1);
        Index3D grid = new((extent.X + group.X - 1) / group.X, (extent.Y + group.Y - 1) / group.Y, extent.Z);
        Launch(stream, new KernelConfig(grid, group), arguments);
    }
}

/// <summary>The typed arguments of one launch.</summary>
public interface IKernelArguments
{
    /// <summary>How many values <see cref="Write"/> writes.</summary>
    int Count { get; }

    /// <summary>Calls the C# method, on the calling emulated thread.</summary>
    void Invoke();

    /// <summary>Writes the values in the order of the parameters; an indexed kernel's extent comes first.</summary>
    void Write<TSink>(ref TSink sink) where TSink : struct, IArgumentSink;
}

/// <summary>Receives arguments.</summary>
public interface IArgumentSink
{
    void Add<T>(in T value) where T : struct;
}

/// <summary>A kernel that went wrong: which, where, and why.</summary>
public sealed class KernelException : Exception
{
    public KernelException() { }
    public KernelException(string message) : base(message) { }
    public KernelException(string message, Exception? innerException) : base(message, innerException) { }
}
