using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Tests;

/// <summary>RL runs in a folder, on options and on tokens: what they learn, how they resume, what they keep.</summary>
public sealed class RlRunTests : IDisposable
{
    private const int Width = 16;

    private static readonly LatentRlOptions Settings = new()
    {
        Steps = 8, Problems = 4, Rollouts = 6, MaxTokens = 1, LearningRate = 0.02, FinalLearningRate = 0.01, Seed = 3, CheckpointEvery = 3, EvaluateEvery = 2,
    };

    // Wide enough that four of 303 tokens can be likelier than all others together.
    private readonly TinyBackbone _tiny = new(hidden: 64, vocabulary: 303);
    private readonly Tokenizer _tokenizer = Tokenizer.Load(new CliTextModel().Folder);
    private readonly string _folder = TestData.NewFolder();

    public void Dispose() => _tiny.Dispose();

    [Theory]
    [InlineData("option")]
    [InlineData("group")]
    [InlineData("token")]
    public void Run_InterruptedAndResumed_GivesTheUninterruptedRun(string arm)
    {
        using (OllmModel ollm = NewOllm(arm)) Run(ollm, arm, "whole", Settings);
        using (OllmModel ollm = NewOllm(arm))
        {
            using var stop = new CancellationTokenSource();
            Assert.Throws<OperationCanceledException>(() => Run(ollm, arm, "parts", Settings, line => { if (line.Step == 5) stop.Cancel(); }, stop.Token));
        }
        using (OllmModel ollm = NewOllm(arm)) Run(ollm, arm, "parts", Settings);
        foreach (string file in (string[])["ollm.safetensors", "evals.jsonl", "best/ollm.safetensors"])
            Assert.Equal(File.ReadAllBytes(Path.Combine(_folder, "whole", file)), File.ReadAllBytes(Path.Combine(_folder, "parts", file)));
        Assert.Equal(Metrics("whole"), Metrics("parts"));
        Assert.Contains(Metrics("whole"), line => line.ActiveGroups > 0);
        Assert.Equal(Enumerable.Range(1, 8), Metrics("whole").Select(line => line.Step));
        Assert.Equal([0, 2, 4, 6, 8], RlRun.ReadEvaluations(Path.Combine(_folder, "whole")).Select(line => line.Step));
    }

    [Fact]
    public void TryResume_AfterAKill_GoesBackToTheLastCheckpoint()
    {
        using (OllmModel ollm = NewOllm("option")) Run(ollm, "option", "whole", Settings);
        using (OllmModel ollm = NewOllm("option"))
        {
            // An exception that is no cancellation writes no checkpoint, as a kill would not: updates 4 and 5 are lost.
            Assert.Throws<InvalidOperationException>(() => Run(ollm, "option", "parts", Settings, line => { if (line.Step == 5) throw new InvalidOperationException(); }));
        }
        File.AppendAllText(Path.Combine(_folder, "parts", "metrics.jsonl"), "{\"step\": 6, \"rew");
        using (OllmModel ollm = NewOllm("option")) Run(ollm, "option", "parts", Settings);
        Assert.Equal(Metrics("whole"), Metrics("parts"));
        Assert.Equal(File.ReadAllBytes(Path.Combine(_folder, "whole", "ollm.safetensors")), File.ReadAllBytes(Path.Combine(_folder, "parts", "ollm.safetensors")));
    }

    [Fact]
    public void TryResume_OtherSettings_NamesTheOption()
    {
        using (OllmModel ollm = NewOllm("option")) Run(ollm, "option", "run", Settings);
        Assert.Contains("--lr was 0.02 and is 0.03", Refused(Settings with { LearningRate = 0.03 }), StringComparison.Ordinal);
        Assert.Contains("--steps was 8 and is 9", Refused(Settings with { Steps = 9 }), StringComparison.Ordinal);
        Assert.Contains("--credit was option and is token", Refused(Settings with { Credit = RlCredit.Token }), StringComparison.Ordinal);
        Assert.Contains("ollm was ", Refused(Settings, seed: 2), StringComparison.Ordinal);
        Assert.Contains("data was ", Refused(Settings, answer: "2"), StringComparison.Ordinal);

        string Refused(LatentRlOptions settings, ulong seed = 1, string answer = "3")
        {
            using OllmModel ollm = NewOllm("option", seed);
            using var rl = new LatentRl(_tiny.Model, ollm, _tokenizer, Problems(answer), [], settings);
            return FormatsFiles.Error(() => new RlRun(rl, Path.Combine(_folder, "run")).TryResume());
        }
    }

