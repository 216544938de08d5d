using OllmNative.Model;
using OllmNative.Runtime.Cuda;
using CudaDevice = OllmNative.Model.Cuda.CudaDevice;

namespace OllmNative.Tests.Cuda;

/// <summary>Too little memory and a lost device, as a user of the compute device meets them.</summary>
public sealed class DeviceFaultTests
{
    [Fact]
    public void Allocate_MoreThanTheGpuHas_SaysWhatWasNeededWhatThereIsAndWhatHelps()
    {
        using var gpu = new PtxGpu(new PtxDriver { MemoryBytes = 10 << 20 });
        using var device = new CudaDevice(gpu.Accelerator);
        using DeviceBuffer<float> some = device.Allocate<float>(1 << 20);
        var error = Assert.Throws<OllmException>(() => device.Allocate<float>(2 << 20));
        foreach (string words in (string[])["PTX interpreter", "8.0 MiB asked for", "6.0 MiB of 10.0 MiB are free", "--batch-size", "--max-length"])
            Assert.Contains(words, error.Message, StringComparison.Ordinal);
        // What was there goes on.
        some.Upload(0, [1, 2]);
        Assert.Equal([1, 2], some.First(2).ToArray());
    }

    [Fact]
    public void Kernel_LosesTheDevice_CallsSayWhichAndClosingStillWorks()
    {
        using var gpu = new PtxGpu();
        using var device = new CudaDevice(gpu.Accelerator);
        DeviceBuffer<float> rows = device.Allocate<float>(64), result = device.Allocate<float>(64);
        DeviceBuffer<int> places = device.Allocate<int>(4);
        ReadBack<float> back = device.NewReadBack<float>(64, 2);
        Feed<float> feed = device.NewFeed<float>(64);
        places.Upload(0, [0, 1, 2, 100_000_000]);
        feed.Host(64).Fill(1);
        feed.Send();
        back.Start(rows.View);
        device.GatherRows(rows.View, places.View, result.View, 16);
        var error = Assert.Throws<CudaException>(() => result.View.ToArray());
        Assert.Contains("CUDA_ERROR_ILLEGAL_ADDRESS", error.Message, StringComparison.Ordinal);
        Assert.Contains("Rows.Gather", error.Message, StringComparison.Ordinal);
        Assert.Contains("was lost earlier", Assert.Throws<CudaException>(() => device.Clear(rows.View)).Message, StringComparison.Ordinal);
        foreach (IDisposable item in (IDisposable[])[feed, back, places, rows, result, device]) item.Dispose();
    }
}
