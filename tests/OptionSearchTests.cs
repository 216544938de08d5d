using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Tests;

/// <summary>Beam over options, majority vote, and the comparison at equal cost.</summary>
public sealed class OptionSearchTests : IDisposable
{
    private const int Options = 3, Width = 16, Steps = 3;
    private readonly TinyBackbone _tiny = new(vocabulary: 303);
    private readonly Tokenizer _tokenizer = Tokenizer.Load(new CliTextModel().Folder);

    public void Dispose() => _tiny.Dispose();

    [Fact]
    public void Run_BeamAsWideAsTheTree_FindsTheLikeliestText()
    {
        using OllmModel ollm = _tiny.NewOllm(Options, Width);
        int[][] prompts = [_tiny.Tokens(5), _tiny.Tokens(3), _tiny.Tokens(5)];
        using var beam = new OptionBeam(_tiny.Model, ollm, 27, 2, 16);
        IReadOnlyList<IReadOnlyList<BeamSequence>> found = beam.Run(prompts, Steps, []);
        for (int i = 0; i < prompts.Length; i++)
        {
            (string Tokens, double Log)[] all = AllTexts(ollm, prompts[i]);
            Assert.Equal(all.Length, found[i].Count);
            for (int n = 0; n < all.Length; n++) Assert.Equal(all[n].Log, found[i][n].LogProbability, 1e-3);
            Assert.Equal(all[0].Tokens, string.Join(' ', found[i][0].Tokens));
        }
    }

    [Fact]
    public void Run_BeamOfOne_TakesTheLikeliestTokenOfEachStep()
    {
        using OllmModel ollm = _tiny.NewOllm(Options, Width);
        int[] prompt = _tiny.Tokens(4);
        using var beam = new OptionBeam(_tiny.Model, ollm, 1, 1, 16);
        BeamSequence only = Assert.Single(beam.Run([prompt], Steps, [])[0]);
        Assert.Equal((Steps, Steps * Options), (beam.BackbonePasses, beam.HeadRows));
        // Each prefix of the result is the likeliest continuation by one token of the prefix before.
        for (int t = 0; t < Steps; t++)
        {
            (string Tokens, double Log)[] next = AllTexts(ollm, [.. prompt, .. only.Tokens.Take(t)], steps: 1);
            Assert.Equal(next[0].Tokens, $"{only.Tokens[t]}");
        }
    }

    [Fact]
    public void Run_StopToken_EndsTheSequence()
    {
        using OllmModel ollm = DigitOptions.NewOllm(_tiny, 4, Width);
        using var beam = new OptionBeam(_tiny.Model, ollm, 4, 1, 16);
        IReadOnlyList<BeamSequence> found = beam.Run([['a', '=']], 4, ['1', '2', '3', '4'])[0];
        BeamSequence best = found[0];
        Assert.True(best.Stopped);
        Assert.Single(best.Tokens);
        Assert.Empty(best.Completion);
        Assert.Equal(1, found.Sum(sequence => Math.Exp(sequence.LogProbability)), 1e-3);
    }

    [Fact]
    public void Of_Answers_TakesTheMostFrequentEquivalent()
    {
        DrawnAnswer[] answers = [Drawn("7"), Drawn(null), Drawn("1/2"), Drawn(null), Drawn("0.5"), Drawn(null)];
        Assert.Equal("1/2", MajorityVote.Of(answers)!.Answer);
        Assert.Equal("7", MajorityVote.Of([Drawn("7"), Drawn("8")])!.Answer);
        Assert.Null(MajorityVote.Of([Drawn(null)]));

        static DrawnAnswer Drawn(string? answer) => new("", answer, false, 0, 1);
    }

    [Fact]
    public void Measure_OptionsThatForceDigits_SearchFindsTheAnswer()
    {
        using OllmModel ollm = DigitOptions.NewOllm(_tiny, 4, Width);
        AnswerProblem[] problems = [.. Enumerable.Range(0, 6).Select(i => new AnswerProblem(['a' + i, '='], "3", new DataRow { Line = i + 1, Kind = RowKind.Math }))];
        var search = new LatentSearch(_tiny.Model, ollm, _tokenizer, [], maxTokens: 1);
        Dictionary<(string, int), SearchFigure> figures = search.Measure(problems, 12, seed: 1).ToDictionary(f => (f.Method, f.N));
        Assert.Equal([1, 2, 4, 8, 12], figures.Keys.Where(key => key.Item1 == "policy_pass").Select(key => key.Item2).Order());
        Assert.True(figures[("policy_pass", 12)].Accuracy >= figures[("policy_pass", 2)].Accuracy);
        Assert.True(figures[("policy_pass", 12)].Accuracy > 0.8);
        Assert.Equal(figures[("policy_sampled", 1)].Accuracy, figures[("policy_pass", 1)].Accuracy);
        Assert.Equal(12, figures[("policy_best", 12)].BackbonePasses);
        Assert.Equal((1, 4), (figures[("policy_beam", 4)].BackbonePasses, figures[("policy_beam", 4)].HeadRows));
        // One token: the majority over many samples and the beam agree with the policy's likeliest option.
        Assert.Equal(figures[("policy_greedy", 1)].Accuracy, figures[("policy_beam", 4)].Accuracy);
    }

    [Fact]
    public void Search_Command_PrintsEveryMethod()
    {
        var model = new CliTextModel();
        CliRun run = CliRun.Of(
            "search", "--model", model.Folder, "--ollm", model.NewOllm(), "--data", model.WriteRows(4), "--samples", "2", "--max-tokens", "5", "--out", model.At("search"), "--json");
        Assert.True(run.Code == 0, run.Error);
        string[] methods = [.. run.Json.GetProperty("figures").EnumerateArray().Select(f => f.GetProperty("method").GetString()!).Distinct()];
        Assert.Equal(
            ["backbone_greedy", "backbone_sampled", "backbone_majority", "backbone_best", "backbone_pass", "policy_greedy", "policy_sampled", "policy_majority", "policy_best", "policy_pass", "policy_beam"],
            methods);
        Assert.True(File.Exists(model.At("search/report.html")));
    }

    /// <summary>Every text that option paths lead to and log of the sum over its paths of their probability, likeliest first.</summary>
    private (string Tokens, double Log)[] AllTexts(OllmModel ollm, int[] prompt, int steps = Steps)
    {
        int paths = (int)Math.Pow(Options, steps);
        using var generator = new Generator(_tiny.Model, ollm, paths, 16);
        GenerationRequest[] requests =
        [
            .. Enumerable.Range(0, paths).Select(path => new GenerationRequest
            {
                Prompt = prompt, MaxTokens = steps, Latent = LatentChoice.Policy,
                OptionsPrefix = [.. Enumerable.Range(0, steps).Select(t => path / (int)Math.Pow(Options, t) % Options)],
            }),
        ];
        generator.Run(requests);
        return
        [
            .. requests.GroupBy(request => string.Join(' ', request.Generated))
                .Select(group => (group.Key, Math.Log(group.Sum(request => Math.Exp(request.LogProbabilities.Sum(p => (double)p))))))
                .OrderByDescending(text => text.Item2),
        ];
    }
}
