using OllmNative.Model;
using OllmNative.Model.Cpu;
using OllmNative.Model.Cuda;

namespace OllmNative.Tests.Cuda;

/// <summary>Decoding that the device does alone: the host's tokens, and nothing but a start and a wait for each of them.</summary>
public sealed class DeviceStepTests
{
    private const int Capacity = 48;

    public static TheoryData<LatentChoice, float, int, float, float, float> Requests => new()
    {
        { LatentChoice.Backbone, 0, 0, 1, 0, 1 },
        { LatentChoice.Sample, 1, 0, 1, 0, 1 },
        { LatentChoice.Force, 0.9f, 6, 0.8f, 0.01f, 1.2f },
    };

    [Theory]
    [MemberData(nameof(Requests))]
    public void Generate_OnTheDeviceAlone_GivesTheHostsTokens(LatentChoice latent, float temperature, int topK, float topP, float minP, float penalty)
    {
        var sampler = new SamplerOptions { Temperature = temperature, TopK = topK, TopP = topP, MinP = minP, RepetitionPenalty = penalty };
        GenerationRequest New(int[] prompt, int tokens, ulong seed) =>
            new() { Prompt = prompt, MaxTokens = tokens, Latent = latent, ForcedOption = 2, Sampler = sampler, Seed = seed, StopTokens = [7, 11] };
        using var model = new Files();
        // More sequences than slots: they end and begin at different times.
        int[][] prompts = [model.Tiny.Tokens(4), model.Tiny.Tokens(3), model.Tiny.Tokens(5)];
        GenerationRequest[] Run(bool alone)
        {
            using CudaDevice device = model.NewDevice(alone, out PtxGpu gpu, exact: true);
            GenerationRequest[] requests = [.. prompts.Select((prompt, i) => New(prompt, 4 + 3 * i, (ulong)i + 3))];
            using (Generator generator = model.NewGenerator(device, out List<IDisposable> owned))
            {
                generator.Run(requests);
                owned.ForEach(item => item.Dispose());
            }
            Assert.Equal(alone, gpu.Driver.Calls("EventSynchronize") > 4);
            return requests;
        }
        GenerationRequest[] expected = Run(false), actual = Run(true);
        for (int i = 0; i < prompts.Length; i++)
        {
            Assert.Equal(expected[i].Generated, actual[i].Generated);
            Assert.Equal(expected[i].Options, actual[i].Options);
            Assert.Equal(expected[i].LogProbabilities, actual[i].LogProbabilities);
            Assert.Equal(expected[i].Stopped, actual[i].Stopped);
        }
    }

    /// <summary>Everything that a request can ask to be told: from the device's own steps as from the host's, and as the processor sees it.</summary>
    [Theory]
    [InlineData(LatentChoice.Policy, true)]
    [InlineData(LatentChoice.Backbone, true)]
    [InlineData(LatentChoice.Backbone, false)]
    public void Step_TellsAll_AsTheHostAndTheProcessor(LatentChoice latent, bool modules)
    {
        using var model = new Files();
        GenerationRequest[] Run(ComputeDevice device)
        {
            using QwenBackbone backbone = QwenBackbone.Load(device, model.Tiny.Folder);
            using OllmModel? ollm = modules ? OllmModel.Load(backbone, model.Folder) : null;
            using var engine = new DecodeEngine(backbone, ollm, new DecodeEngineOptions { Slots = 3, Capacity = Capacity, ExplainSlots = 2 });
            // The second one explains nothing, so that rows and copies do not fall together.
            GenerationRequest[] requests = [.. Enumerable.Range(0, 3).Select(i => new GenerationRequest
            {
                Prompt = [3 + i, 9, 20], MaxTokens = 4 + i, Latent = latent, Seed = 2, Record = latent != LatentChoice.Backbone,
                Explain = i != 1, TopScores = i == 0 ? null : i, Sampler = new() { Temperature = i == 1 ? 0.7f : 0 },
            })];
            foreach (GenerationRequest request in requests) engine.Add(request);
            while (engine.Active > 0) engine.Step();
            return requests;
        }
        using CudaDevice alone = model.NewDevice(true, out _, exact: true), host = model.NewDevice(false, out _, exact: true);
        using var processor = new CpuDevice();
        GenerationRequest[] actual = Run(alone);
        AssertTold(Run(host), actual, 1e-5);
        AssertTold(Run(processor), actual, 3e-2);
    }

