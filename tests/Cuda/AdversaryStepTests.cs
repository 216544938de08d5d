using OllmNative.Model;
using OllmNative.Model.Cuda;
using OllmNative.Tests.Ptx;
using OllmNative.Training;

namespace OllmNative.Tests.Cuda;

/// <summary>Whole steps on the adversary's schedules: launches that overlap their predecessors, recorded graphs, two streams.</summary>
public sealed class AdversaryStepTests : IDisposable
{
    private readonly TinyBackbone _tiny = new(hidden: 32, vocabulary: 61, seed: 4);

    public void Dispose() => _tiny.Dispose();

    // Every day one of each; OLLM_RACES asks for all (tests/nightly/races.sh).
    private static readonly bool s_all = Environment.GetEnvironmentVariable("OLLM_RACES") is not null;

    [SkippableTheory]
    [InlineData(LatentChoice.Policy, 0f, false)]
    [InlineData(LatentChoice.Sample, 0.9f, true)]
    public void Decode_WorstSchedules_HasNoRaceAndGivesTheSameTokens(LatentChoice latent, float temperature, bool exact)
    {
        Skip.If(exact && !s_all, "OLLM_RACES is not set");
        string folder = TestData.NewFolder();
        using (OllmModel ollm = _tiny.NewOllm(options: 5, width: 24)) ollm.Save(folder);
        int[][] prompts = [_tiny.Tokens(3), _tiny.Tokens(4)];
        string[] Run(PtxAdversary? adversary)
        {
            using var gpu = new PtxGpu();
            gpu.Driver.Adversary = adversary;
            using var device = new CudaDevice(gpu.Accelerator, CudaDeviceOptions.For(gpu.Accelerator) with { RunsAhead = true, Bf16Parameters = !exact });
            using QwenBackbone backbone = QwenBackbone.Load(device, _tiny.Folder);
            using OllmModel modules = OllmModel.Load(backbone, folder);
            using var engine = new DecodeEngine(backbone, modules, new DecodeEngineOptions { Slots = 2, Capacity = 48, ExplainSlots = 1 });
            GenerationRequest[] requests = [.. Enumerable.Range(0, 2).Select(i => new GenerationRequest
            {
                Prompt = prompts[i], MaxTokens = 5 + i, Latent = latent, Seed = 2, Explain = i == 0, TopScores = 1, StopTokens = [-1],
                Sampler = new() { Temperature = temperature, TopK = 20, TopP = 0.9f },
            })];
            foreach (GenerationRequest request in requests) engine.Add(request);
            while (engine.Active > 0) engine.Step();
            device.Synchronize();
            Assert.True(gpu.Driver.Findings.Count == 0, string.Join("\n", gpu.Driver.Findings.Distinct()));
            Assert.True(adversary is null || exact || gpu.Driver.LongestChain > 3);
            return [.. requests.Select(request => string.Join(',', request.Generated))];
        }
        Assert.Equal(Run(null), Run(new PtxAdversary(3, PtxMoment.Random)));
    }

    [SkippableTheory]
    [InlineData(true)]
    [InlineData(false)]
    public void Train_WorstSchedules_HasNoRaceAndLearnsTheSame(bool cached)
    {
        Skip.If(!cached && !s_all, "OLLM_RACES is not set");
        TokenRow[] rows = [.. Enumerable.Range(0, 4).Select(i => new TokenRow(_tiny.Tokens(4 + i % 3), i % 3, i + 1))];
        double[] Run(PtxAdversary? adversary)
        {
            using var gpu = new PtxGpu();
            gpu.Driver.Adversary = adversary;
            using var device = new CudaDevice(gpu.Accelerator, CudaDeviceOptions.For(gpu.Accelerator) with { MeasureProducts = false });
            using QwenBackbone backbone = QwenBackbone.Load(device, _tiny.Folder);
            using OllmModel ollm = OllmModel.Create(backbone, 4, 16, 2);
            var options = new TrainOptions { Steps = 3, BatchSize = 2, LearningRate = 5e-3, Seed = 8, CheckpointEvery = 0, CacheHidden = cached ? TestData.NewFolder() : null };
            using var trainer = new Trainer(backbone, ollm, rows, options);
            var losses = new List<double>();
            trainer.Run(TestData.NewFolder(), line => losses.Add(line.Loss));
            Assert.True(gpu.Driver.Findings.Count == 0, string.Join("\n", gpu.Driver.Findings.Distinct()));
            return [.. losses];
        }
        double[] expected = Run(null), actual = Run(new PtxAdversary(4, PtxMoment.Random));
        Assert.Equal(expected.Length, actual.Length);
        Assert.All(expected.Zip(actual), pair => Assert.Equal(pair.First, pair.Second, 1e-4));
    }
}
