using OllmNative.Model;

namespace OllmNative.Tests;

/// <summary>Step-wise generation: sequences that come and go, kept prefixes, and what tokens are told about themselves.</summary>
public sealed class DecodeEngineTests : IDisposable
{
    private const int Options = 5, Capacity = 96;

    private readonly TinyBackbone _tiny = new(hidden: 32, vocabulary: 61, seed: 4);
    private readonly OllmModel _ollm;

    public DecodeEngineTests() => _ollm = _tiny.NewOllm(Options, width: 24);

    public void Dispose()
    {
        _ollm.Dispose();
        _tiny.Dispose();
    }

    [Fact]
    public void Step_SequencesComeAndGo_EachEqualsItsOwnRun()
    {
        GenerationRequest[] requests = [.. Enumerable.Range(0, 14).Select(i => Request(_tiny.Tokens(2 + 7 * i % 40), 4 + 5 * i % 17, i))];
        using DecodeEngine engine = Engine(slots: 4, prefillPasses: 1);
        int next = 0, ended = 0;
        for (int step = 0; ended < requests.Length; step++)
        {
            if (step % 3 == 0 && next < requests.Length && engine.CanAdd(requests[next])) engine.Add(requests[next++]);
            ended += engine.Step().Count;
            Assert.True(step < 1000, "the sequences should end");
        }
        Assert.Equal(0, engine.Active);
        foreach (GenerationRequest request in requests) AssertAlone(request);
    }

    [Fact]
    public void Remove_RunningSequence_LeavesTheOthersAlone()
    {
        GenerationRequest stays = Request(_tiny.Tokens(9), 20, 1), goes = Request(_tiny.Tokens(30), 20, 2), later = Request(_tiny.Tokens(5), 20, 3);
        using DecodeEngine engine = Engine(slots: 2);
        engine.Add(stays);
        engine.Add(goes);
        Assert.False(engine.CanAdd(later));
        for (int step = 0; step < 5; step++) Assert.Empty(engine.Step());
        engine.Remove(goes);
        engine.Remove(goes);
        Assert.Equal(5, goes.Generated.Count);
        engine.Add(later);
        while (engine.Active > 0) engine.Step();
        AssertAlone(stays);
        AssertAlone(later);
    }

    [Fact]
    public void KeptPrefix_NextTurn_ReadsOnlyWhatIsNew()
    {
        int[] prompt = _tiny.Tokens(40);
        using DecodeEngine engine = Engine(slots: 2, keep: true);
        GenerationRequest first = Finish(engine, Request(prompt, 10, 1));
        Assert.Equal(0, engine.ReusedTokens);
        int[] turn = [.. prompt, .. first.Generated, .. _tiny.Tokens(6)];
        GenerationRequest second = Finish(engine, Request(turn, 10, 2));
        Assert.Equal(49, engine.ReusedTokens); // the last generated token was never read
        AssertAlone(second);
        // A branch from the middle, while the slot that holds it is taken again.
        GenerationRequest branch = Request([.. prompt, .. _tiny.Tokens(3)], 10, 3), same = Request([.. turn, 1], 10, 4);
        engine.Add(same);
        engine.Add(branch);
        while (engine.Active > 0) engine.Step();
        Assert.True(engine.ReusedTokens >= 49 + 40 + 40, $"{engine.ReusedTokens} tokens were reused");
        AssertAlone(branch);
        AssertAlone(same);
    }

    [Fact]
    public void SamePrompt_ManyAtOnce_IsReadOnce()
    {
        int[] prompt = _tiny.Tokens(50);
        GenerationRequest[] requests = [.. Enumerable.Range(0, 4).Select(i => Request(prompt, 6, i))];
        using DecodeEngine engine = Engine(slots: 4, keep: true, prefillPasses: 1);
        foreach (GenerationRequest request in requests) engine.Add(request);
        while (engine.Active > 0) engine.Step();
        Assert.Equal(3 * 49, engine.ReusedTokens);
        foreach (GenerationRequest request in requests) AssertAlone(request);
    }

    [Fact]
    public void LongPrompt_OnePassAStep_DoesNotHoldUpOthers()
    {
        using var engine = new DecodeEngine(_tiny.Model, _ollm, new DecodeEngineOptions { Slots = 2, Capacity = 1000, PrefillPasses = 1 });
        GenerationRequest quick = Request(_tiny.Tokens(3), 8, 1), slow = Request(_tiny.Tokens(900), 3, 2);
        engine.Add(quick);
        engine.Step();
        engine.Add(slow);
        engine.Step();
        Assert.Equal(2, quick.Generated.Count);
        Assert.Empty(slow.Generated);
        while (engine.Active > 0) engine.Step();
        Assert.Equal(3, slow.Generated.Count);
    }

