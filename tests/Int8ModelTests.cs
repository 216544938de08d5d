using OllmNative.Cli;
using OllmNative.Model;

namespace OllmNative.Tests;

/// <summary>What 8-bit weights cost in accuracy on the backbone that is shipped, against the bounds that the documentation states.</summary>
public sealed class Int8ModelTests
{
    private const int Steps = 40;

    [Fact]
    public void TinyBackbone_Int8_KeepsLogitsAndLikeliestTokens()
    {
        using ModelSession stored = Open(WeightFormat.AsStored), int8 = Open(WeightFormat.Int8);
        int[] tokens = stored.Tokenizer.Encode("3 + 4 * 2\n5 - 1 * 6\n9 * 8 - 7\n2 + 2 + 2\n").ToArray();
        (float[] a, float[] b) = (Logits(stored, tokens), Logits(int8, tokens));
        int vocabulary = stored.Config.VocabSize, same = 0;
        double squares = 0, all = 0, crossA = 0, crossB = 0;
        for (int t = 0; t < tokens.Length; t++)
        {
            ReadOnlySpan<float> rowA = a.AsSpan(t * vocabulary, vocabulary), rowB = b.AsSpan(t * vocabulary, vocabulary);
            if (LogitMath.IndexOfMax(rowA) == LogitMath.IndexOfMax(rowB)) same++;
            for (int i = 0; i < vocabulary; i++) (squares, all) = (squares + Math.Pow(rowA[i] - rowB[i], 2), all + Math.Pow(rowA[i], 2));
            if (t + 1 == tokens.Length) break;
            crossA += LogitMath.LogSumExp(rowA) - rowA[tokens[t + 1]];
            crossB += LogitMath.LogSumExp(rowB) - rowB[tokens[t + 1]];
        }
        double error = Math.Sqrt(squares / all), loss = Math.Abs(crossA - crossB) / (tokens.Length - 1);
        Assert.True(error is > 0 and < 0.02, $"relative error of the logits: {error}");
        Assert.True(loss < 0.02, $"cross-entropy moved by {loss} nats from {crossA / (tokens.Length - 1)}");
        Assert.True(same >= 0.95 * tokens.Length, $"{same} of {tokens.Length} likeliest tokens agree");
    }

    [Fact]
    public void Generate_Int8_TakesLogitsFromTheQuantisedHead()
    {
        using ModelSession stored = Open(WeightFormat.AsStored), int8 = Open(WeightFormat.Int8);
        Assert.Same(stored.Backbone.Head, stored.Backbone.DecodeHead);
        Assert.NotSame(int8.Backbone.Head, int8.Backbone.DecodeHead);
        Assert.True(int8.Backbone.BytesPerToken * 2 == stored.Backbone.BytesPerToken);
        Assert.Equal(Generate(stored), Generate(stored));
        int[] first = Generate(stored), second = Generate(int8);
        int common = first.AsSpan().CommonPrefixLength(second);
        Assert.True(common >= 8, $"greedy answers part after {common} tokens");
    }

    [Fact]
    public void Generate_QuantizeFlag_TakesInt8AndRefusesOtherWords()
    {
        var model = new CliTextModel();
        CliRun stored = Run("none"), int8 = Run("int8");
        Assert.True(int8.Code == 0, int8.Error);
        Assert.Equal(stored.Json.GetProperty("tokens").GetArrayLength(), int8.Json.GetProperty("tokens").GetArrayLength());
        Run("int4").AssertRefused("--quantize", "int4", "none, int8");
        CliRun Run(string format) => CliRun.With("1 + 1", "generate", "--model", model.Folder, "--max-tokens", "5", "--json", "--quantize", format);
    }

    private static ModelSession Open(WeightFormat format) => ModelSession.Open(Path.Combine(AppContext.BaseDirectory, "weights", "tiny-qwen2"), format: format);

    private static int[] Generate(ModelSession session)
    {
        using var generator = new Generator(session.Backbone, null, 1, 128);
        var request = new GenerationRequest { Prompt = session.Tokenizer.Encode("3 + 4 * 2\n").ToArray(), MaxTokens = Steps };
        generator.Run([request]);
        return [.. request.Generated];
    }

    private static float[] Logits(ModelSession session, int[] tokens)
    {
        QwenBackbone backbone = session.Backbone;
        ComputeDevice device = backbone.Device;
        using var cache = new KvCache(device, backbone.Config, tokens.Length);
        using var batch = new TokenBatch(device, tokens.Length);
        using var buffers = new ForwardBuffers(device, backbone.Config, tokens.Length);
        using DeviceBuffer<float> hidden = device.Allocate<float>(tokens.Length * backbone.Config.HiddenSize), logits = device.Allocate<float>(tokens.Length * backbone.Config.VocabSize);
        batch.Add(tokens, 0, 0);
        batch.Upload();
        backbone.Forward(batch, cache, buffers, hidden.View);
        device.MatMul(hidden.View, backbone.DecodeHead, default, logits.View);
        return logits.View.ToArray();
    }
}
