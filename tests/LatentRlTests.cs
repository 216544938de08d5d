using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Tests;

/// <summary>
/// Latent RL where the answer is the option itself: under option k the decoder makes the digit k + 1 the only likely token,
/// and one of the digits is right.
/// </summary>
public sealed class LatentRlTests : IDisposable
{
    private const int Options = 4, Width = 16;
    private static readonly LatentRlOptions Settings = new() { Steps = 25, Problems = 4, Rollouts = 6, MaxTokens = 1, LearningRate = 0.02, FinalLearningRate = 0.01, Seed = 3 };

    private readonly TinyBackbone _tiny = new(vocabulary: 303);
    private readonly Tokenizer _tokenizer = TokenizerSamples.Load();
    private readonly OllmModel _ollm;

    public LatentRlTests()
    {
        _ollm = OllmModel.Create(_tiny.Model, Options, Width, seed: 1);
        int d = _tiny.Model.Config.HiddenSize;
        float[] head = _tiny.Weights["lm_head.weight"], output = new float[d * Width], table = new float[Options * Width];
        for (int k = 0; k < Options; k++)
        {
            table[k * Width + k] = 50;
            for (int i = 0; i < d; i++) output[i * Width + k] = head[('1' + k) * d + i];
        }
        _ollm.Parameters["decoder.options.weight"].Upload(table);
        _ollm.Parameters["decoder.out.weight"].Upload(output);
    }

    public void Dispose()
    {
        _ollm.Dispose();
        _tiny.Dispose();
    }

    [Fact]
    public void Run_RewardForOneOption_FindsItAndTrainsThePolicyOnly()
    {
        float[] frozen = Frozen();
        var rewards = new List<double>();
        using (var rl = new LatentRl(_tiny.Model, _ollm, _tokenizer, Problems("3"), [], Settings)) rl.Run(m => rewards.Add(m.Reward));
        Assert.InRange(rewards[0], 0.01, 0.6);
        Assert.True(rewards.TakeLast(5).Average() > 0.95, $"rewards: {string.Join(' ', rewards)}");
        Assert.Equal(frozen, Frozen());
    }

    [Fact]
    public void Run_RewardOutOfReach_ChangesNothing()
    {
        float[] before = _ollm.Parameters.All.ToArray();
        using var rl = new LatentRl(_tiny.Model, _ollm, _tokenizer, Problems("77"), [], Settings with { Steps = 3 });
        rl.Run(m => Assert.Equal((0, 0), (m.Reward, m.ActiveGroups)));
        Assert.Equal(before, _ollm.Parameters.All.ToArray());
    }

    [Fact]
    public void Step_SameSeed_SameMetrics()
    {
        float[] start = _ollm.Parameters.All.ToArray();
        RlMetrics[][] runs = [.. Enumerable.Range(0, 2).Select(_ =>
        {
            _ollm.Parameters.All.Upload(start);
            using var rl = new LatentRl(_tiny.Model, _ollm, _tokenizer, Problems("2"), [], Settings);
            return Enumerable.Range(0, 4).Select(_ => rl.Step() with { TokensPerSecond = 0 }).ToArray();
        })];
        Assert.Equal(runs[0], runs[1]);
    }

    [Fact]
    public void LatentRl_BadSettings_AreRefused()
    {
        Assert.Contains("--rollouts", Refused(Settings with { Rollouts = 1 }), StringComparison.Ordinal);
        Assert.Contains("clip ratio", Refused(Settings with { ClipRatio = 0 }), StringComparison.Ordinal);
        Assert.Contains("entropy", Refused(Settings with { Entropy = double.NaN }), StringComparison.Ordinal);
        Assert.Contains("--max-tokens", Refused(Settings with { MaxTokens = 5000 }), StringComparison.Ordinal);
        Assert.Contains("problem", FormatsFiles.Error(() => new LatentRl(_tiny.Model, _ollm, _tokenizer, [], [], Settings).Dispose()), StringComparison.Ordinal);
        using OllmModel one = OllmModel.Create(_tiny.Model, 1, Width, 0);
        Assert.Contains("K = 1", FormatsFiles.Error(() => new LatentRl(_tiny.Model, one, _tokenizer, Problems("1"), [], Settings).Dispose()), StringComparison.Ordinal);

        string Refused(LatentRlOptions options) => FormatsFiles.Error(() => new LatentRl(_tiny.Model, _ollm, _tokenizer, Problems("1"), [], options).Dispose());
    }

    private static AnswerProblem[] Problems(string answer) =>
    [
        .. Enumerable.Range(0, 3).Select(i => new AnswerProblem(['a' + i, '='], answer, new DataRow { Line = i + 1, Kind = RowKind.Math })),
    ];

    private float[] Frozen() => [.. _ollm.Parameters.Module("encoder").ToArray(), .. _ollm.Parameters.Module("decoder").ToArray()];
}
