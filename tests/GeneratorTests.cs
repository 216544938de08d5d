using OllmNative.Model;

namespace OllmNative.Tests;

/// <summary>Batched generation: what a request yields is a matter of that request alone.</summary>
public sealed class GeneratorTests : IDisposable
{
    private readonly TinyBackbone _tiny = new(hidden: 32, vocabulary: 61, seed: 4);
    private readonly OllmModel _ollm;

    public GeneratorTests() => _ollm = _tiny.NewOllm(options: 5, width: 24);

    public void Dispose()
    {
        _ollm.Dispose();
        _tiny.Dispose();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(8)]
    [InlineData(20)]
    public void Run_ManyRequests_EqualEachAlone(int slots)
    {
        Func<GenerationRequest>[] makers = Requests();
        GenerationRequest[] together = [.. makers.Select(make => make())];
        using (var generator = new Generator(_tiny.Model, _ollm, slots, 96)) generator.Run(together);
        for (int i = 0; i < makers.Length; i++)
        {
            GenerationRequest alone = makers[i]();
            using var generator = new Generator(_tiny.Model, _ollm, 1, 96);
            generator.Run([alone]);
            Assert.Equal(alone.Generated, together[i].Generated);
            Assert.Equal(alone.Options, together[i].Options);
            Assert.Equal(alone.Stopped, together[i].Stopped);
            Reference.Near([.. together[i].LogProbabilities, 1], [.. alone.LogProbabilities, 1], 1e-4, $"log-probabilities of request {i}");
            Reference.Near([.. together[i].Hidden, 1], [.. alone.Hidden, 1], 1e-4, $"hidden states of request {i}");
        }
    }

    [Fact]
    public void Run_PromptsLongerThanTheBatch_EqualEachAlone()
    {
        int[] shared = _tiny.Tokens(300);
        int[][] prompts = [_tiny.Tokens(600), shared, shared, _tiny.Tokens(520), _tiny.Tokens(1)];
        GenerationRequest[] together = [.. prompts.Select(p => new GenerationRequest { Prompt = p, MaxTokens = 6 })];
        using (var generator = new Generator(_tiny.Model, null, 5, 640)) generator.Run(together);
        for (int i = 0; i < prompts.Length; i++) Assert.Equal(GreedyByRecomputation(prompts[i], 6, LatentChoice.Backbone, 0), together[i].Generated);
    }

    [Theory]
    [InlineData(LatentChoice.Backbone)]
    [InlineData(LatentChoice.Policy)]
    [InlineData(LatentChoice.Force)]
    public void Run_Greedy_EqualsRecomputingEverything(LatentChoice latent)
    {
        int[] prompt = _tiny.Tokens(9);
        var request = new GenerationRequest { Prompt = prompt, MaxTokens = 25, Latent = latent, ForcedOption = 3 };
        using var generator = new Generator(_tiny.Model, _ollm, 2, 64);
        generator.Run([request]);
        Assert.Equal(GreedyByRecomputation(prompt, 25, latent, 3), request.Generated);
        Assert.Equal(25, generator.ForwardPasses); // the prompt gives the first token
    }

    [Fact]
    public void Run_ForcedOption_IsTheOneForEveryToken()
    {
        int[] prompt = _tiny.Tokens(5);
        List<int>[] texts = [.. Enumerable.Range(0, 5).Select(option =>
        {
            GenerationRequest request = Run(new GenerationRequest { Prompt = prompt, MaxTokens = 12, Latent = LatentChoice.Force, ForcedOption = option });
            Assert.Equal(Enumerable.Repeat(option, 12), request.Options);
            return request.Generated;
        })];
        Assert.True(texts.Select(t => string.Join(' ', t)).Distinct().Count() > 1, "options should lead to different texts");
    }

