using OllmNative.Model;
using OllmNative.Model.Cuda;
using OllmNative.Tests.Cuda;
using OllmNative.Training;

namespace OllmNative.Tests;

/// <summary>Whole models through the kernels, in the emulator, beside the CPU device: forward, training, generation, latent RL.</summary>
public sealed class CudaModelTests
{
    private static readonly CudaDeviceOptions TensorCores = new() { TensorCores = true, Bf16Parameters = true };

    public static TheoryData<bool, double> Kinds => new() { { false, 1e-4 }, { true, 3e-2 } };

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Forward_TwoSequences_GivesTheCpusHiddenStatesAndLogits(bool tensor, double tolerance)
    {
        using var tiny = new TinyBackbone();
        using CudaDevice device = CudaDeviceTests.NewDevice(tensor ? TensorCores : null);
        using QwenBackbone other = QwenBackbone.Load(device, tiny.Folder);
        int[] first = tiny.Tokens(7), second = tiny.Tokens(4);
        (float[] hidden, float[] logits) = Forward(tiny.Model, first, second);
        (float[] hiddenHere, float[] logitsHere) = Forward(other, first, second);
        Near(hidden, hiddenHere, tolerance, "hidden states");
        Near(logits, logitsHere, tolerance, "logits");
    }

    [Theory]
    [InlineData(false, LatentMode.Gumbel)]
    [InlineData(false, LatentMode.Marginal)]
    [InlineData(true, LatentMode.Gumbel)]
    public void Train_ThreeSteps_LossesWithinOnePercentOfTheCpus(bool tensor, LatentMode mode)
    {
        using var tiny = new TinyBackbone();
        TokenRow[] rows = [.. Enumerable.Range(0, 6).Select(i => new TokenRow(tiny.Tokens(4 + i % 3), i % 3, i + 1))];
        using CudaDevice device = CudaDeviceTests.NewDevice(tensor ? TensorCores : null);
        using QwenBackbone other = QwenBackbone.Load(device, tiny.Folder);
        TrainMetrics[] expected = Train(tiny.Model, rows, mode), actual = Train(other, rows, mode);
        for (int i = 0; i < expected.Length; i++)
        {
            AssertWithin(0.01, expected[i].Loss, actual[i].Loss, $"loss of step {i + 1}");
            AssertWithin(0.01, expected[i].Ce, actual[i].Ce, $"cross-entropy of step {i + 1}");
            AssertWithin(0.02, expected[i].GradNorm, actual[i].GradNorm, $"gradient norm of step {i + 1}");
        }
    }

    [Fact]
    public void Train_ThroughPtx_LossesWithinOnePercentOfTheCpus()
    {
        using var tiny = new TinyBackbone();
        TokenRow[] rows = [.. Enumerable.Range(0, 6).Select(i => new TokenRow(tiny.Tokens(4 + i % 3), i % 3, i + 1))];
        using var gpu = new PtxGpu();
        using var device = new CudaDevice(gpu.Accelerator, CudaDeviceOptions.For(gpu.Accelerator) with { MeasureProducts = false });
        using QwenBackbone other = QwenBackbone.Load(device, tiny.Folder);
        TrainMetrics[] expected = Train(tiny.Model, rows, LatentMode.Gumbel), actual = Train(other, rows, LatentMode.Gumbel);
        for (int i = 0; i < expected.Length; i++) AssertWithin(0.01, expected[i].Loss, actual[i].Loss, $"loss of step {i + 1}");
    }