    [Fact]
    public void Explain_EqualsTheOptionExplorer()
    {
        int[] prompt = _tiny.Tokens(12);
        using var explorer = new OptionExplorer(_tiny.Model, _ollm, Capacity);
        ExploredStep[] steps = [.. explorer.Run(prompt, 15, [])];
        GenerationRequest[] requests =
        [
            new() { Prompt = prompt, MaxTokens = 15, Latent = LatentChoice.Policy, Explain = true },
            Request(_tiny.Tokens(7), 15, 1),
            new() { Prompt = _tiny.Tokens(4), MaxTokens = 15, Latent = LatentChoice.Backbone, Explain = true },
        ];
        using DecodeEngine engine = Engine(slots: 3, explain: 2);
        foreach (GenerationRequest request in requests) engine.Add(request);
        while (engine.Active > 0) engine.Step();
        Assert.Equal(steps.Select(step => step.Token), requests[0].Generated);
        for (int t = 0; t < steps.Length; t++)
        {
            ExplainedToken explained = requests[0].Explained[t];
            Assert.Equal(steps[t].Chosen, explained.Option);
            Assert.Equal(steps[t].Options.Select(option => option.Token), explained.Options.Select(option => option.Token));
            for (int k = 0; k < Options; k++)
            {
                Assert.Equal(steps[t].Options[k].Probability, explained.Options[k].Probability, 1e-4);
                Assert.Equal(steps[t].Options[k].PolicyProbability, explained.Options[k].PolicyProbability, 1e-4);
            }
        }
        AssertAlone(requests[1]);
        Assert.All(requests[2].Explained, token => Assert.Null(token.Option));
        AssertEntropies(requests[2]);
    }

    [Fact]
    public void OptionsPrefix_ThenBackbone_ForcesOnlyTheFirst()
    {
        var request = new GenerationRequest { Prompt = _tiny.Tokens(5), MaxTokens = 6, OptionsPrefix = [3, 1], Latent = LatentChoice.Backbone, Explain = true };
        using DecodeEngine engine = Engine(slots: 1, explain: 1);
        Finish(engine, request);
        Assert.Equal([3, 1], request.Options);
        Assert.Equal([3, 1, null, null, null, null], request.Explained.Select(token => token.Option));
        for (int t = 0; t < 2; t++) Assert.Equal(request.Explained[t].Options[request.Options[t]].Token, request.Generated[t]);
    }

    [Fact]
    public void Scores_OfAllTokens_SumToOne()
    {
        var request = new GenerationRequest { Prompt = _tiny.Tokens(5), MaxTokens = 6, Sampler = new() { Temperature = 1, RepetitionPenalty = 1.5f }, TopScores = 61 };
        using DecodeEngine engine = Engine(slots: 1);
        Finish(engine, request);
        for (int t = 0; t < 6; t++)
        {
            TokenScore score = request.Scores[t];
            Assert.Equal(1, score.Top.Sum(top => Math.Exp(top.LogProbability)), 1e-4);
            Assert.Equal(score.Top.OrderByDescending(top => top.LogProbability), score.Top);
            Assert.Equal(score.Top.Single(top => top.Token == request.Generated[t]).LogProbability, score.LogProbability);
        }
    }

    [Fact]
    public void Add_MoreThanFit_IsRefused()
    {
        using DecodeEngine engine = Engine(slots: 2, explain: 1);
        var explains = new GenerationRequest { Prompt = [1], MaxTokens = 1, Explain = true };
        engine.Add(explains);
        Assert.False(engine.CanAdd(explains));
        Assert.True(engine.CanAdd(Request([1], 1, 0)));
        Assert.Throws<InvalidOperationException>(() => engine.Add(explains));
        Assert.Contains("0 to 4", FormatsFiles.Error(() => engine.Check(new() { Prompt = [1], MaxTokens = 1, OptionsPrefix = [0, 5] })), StringComparison.Ordinal);
    }

    private DecodeEngine Engine(int slots, bool keep = false, int prefillPasses = int.MaxValue, int explain = 0) =>
        new(_tiny.Model, _ollm, new DecodeEngineOptions { Slots = slots, Capacity = Capacity, KeepPrefixes = keep, PrefillPasses = prefillPasses, ExplainSlots = explain });

    private static GenerationRequest Request(int[] prompt, int maxTokens, int kind) => new()
    {
        Prompt = prompt,
        MaxTokens = maxTokens,
        Latent = (LatentChoice)(kind % 4),
        ForcedOption = kind % Options,
        Seed = (ulong)kind,
        Sampler = new() { Temperature = kind % 3 == 0 ? 1 : 0 },
    };

    private static GenerationRequest Finish(DecodeEngine engine, GenerationRequest request)
    {
        engine.Add(request);
        while (engine.Active > 0) engine.Step();
        return request;
    }

    private void AssertAlone(GenerationRequest request)
    {
        var alone = new GenerationRequest
        {
            Prompt = request.Prompt, MaxTokens = request.MaxTokens, Latent = request.Latent, ForcedOption = request.ForcedOption, Seed = request.Seed, Sampler = request.Sampler,
        };
        using var generator = new Generator(_tiny.Model, _ollm, 1, Capacity);
        generator.Run([alone]);
        Assert.Equal(alone.Generated, request.Generated);
        Assert.Equal(alone.Options, request.Options);
    }

    private void AssertEntropies(GenerationRequest request)
    {
        (_, float[] logits) = Reference.Forward(_tiny.Model, [.. request.Prompt, .. request.Generated]);
        int v = _tiny.Model.Config.VocabSize;
        for (int t = 0; t < request.Generated.Count; t++)
        {
            double[] weights = [.. logits.Skip((request.Prompt.Length - 1 + t) * v).Take(v).Select(logit => Math.Exp(logit))];
            double sum = weights.Sum(), entropy = -weights.Sum(weight => weight / sum * Math.Log(weight / sum));
            Assert.Equal(entropy, request.Explained[t].BackboneEntropy, 1e-3);
        }
    }
}
