using System.Runtime.InteropServices;
using OllmNative.Runtime.Emulator;
using OllmNative.Runtime.Language;

namespace OllmNative.Tests.Samples;

/// <summary>What a host program does around its kernels.</summary>
internal static class HostSamples
{
    private static void Add(Index1D i, ArrayView<int> data, int c) => data[i] += c;

    private static void AddGrouped(ArrayView<int> data, int c)
    {
        if (Grid.GlobalIndex.X < data.Length) data[Grid.GlobalIndex.X] += c;
    }

    public static void Loaders_EveryKind(Accelerator accelerator)
    {
        using var stream = accelerator.CreateStream();
        using var buffer = accelerator.Allocate1D(new int[100]);
        accelerator.LoadAutoGroupedKernel<Index1D, ArrayView<int>, int>(Add)(stream, buffer.IntExtent, buffer.View, 1);
        accelerator.LoadImplicitlyGroupedKernel<Index1D, ArrayView<int>, int>(Add, 32)(stream, 100, buffer.View, 10);
        accelerator.LoadKernel<ArrayView<int>, int>(AddGrouped)(stream, (4, 32), buffer.View, 100);
        stream.Synchronize();
        accelerator.LoadImplicitlyGroupedStreamKernel<Index1D, ArrayView<int>, int>(Add, 64)(100, buffer.View, 1000);
        accelerator.LoadStreamKernel<ArrayView<int>, int>(AddGrouped, new KernelSpecialization(64, 1))((2, 64), buffer.View, 10000);
        accelerator.LoadKernel<ArrayView<int>, int>(AddGrouped)(accelerator.DefaultStream, ((Index1D)2, (Index1D)64), buffer.View, 100000);
        accelerator.Synchronize();
        Assert.All(buffer.GetAsArray1D(), value => Assert.Equal(111111, value));
    }

    public static void Launch_WithoutALoader(Accelerator accelerator)
    {
        using var stream = accelerator.CreateStream();
        using var buffer = accelerator.Allocate1D(new int[50]);
        accelerator.Launch(AddGrouped, (1, 64), buffer.View.BaseView, 1);
        accelerator.LaunchAutoGrouped(Add, new Index1D(50), buffer.View.BaseView, 10);
        accelerator.Synchronize();
        accelerator.LaunchAutoGrouped(Add, stream, new Index1D(50), buffer.View.BaseView, 100);
        accelerator.Launch(AddGrouped, stream, (2, 32), buffer.View.BaseView, 1000);
        stream.Synchronize();
        Assert.All(buffer.GetAsArray1D(), value => Assert.Equal(1111, value));
    }

    public static void KernelInfo_OfALoadedKernel(Accelerator accelerator)
    {
        var launcher = accelerator.LoadAutoGroupedStreamKernel<Index1D, ArrayView<int>, int>(Add, out KernelInfo info);
        Assert.InRange(info.MinGroupSize!.Value, 32, accelerator.MaxNumThreadsPerGroup);
        Assert.True(info.MinGridSize > 0);
        accelerator.LoadStreamKernel<ArrayView<int>, int>(AddGrouped, out KernelInfo open);
        Assert.Null(open.MinGroupSize);
        var text = new StringWriter();
        info.Dump(text);
        Assert.NotEmpty(text.ToString());
        using var buffer = accelerator.Allocate1D(new int[5]);
        launcher(5, buffer.View, 2);
        Assert.Equal([2, 2, 2, 2, 2], buffer.GetAsArray1D());
        Assert.Equal(nameof(Add), launcher.GetKernel().Entry.Method.Name);
    }

    public static void Markers_MeasureTime(Accelerator accelerator)
    {
        using var stream = accelerator.CreateStream();
        using var buffer = accelerator.Allocate1D(new int[100]);
        var kernel = accelerator.LoadAutoGroupedKernel<Index1D, ArrayView<int>, int>(Add);
        using ProfilingMarker start = stream.AddProfilingMarker();
        kernel(stream, 100, buffer.View, 1);
        using ProfilingMarker end = stream.AddProfilingMarker();
        end.Synchronize();
        Assert.True(end - start >= TimeSpan.Zero);
        Assert.Equal(end.MeasureFrom(start), end - start);
    }

