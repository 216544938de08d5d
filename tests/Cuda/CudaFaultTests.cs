using OllmNative.Kernels;
using OllmNative.Runtime.Cuda;
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;

namespace OllmNative.Tests.Cuda;

/// <summary>Every call of the driver fails once: the message names it, nothing leaks, and what can go on goes on.</summary>
public sealed class CudaFaultTests
{
    /// <summary>Calls whose failure a program must hear of.</summary>
    private static readonly string[] Loud =
    [
        "DevicePrimaryCtxRetain", "CtxSetCurrent", "CtxSynchronize", "MemGetInfo", "MemAlloc", "MemHostAlloc", "MemcpyHtoDAsync", "MemcpyDtoHAsync",
        "MemcpyDtoDAsync", "MemsetD8Async", "StreamCreate", "StreamSynchronize", "StreamWaitEvent", "StreamBeginCapture", "StreamEndCapture", "EventCreate",
        "EventRecord", "EventSynchronize", "EventElapsedTime", "ModuleGetFunction", "FuncGetAttribute", "FuncSetAttribute", "OccupancyMaxPotentialBlockSize",
        "LaunchKernel", "LaunchKernelEx", "GraphGetNodes", "GraphInstantiateWithFlags", "GraphLaunch",
    ];

    /// <summary>Calls with another way round: without the linker PTX is loaded as it is, a graph that takes no update is made anew.</summary>
    private static readonly string[] Recovered = ["LinkCreate", "LinkAddData", "LinkComplete", "ModuleLoadDataEx", "GraphExecUpdate"];

    public static TheoryData<string, CuResult> Faults
    {
        get
        {
            var faults = new TheoryData<string, CuResult>();
            foreach (string call in Loud)
                foreach (CuResult code in new[] { CuResult.InvalidValue, CuResult.OutOfMemory, CuResult.LaunchFailed }) faults.Add(call, code);
            return faults;
        }
    }

    [GroupCluster(1)]
    private static void Touch(ArrayView<int> values) => values[Grid.IdxX]++;

    private static void TouchDynamic(ArrayView<int> values)
    {
        ArrayView<int> copy = SharedMemory.GetDynamic<int>();
        copy[0] = values[0];
        values[0] = copy[0] + 1;
    }

    private static void TouchAt(Index1D index, ArrayView<int> values) => values[index]++;

    /// <summary>A program that makes every call of the driver's at least once.</summary>
    private static int[] Everything(PtxDriver driver, KernelCache cache)
    {
        using var gpu = new PtxGpu(driver, cache);
        CudaAccelerator accelerator = gpu.Accelerator;
        accelerator.GetFreeMemory();
        using var values = accelerator.Allocate1D([1, 2, 3, 4]);
        using var copy = accelerator.Allocate1D<int>(4);
        using PageLockedArray1D<int> locked = accelerator.AllocatePageLocked1D<int>(4);
        using AcceleratorStream second = accelerator.CreateStream();
        using ProfilingMarker start = accelerator.AddProfilingMarker();
        accelerator.LoadStreamKernel<ArrayView<int>>(Touch)((4, 1), values.View);
        accelerator.LoadStreamKernel<ArrayView<int>>(TouchDynamic)(new KernelConfig(1, 1, SharedMemoryConfig.RequestDynamic<byte>(60_000)), values.View);
        accelerator.LoadAutoGroupedStreamKernel<Index1D, ArrayView<int>>(TouchAt)(new Index1D(4), values.View);
        using ProfilingMarker end = accelerator.AddProfilingMarker();
        second.WaitFor(end);
        using (KernelGraph graph = accelerator.DefaultStream.CaptureGraph(() => copy.View.CopyFrom(values.View)))
        {
            graph.Launch();
            copy.View.MemSet(1);
            graph.Update(() => copy.View.CopyFrom(values.View));
            graph.Launch();
        }
        Assert.True(end - start >= TimeSpan.Zero);
        copy.View.CopyToPageLockedAsync(locked);
        accelerator.Synchronize();
        return locked.GetArray();
    }

    [Fact]
    public void Everything_WithoutFaults_MakesEveryCall()
    {
        using var driver = new PtxDriver();
        Assert.Equal([4, 4, 5, 6], Everything(driver, new KernelCache(TestData.NewFolder())));
        Assert.Empty(driver.Leaks());
        string[] calls = [.. typeof(ICudaApi).GetMethods().Select(method => method.Name)
            .Except(["GetErrorName", "GetErrorString", "TensorMapEncodeTiled", "OccupancyMaxActiveBlocksPerMultiprocessor"])];
        Assert.Empty(calls.Except(driver.Called));
        Assert.Empty(Loud.Concat(Recovered).Except(calls));
    }

