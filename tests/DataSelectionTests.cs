using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Tests;

/// <summary>Filters, the store of token rows, the validation split, and thinking in completions.</summary>
public sealed class DataSelectionTests
{
    private static DataRow Row(params (string Name, string Value)[] extra) =>
        new() { Line = 1, Kind = RowKind.OpenMathReasoning, Problem = "P", Extra = extra.ToDictionary(pair => pair.Name, pair => pair.Value) };

    [Fact]
    public void Keeps_MissingColumn_LeavesOutOnlyWhenAskedFor()
    {
        Assert.True(new RowFilter().Keeps(Row()));
        var types = new RowFilter { ProblemTypes = ["has_answer_extracted", "converted_proof"] };
        Assert.True(types.Keeps(Row(("problem_type", "converted_proof"))));
        Assert.False(types.Keeps(Row(("problem_type", "no_answer_extracted"))));
        Assert.False(types.Keeps(Row()));
        Assert.True(new RowFilter { InferenceModes = ["cot"] }.Keeps(Row(("inference_mode", "cot"))));
    }

    [Theory]
    [InlineData("0.65625", 0.5, null, true)]
    [InlineData("0.65625", 0.7, null, false)]
    [InlineData("0.65625", null, 0.65625, true)]
    [InlineData("0.65625", null, 0.6, false)]
    [InlineData("n/a", 0.0, null, false)]
    [InlineData("n/a", null, 1.0, false)]
    [InlineData("n/a", null, null, true)]
    [InlineData("", 0.0, 1.0, false)]
    public void Keeps_PassRate_IsTextWithADecimalPoint(string rate, double? min, double? max, bool kept) =>
        Assert.Equal(kept, new RowFilter { MinPassRate = min, MaxPassRate = max }.Keeps(Row(("pass_rate_72b_tir", rate))));

    [Fact]
    public void Store_MoreTokensThanMemory_ReadsBackFromTheFile()
    {
        var random = new Random(4);
        TokenRow[] rows = [.. Enumerable.Range(0, 40).Select(i => new TokenRow([.. Enumerable.Range(0, 1 + random.Next(30)).Select(_ => random.Next())], random.Next(3), i + 1))];
        using var memory = new TokenRowStore();
        using var file = new TokenRowStore(memoryTokens: 50);
        foreach (TokenRow row in rows)
        {
            memory.Add(row);
            file.Add(row);
            if (file.Count > 0) Assert.Equal(memory[file.Count / 2].Tokens, file[file.Count / 2].Tokens); // Reads between writes see what was written.
        }
        Assert.True(file.IsOnDisk);
        Assert.False(memory.IsOnDisk);
        TokenRow[] learnable = [.. rows.Where(row => row.Targets > 0)];
        Assert.Equal(rows.Length - learnable.Length, file.WithoutTargets);
        Assert.Equal(learnable.Max(row => row.Tokens.Length), file.Longest);
        Assert.Equal(learnable.Length, file.Count);
        foreach ((int i, TokenRow row) in file.Index())
        {
            Assert.Equal(learnable[i].Tokens, row.Tokens);
            Assert.Equal((learnable[i].PromptLength, learnable[i].Line), (row.PromptLength, row.Line));
        }
    }

    [Fact]
    public void Split_SameSeed_GivesTheSameDisjointParts()
    {
        using TokenRowStore rows = TokenRowStore.Of(Enumerable.Range(0, 100).Select(i => new TokenRow([i, i], 0, i + 1)));
        (ITokenRows training, ITokenRows validation) = RowSplit.Of(rows, 20, seed: 3);
        int[] held = [.. validation.Select(row => row.Line)], learned = [.. training.Select(row => row.Line)];
        Assert.Equal((20, 80), (held.Length, learned.Length));
        Assert.Equal(Enumerable.Range(1, 100), held.Concat(learned).Order());
        Assert.Equal(held.Order(), held);
        Assert.Equal(held, RowSplit.Of(rows, 20, seed: 3).Validation.Select(row => row.Line));
        Assert.NotEqual(held, RowSplit.Of(rows, 20, seed: 4).Validation.Select(row => row.Line));
        // A larger set holds out the same rows and more.
        Assert.Empty(held.Except(RowSplit.Of(rows, 30, seed: 3).Validation.Select(row => row.Line)));
        Assert.Contains("--validation-rows 100", FormatsFiles.Error(() => RowSplit.Of(rows, 100, 0)), StringComparison.Ordinal);
    }