    [Fact]
    public void Run_RewardForOneToken_TrainsTheDecoderOnly()
    {
        using OllmModel ollm = NewOllm("token");
        float[] others = [.. ollm.Parameters.Module("encoder").ToArray(), .. ollm.Parameters.Module("policy").ToArray()], decoder = ollm.Parameters.Module("decoder").ToArray();
        var rewards = new List<double>();
        using (AnswerRl rl = NewRl(ollm, "token", Settings with { Steps = 25 })) rl.Run(line => rewards.Add(line.Reward));
        Assert.InRange(rewards[0], 0, 0.6);
        Assert.True(rewards.TakeLast(5).Average() > 0.95, $"rewards: {string.Join(' ', rewards)}");
        float[] after = [.. ollm.Parameters.Module("encoder").ToArray(), .. ollm.Parameters.Module("policy").ToArray()];
        Assert.Equal(others, after);
        Assert.NotEqual(decoder, ollm.Parameters.Module("decoder").ToArray());
    }

    [Fact]
    public void Run_BestEvaluation_IsKept()
    {
        using OllmModel ollm = NewOllm("option");
        using AnswerRl rl = NewRl(ollm, "option", Settings with { Steps = 20, MaxTokens = 2 });
        using Generator generator = new(_tiny.Model, ollm, 3, 8, _tokenizer.VocabularySize);
        var sampler = new AnswerSampler(generator, _tokenizer, [], 2);
        var run = new RlRun(rl, Path.Combine(_folder, "run"), sampler, Problems("33"));
        run.Run();
        RlEvaluation best = run.Best!;
        Assert.Equal(run.Evaluations.Max(line => line.Greedy), best.Greedy);
        Assert.True(best.Greedy > run.Evaluations[0].Greedy, "nothing was learned");
        using OllmModel kept = OllmModel.Load(_tiny.Model, Path.Combine(_folder, "run", "best"));
        using Generator again = new(_tiny.Model, kept, 3, 8, _tokenizer.VocabularySize);
        Assert.Equal(best.Greedy, new AnswerSampler(again, _tokenizer, [], 2).Greedy(Problems("33"), AnswerDraw.Options).Average(answer => answer.Right ? 1.0 : 0));
    }

    [Fact]
    public void TokenRl_SeveralOptions_AreRefused()
    {
        using OllmModel ollm = NewOllm("option");
        Assert.Contains("one option", FormatsFiles.Error(() => new TokenRl(_tiny.Model, ollm, _tokenizer, Problems("3"), [], Settings).Dispose()), StringComparison.Ordinal);
    }

    private void Run(OllmModel ollm, string arm, string name, LatentRlOptions settings, Action<RlMetrics>? onStep = null, CancellationToken cancellation = default)
    {
        using AnswerRl rl = NewRl(ollm, arm, settings);
        using Generator generator = new(_tiny.Model, ollm, 3, 8, _tokenizer.VocabularySize);
        var run = new RlRun(rl, Path.Combine(_folder, name), new AnswerSampler(generator, _tokenizer, [], settings.MaxTokens), Problems("3"));
        run.TryResume();
        run.Run(onStep, cancellation: cancellation);
    }

    private AnswerRl NewRl(OllmModel ollm, string arm, LatentRlOptions settings) => arm == "token"
        ? new TokenRl(_tiny.Model, ollm, _tokenizer, Problems("3"), [], settings)
        : new LatentRl(_tiny.Model, ollm, _tokenizer, Problems(settings.MaxTokens == 2 ? "33" : "3"), [], settings with { Credit = arm == "group" ? RlCredit.Token : RlCredit.Option });

    /// <summary>Options (or, with one option, a bias) that make the digits 1 to 4 the only likely tokens.</summary>
    private OllmModel NewOllm(string arm, ulong seed = 1) => DigitOptions.NewOllm(_tiny, arm == "token" ? 1 : 4, Width, seed);

    private static AnswerProblem[] Problems(string answer) =>
    [
        .. Enumerable.Range(0, 3).Select(i => new AnswerProblem(['a' + i, '='], answer, new DataRow { Line = i + 1, Kind = RowKind.Math })),
    ];

    private RlMetrics[] Metrics(string name) => [.. RlRun.ReadMetrics(Path.Combine(_folder, name)).Select(line => line with { TokensPerSecond = 0 })];
}