    private static void AssertTold(GenerationRequest[] expected, GenerationRequest[] actual, double tolerance)
    {
        for (int i = 0; i < expected.Length; i++)
        {
            (GenerationRequest e, GenerationRequest a) = (expected[i], actual[i]);
            Assert.Equal(e.Generated, a.Generated);
            Assert.Equal(e.Options, a.Options);
            Assert.Equal(e.Hidden.Count, a.Hidden.Count);
            Assert.All(e.Hidden.Zip(a.Hidden), pair => Assert.Equal(pair.First, pair.Second, tolerance * 3));
            Assert.Equal(e.Explain ? e.Generated.Count : 0, a.Explained.Count);
            foreach ((ExplainedToken First, ExplainedToken Second) token in e.Explained.Zip(a.Explained))
            {
                Assert.Equal(token.First.Option, token.Second.Option);
                Assert.Equal(token.First.BackboneEntropy, token.Second.BackboneEntropy, tolerance);
                Assert.Equal(token.First.Options.Count, token.Second.Options.Count);
                Assert.All(token.First.Options.Zip(token.Second.Options), pair =>
                {
                    // Of two tokens that are as likely as each other either may come first.
                    if (tolerance < 1e-3) Assert.Equal(pair.First.Token, pair.Second.Token);
                    Assert.Equal(pair.First.Probability, pair.Second.Probability, tolerance);
                    Assert.Equal(pair.First.PolicyProbability, pair.Second.PolicyProbability, tolerance);
                });
            }
            Assert.Equal(e.TopScores is null ? 0 : e.Generated.Count, a.Scores.Count);
            foreach ((TokenScore First, TokenScore Second) score in e.Scores.Zip(a.Scores))
            {
                Assert.Equal(score.First.LogProbability, score.Second.LogProbability, tolerance);
                Assert.Equal(e.TopScores, score.Second.Top.Count);
                Assert.All(score.First.Top.Zip(score.Second.Top), pair => Assert.Equal(pair.First.LogProbability, pair.Second.LogProbability, tolerance));
            }
        }
    }

    [Theory]
    [InlineData(LatentChoice.Backbone, 0f)]
    [InlineData(LatentChoice.Sample, 1f)]
    [InlineData(LatentChoice.Policy, 0f, true)]
    public void Step_Recorded_IsOneStartOneMarkAndOneWait(LatentChoice latent, float temperature, bool tells = false)
    {
        using var model = new Files();
        using CudaDevice device = model.NewDevice(true, out PtxGpu gpu);
        using QwenBackbone backbone = QwenBackbone.Load(device, model.Tiny.Folder);
        using OllmModel ollm = OllmModel.Load(backbone, model.Folder);
        using var engine = new DecodeEngine(backbone, ollm, new DecodeEngineOptions { Slots = 1, Capacity = Capacity, ExplainSlots = 1 });
        engine.Add(new GenerationRequest
        {
            Explain = tells, Record = tells, TopScores = tells ? 3 : null, Prompt = model.Tiny.Tokens(4), MaxTokens = 40, Latent = latent, Sampler = new() { Temperature = temperature, TopP = 0.9f }, Seed = 5, StopTokens = [-1],
        });
        for (int i = 0; i < 4; i++) engine.Step();
        Dictionary<string, int> Count() => gpu.Driver.Called.ToDictionary(name => name, gpu.Driver.Calls);
        Dictionary<string, int> before = Count();
        const int steps = 5;
        for (int i = 0; i < steps; i++) engine.Step();
        (string, int)[] calls = [.. Count().Select(call => (call.Key, call.Value - before.GetValueOrDefault(call.Key))).Where(call => call.Item2 > 0).OrderBy(call => call.Key, StringComparer.Ordinal)];
        Assert.Equal([("EventRecord", steps), ("EventSynchronize", steps), ("GraphLaunch", steps)], calls);
    }

    /// <summary>What showing all options costs the device and the host: a few launches and small copies more in a step, whatever the model's depth, and no wait.</summary>
    [Fact]
    public void Step_Explaining_IsTwoLaunchesMoreAndNoWait()
    {
        (int Launches, int Copies, int Waits) plain = OfFiveSteps(explain: false), told = OfFiveSteps(explain: true);
        Assert.Equal((5 * 1, 5 * 1), (plain.Copies, plain.Waits));
        // The row's copies, and what there is to say of them; two facts and the policy's probabilities.
        Assert.Equal((5 * 2, 5 * 3, 0), (told.Launches - plain.Launches, told.Copies - plain.Copies, told.Waits - plain.Waits));
    }

    /// <summary>Counted without recordings, whose insides the driver does not tell.</summary>
    private static (int Launches, int Copies, int Waits) OfFiveSteps(bool explain)
    {
        using var model = new Files();
        using var gpu = new PtxGpu();
        using var device = new CudaDevice(gpu.Accelerator, CudaDeviceOptions.For(gpu.Accelerator) with { Graphs = false });
        using QwenBackbone backbone = QwenBackbone.Load(device, model.Tiny.Folder);
        using OllmModel ollm = OllmModel.Load(backbone, model.Folder);
        using var engine = new DecodeEngine(backbone, ollm, new DecodeEngineOptions { Slots = 1, Capacity = Capacity, ExplainSlots = 1 });
        engine.Add(new GenerationRequest { Prompt = model.Tiny.Tokens(4), MaxTokens = 40, Latent = LatentChoice.Policy, Explain = explain, StopTokens = [-1] });
        (int Launches, int Copies, int Waits) Count() =>
            (gpu.Driver.Calls("LaunchKernel") + gpu.Driver.Calls("LaunchKernelEx"), gpu.Driver.Calls("MemcpyDtoHAsync"), gpu.Driver.Calls("EventSynchronize"));
        for (int i = 0; i < 3; i++) engine.Step();
        (int launches, int copies, int waits) = Count();
        for (int i = 0; i < 5; i++) engine.Step();
        (int Launches, int Copies, int Waits) after = Count();
        return (after.Launches - launches, after.Copies - copies, after.Waits - waits);
    }