    [SkippableFact]
    public void Encode_ThinkingOfDeepSeek_OpensOnceAndUsesTheModelsTokens()
    {
        string folder = Path.GetDirectoryName(TestData.Require("deepseek_r1_distill_qwen_1_5b", "tokenizer.json"))!;
        Tokenizer tokenizer = Tokenizer.Load(folder);
        var encoder = new RowEncoder(ModelConfig.Load(folder), tokenizer, ChatFormat.Detect(folder));
        var row = new DataRow { Line = 1, Kind = RowKind.OpenMathReasoning, Problem = "1+1?", Completion = "<think>\nsum: <｜User｜>\n</think>\n\n\\boxed{2}" };
        TokenRow encoded = encoder.Encode(row);
        string text = tokenizer.Decode(encoded.Tokens);
        Assert.EndsWith("<｜Assistant｜><think>\nsum: <｜User｜>\n</think>\n\n\\boxed{2}<｜end▁of▁sentence｜>", text, StringComparison.Ordinal);
        Assert.Single(encoded.Tokens, tokenizer.IdOf("<think>")!.Value);
        Assert.Single(encoded.Tokens, tokenizer.IdOf("</think>")!.Value);
        Assert.Single(encoded.Tokens, tokenizer.IdOf("<｜User｜>")!.Value); // That of the prompt; the one in the solution is text.
        Assert.Contains("put the answer (and only answer) inside \\boxed{}.\n\n1+1?", text, StringComparison.Ordinal);
    }

    [SkippableTheory]
    [InlineData("deepseek_r1_distill_qwen_1_5b", true)]
    [InlineData("qwen2_5_0_5b_instruct", false)]
    public void Encode_LiteralRows_BeginAsRawPromptsDo(string model, bool hasBos)
    {
        string folder = Path.GetDirectoryName(TestData.Require(model, "tokenizer.json"))!;
        Tokenizer tokenizer = Tokenizer.Load(folder);
        var encoder = new RowEncoder(ModelConfig.Load(folder), tokenizer, ChatFormat.Detect(folder));
        int[] bos = hasBos ? [tokenizer.BosTokenId!.Value] : [], end = [encoder.EndToken!.Value];
        TokenRow prompt = encoder.Encode(new DataRow { Line = 1, Kind = RowKind.PromptCompletion, Prompt = "1+1=", Completion = "2" });
        Assert.Equal([.. bos, .. tokenizer.Encode("1+1="), .. tokenizer.Encode("2"), .. end], prompt.Tokens);
        Assert.Equal(tokenizer.EncodeBeginning("1+1="), prompt.Tokens[..prompt.PromptLength]);
        TokenRow text = encoder.Encode(new DataRow { Line = 1, Kind = RowKind.Text, Prompt = "", Completion = "abc" });
        Assert.Equal([.. bos, .. tokenizer.Encode("abc"), .. end], text.Tokens);
        Assert.Equal(bos.Length, text.PromptLength);
        Assert.Equal([.. bos, .. tokenizer.Encode("x")], tokenizer.EncodeBeginning(tokenizer.Decode(bos) + "x"));
    }

    [SkippableFact]
    public void Encode_ThinkingOfQwen25_IsText()
    {
        string folder = Path.GetDirectoryName(TestData.Require("qwen2_5_0_5b_instruct", "tokenizer.json"))!;
        Tokenizer tokenizer = Tokenizer.Load(folder);
        var encoder = new RowEncoder(ModelConfig.Load(folder), tokenizer, ChatFormat.Detect(folder));
        TokenRow encoded = encoder.Encode(new DataRow { Line = 1, Kind = RowKind.OpenMathReasoning, Problem = "P", Completion = "<think>a</think>b" });
        Assert.EndsWith("<|im_start|>assistant\n<think>a</think>b<|im_end|>", tokenizer.Decode(encoded.Tokens), StringComparison.Ordinal);
    }
}
