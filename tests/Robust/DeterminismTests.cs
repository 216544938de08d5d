using System.Text.Json;
using System.Text.RegularExpressions;

namespace OllmNative.Tests;

/// <summary>The same command line gives the same bits, and so it does with another number of threads.</summary>
public partial class DeterminismTests
{
    [Theory]
    [InlineData("train", "rows", "--steps", "4", "--batch-size", "3", "--latent", "gumbel", "--seed", "9", "--options", "3", "--latent-width", "8")]
    [InlineData("train", "rows", "--steps", "3", "--batch-size", "3", "--latent", "marginal", "--seed", "9", "--options", "3", "--latent-width", "8")]
    [InlineData("train", "rows", "--steps", "3", "--batch-size", "3", "--latent", "soft", "--options", "3", "--latent-width", "8")]
    [InlineData("train", "rows cold", "--steps", "8", "--batch-size", "3", "--seed", "9", "--options", "3", "--latent-width", "8")]
    [InlineData("train", "rows warm", "--steps", "8", "--batch-size", "3", "--seed", "9", "--options", "3", "--latent-width", "8")]
    [InlineData("rl", "ollm rows", "--steps", "2", "--batch-size", "3", "--rollouts", "4", "--max-tokens", "6", "--seed", "4")]
    [InlineData("rl", "ollm rows", "--steps", "2", "--batch-size", "3", "--rollouts", "4", "--max-tokens", "6", "--seed", "4", "--credit", "token")]
    [InlineData("eval", "ollm rows", "--samples", "3", "--max-tokens", "6", "--seed", "4")]
    [InlineData("generate", "ollm", "--prompt", "1 + 2", "--max-tokens", "12", "--temp", "0.9", "--top-p", "0.9", "--seed", "4", "--latent", "sample")]
    [InlineData("eval", "ollm rows", "--samples", "2", "--max-tokens", "6", "--seed", "4", "--quantize", "int8")]
    [InlineData("generate", "ollm", "--prompt", "1 + 2", "--max-tokens", "12", "--quantize", "int8")]
    [InlineData("generate", "", "--prompt", "1 + 2", "--max-tokens", "12", "--temp", "1", "--seed", "4", "--quantize", "int8")]
    [InlineData("chat", "ollm", "--max-tokens", "8", "--temp", "1", "--seed", "4")]
    [InlineData("options", "ollm", "--prompt", "1 + 2", "--steps", "4", "--tree", "2")]
    [InlineData("options-report", "ollm rows")]
    [InlineData("search", "ollm rows", "--samples", "2", "--max-tokens", "5", "--seed", "4")]
    [InlineData("diagnose", "rows")]
    public void Command_AgainAndWithMoreThreads_GivesTheSameBits(string command, string needs, params string[] flags)
    {
        var model = new CliTextModel();
        var args = new List<string> { command, "--model", model.Folder };
        if (needs.Contains("ollm", StringComparison.Ordinal)) args.AddRange(["--ollm", model.NewOllm()]);
        if (needs.Contains("rows", StringComparison.Ordinal)) args.AddRange(["--data", model.WriteRows(9)]);
        args.AddRange(flags);
        // A cache of hidden states: each run makes its own, or all but the first find it complete.
        string[] Cache(string name) => needs.Contains("cold", StringComparison.Ordinal) ? ["--cache-hidden", model.At("cache-" + name)] : needs.Contains("warm", StringComparison.Ordinal) ? ["--cache-hidden", model.At("cache")] : [];
        string first = Run(model, [.. args, "--threads", "1", .. Cache("a")], command, "a");
        Assert.Equal(first, Run(model, [.. args, "--threads", "1", .. Cache("b")], command, "b"));
        // Stated in docs/determinism.md: work is cut by size alone and sums have a fixed order, so the bound between thread counts is 0.
        Assert.Equal(first, Run(model, [.. args, "--threads", "2", .. Cache("c")], command, "c"));
        Assert.Equal(first, Run(model, [.. args, "--threads", "3", .. Cache("d")], command, "d"));
    }

