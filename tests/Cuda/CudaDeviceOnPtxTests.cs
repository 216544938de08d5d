using OllmNative.Model;
using OllmNative.Model.Cpu;

namespace OllmNative.Tests.Cuda;

/// <summary>The compute device over kernels, on the driver without a GPU: every operation as PTX, against the processor's.</summary>
public sealed class CudaDeviceOnPtxTests
{
    [Fact]
    public void Operations_AllAsPtx_AgreeWithTheProcessors()
    {
        using var gpu = new PtxGpu();
        using var reference = new CpuDevice();
        using (var tested = new OllmNative.Model.Cuda.CudaDevice(gpu.Accelerator))
        {
            SelftestResult[] results = [.. DeviceSelftest.Run(tested, reference, seed: 5)];
            string wrong = string.Join('\n', results.Where(result => !result.Passed).Select(result => $"{result.Operation} {result.Shape}: {result.MaxError} {result.Failure}"));
            Assert.True(wrong.Length == 0, wrong);
            Assert.Equal(DeviceSelftest.Cases.Count, results.Length);
        }
        Assert.Empty(gpu.Driver.Leaks());
    }
}
