using OllmNative.Model;
using OllmNative.Model.Cpu;
using OllmNative.Model.Cuda;
using OllmNative.Tests.Ptx;

namespace OllmNative.Tests.Cuda;

/// <summary>Operations of the compute device on the adversary's schedules: kernels as they follow each other there, and those without a trial of their own.</summary>
public sealed class AdversaryOperationTests
{
    // Every day a few; OLLM_RACES asks for all (tests/nightly/races.sh).
    private const int EveryDay = 45;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Operations_WorstSchedules_HaveNoRaceAndAreRight(bool tensorCores)
    {
        using var gpu = new PtxGpu(new PtxDriver { Multiprocessors = 2 });
        using var device = new CudaDevice(gpu.Accelerator, CudaDeviceOptions.For(gpu.Accelerator) with
        {
            TensorCores = tensorCores, Bf16Parameters = tensorCores, HeadWorkspace = 1024, MeasureProducts = false,
        });
        using var reference = new CpuDevice();
        bool all = Environment.GetEnvironmentVariable("OLLM_RACES") is not null;
        var wrong = new List<string>();
        for (int i = tensorCores ? 0 : 1; i < DeviceSelftest.Cases.Count; i += all ? 1 : EveryDay) Hold(DeviceSelftest.Cases[i], i);
        Assert.True(wrong.Count == 0, string.Join("\n", wrong));

        void Hold(SelftestCase test, int i)
        {
            gpu.Driver.Adversary = new PtxAdversary(i, (PtxMoment)(i % 3));
            gpu.Driver.Findings.Clear();
            SelftestResult result = DeviceSelftest.Run(test, device, reference, 7 * i);
            wrong.AddRange(gpu.Driver.Findings.Select(finding => $"{test.Operation}, {result.Shape}: {finding}"));
            if (!result.Passed) wrong.Add($"{test.Operation}, {result.Shape}: error {result.MaxError:g2}, {result.Failure}");
        }
    }

    /// <summary>The bf16 copy of f32 weights is made right before the product that reads it ahead of its wait.</summary>
    [Fact]
    public void MatMul_WeightsRoundedJustBefore_AreReadWhenTheyAreThere()
    {
        using var gpu = new PtxGpu();
        using var device = new CudaDevice(gpu.Accelerator, CudaDeviceOptions.For(gpu.Accelerator) with { Bf16Parameters = true });
        using var reference = new CpuDevice();
        gpu.Driver.Adversary = new PtxAdversary(1, PtxMoment.Random);
        SelftestCase test = DeviceSelftest.Cases.Single(test => test.Operation == "MatMul F32, 2-8 rows");
        for (int seed = 0; seed < 4; seed++) Assert.True(DeviceSelftest.Run(test, device, reference, seed).MaxError < 0.03);
        Assert.Contains(gpu.Driver.Launched, entry => entry.StartsWith("ToBf16", StringComparison.Ordinal));
        Assert.Contains(gpu.Driver.Launched, entry => entry.StartsWith("DecodeProducts", StringComparison.Ordinal));
        Assert.Empty(gpu.Driver.Findings);
    }
}
