using OllmNative.Model;
using OllmNative.Model.Cuda;
using OllmNative.Runtime.Cuda;
using CudaDevice = OllmNative.Model.Cuda.CudaDevice;

namespace OllmNative.Tests.Cuda;

/// <summary>A driver that takes no recordings, or stops to take them: the work is done all the same, once, with the same results.</summary>
public sealed class DeviceGraphFaultTests
{
    private const int Tokens = 6;

    private readonly KernelCache _kernels = new(TestData.NewFolder());

    /// <summary>Which call the driver refuses, with what, and after how many that it took; null: each launch while a stream is recorded.</summary>
    private static readonly (string Call, CuResult Code, int? After)[] Faults =
    [
        ("StreamBeginCapture", CuResult.NotSupported, 0), ("StreamEndCapture", CuResult.StreamCaptureInvalidated, 0), ("GraphGetNodes", CuResult.InvalidValue, 0),
        ("GraphInstantiateWithFlags", CuResult.OutOfMemory, 0), ("GraphLaunch", CuResult.InvalidValue, 0), ("LaunchKernel", CuResult.StreamCaptureInvalidated, null),
        ("GraphLaunch", CuResult.OutOfMemory, 2),
    ];

    [Fact]
    public void Generate_RecordingIsRefused_GivesTheTokensOfPlainLaunchesAndSaysSoOnce()
    {
        using var tiny = new TinyBackbone(hidden: 16, vocabulary: 41, layers: 1, seed: 4);
        using OllmModel ollm = tiny.NewOllm(options: 5, width: 24);
        string folder = TestData.NewFolder();
        ollm.Save(folder);
        var said = new List<string>();
        (List<int> plain, _) = Generate(tiny, folder, said, graphs: false, _ => { });
        Assert.Empty(said);
        foreach ((string call, CuResult code, int? after) in Faults)
        {
            (List<int> found, PtxDriver driver) = Generate(tiny, folder, said, graphs: true, gpu =>
            {
                if (after is { } calls) gpu.Fail(call, code, calls);
                else gpu.InRecording = code;
            });
            Assert.Equal(plain, found);
            Assert.Contains($"cu{call}", Assert.Single(said), StringComparison.Ordinal);
            // Nothing is recorded a second time.
            Assert.InRange(driver.Calls("StreamBeginCapture"), 1, after > 0 ? 2 : 1);
            Assert.Empty(driver.Leaks());
            said.Clear();
        }
    }

    [Fact]
    public void Generate_DeviceIsLostByAGraph_IsAnErrorAndNotDoneAgain()
    {
        using var tiny = new TinyBackbone(hidden: 16, vocabulary: 41, layers: 1, seed: 4);
        using OllmModel ollm = tiny.NewOllm(options: 5, width: 24);
        string folder = TestData.NewFolder();
        ollm.Save(folder);
        var said = new List<string>();
        var error = Assert.Throws<CudaException>(() => Generate(tiny, folder, said, graphs: true, driver => driver.Fail("GraphLaunch", CuResult.LaunchFailed, 1)));
        Assert.Contains("lost to this process", error.Message, StringComparison.Ordinal);
        Assert.Empty(said);
    }

    private (List<int> Tokens, PtxDriver Driver) Generate(TinyBackbone tiny, string folder, List<string> said, bool graphs, Action<PtxDriver> plan)
    {
        using var gpu = new PtxGpu(null, _kernels);
        List<int> tokens;
        using (var device = new CudaDevice(gpu.Accelerator, CudaDeviceOptions.For(gpu.Accelerator) with { Graphs = graphs, MeasureProducts = false, Warn = said.Add }))
        {
            using QwenBackbone backbone = QwenBackbone.Load(device, tiny.Folder);
            using OllmModel modules = OllmModel.Load(backbone, folder);
            plan(gpu.Driver);
            using var generator = new Generator(backbone, modules, 1, 40);
            var request = new GenerationRequest { Prompt = [9, 33, 4, 17, 40], MaxTokens = Tokens, Latent = LatentChoice.Policy };
            generator.Run([request]);
            Assert.Equal(Tokens, request.Generated.Count);
            tokens = [.. request.Generated];
        }
        return (tokens, gpu.Driver);
    }
}
