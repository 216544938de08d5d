using System.Text.Json.Nodes;

namespace OllmNative.Tests;

/// <summary>A random model that reads and writes text, its OLLM, and rows to train it on.</summary>
internal sealed class CliTextModel
{
    // Ids without a gap: any of them may be generated.
    private const int End = 271;

    private static readonly string Config = CliRun.TinyConfig
        .Replace("\"vocab_size\": 50, \"max_position_embeddings\": 64", "\"vocab_size\": 320, \"max_position_embeddings\": 128", StringComparison.Ordinal)
        .Replace("\"eos_token_id\": 3", $"\"eos_token_id\": {End}", StringComparison.Ordinal);

    public CliTextModel()
    {
        Folder = CliRun.NewModel(Config);
        JsonObject tokenizer = TokenizerSamples.SmallFile();
        Assert.Equal(End, tokenizer["model"]!["vocab"]!.AsObject().Count);
        tokenizer["added_tokens"] = new JsonArray(TokenizerSamples.Added(End, "<|end|>", special: true), TokenizerSamples.Added(End + 1, "<note>", special: false));
        File.WriteAllText(Path.Combine(Folder, "tokenizer.json"), tokenizer.ToJsonString());
    }

    public string Folder { get; }

    /// <summary>A path inside the model's folder.</summary>
    public string At(string name) => Path.Combine(Folder, name);

    /// <summary>A new OLLM whose options differ: a fresh one's all say what the backbone says.</summary>
    public string NewOllm(int options = 3, string name = "ollm")
    {
        CliRun run = CliRun.Of("train", "--model", Folder, "--data", WriteRows(8), "--out", At(name), "--options", $"{options}", "--latent-width", "8", "--steps", "3", "--lr", "0.05");
        Assert.True(run.Code == 0, run.Error);
        return At(name);
    }

    /// <summary>Problems with worked solutions: completions and expected answers.</summary>
    public string WriteRows(int count, string name = "rows.jsonl")
    {
        File.WriteAllLines(At(name), Enumerable.Range(0, count).Select(i => new JsonObject
        {
            ["problem"] = $"{i % 7} + {i % 5}", ["generated_solution"] = $"the answer is {i % 7 + i % 5}", ["expected_answer"] = $"{i % 7 + i % 5}",
        }.ToJsonString()));
        return At(name);
    }
}
