using OllmNative.Model;

namespace OllmNative.Tests;

/// <summary>The steady decoding step allocates nothing, whoever picks options and tokens.</summary>
public sealed class DecodeAllocationTests
{
    private const int Warm = 20, Measured = 60;

    [Fact]
    public void Step_SteadyDecoding_AllocatesNothing()
    {
        using var tiny = new TinyBackbone(hidden: 32, vocabulary: 61, seed: 4);
        using OllmModel ollm = tiny.NewOllm(5, width: 24);
        using var engine = new DecodeEngine(tiny.Model, ollm, new DecodeEngineOptions { Slots = 4, Capacity = 128 });
        SamplerOptions sampled = new() { Temperature = 0.8f, TopP = 0.9f, TopK = 20, RepetitionPenalty = 1.1f };
        (LatentChoice Latent, SamplerOptions Sampler)[] kinds =
            [(LatentChoice.Backbone, new SamplerOptions()), (LatentChoice.Policy, new SamplerOptions()), (LatentChoice.Sample, sampled), (LatentChoice.Force, sampled)];
        foreach ((LatentChoice latent, SamplerOptions sampler) in kinds)
            engine.Add(new GenerationRequest { Prompt = tiny.Tokens(9), MaxTokens = 100, Latent = latent, Sampler = sampler, Seed = 3, StopTokens = [-1] });
        for (int i = 0; i < Warm; i++) engine.Step();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < Measured; i++) engine.Step();
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.Equal(4, engine.Active);
        Assert.True(allocated == 0, $"{allocated} bytes in {Measured} steps");
    }
}
