using OllmNative.Runtime.Emulator;

namespace OllmNative.Runtime.Language;

/// <summary>
/// Memory shared by a group's threads. Every thread calls the same allocations in the same order, outside of loops;
/// a call is one allocation for the group. Contents are undefined at first (the emulator fills floats with NaN patterns).
/// </summary>
public static class SharedMemory
{
    // Every thread gets the reference, also while another one writes through its own: that is no access yet.
    public static unsafe ref T Allocate<T>() where T : unmanaged => ref *(T*)Allocate<T>(1).Address;

    /// <summary>Static shared memory, at most 48 KB for a kernel.</summary>
    public static ArrayView<T> Allocate<T>(int extent) where T : unmanaged => EmulatedThread.Current.AllocateShared<T>(extent);

    public static ArrayView1D<T, Stride1D.Dense> Allocate1D<T>(Index1D extent) where T : unmanaged => Allocate<T>(extent.X);

    public static ArrayView1D<T, TStride> Allocate1D<T, TStride>(Index1D extent, TStride stride) where T : unmanaged where TStride : struct, IStride1D =>
        new(Allocate<T>(checked((int)stride.ComputeBufferLength(extent))), extent, stride);

    public static ArrayView2D<T, TStride> Allocate2D<T, TStride>(Index2D extent, TStride stride) where T : unmanaged where TStride : struct, IStride2D =>
        new(Allocate<T>(checked((int)stride.ComputeBufferLength(extent))), extent, stride);

    public static ArrayView2D<T, Stride2D.DenseX> Allocate2DDenseX<T>(in Index2D extent) where T : unmanaged =>
        Allocate2D<T, Stride2D.DenseX>(extent, Stride2D.DenseX.FromExtent(extent));

    public static ArrayView2D<T, Stride2D.DenseY> Allocate2DDenseY<T>(in Index2D extent) where T : unmanaged =>
        Allocate2D<T, Stride2D.DenseY>(extent, Stride2D.DenseY.FromExtent(extent));

    public static ArrayView3D<T, TStride> Allocate3D<T, TStride>(Index3D extent, TStride stride) where T : unmanaged where TStride : struct, IStride3D =>
        new(Allocate<T>(checked((int)stride.ComputeBufferLength(extent))), extent, stride);

    public static ArrayView3D<T, Stride3D.DenseXY> Allocate3DDenseXY<T>(in Index3D extent) where T : unmanaged =>
        Allocate3D<T, Stride3D.DenseXY>(extent, Stride3D.DenseXY.FromExtent(extent));

    public static ArrayView3D<T, Stride3D.DenseZY> Allocate3DDenseZY<T>(in Index3D extent) where T : unmanaged =>
        Allocate3D<T, Stride3D.DenseZY>(extent, Stride3D.DenseZY.FromExtent(extent));

    /// <summary>The memory that the launch asked for in its SharedMemoryConfig; the same bytes at each call.</summary>
    public static ArrayView<T> GetDynamic<T>() where T : unmanaged => EmulatedThread.Current.DynamicShared<T>();
}

/// <summary>Memory of one thread, for small arrays that are indexed at run time.</summary>
public static class LocalMemory
{
    public static ArrayView<T> Allocate<T>(int extent) where T : unmanaged => EmulatedThread.Current.AllocateLocal<T>(extent);

    public static ArrayView1D<T, Stride1D.Dense> Allocate1D<T>(Index1D extent) where T : unmanaged => Allocate<T>(extent.X);

    public static ArrayView1D<T, TStride> Allocate1D<T, TStride>(Index1D extent, TStride stride) where T : unmanaged where TStride : struct, IStride1D =>
        new(Allocate<T>(checked((int)stride.ComputeBufferLength(extent))), extent, stride);

    public static ArrayView2D<T, TStride> Allocate2D<T, TStride>(Index2D extent, TStride stride) where T : unmanaged where TStride : struct, IStride2D =>
        new(Allocate<T>(checked((int)stride.ComputeBufferLength(extent))), extent, stride);

    public static ArrayView3D<T, TStride> Allocate3D<T, TStride>(Index3D extent, TStride stride) where T : unmanaged where TStride : struct, IStride3D =>
        new(Allocate<T>(checked((int)stride.ComputeBufferLength(extent))), extent, stride);
}

/// <summary>Orders the calling thread's memory accesses as others see them.</summary>
public static class MemoryFence
{
    public static void GroupLevel() => Interlocked.MemoryBarrier();
    public static void DeviceLevel() => Interlocked.MemoryBarrier();
    public static void SystemLevel() => Interlocked.MemoryBarrier();
}
