using OllmNative.Kernels;
using OllmNative.Runtime.Cuda;
using OllmNative.Runtime.Emulator;
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;

namespace OllmNative.Tests.Cuda;

/// <summary>Order: streams, markers, page-locked copies, graphs; on the driver without a GPU, whose streams do their work as late as they may.</summary>
public sealed class CudaStreamTests
{
    private static void AddOne(ArrayView<int> values) => values[Group.IdxX]++;

    private static void AddTo(ArrayView<int> values, ArrayView<int> sums, int times) => sums[Group.IdxX] += values[Group.IdxX] * times;

    [Fact]
    public void DefaultContext_WithoutGpu_StillHasTheEmulator()
    {
        using Context context = Context.CreateDefault();
        Assert.Contains(context.Devices, device => device.AcceleratorType == AcceleratorType.CPU);
        Assert.Equal(context.GetCudaDevices().Count, context.Devices.Count(device => device.AcceleratorType == AcceleratorType.Cuda));
    }

    [Fact]
    public void Device_OfTheDriver_TellsItsProperties()
    {
        using var gpu = new PtxGpu();
        CudaDevice device = gpu.Accelerator.Device;
        Assert.Equal(new CudaArchitecture(9, 0), device.Architecture);
        Assert.Equal(new CudaDriverVersion(12, 8), device.DriverVersion);
        Assert.Equal((132, 227 * 1024, 32, 1024), (device.NumMultiprocessors, device.MaxSharedMemoryPerGroup, device.WarpSize, device.MaxNumThreadsPerGroup));
        Assert.Equal(1980, device.ClockRate);
        Assert.InRange(device.Gpu.MemoryBytesPerSecond, 4.91e12, 4.92e12);
        using var buffer = gpu.Accelerator.Allocate1D<float>(1 << 20);
        Assert.Equal((1L << 30) - (4 << 20), gpu.Accelerator.GetFreeMemory());
    }

    [Fact]
    public void WaitFor_MarkerOfAnotherStream_OrdersTheWork()
    {
        using var gpu = new PtxGpu();
        using var values = gpu.Accelerator.Allocate1D([1, 2, 3]);
        using var sums = gpu.Accelerator.Allocate1D([0, 0, 0]);
        using AcceleratorStream first = gpu.Accelerator.CreateStream(), second = gpu.Accelerator.CreateStream();
        var addOne = gpu.Accelerator.LoadKernel<ArrayView<int>>(AddOne);
        var addTo = gpu.Accelerator.LoadKernel<ArrayView<int>, ArrayView<int>, int>(AddTo);
        addOne(first, (1, 3), values.View);
        using ProfilingMarker done = first.AddProfilingMarker();
        second.WaitFor(done);
        addTo(second, (1, 3), values.View, sums.View, 10);
        second.Synchronize();
        Assert.Equal([20, 30, 40], sums.GetAsArray1D());
    }

    [Fact]
    public void Markers_AroundWork_MeasureIt()
    {
        using var gpu = new PtxGpu();
        using var values = gpu.Accelerator.Allocate1D(new int[32]);
        var addOne = gpu.Accelerator.LoadStreamKernel<ArrayView<int>>(AddOne);
        using ProfilingMarker start = gpu.Accelerator.AddProfilingMarker();
        for (int i = 0; i < 50; i++) addOne((1, 32), values.View);
        using ProfilingMarker end = gpu.Accelerator.AddProfilingMarker();
        Assert.True(end - start > TimeSpan.Zero);
        Assert.Equal(Enumerable.Repeat(50, 32), values.GetAsArray1D());
    }

