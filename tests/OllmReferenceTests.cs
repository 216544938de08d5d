using System.Text.Json;
using OllmNative.Model;
using OllmNative.Model.Cpu;
using OllmNative.Training;

namespace OllmNative.Tests;

/// <summary>The three modules, their losses, gradients and whole training runs against PyTorch in float64.</summary>
public sealed class OllmReferenceTests : IDisposable
{
    private readonly CpuDevice _device = new(2);
    private readonly QwenBackbone _backbone;
    private readonly OllmModel _ollm;

    public OllmReferenceTests()
    {
        _backbone = QwenBackbone.Load(_device, Reference.Folder("qwen2-tied-bf16"));
        _ollm = OllmModel.Load(_backbone, Reference.Folder("ollm"));
    }

    public void Dispose()
    {
        _ollm.Dispose();
        _backbone.Dispose();
        _device.Dispose();
    }

    [Fact]
    public void Modules_Forward_EqualPyTorch()
    {
        using Checkpoint expected = Checkpoint.Open(Reference.Folder("ollm", "expected_forward.safetensors"));
        int[] tokens = Reference.Tokens(expected, "tokens");
        int n = tokens.Length, d = _ollm.Shape.HiddenSize, k = _ollm.Shape.Options, v = _backbone.Config.VocabSize;
        using DeviceBuffer<float> hidden = _device.Allocate<float>(n * d), policyLogits = _device.Allocate<float>(n * k);
        hidden.Upload(0, Reference.Forward(_backbone, tokens).Hidden);
        using var policy = new Policy(_device, _ollm.Parameters, null, n);
        policy.Forward(hidden.View, policyLogits.View);
        Reference.Near(policyLogits.View.ToArray(), Reference.Floats(expected, "policy_logits"), 1e-4, "policy_logits");

        using var decoder = new Decoder(_device, _ollm.Parameters, null, n);
        using DeviceBuffer<float> z = _device.Allocate<float>(n * k), bent = _device.Allocate<float>(n * d), logits = _device.Allocate<float>(n * v);
        float[] all = Reference.Floats(expected, "option_logits");
        for (int option = 0; option < k; option++)
        {
            z.Upload(0, [.. Enumerable.Range(0, n * k).Select(i => i % k == option ? 1f : 0f)]);
            decoder.Forward(hidden.View, z.View, bent.View);
            _device.MatMul(bent.View, _backbone.Head, default, logits.View);
            float[] expectedOption = [.. Enumerable.Range(0, n).SelectMany(t => all.Skip((t * k + option) * v).Take(v))];
            Reference.Near(logits.View.ToArray(), expectedOption, 1e-4, $"option {option}");
        }
    }

    [Theory]
    [InlineData(LatentMode.Soft, "gradients_soft.safetensors")]
    [InlineData(LatentMode.Marginal, "gradients_marginal.safetensors")]
    public void OllmLoss_Gradients_EqualPyTorch(LatentMode mode, string file)
    {
        using Checkpoint expected = Checkpoint.Open(Reference.Folder("ollm", file));
        using var gradients = new OllmTensors(_device, _ollm.Shape);
        TokenRow[] rows = [.. Rows().Take(4)];
        using var step = new TrainStep(_backbone, _ollm.Parameters, gradients, mode, 64);
        long targets = rows.Sum(r => r.Targets);
        LossSums sums = step.Accumulate(rows, 0, 1, targets, 0);
        Assert.Equal(30, sums.Targets);
        Assert.Equal(Reference.Floats(expected, "ce")[0], sums.Ce / targets, 1e-4);
        Assert.Equal(Reference.Floats(expected, "kl")[0], sums.Kl / targets, 1e-4);
        Assert.Equal(Reference.Floats(expected, "policy_ce")[0], sums.Policy / targets, 1e-4);
        foreach ((string name, _) in _ollm.Shape.Tensors)
            Reference.Near(gradients[name].ToArray(), Reference.Floats(expected, name), 2e-4, name);
    }

    [Theory]
    [InlineData(LatentMode.Soft, "train_soft_metrics.jsonl")]
    [InlineData(LatentMode.Marginal, "train_marginal_metrics.jsonl")]
    public void Trainer_FiftySteps_LossesEqualPyTorch(LatentMode mode, string file)
    {
        using var trainer = new Trainer(_backbone, _ollm, Rows(), new TrainOptions
        {
            Latent = mode, Steps = 50, BatchSize = 4, LearningRate = 2e-3, WeightDecay = 0.01, Shuffle = false,
        });
        foreach (string line in File.ReadLines(Reference.Folder("ollm", file)))
        {
            using JsonDocument expected = JsonDocument.Parse(line);
            TrainMetrics actual = trainer.Step();
            Close("loss", actual.Loss);
            Close("ce", actual.Ce);
            Close("kl", actual.Kl);
            Close("beta", actual.Beta);
            Close("policy_ce", actual.PolicyCe);
            Close("grad_norm", actual.GradNorm);

            void Close(string name, double value)
            {
                double wanted = expected.RootElement.GetProperty(name).GetDouble();
                Assert.True(Math.Abs(value - wanted) <= 1e-4 * Math.Max(1, Math.Abs(wanted)), $"step {actual.Step}: {name} is {value}, expected {wanted}");
            }
        }
        if (mode != LatentMode.Soft) return;
        using Checkpoint final = Checkpoint.Open(Reference.Folder("ollm", "train_soft_final.safetensors"));
        foreach ((string name, _) in _ollm.Shape.Tensors) Reference.Near(_ollm.Parameters[name].ToArray(), Reference.Floats(final, name), 1e-3, name);
    }

    [Fact]
    public void Trainer_RowsSplitIntoMicroBatches_SameStep()
    {
        double[] whole = Losses(batch: 4, accumulate: 1), split = Losses(batch: 1, accumulate: 4);
        for (int i = 0; i < whole.Length; i++) Assert.Equal(whole[i], split[i], 1e-5);

        double[] Losses(int batch, int accumulate)
        {
            using OllmModel fresh = OllmModel.Create(_backbone, 5, 64, seed: 3);
            using var trainer = new Trainer(_backbone, fresh, Rows(), new TrainOptions { Steps = 8, BatchSize = batch, GradAccum = accumulate, Seed = 9 });
            return [.. Enumerable.Range(0, 8).Select(_ => trainer.Step().Loss)];
        }
    }

    private static TokenRow[] Rows() =>
    [
        .. RowReader.Read(Reference.Folder("ollm", "train.jsonl")).Select(row => new TokenRow(row.Tokens!, row.PromptLength, row.Line)),
    ];
}
