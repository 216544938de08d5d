using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Tests;

/// <summary>
/// A steady step of latent RL makes no garbage of what grows with tokens times hidden size: rollouts stay in the memory of the step
/// before. What is left is the text of each answer and what reads it.
/// </summary>
public sealed class RlAllocationTests
{
    private const int Hidden = 256, Rollouts = 24, Tokens = 48;

    /// <summary>Bytes for each rollout; its hidden states alone would be 49,152, the rest is reading the answer, whatever the hidden size.</summary>
    private const long Allowed = 14_000;

    [Fact]
    public void Step_WarmedUp_AllocatesTextsOnly()
    {
        using var tiny = new TinyBackbone(hidden: Hidden, vocabulary: 256);
        using OllmModel ollm = OllmModel.Create(tiny.Model, 4, 16, seed: 1);
        Tokenizer tokenizer = TokenizerSamples.Load();
        AnswerProblem[] problems = [.. Enumerable.Range(0, 4).Select(i => new AnswerProblem(tiny.Tokens(6), "3", new DataRow { Line = i + 1, Kind = RowKind.Math }))];
        using var rl = new LatentRl(tiny.Model, ollm, tokenizer, problems, [], new LatentRlOptions { Steps = 1000, Problems = 4, Rollouts = Rollouts / 4, MaxTokens = Tokens, Seed = 3 });
        for (int i = 0; i < 6; i++) rl.Step();
        const int Measured = 10;
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < Measured; i++) rl.Step();
        long each = (GC.GetAllocatedBytesForCurrentThread() - before) / (Measured * Rollouts);
        Assert.True(each <= Allowed, $"{each} bytes for each rollout");
    }
}
