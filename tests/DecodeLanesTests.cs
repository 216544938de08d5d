using OllmNative.Model;
using OllmNative.Model.Cpu;

namespace OllmNative.Tests;

/// <summary>Sequences of a small model that are decoded in parts, on several threads.</summary>
public sealed class DecodeLanesTests
{
    private const int Options = 5;

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void Step_OnSeveralThreads_GivesTheBitsOfOne(int threads)
    {
        // Four rows: the products of the modules go the same way for one, two and four of them on every processor.
        GenerationRequest[] one = Run(threads: 1, sequences: 4, explain: false), several = Run(threads, sequences: 4, explain: false);
        for (int i = 0; i < one.Length; i++)
        {
            Assert.Equal(one[i].Generated, several[i].Generated);
            Assert.Equal(one[i].Options, several[i].Options);
            Assert.Equal(Bits(one[i].LogProbabilities), Bits(several[i].LogProbabilities));
            Assert.Equal(Bits(one[i].Hidden), Bits(several[i].Hidden));
            Assert.Equal(Bits(one[i].Scores.Select(score => score.LogProbability)), Bits(several[i].Scores.Select(score => score.LogProbability)));
        }
    }

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    public void Step_ManyThatExplain_AgreesWithOneThread(int threads)
    {
        GenerationRequest[] one = Run(threads: 1, sequences: 9, explain: true), several = Run(threads, sequences: 9, explain: true);
        for (int i = 0; i < one.Length; i++)
        {
            Assert.Equal(one[i].Generated, several[i].Generated);
            Assert.Equal(one[i].Explained.Count, several[i].Explained.Count);
            for (int t = 0; t < one[i].Explained.Count; t++)
            {
                Assert.Equal(one[i].Explained[t].Option, several[i].Explained[t].Option);
                Assert.Equal(one[i].Explained[t].BackboneEntropy, several[i].Explained[t].BackboneEntropy, 1e-4);
                for (int k = 0; k < Options; k++) Assert.Equal(one[i].Explained[t].Options[k].Probability, several[i].Explained[t].Options[k].Probability, 1e-4);
            }
        }
    }

    [Fact]
    public void OnToken_OfAllParts_ComesFromTheCallersThread()
    {
        using var tiny = new TinyBackbone(hidden: 32, vocabulary: 61, seed: 4, threads: 3);
        using var engine = new DecodeEngine(tiny.Model, null, new DecodeEngineOptions { Slots = 6, Capacity = 64 });
        var threads = new HashSet<int>();
        for (int i = 0; i < 6; i++)
            engine.Add(new GenerationRequest { Prompt = tiny.Tokens(4), MaxTokens = 40, OnToken = _ => threads.Add(Environment.CurrentManagedThreadId) || true });
        while (engine.Active > 0) engine.Step();
        Assert.Equal([Environment.CurrentManagedThreadId], threads);
    }

    [Fact]
    public void Together_EveryNumber_RunsOnce()
    {
        using var device = new CpuDevice(3);
        Assert.Equal(3, device.Lanes.Count);
        int[] runs = new int[3];
        for (int i = 0; i < 200; i++) device.Together(3, part => Interlocked.Increment(ref runs[part]));
        Assert.Equal([200, 200, 200], runs);
    }

    [Fact]
    public void Together_PartFails_CallerSeesItAndTheDeviceGoesOn()
    {
        using var device = new CpuDevice(2);
        int ended = 0;
        for (int failing = 0; failing < 2; failing++)
        {
            int which = failing;
            var error = Assert.Throws<InvalidDataException>(() => device.Together(2, part =>
            {
                if (part == which) throw new InvalidDataException($"part {part}");
                Interlocked.Increment(ref ended);
            }));
            Assert.Equal($"part {failing}", error.Message);
        }
        Assert.Equal(2, ended);
        device.Together(2, _ => Interlocked.Increment(ref ended));
        Assert.Equal(4, ended);
    }

    [Fact]
    public void Lanes_OneThread_None()
    {
        using var device = new CpuDevice(1);
        Assert.Empty(device.Lanes);
    }

    /// <summary>Sequences of all kinds and lengths, so that parts have different sizes from step to step.</summary>
    private static GenerationRequest[] Run(int threads, int sequences, bool explain)
    {
        using var tiny = new TinyBackbone(hidden: 32, vocabulary: 61, seed: 4, threads: threads);
        using OllmModel ollm = tiny.NewOllm(Options, width: 24);
        using var engine = new DecodeEngine(tiny.Model, ollm, new DecodeEngineOptions { Slots = sequences, Capacity = 96, ExplainSlots = 4 });
        GenerationRequest[] requests = [.. Enumerable.Range(0, sequences).Select(i => new GenerationRequest
        {
            Prompt = tiny.Tokens(2 + 3 * i), MaxTokens = 10 + 6 * i, Latent = (LatentChoice)(i % 4), ForcedOption = i % Options, Seed = (ulong)i, StopTokens = [],
            Sampler = new SamplerOptions { Temperature = i % 3 == 0 ? 1 : 0, RepetitionPenalty = i % 2 == 0 ? 1.2f : 1 },
            Record = true, TopScores = i % 2 == 0 ? 2 : null, Explain = explain && i % 3 == 0,
        })];
        foreach (GenerationRequest request in requests) engine.Add(request);
        while (engine.Active > 0) engine.Step();
        return requests;
    }

    private static IEnumerable<int> Bits(IEnumerable<float> values) => values.Select(BitConverter.SingleToInt32Bits);
}