    [Fact]
    public void PageLocked_CopiesBothWays_WithoutWaiting()
    {
        using var gpu = new PtxGpu();
        using var buffer = gpu.Accelerator.Allocate1D<int>(4);
        PageLockedArray1D<int> from = gpu.Accelerator.AllocatePageLocked1D<int>(4), to = gpu.Accelerator.AllocatePageLocked1D<int>(4);
        buffer.View.CopyFromPageLockedAsync(from);
        for (int i = 0; i < 4; i++) from[i] = i + 5;
        buffer.View.CopyToPageLockedAsync(to);
        gpu.Accelerator.Synchronize();
        Assert.Equal([5, 6, 7, 8], to.GetArray());
        from.Dispose();
        to.Dispose();
        to.Dispose();
        buffer.Dispose();
        gpu.Close();
    }

    [Fact]
    public void MemSetAndCopies_PartsOfBuffers_TouchTheseOnly()
    {
        using var gpu = new PtxGpu();
        using var a = gpu.Accelerator.Allocate1D([1, 2, 3, 4, 5]);
        using var b = gpu.Accelerator.Allocate1D([9, 9, 9, 9, 9]);
        b.View.SubView(1, 2).CopyFrom(a.View.SubView(3, 2));
        a.View.SubView(0, 2).MemSetToZero();
        Assert.Equal([0, 0, 3, 4, 5], a.GetAsArray1D());
        Assert.Equal([9, 4, 5, 9, 9], b.GetAsArray1D());
        Assert.Throws<ArgumentOutOfRangeException>(() => a.MemSet(gpu.Accelerator.DefaultStream, 0, 16, 8));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Graph_OfLaunchesCopiesAndFills_ReplaysThem(bool onGpu)
    {
        using var gpu = new PtxGpu();
        using var context = Context.Create(builder => builder.CPU());
        using Accelerator emulator = context.CreateCPUAccelerator(0);
        Accelerator accelerator = onGpu ? gpu.Accelerator : emulator;
        using var values = accelerator.Allocate1D([1, 2, 3]);
        using var sums = accelerator.Allocate1D([7, 7, 7]);
        var addOne = accelerator.LoadStreamKernel<ArrayView<int>>(AddOne);
        var addTo = accelerator.LoadStreamKernel<ArrayView<int>, ArrayView<int>, int>(AddTo);
        AcceleratorStream stream = accelerator.DefaultStream;
        int times = 10;
        void Work()
        {
            sums.View.MemSetToZero();
            addOne((1, 3), values.View);
            addTo((1, 3), values.View, sums.View, times);
        }

        KernelGraph graph = stream.CaptureGraph(Work);
        Assert.Equal(3, graph.NodeCount);
        Assert.Equal([1, 2, 3], values.GetAsArray1D());
        graph.Launch();
        Assert.Equal([20, 30, 40], sums.GetAsArray1D());
        graph.Launch();
        Assert.Equal([30, 40, 50], sums.GetAsArray1D());

        times = 1;
        graph.Launch();
        Assert.Equal([40, 50, 60], sums.GetAsArray1D());
        graph.Update(Work);
        graph.Launch();
        Assert.Equal([5, 6, 7], sums.GetAsArray1D());

        graph.Update(() => addOne((1, 2), values.View));
        Assert.Equal(1, graph.NodeCount);
        graph.Launch();
        Assert.Equal([6, 7, 7], values.GetAsArray1D());
        graph.Dispose();
        graph.Dispose();
        if (!onGpu) return;
        Assert.Equal(2, gpu.Driver.Calls("GraphInstantiateWithFlags"));
        values.Dispose();
        sums.Dispose();
        gpu.Close();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Graph_ThatWaits_IsRefusedAndLeavesTheStreamUsable(bool onGpu)
    {
        using var gpu = new PtxGpu();
        using var context = Context.Create(builder => builder.CPU());
        using Accelerator emulator = context.CreateCPUAccelerator(0);
        Accelerator accelerator = onGpu ? gpu.Accelerator : emulator;
        using var values = accelerator.Allocate1D([1, 2, 3]);
        var error = Assert.Throws<InvalidOperationException>(() => accelerator.DefaultStream.CaptureGraph(() => values.GetAsArray1D()));
        Assert.Contains("recorded into a graph", error.Message, StringComparison.Ordinal);
        var addOne = accelerator.LoadStreamKernel<ArrayView<int>>(AddOne);
        addOne((1, 3), values.View);
        Assert.Equal([2, 3, 4], values.GetAsArray1D());
    }

    [GroupCluster(2)]
    [OverlapsPredecessor]
    private static void Clustered(ArrayView<int> values) => values[Grid.IdxX]++;

    [Fact]
    public void Launch_ClusterAndOverlap_PassesTheAttributes()
    {
        using var gpu = new PtxGpu();
        using var values = gpu.Accelerator.Allocate1D(new int[4]);
        var kernel = gpu.Accelerator.LoadStreamKernel<ArrayView<int>>(Clustered);
        kernel((4, 1), values.View);
        // Nothing is overlapped but what overlaps itself.
        Assert.Equal([(4u, 2u, 1u, 1u)], gpu.Driver.LastAttributes);
        kernel((4, 1), values.View);
        Assert.Equal([2, 2, 2, 2], values.GetAsArray1D());
        Assert.Equal([(4u, 2u, 1u, 1u), (6u, 1u, 0u, 0u)], gpu.Driver.LastAttributes);
        var error = Assert.Throws<KernelException>(() => kernel((3, 1), values.View));
        Assert.Contains("no multiple of its clusters", error.Message, StringComparison.Ordinal);

        using var ampere = new PtxGpu(new PtxDriver { ComputeMajor = 8 });
        error = Assert.Throws<KernelException>(() => ampere.Accelerator.LoadStreamKernel<ArrayView<int>>(Clustered));
        Assert.Contains("compute capability 9.0", error.Message, StringComparison.Ordinal);
        Assert.Equal(0, ampere.Driver.Leaks().Count(leak => leak.Contains("Module", StringComparison.Ordinal)));
    }

    private static void OnlyProfiled(ArrayView<int> values) => values[Group.IdxX]++;

    [Fact]
    public void Profiler_Launches_AreTimedByKernel()
    {
        using var gpu = new PtxGpu();
        using var values = gpu.Accelerator.Allocate1D(new int[32]);
        var kernel = gpu.Accelerator.LoadStreamKernel<ArrayView<int>>(OnlyProfiled);
        using (LaunchProfiler profiler = LaunchProfiler.Start())
        {
            kernel((1, 32), values.View);
            kernel((1, 16), values.View);
            // Tests beside this one may launch kernels of theirs.
            LaunchTiming[] timings = [.. profiler.Read().Where(timing => timing.Kernel == "CudaStreamTests.OnlyProfiled")];
            Assert.Equal([32, 16], timings.Select(timing => timing.Threads));
            Assert.All(timings, timing => Assert.True(timing.Microseconds > 0 && timing.Device == gpu.Accelerator.Name));
            Assert.True(timings[1].StartMicroseconds >= timings[0].StartMicroseconds);
        }
        values.Dispose();
        gpu.Close();
    }

    [Fact]
    public void Accelerator_FromManyThreads_IsCurrentOnEach()
    {
        using var gpu = new PtxGpu();
        Parallel.For(0, 16, i =>
        {
            using var values = gpu.Accelerator.Allocate1D([i, i + 1]);
            Assert.Equal([i, i + 1], values.GetAsArray1D());
        });
        gpu.Close();
    }

    [Fact]
    public void SwiGlu_OnStreamOfAnotherDevice_IsRefused()
    {
        using var gpu = new PtxGpu();
        using var other = new PtxGpu();
        using var values = gpu.Accelerator.Allocate1D(new float[8]);
        var kernel = gpu.Accelerator.LoadKernel<ArrayView<float>, ArrayView<float>, int>(SwiGlu.Silu);
        Assert.Throws<ArgumentException>(() => kernel(other.Accelerator.DefaultStream, (1, 8), values.View, values.View, 8));
    }
}