    [Fact]
    public void Forward_OtherThreadCounts_GivesTheSameBits()
    {
        var model = new CliTextModel();
        byte[] Logits(string threads)
        {
            string file = model.At($"{threads}.safetensors");
            CliRun run = CliRun.Of("forward", "--model", model.Folder, "--tokens", "1,2,3,4,5,6,7,8,9,10,11,12,13", "--out", file, "--threads", threads);
            Assert.True(run.Code == 0, run.Error);
            return File.ReadAllBytes(file);
        }
        byte[] one = Logits("1");
        foreach (string threads in (string[])["2", "3", "7"]) Assert.Equal(one, Logits(threads));
    }

    /// <summary>A client alone gets the same bits from any server of the model, scores and probabilities of options too.</summary>
    [Fact]
    public async Task Serve_OneClientWithASeed_GetsTheSameBits()
    {
        var answers = new List<string>();
        foreach (int threads in (int[])[1, 1, 2, 3])
        {
            await using ServerHost host = await ServerHost.StartAsync(threads: threads);
            JsonElement answer = await host.CompleteAsync("\"max_tokens\": 20, \"temperature\": 1, \"seed\": 3, \"n\": 2, \"logprobs\": 3, \"echo\": true, \"ollm\": {\"latent\": \"sample\", \"return_options\": true}");
            answers.Add(answer.GetProperty("choices").GetRawText());
        }
        Assert.Single(answers.Distinct());
    }

    [Fact]
    public void SeededFiles_Again_AreTheSameBytes()
    {
        string folder = TestData.NewFolder();
        foreach (string name in (string[])["a", "b"])
        {
            Assert.Equal(0, CliRun.Of("data", "tiny", "--rows", "50", "--seed", "3", "--out", Path.Combine(folder, name)).Code);
            Assert.Equal(0, CliRun.Of("data", "tiny", "--rows", "50", "--seed", "4", "--out", Path.Combine(folder, name + "-other")).Code);
            string model = CliRun.NewModel(); // Its weights are drawn with a seed.
            Assert.Equal(0, CliRun.Of("init", "--model", model, "--options", "3", "--seed", "5", "--out", Path.Combine(folder, name + "-ollm")).Code);
            File.Copy(Path.Combine(model, "model.safetensors"), Path.Combine(folder, name + "-model"));
        }
        foreach (string file in (string[])["-model", "-ollm/ollm.safetensors", "-ollm/ollm.json"])
            Assert.Equal(File.ReadAllBytes(Path.Combine(folder, "a" + file)), File.ReadAllBytes(Path.Combine(folder, "b" + file)));
        Assert.Equal(File.ReadAllBytes(Path.Combine(folder, "a")), File.ReadAllBytes(Path.Combine(folder, "b")));
        Assert.NotEqual(File.ReadAllBytes(Path.Combine(folder, "a")), File.ReadAllBytes(Path.Combine(folder, "a-other")));
    }

    /// <summary>What the run printed and wrote, without times, speeds and names of folders.</summary>
    private static string Run(CliTextModel model, string[] args, string command, string name)
    {
        string output = model.At(name);
        bool writes = command is "train" or "rl" or "eval";
        CliRun run = CliRun.With(command == "chat" ? "1 + 2\nand 3\n" : "", writes ? [.. args, "--out", output, "--json"] : [.. args, "--json"]);
        Assert.True(run.Code == 0, run.Error);
        string text = run.Out;
        string[] files = writes ? Directory.GetFiles(output) : [];
        foreach (string file in files.Order(StringComparer.Ordinal))
        {
            if (file.EndsWith(".safetensors", StringComparison.Ordinal)) text += $"\n{Path.GetFileName(file)} {Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(file)))}";
            if (file.EndsWith(".jsonl", StringComparison.Ordinal)) text += "\n" + File.ReadAllText(file);
        }
        return Times().Replace(text, "$1").Replace(output, "OUT", StringComparison.Ordinal);
    }

    [GeneratedRegex("(\"[a-z_]*(?:seconds?|tokens_per_second|_ms)\":)[-0-9.eE+]+")]
    private static partial Regex Times();
}