    [Fact]
    public void Run_StopToken_EndsTheSequence()
    {
        int[] prompt = _tiny.Tokens(5);
        List<int> free = Run(new GenerationRequest { Prompt = prompt, MaxTokens = 12 }).Generated;
        int stop = free[6], first = free.IndexOf(stop);
        GenerationRequest stopped = Run(new GenerationRequest { Prompt = prompt, MaxTokens = 12, StopTokens = [stop] });
        Assert.True(stopped.Stopped);
        Assert.Equal(free[..(first + 1)], stopped.Generated);
        Assert.Equal(free[..first], stopped.Completion.ToArray());
    }

    [Fact]
    public void Run_CallbackSaysStop_EndsTheSequence()
    {
        var seen = new List<int>();
        GenerationRequest request = Run(new GenerationRequest
        {
            Prompt = _tiny.Tokens(3),
            MaxTokens = 12,
            OnToken = token =>
            {
                seen.Add(token);
                return seen.Count < 4;
            },
        });
        Assert.Equal(4, request.Generated.Count);
        Assert.Equal(seen, request.Generated);
        Assert.False(request.Stopped);
        Assert.Equal(4, request.Completion.Length);
    }

    [Fact]
    public void Run_FullContext_EndsTheSequence()
    {
        var request = new GenerationRequest { Prompt = _tiny.Tokens(10), MaxTokens = 100 };
        using var generator = new Generator(_tiny.Model, null, 1, 16);
        generator.Run([request]);
        Assert.Equal(6, request.Generated.Count);
    }

    [Fact]
    public void Run_Seed_DecidesTheSample()
    {
        int[] prompt = _tiny.Tokens(5);
        GenerationRequest Sample(ulong seed) =>
            Run(new GenerationRequest { Prompt = prompt, MaxTokens = 20, Latent = LatentChoice.Sample, Sampler = new() { Temperature = 1 }, Seed = seed });
        Assert.Equal(Sample(5).Generated, Sample(5).Generated);
        Assert.Equal(Sample(5).Options, Sample(5).Options);
        Assert.NotEqual(Sample(5).Generated, Sample(6).Generated);
    }

    [Fact]
    public void Run_Record_KeepsWhatEachTokenCameFrom()
    {
        int[] prompt = _tiny.Tokens(5);
        GenerationRequest request = Run(new GenerationRequest { Prompt = prompt, MaxTokens = 9, Latent = LatentChoice.Sample, Record = true, Seed = 2 });
        Assert.Equal(9, request.Options.Count);
        Assert.Equal(9, request.LogProbabilities.Count);
        Assert.Equal(9 * 32, request.Hidden.Count);
        (float[] hidden, _) = Reference.Forward(_tiny.Model, [.. prompt, .. request.Generated]);
        Reference.Near([.. request.Hidden], hidden.AsSpan(4 * 32, 9 * 32), 1e-5, "hidden states");
        using var head = new OptionHead(_tiny.Model, _ollm, 9);
        using DeviceBuffer<float> rows = _tiny.Device.Allocate<float>(9 * 32);
        rows.Upload(0, hidden.AsSpan(4 * 32, 9 * 32));
        head.Begin(rows.View);
        for (int t = 0; t < 9; t++) Assert.Equal(MathF.Log(head.Probabilities(t)[request.Options[t]]), request.LogProbabilities[t], 1e-4);
    }

    [Fact]
    public void Run_SmallerVocabulary_StaysBelowIt()
    {
        var requests = Enumerable.Range(0, 4).Select(i => new GenerationRequest
        {
            Prompt = _tiny.Tokens(4), MaxTokens = 20, Seed = (ulong)i, Sampler = new() { Temperature = i < 2 ? 0 : 2 },
        }).ToArray();
        using var generator = new Generator(_tiny.Model, null, 4, 32, vocabulary: 7);
        generator.Run(requests);
        Assert.All(requests.SelectMany(r => r.Generated), token => Assert.InRange(token, 0, 6));
    }

