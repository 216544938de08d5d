using System.Text.Json;
using OllmNative.Cli;

namespace OllmNative.Tests;

/// <summary>One run of the program inside the test: its exit code and what it printed.</summary>
internal sealed record CliRun(int Code, string Out, string Error)
{
    /// <summary>A Qwen2 small enough that a test writes and runs it in milliseconds; keys can be replaced by name.</summary>
    public const string TinyConfig = """
        {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
         "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 50, "max_position_embeddings": 64, "rms_norm_eps": 1e-6,
         "rope_theta": 10000, "tie_word_embeddings": false, "eos_token_id": 3}
        """;

    /// <summary>The last line of stdout, which --json makes an object.</summary>
    public JsonElement Json => JsonDocument.Parse(Out.TrimEnd('\n').Split('\n')[^1]).RootElement;

    public static CliRun Of(params string[] args) => With("", args);

    public static CliRun With(string input, params string[] args) => Until(input, args, CancellationToken.None);

    /// <summary>A run that the token asks to stop, as Ctrl-C does.</summary>
    public static CliRun Until(string input, string[] args, CancellationToken cancellation)
    {
        using var stdout = new StringWriter { NewLine = "\n" };
        using var stderr = new StringWriter { NewLine = "\n" };
        using var stdin = new StringReader(input);
        int code = OllmCli.Run(args, stdout, stderr, stdin, cancellation: cancellation);
        return new CliRun(code, stdout.ToString(), stderr.ToString());
    }

    /// <summary>A new folder with a random model of <see cref="TinyConfig"/>.</summary>
    public static string NewModel(string config = TinyConfig, params string[] more)
    {
        string folder = TestData.NewFolder(), file = Path.Combine(folder, "shape.json"), model = Path.Combine(folder, "model");
        File.WriteAllText(file, config);
        CliRun run = Of(["init-backbone", "--config", file, "--out", model, "--seed", "7", .. more]);
        Assert.True(run.Code == 0, run.Error);
        return model;
    }

    /// <summary>Bad input: code 2, one line that says so with each of the words, no trace of the program's insides, no result.</summary>
    public void AssertRefused(params string[] words)
    {
        Assert.Equal(2, Code);
        Assert.StartsWith("error: ", Error, StringComparison.Ordinal);
        foreach (string word in words) Assert.Contains(word, Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", Error, StringComparison.Ordinal);
        Assert.DoesNotContain("Exception", Error, StringComparison.Ordinal);
        Assert.DoesNotContain("System.", Error, StringComparison.Ordinal);
        Assert.Empty(Out);
    }
}
