using OllmNative.Model;
using OllmNative.Model.Cpu;

namespace OllmNative.Tests;

/// <summary>The forward pass against PyTorch: Qwen2 and Qwen3, tied and untied, F32/F16/BF16, sharded.</summary>
public class BackboneReferenceTests
{
    private const double Tolerance = 1e-4;

    public static TheoryData<string> Models => ["qwen2-tied-bf16", "qwen2-untied-f32", "qwen3-untied-f16", "qwen3-tied-bf16-sharded"];

    [Theory]
    [MemberData(nameof(Models))]
    public void Forward_WholeSequence_EqualsPyTorch(string model)
    {
        using var device = new CpuDevice(2);
        using QwenBackbone backbone = QwenBackbone.Load(device, Reference.Folder(model));
        using Checkpoint expected = Checkpoint.Open(Reference.Folder(model, "expected.safetensors"));
        foreach (string prefix in (string[])["", "single."])
        {
            (float[] hidden, float[] logits) = Reference.Forward(backbone, Reference.Tokens(expected, prefix + "tokens"));
            Reference.Near(hidden, Reference.Floats(expected, prefix + "hidden"), Tolerance, prefix + "hidden");
            Reference.Near(logits, Reference.Floats(expected, prefix + "logits"), Tolerance, prefix + "logits");
        }
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void Forward_TokenByToken_EqualsWholeSequence(string model)
    {
        using var device = new CpuDevice(2);
        using QwenBackbone backbone = QwenBackbone.Load(device, Reference.Folder(model));
        using Checkpoint expected = Checkpoint.Open(Reference.Folder(model, "expected.safetensors"));
        int[] tokens = Reference.Tokens(expected, "tokens");
        (float[] hidden, float[] logits) = Reference.Forward(backbone, tokens, pieceLength: 1);
        Reference.Near(hidden, Reference.Floats(expected, "hidden"), Tolerance, "hidden");
        Reference.Near(logits, Reference.Floats(expected, "logits"), Tolerance, "logits");
    }

    [Theory]
    [InlineData(int.MaxValue)]
    [InlineData(333)]
    public void Forward_ElevenHundredTokens_EqualsPyTorch(int pieceLength)
    {
        using var device = new CpuDevice(2);
        using QwenBackbone backbone = QwenBackbone.Load(device, Reference.Folder("qwen2-tied-bf16"));
        using Checkpoint expected = Checkpoint.Open(Reference.Folder("qwen2-tied-bf16", "expected.safetensors"));
        float[] last = Reference.Floats(expected, "long.hidden"), lastLogits = Reference.Floats(expected, "long.logits");
        (float[] hidden, float[] logits) = Reference.Forward(backbone, Reference.Tokens(expected, "long.tokens"), pieceLength);
        Reference.Near(hidden.AsSpan(hidden.Length - last.Length), last, Tolerance, "long.hidden");
        Reference.Near(logits.AsSpan(logits.Length - lastLogits.Length), lastLogits, Tolerance, "long.logits");
    }

    [Fact]
    public void Forward_AnyNumberOfThreads_SameBits()
    {
        float[][] logits = [.. new[] { 1, 2, 3 }.Select(threads =>
        {
            using var device = new CpuDevice(threads);
            using QwenBackbone backbone = QwenBackbone.Load(device, Reference.Folder("qwen3-untied-f16"));
            using Checkpoint expected = Checkpoint.Open(Reference.Folder("qwen3-untied-f16", "expected.safetensors"));
            return Reference.Forward(backbone, Reference.Tokens(expected, "tokens")).Logits;
        })];
        Assert.Equal(logits[0], logits[1]);
        Assert.Equal(logits[0], logits[2]);
    }
}
