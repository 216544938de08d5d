using OllmNative.Runtime.Emulator;

namespace OllmNative.Runtime.Language;

/// <summary>
/// Makes kernels ready to launch: <c>LoadStreamKernel</c> for kernels laid out by a <see cref="KernelConfig"/> on the default
/// stream, <c>LoadKernel</c> for a stream given at the launch, <c>LoadAutoGrouped...</c> for kernels whose first parameter is
/// their index and whose launch gives an extent.
/// </summary>
public static partial class KernelLoaders
{
    internal static Kernel Load(Accelerator accelerator, Delegate action, IndexType index, int groupSize, KernelSpecialization specialization)
    {
        ArgumentNullException.ThrowIfNull(accelerator);
        ArgumentNullException.ThrowIfNull(action);
        if (!action.Method.IsStatic || action.Target is not null)
            throw new ArgumentException($"a kernel is a static method without captured variables; {action.Method.Name} is not", nameof(action));
        return accelerator.LoadKernelCore(new KernelEntry(action.Method, index, groupSize, specialization));
    }
}

/// <summary>The index of the calling thread for kernels that are launched over an extent.</summary>
internal static class ThreadIndex
{
    /// <summary>The kind of index.</summary>
    public static IndexType Kind<TIndex>() where TIndex : struct, IIndex => default(TIndex).IndexType;

    /// <summary>An extent with ones for missing axes.</summary>
    public static Index3D ToExtent<TIndex>(TIndex extent) where TIndex : struct, IIndex => (object)extent switch
    {
        Index1D e => new(e.X, 1, 1),
        Index2D e => new(e, 1),
        Index3D e => e,
        LongIndex1D e => new(checked((int)e.X), 1, 1),
        LongIndex2D e => new(e.ToIntIndex(), 1),
        LongIndex3D e => e.ToIntIndex(),
        _ => throw new ArgumentException($"{typeof(TIndex).Name} is no extent of a kernel", nameof(extent)),
    };

    /// <summary>The calling thread's index, and whether it lies inside of the extent.</summary>
    public static bool Inside<TIndex>(TIndex extent, out TIndex index) where TIndex : struct, IIndex
    {
        Index3D at = Grid.GlobalIndex;
        index = (TIndex)(extent.IndexType switch
        {
            IndexType.Index1D => (object)new Index1D(at.X),
            IndexType.Index2D => at.XY,
            IndexType.Index3D => at,
            IndexType.LongIndex1D => new LongIndex1D(at.X),
            IndexType.LongIndex2D => at.XY.ToLongIndex(),
            _ => at.ToLongIndex(),
        });
        return at.InBounds(ToExtent(extent));
    }
}