    /// <summary>More sequences than the products of a few rows take: the same recording, waits and tokens.</summary>
    [Fact]
    public void Generate_ManySequences_StepsThemOnTheDeviceAlone()
    {
        const int count = 18;
        using var model = new Files();
        int[][] prompts = [.. Enumerable.Range(0, count).Select(i => model.Tiny.Tokens(2 + i % 3))];
        GenerationRequest[] Run(bool alone, out int starts)
        {
            using CudaDevice device = model.NewDevice(alone, out PtxGpu gpu, exact: true);
            using QwenBackbone backbone = QwenBackbone.Load(device, model.Tiny.Folder);
            using OllmModel modules = OllmModel.Load(backbone, model.Folder);
            using var generator = new Generator(backbone, modules, count, Capacity);
            GenerationRequest[] requests = [.. prompts.Select((prompt, i) => new GenerationRequest
            {
                Prompt = prompt, MaxTokens = i < 2 ? 3 : 7, Latent = LatentChoice.Sample, Seed = (ulong)i, Sampler = new() { Temperature = i % 2 },
            })];
            generator.Run(requests);
            starts = gpu.Driver.Calls("GraphLaunch");
            return requests;
        }
        GenerationRequest[] expected = Run(false, out _), actual = Run(true, out int starts);
        // Twice with all, then with the sixteen that are left.
        Assert.True(starts >= 2, $"{starts} recorded steps");
        Assert.Equal(expected.Select(request => request.Generated), actual.Select(request => request.Generated));
        Assert.Equal(expected.Select(request => request.Options), actual.Select(request => request.Options));
    }

    [Fact]
    public void Step_Recorded_AllocatesNothing()
    {
        using var model = new Files();
        using CudaDevice device = model.NewDevice(true, out PtxGpu gpu);
        using QwenBackbone backbone = QwenBackbone.Load(device, model.Tiny.Folder);
        using OllmModel ollm = OllmModel.Load(backbone, model.Folder);
        using var engine = new DecodeEngine(backbone, ollm, new DecodeEngineOptions { Slots = 1, Capacity = Capacity });
        engine.Add(new GenerationRequest { Prompt = model.Tiny.Tokens(4), MaxTokens = 40, Latent = LatentChoice.Policy, StopTokens = [-1] });
        for (int i = 0; i < 4; i++) engine.Step();
        // What is left is the engine's and the host layer's.
        gpu.Driver.IgnoresLaunches = true;
        for (int i = 0; i < 3; i++) engine.Step();
        long before = GC.GetAllocatedBytesForCurrentThread(), memory = gpu.Driver.Memory.Bytes;
        for (int i = 0; i < 10; i++) engine.Step();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(memory, gpu.Driver.Memory.Bytes);
    }

    /// <summary>A tiny model with modules, as files.</summary>
    private sealed class Files : IDisposable
    {
        private readonly List<IDisposable> _gpus = [];

        public Files()
        {
            using OllmModel ollm = Tiny.NewOllm(options: 5, width: 24);
            ollm.Save(Folder);
        }

        public TinyBackbone Tiny { get; } = new(hidden: 32, vocabulary: 61, seed: 4);

        public string Folder { get; } = TestData.NewFolder();

        public CudaDevice NewDevice(bool alone, out PtxGpu gpu, bool exact = false)
        {
            gpu = new PtxGpu();
            _gpus.Add(gpu);
            // With parameters in f32 both ways launch the same kernels, so that the last bit is equal too.
            return new CudaDevice(gpu.Accelerator, CudaDeviceOptions.For(gpu.Accelerator) with { RunsAhead = alone, Bf16Parameters = !exact });
        }

        public Generator NewGenerator(CudaDevice device, out List<IDisposable> owned)
        {
            QwenBackbone backbone = QwenBackbone.Load(device, Tiny.Folder);
            OllmModel modules = OllmModel.Load(backbone, Folder);
            owned = [modules, backbone];
            return new Generator(backbone, modules, 2, Capacity);
        }

        public void Dispose()
        {
            foreach (IDisposable gpu in _gpus) gpu.Dispose();
            Tiny.Dispose();
        }
    }
}