    [Theory]
    [MemberData(nameof(Faults))]
    public void Everything_OneCallFails_NamesItAndLeaksNothing(string call, CuResult code)
    {
        using var driver = new PtxDriver();
        driver.Fail(call, code);
        var error = Assert.ThrowsAny<CudaException>(() => Everything(driver, new KernelCache(TestData.NewFolder())));
        Assert.Contains($"cu{call}: CUDA_ERROR_", error.Message, StringComparison.Ordinal);
        Assert.Equal((code, $"cu{call}"), (error.Result, error.Call));
        if (code == CuResult.LaunchFailed) Assert.True(call == "DevicePrimaryCtxRetain" || error.Message.Contains("lost to this process", StringComparison.Ordinal));
        else Assert.Empty(driver.Leaks());
    }

    [Fact]
    public void Everything_RecoverableCallFails_GoesAnotherWay()
    {
        foreach (string call in Recovered)
        {
            using var driver = new PtxDriver();
                driver.Fail(call, CuResult.NotSupported);
            Assert.Equal([4, 4, 5, 6], Everything(driver, new KernelCache(TestData.NewFolder())));
            Assert.Empty(driver.Leaks());
        }
    }

    [Fact]
    public void Everything_GivingBackFails_IsNoError()
    {
        foreach (string call in new[] { "MemFree", "MemFreeHost", "StreamDestroy", "EventDestroy", "ModuleUnload", "GraphDestroy", "GraphExecDestroy", "LinkDestroy", "DevicePrimaryCtxRelease" })
        {
            using var driver = new PtxDriver();
                driver.Fail(call, CuResult.InvalidValue);
            Assert.Equal([4, 4, 5, 6], Everything(driver, new KernelCache(TestData.NewFolder())));
        }
    }

    [Fact]
    public void Allocate_MoreThanThereIs_TellsAskedFreeAndTotal()
    {
        using var gpu = new PtxGpu(new PtxDriver { MemoryBytes = 10 << 20 });
        using var some = gpu.Accelerator.Allocate1D<byte>(4 << 20);
        var error = Assert.Throws<CudaException>(() => gpu.Accelerator.Allocate1D<float>(2 << 20));
        Assert.Equal("cuMemAlloc: CUDA_ERROR_OUT_OF_MEMORY: 8.0 MiB asked for; 6.0 MiB of 10.0 MiB are free on PTX interpreter", error.Message);
        using var less = gpu.Accelerator.Allocate1D<float>(1 << 20);
    }

    private static void Overrun(ArrayView<int> values) => values[Group.IdxX + 1_000_000] = 1;

    [Fact]
    public void Kernel_OutsideOfItsBuffer_LosesTheDeviceAndSaysWhichKernelsRan()
    {
        using var gpu = new PtxGpu();
        using var values = gpu.Accelerator.Allocate1D([1, 2]);
        gpu.Accelerator.LoadStreamKernel<ArrayView<int>>(Overrun)((1, 1), values.View);
        var error = Assert.Throws<CudaException>(gpu.Accelerator.Synchronize);
        Assert.Contains("cuCtxSynchronize: CUDA_ERROR_ILLEGAL_ADDRESS", error.Message, StringComparison.Ordinal);
        Assert.Contains("CudaFaultTests.Overrun", error.Message, StringComparison.Ordinal);
        Assert.Contains("CUDA_LAUNCH_BLOCKING=1", error.Message, StringComparison.Ordinal);
        Assert.True(gpu.Accelerator.IsLost);
        var later = Assert.Throws<CudaException>(() => values.GetAsArray1D());
        Assert.Contains("was lost earlier", later.Message, StringComparison.Ordinal);
        values.Dispose();
        gpu.Accelerator.Dispose();
    }

    [Fact]
    public void Accelerator_ClosedBeforeItsChildren_GivesAllBackOnce()
    {
        using var gpu = new PtxGpu();
        var values = gpu.Accelerator.Allocate1D([1, 2]);
        AcceleratorStream stream = gpu.Accelerator.CreateStream();
        ProfilingMarker marker = stream.AddProfilingMarker();
        KernelGraph graph = stream.CaptureGraph(() => values.View.MemSet(stream, 3));
        gpu.Close();
        graph.Dispose();
        marker.Dispose();
        stream.Dispose();
        values.Dispose();
        Assert.Throws<ObjectDisposedException>(() => gpu.Accelerator.Allocate1D<int>(1));
        Assert.Throws<ObjectDisposedException>(() => values.GetAsArray1D());
    }