    [Fact]
    public void Generate_RecordedIntoGraphs_GivesTheTokensOfPlainLaunches()
    {
        using var tiny = new TinyBackbone(hidden: 32, vocabulary: 61, seed: 4);
        using OllmModel ollm = tiny.NewOllm(options: 5, width: 24);
        string folder = TestData.NewFolder();
        ollm.Save(folder);
        int[][] prompts = [tiny.Tokens(9), tiny.Tokens(3)];
        List<int>[] Run(bool graphs)
        {
            using var gpu = new PtxGpu();
            using var device = new CudaDevice(gpu.Accelerator, CudaDeviceOptions.For(gpu.Accelerator) with { Graphs = graphs, MeasureProducts = false });
            using QwenBackbone backbone = QwenBackbone.Load(device, tiny.Folder);
            using OllmModel modules = OllmModel.Load(backbone, folder);
            using var generator = new Generator(backbone, modules, 2, 40);
            GenerationRequest[] requests = [.. prompts.Select((p, i) => new GenerationRequest { Prompt = p, MaxTokens = 6 + 3 * i, Latent = LatentChoice.Policy })];
            generator.Run(requests);
            Assert.Equal(graphs, gpu.Driver.Calls("GraphLaunch") > 4);
            return [.. requests.Select(r => r.Generated)];
        }
        List<int>[] plain = Run(false), recorded = Run(true);
        for (int i = 0; i < prompts.Length; i++) Assert.Equal(plain[i], recorded[i]);
    }

    [Fact]
    public void Train_Twice_GivesTheSameBits()
    {
        using var tiny = new TinyBackbone();
        TokenRow[] rows = [.. Enumerable.Range(0, 4).Select(i => new TokenRow(tiny.Tokens(5), 0, i + 1))];
        float[] Run()
        {
            using CudaDevice device = CudaDeviceTests.NewDevice();
            using QwenBackbone backbone = QwenBackbone.Load(device, tiny.Folder);
            using OllmModel ollm = OllmModel.Create(backbone, 4, 16, 2);
            using var trainer = new Trainer(backbone, ollm, rows, new TrainOptions { Steps = 2, BatchSize = 4, LearningRate = 5e-3 });
            trainer.Step();
            trainer.Step();
            return ollm.Parameters.All.ToArray();
        }
        Assert.Equal(Run(), Run());
    }

    [Theory]
    [InlineData(LatentChoice.Backbone)]
    [InlineData(LatentChoice.Policy)]
    [InlineData(LatentChoice.Sample)]
    public void Generate_Greedy_GivesTheCpusTokens(LatentChoice latent)
    {
        using var tiny = new TinyBackbone(hidden: 32, vocabulary: 61, seed: 4);
        using OllmModel ollm = tiny.NewOllm(options: 5, width: 24);
        string folder = TestData.NewFolder();
        ollm.Save(folder);
        using CudaDevice device = CudaDeviceTests.NewDevice();
        using QwenBackbone other = QwenBackbone.Load(device, tiny.Folder);
        using OllmModel otherOllm = OllmModel.Load(other, folder);
        int[] prompt = tiny.Tokens(9);
        GenerationRequest expected = Generate(tiny.Model, ollm, prompt, latent), actual = Generate(other, otherOllm, prompt, latent);
        Assert.Equal(expected.Generated, actual.Generated);
        Assert.Equal(expected.Options, actual.Options);
    }

    [Fact]
    public void LatentRl_OneStep_GivesTheCpusRewardAndLoss()
    {
        using var tiny = new TinyBackbone(vocabulary: 303);
        Tokenizer tokenizer = TokenizerSamples.Load();
        using OllmModel ollm = OllmModel.Create(tiny.Model, 4, 16, seed: 1);
        SpeakDigits(tiny, ollm);
        string folder = TestData.NewFolder();
        ollm.Save(folder);
        using CudaDevice device = CudaDeviceTests.NewDevice();
        using QwenBackbone other = QwenBackbone.Load(device, tiny.Folder);
        using OllmModel otherOllm = OllmModel.Load(other, folder);
        AnswerProblem[] problems = [new AnswerProblem(['a', '='], "3", new DataRow { Line = 1, Kind = RowKind.Math })];
        var settings = new LatentRlOptions { Steps = 2, Problems = 1, Rollouts = 8, MaxTokens = 1, LearningRate = 0.02, Seed = 3 };
        using var reference = new LatentRl(tiny.Model, ollm, tokenizer, problems, [], settings);
        using var tested = new LatentRl(other, otherOllm, tokenizer, problems, [], settings);
        for (int step = 0; step < 2; step++)
        {
            RlMetrics expected = reference.Step(), actual = tested.Step();
            Assert.InRange(expected.Reward, 0.01, 0.99);
            Assert.Equal(expected.Reward, actual.Reward);
            Assert.Equal(expected.Loss, actual.Loss, 1e-3);
            Assert.Equal(expected.GradNorm, actual.GradNorm, 1e-3);
        }
        Near(ollm.Parameters.All.ToArray(), otherOllm.Parameters.All.ToArray(), 1e-3, "parameters");
    }