    [Fact]
    public void Run_BadRequest_IsRefusedWithItsReason()
    {
        Assert.Contains("empty", Refused(new() { Prompt = [], MaxTokens = 1 }), StringComparison.Ordinal);
        Assert.Contains("token id 61", Refused(new() { Prompt = [1, 61], MaxTokens = 1 }), StringComparison.Ordinal);
        Assert.Contains("token id -1", Refused(new() { Prompt = [-1], MaxTokens = 1 }), StringComparison.Ordinal);
        Assert.Contains("room for 64", Refused(new() { Prompt = _tiny.Tokens(64), MaxTokens = 1 }), StringComparison.Ordinal);
        Assert.Contains("at least 1", Refused(new() { Prompt = [1], MaxTokens = 0 }), StringComparison.Ordinal);
        Assert.Contains("0 to 4", Refused(new() { Prompt = [1], MaxTokens = 1, Latent = LatentChoice.Force, ForcedOption = 5 }), StringComparison.Ordinal);
        Assert.Contains("0 to 4", Refused(new() { Prompt = [1], MaxTokens = 1, Latent = LatentChoice.Force, ForcedOption = -1 }), StringComparison.Ordinal);
        Assert.Contains("top-p", Refused(new() { Prompt = [1], MaxTokens = 1, Sampler = new() { TopP = 0 } }), StringComparison.Ordinal);

        string Refused(GenerationRequest request) => FormatsFiles.Error(() => Run(request));
    }

    private GenerationRequest Run(GenerationRequest request)
    {
        using var generator = new Generator(_tiny.Model, _ollm, 2, 64);
        generator.Run([request]);
        return request;
    }

    /// <summary>Prompts of every kind of length, some of them shared, with every way to choose options and tokens.</summary>
    private Func<GenerationRequest>[] Requests()
    {
        int[] shared = _tiny.Tokens(17);
        int[][] prompts = [shared, shared, shared, _tiny.Tokens(1), _tiny.Tokens(40), _tiny.Tokens(2), _tiny.Tokens(2), shared, shared, _tiny.Tokens(30), _tiny.Tokens(1), _tiny.Tokens(1)];
        SamplerOptions[] samplers =
        [
            new(), new() { Temperature = 1 }, new() { Temperature = 0.7f, TopK = 5 }, new() { Temperature = 1.3f, TopP = 0.8f },
            new() { Temperature = 1, MinP = 0.1f, RepetitionPenalty = 1.3f }, new() { RepetitionPenalty = 1.5f },
        ];
        return [.. prompts.Select((prompt, i) => (Func<GenerationRequest>)(() => new GenerationRequest
        {
            Prompt = prompt, MaxTokens = 3 + 5 * i % 23, StopTokens = [7], Sampler = samplers[i % samplers.Length],
            Latent = (LatentChoice)(i % 4), ForcedOption = i % 5, Seed = (ulong)i, Record = i % 3 == 0,
        }))];
    }

    /// <summary>The likeliest token after the whole sequence so far, again and again, without a cache.</summary>
    private int[] GreedyByRecomputation(int[] prompt, int count, LatentChoice latent, int forced)
    {
        var tokens = new List<int>(prompt);
        int d = _tiny.Model.Config.HiddenSize, v = _tiny.Model.Config.VocabSize;
        using var head = new OptionHead(_tiny.Model, _ollm, 1);
        using DeviceBuffer<float> last = _tiny.Device.Allocate<float>(d), logits = _tiny.Device.Allocate<float>(v);
        for (int step = 0; step < count; step++)
        {
            last.Upload(0, Reference.Forward(_tiny.Model, [.. tokens]).Hidden.AsSpan((tokens.Count - 1) * d, d));
            DeviceView<float> hidden = last.View;
            if (latent != LatentChoice.Backbone)
            {
                head.Begin(hidden);
                float[] pi = head.Probabilities(0).ToArray();
                head.Set(0, latent == LatentChoice.Force ? forced : Array.IndexOf(pi, pi.Max()));
                hidden = head.Bend(hidden);
            }
            _tiny.Device.MatMul(hidden, _tiny.Model.Head, default, logits.View);
            float[] row = logits.View.ToArray();
            tokens.Add(Array.IndexOf(row, row.Max()));
        }
        return [.. tokens.Skip(prompt.Length)];
    }
}