    [Fact]
    public void Launch_BadLayout_SaysWhatTheLimitIs()
    {
        using var gpu = new PtxGpu();
        using var values = gpu.Accelerator.Allocate1D(new int[8]);
        var kernel = gpu.Accelerator.LoadStreamKernel<ArrayView<int>>(TouchDynamic);
        void Refused(KernelConfig config, string words) =>
            Assert.Contains(words, Assert.Throws<KernelException>(() => kernel(config, values.View)).Message, StringComparison.Ordinal);
        Refused((1, 2000), "a group of 2000 threads; at most 1024");
        Refused((0, 1), "a launch of");
        Refused(new KernelConfig(new Index3D(1, 70_000, 1), new Index3D(1, 1, 1)), "a grid of");
        Refused(new KernelConfig(1, 1, SharedMemoryConfig.RequestDynamic<byte>(300_000)), "300000 bytes of shared memory; at most 232448");
        kernel((1, 1, SharedMemoryConfig.RequestDynamic<int>(1)), values.View);
    }

    [Fact]
    public void TensorMap_BoxesThatTheDriverRefuses_AreNamedWithTheirSizes()
    {
        using var gpu = new PtxGpu();
        using var values = gpu.Accelerator.Allocate1D<ushort>(128 * 64);
        TensorMap good = TensorMap.Create(values.View.BaseView, 128, 64, 64, 64, TensorSwizzle.Bytes128);
        Assert.False(TensorMapEncoder.Encode(gpu.Accelerator, good).IsEmpty);
        var error = Assert.Throws<CudaException>(() => TensorMapEncoder.Encode(gpu.Accelerator, good with { PitchBytes = 250 }));
        Assert.Contains("cuTensorMapEncodeTiled: CUDA_ERROR_INVALID_VALUE: boxes of 64 x 64 elements of 2 bytes", error.Message, StringComparison.Ordinal);
        Assert.Throws<CudaException>(() => TensorMapEncoder.Encode(gpu.Accelerator, good with { BoxHeight = 257 }));
        Assert.Throws<CudaException>(() => TensorMapEncoder.Encode(gpu.Accelerator, good with { Address = good.Address + 2 }));
    }

    [Fact]
    public unsafe void Structs_OfTheDriver_HaveItsSizes()
    {
        LaunchConfig config = default;
        LaunchAttribute attribute = default;
        Assert.Equal((56, 72, 128, 24), (sizeof(LaunchConfig), sizeof(LaunchAttribute), sizeof(TensorMapBits), sizeof(GraphUpdateInfo)));
        Assert.Equal((32, 40, 48), ((int)((byte*)&config.Stream - (byte*)&config), (int)((byte*)&config.Attributes - (byte*)&config), (int)((byte*)&config.AttributeCount - (byte*)&config)));
        Assert.Equal(8, (int)((byte*)&attribute.X - (byte*)&attribute));
    }

    [Fact]
    public void Probe_EachWayToFail_IsAPlainMessage()
    {
        static string Message(PtxDriver driver)
        {
            using (driver) return CudaDriver.Ask(driver).Message;
        }

        Assert.Equal("CUDA 12.8, 1 GPU", Message(new PtxDriver()));
        Assert.Equal("CUDA 12.8, 2 GPUs", Message(new PtxDriver { Count = 2 }));
        Assert.Equal("a CUDA driver, but no GPU that it can use", Message(new PtxDriver { Count = 0 }));
        Assert.Equal("a CUDA driver, but no GPU that it can use", Message(new PtxDriver { InitResult = CuResult.NoDevice }));
        Assert.Contains("cuInit: CUDA_ERROR_UNKNOWN", Message(new PtxDriver { InitResult = CuResult.Unknown }), StringComparison.Ordinal);
        Assert.Contains("compute capability 6.1; kernels need 7.5", Message(new PtxDriver { ComputeMajor = 6, ComputeMinor = 1 }), StringComparison.Ordinal);
        Assert.Contains("driver supports CUDA 11.2; kernels need a driver of CUDA 11.4", Message(new PtxDriver { ComputeMajor = 8, Version = 11020 }), StringComparison.Ordinal);
        foreach (string call in new[] { "DeviceGetCount", "DeviceGet", "DeviceGetName", "DeviceTotalMem" })
        {
            using var driver = new PtxDriver();
            driver.Fail(call, CuResult.InvalidValue);
            CudaProbe probe = CudaDriver.Ask(driver);
            Assert.Contains("CUDA_ERROR_INVALID_VALUE", probe.Message, StringComparison.Ordinal);
            Assert.Empty(CudaDevice.Find(driver, probe));
        }
    }
}