    /// <summary>Under option k the decoder makes the digit k + 1 the only likely token.</summary>
    private static void SpeakDigits(TinyBackbone tiny, OllmModel ollm)
    {
        (int d, int width, int options) = (ollm.Shape.HiddenSize, ollm.Shape.LatentWidth, ollm.Shape.Options);
        float[] head = tiny.Weights["lm_head.weight"], output = new float[d * width], table = new float[options * width];
        for (int k = 0; k < options; k++)
        {
            table[k * width + k] = 50;
            for (int i = 0; i < d; i++) output[i * width + k] = head[('1' + k) * d + i];
        }
        ollm.Parameters["decoder.options.weight"].Upload(table);
        ollm.Parameters["decoder.out.weight"].Upload(output);
    }

    private static (float[] Hidden, float[] Logits) Forward(QwenBackbone model, int[] first, int[] second)
    {
        ComputeDevice device = model.Device;
        using var batch = new TokenBatch(device, 16);
        using var cache = new KvCache(device, model.Config, 32);
        using var buffers = new ForwardBuffers(device, model.Config, 16);
        int rows = first.Length + second.Length, d = model.Config.HiddenSize, v = model.Config.VocabSize;
        using DeviceBuffer<float> hidden = device.Allocate<float>(rows * d), logits = device.Allocate<float>(rows * v);
        batch.Add(first, 0, 0);
        batch.Add(second, 0, 16);
        batch.Upload();
        model.Forward(batch, cache, buffers, hidden.View);
        device.MatMul(hidden.View, model.Head, default, logits.View);
        return (hidden.View.ToArray(), logits.View.ToArray());
    }

    private static TrainMetrics[] Train(QwenBackbone backbone, TokenRow[] rows, LatentMode mode)
    {
        using OllmModel ollm = OllmModel.Create(backbone, 4, 16, 2);
        using var trainer = new Trainer(backbone, ollm, rows, new TrainOptions { Steps = 3, BatchSize = 3, LearningRate = 5e-3, Latent = mode });
        return [trainer.Step(), trainer.Step(), trainer.Step()];
    }

    private static GenerationRequest Generate(QwenBackbone backbone, OllmModel ollm, int[] prompt, LatentChoice latent)
    {
        var request = new GenerationRequest { Prompt = prompt, MaxTokens = 8, Latent = latent, Seed = 5 };
        using var generator = new Generator(backbone, ollm, 1, 40);
        generator.Run([request]);
        return request;
    }

    private static void AssertWithin(double share, double expected, double actual, string what) =>
        Assert.True(Math.Abs(expected - actual) <= share * Math.Abs(expected), $"{what}: {actual} instead of {expected}");

    private static void Near(float[] expected, float[] actual, double tolerance, string what)
    {
        double largest = expected.Max(Math.Abs);
        for (int i = 0; i < expected.Length; i++)
            Assert.True(Math.Abs(expected[i] - actual[i]) <= tolerance * largest, $"{what}: element {i} is {actual[i]} instead of {expected[i]}");
    }
}