    public static void PageLocked_Arrays(Accelerator accelerator)
    {
        using var array = accelerator.AllocatePageLocked1D<int>(64);
        for (int i = 0; i < array.Length; i++) array[i] = i;
        using var buffer = accelerator.Allocate1D<int>(64);
        AcceleratorStream stream = accelerator.DefaultStream;
        buffer.View.CopyFrom(stream, array.ArrayView);
        accelerator.LoadAutoGroupedStreamKernel<Index1D, ArrayView<int>, int>(Add)(64, buffer.View, 1);
        buffer.View.CopyTo(stream, array.ArrayView);
        stream.Synchronize();
        Assert.Equal(Enumerable.Range(1, 64), array.GetArray());
        using var copy = buffer.View.GetAsPageLocked1D();
        Assert.Equal(Enumerable.Range(1, 64), copy.GetArray());
    }

    public static void PageLocked_PinnedArrays(Accelerator accelerator)
    {
        int[] pinned = GC.AllocateArray<int>(32, pinned: true);
        for (int i = 0; i < pinned.Length; i++) pinned[i] = 3 * i;
        using var buffer = accelerator.Allocate1D<int>(32);
        using (PageLockScope<int> scope = accelerator.CreatePageLockFromPinned(pinned))
        {
            buffer.AsContiguous().CopyFrom(accelerator.DefaultStream, scope.ArrayView);
            accelerator.Synchronize();
        }
        Assert.Equal(pinned, buffer.GetAsArray1D());
        var handle = GCHandle.Alloc(new int[32], GCHandleType.Pinned);
        using (PageLockScope<int> scope = accelerator.CreatePageLockFromPinned<int>(handle.AddrOfPinnedObject(), 32))
            buffer.AsContiguous().CopyTo(accelerator.DefaultStream, scope.ArrayView);
        accelerator.Synchronize();
        Assert.Equal(pinned, (int[])handle.Target!);
        handle.Free();
    }

    public static void Copies_PartsAndSets(Accelerator accelerator)
    {
        using var a = accelerator.Allocate1D(Enumerable.Range(0, 10).ToArray());
        using var b = accelerator.Allocate1D<int>(10);
        b.MemSetToZero();
        b.View.SubView(2, 4).CopyFrom(a.View.SubView(6, 4));
        a.View.SubView(0, 3).MemSetToZero();
        int one = 77;
        b.View.SubView(9, 1).CopyFromCPU(ref one, 1);
        a.View.SubView(5, 1).CopyToCPU(ref one, 1);
        Assert.Equal(5, one);
        Assert.Equal([0, 0, 6, 7, 8, 9, 0, 0, 0, 77], b.GetAsArray1D());
        Assert.Equal([0, 0, 0, 3, 4, 5, 6, 7, 8, 9], a.GetAsArray1D());
        b.CopyTo(accelerator.DefaultStream, a);
        Assert.Equal(b.GetAsArray1D(), a.AsContiguous().GetAsArray());
    }

    public static void Accelerator_DescribesItself(Accelerator accelerator)
    {
        var text = new StringWriter();
        accelerator.PrintInformation(text);
        Assert.Contains(accelerator.Name, text.ToString(), StringComparison.Ordinal);
        Assert.Contains(accelerator.Name, $"{accelerator}", StringComparison.Ordinal);
        Assert.Equal(32, accelerator.WarpSize);
        Assert.InRange(accelerator.MaxNumThreadsPerGroup, 256, 1024);
        Assert.True(accelerator.MaxSharedMemoryPerGroup >= 48 * 1024 && accelerator.NumMultiprocessors > 0 && accelerator.MemorySize > 0 && accelerator.MaxGridSize.X > 1000);
        (Index1D groups, Index1D threads) = accelerator.MaxNumGroupsExtent;
        Assert.True(groups > 0 && threads == accelerator.MaxNumThreadsPerGroup);
    }

    /// <summary>The accelerator that is given does not matter here: a program finds its own.</summary>
    public static void Context_FindsDevices(Accelerator _)
    {
        using Context context = Context.Create(builder => builder.CPU().Optimize(OptimizationLevel.O2).Math(MathMode.Default).Profiling());
        foreach (Device device in context) Assert.Equal(AcceleratorType.CPU, device.AcceleratorType);
        foreach (CPUDevice device in context.GetCPUDevices()) Assert.NotEmpty(device.Name);
        Assert.Equal(context.GetPreferredDevice(preferCPU: false), context.GetPreferredDevices(preferCPU: false, matchingDevicesOnly: true).First());
        using Accelerator accelerator = context.GetPreferredDevice(preferCPU: true).CreateAccelerator(context);
        using Accelerator other = context.CreateCPUAccelerator(0);
        using var buffer = other.Allocate1D([1, 2, 3]);
        other.LoadAutoGroupedStreamKernel<Index1D, ArrayView<int>, int>(Add)(3, buffer.View, 1);
        Assert.Equal([2, 3, 4], buffer.GetAsArray1D());
    }
}
