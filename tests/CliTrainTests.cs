using System.Globalization;
using System.Text.Json;
using OllmNative.Model;

namespace OllmNative.Tests;

/// <summary>ollm train: what it writes, how it resumes and what it refuses.</summary>
public class CliTrainTests
{
    private static readonly string[] Fields = ["step", "loss", "ce", "kl", "beta", "policy_ce", "token_accuracy", "grad_norm", "lr", "tokens", "tokens_per_second"];

    [Fact]
    public void Train_FreshOllm_WritesOllmMetricsReportAndResult()
    {
        var model = new CliTextModel();
        string folder = model.At("out");
        CliRun run = Train(model, folder, "--steps", "4", "--json", "--warmup", "2", "--schedule", "cosine");
        Assert.True(run.Code == 0, run.Error);
        JsonElement[] metrics = Metrics(folder);
        Assert.Equal(4, metrics.Length);
        Assert.All(metrics, line => Assert.Equal(Fields, line.EnumerateObject().Select(field => field.Name)));
        Assert.Equal([0.005, 0.01], metrics.Take(2).Select(line => line.GetProperty("lr").GetDouble()));
        Assert.Equal(4, run.Json.GetProperty("steps").GetInt32());
        Assert.Equal(metrics[^1].GetProperty("loss").GetDouble(), run.Json.GetProperty("loss").GetDouble());
        Assert.Equal(20, run.Json.GetProperty("rows").GetInt32());

        JsonElement ollm = CliRun.Of("inspect", folder, "--json").Json;
        Assert.Equal((3, 8), (ollm.GetProperty("options").GetInt32(), ollm.GetProperty("latent_width").GetInt32()));
        Assert.Equal(metrics[^1].GetProperty("tokens").GetInt64(), ollm.GetProperty("trained_tokens").GetInt64());
        string page = File.ReadAllText(Path.Combine(folder, "report.html"));
        Assert.Contains("Token accuracy", page, StringComparison.Ordinal);
        Assert.Contains("cosine", page, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("gumbel", "log")]
    [InlineData("soft", "mult")]
    [InlineData("marginal", "fixed")]
    public void Train_InterruptedAndResumed_GivesTheUninterruptedRun(string latent, string adapt)
    {
        var model = new CliTextModel();
        string[] flags = ["--latent", latent, "--kl-adapt", adapt, "--seed", "5", "--checkpoint-every", "3"];
        Assert.Equal(0, Train(model, model.At("whole"), ["--steps", "7", .. flags]).Code);
        Assert.Equal(0, Train(model, model.At("parts"), ["--steps", "3", .. flags]).Code);
        CliRun resumed = Train(model, model.At("parts"), ["--steps", "7", "--resume", .. flags]);
        Assert.True(resumed.Code == 0, resumed.Error);
        Assert.Equal(WithoutTime(model.At("whole")), WithoutTime(model.At("parts")));
        foreach (string file in (string[])["ollm.safetensors", "ollm.json"])
            Assert.Equal(File.ReadAllBytes(Path.Combine(model.At("whole"), file)), File.ReadAllBytes(Path.Combine(model.At("parts"), file)));
    }

    [Fact]
    public async Task Train_CtrlC_WritesACheckpointThatResumes()
    {
        var model = new CliTextModel();
        string folder = model.At("out");
        using var stop = new CancellationTokenSource();
        string[] args = [.. Arguments(model, folder, "--checkpoint-every", "0", "--steps")];
        Task<CliRun> running = Task.Run(() => CliRun.Until("", [.. args, "1000000", "--json"], stop.Token));
        string metrics = Path.Combine(folder, "metrics.jsonl");
        while (!running.IsCompleted && !(File.Exists(metrics) && new FileInfo(metrics).Length > 0)) await Task.Delay(5);
        await stop.CancelAsync();
        CliRun run = await running;
        Assert.Equal(130, run.Code);
        Assert.Empty(run.Out);
        Assert.Contains("--resume", run.Error, StringComparison.Ordinal);
        int done = Metrics(folder).Length;
        Assert.InRange(done, 1, 999_999);
        Assert.Equal($"step-{done:D8}", Path.GetFileName(Assert.Single(Directory.GetDirectories(Path.Combine(folder, "checkpoints")))));

        CliRun resumed = CliRun.Of([.. args, (done + 2).ToString(CultureInfo.InvariantCulture), "--resume"]);
        Assert.True(resumed.Code == 0, resumed.Error);
        Assert.Equal(Enumerable.Range(1, done + 2), Metrics(folder).Select(line => line.GetProperty("step").GetInt32()));
    }

    [Fact]
    public void Train_TokenRows_NeedNoTokenizer()
    {
        string model = CliRun.NewModel(), data = Path.Combine(model, "rows.jsonl"), folder = Path.Combine(model, "out");
        File.WriteAllText(data, """
            {"tokens": [1, 2, 3, 4, 5], "prompt_length": 2}
            {"tokens": [6, 7, 8], "prompt_length": 0}

            """);
        CliRun run = CliRun.Of("train", "--model", model, "--data", data, "--out", folder, "--batch-size", "2", "--epochs", "3", "--no-shuffle", "--json");
        Assert.True(run.Code == 0, run.Error);
        Assert.Equal((3, 15), (run.Json.GetProperty("steps").GetInt32(), run.Json.GetProperty("tokens").GetInt32()));
        File.WriteAllText(data, """{"prompt": "a", "completion": "b"}""");
        CliRun.Of("train", "--model", model, "--data", data, "--out", Path.Combine(model, "other"), "--skip-bad-rows").AssertRefused("tokenizer.json", data);
        File.WriteAllText(data, """{"tokens": [1, 50], "prompt_length": 1}""");
        CliRun.Of("train", "--model", model, "--data", data, "--out", Path.Combine(model, "other")).AssertRefused(data + ":1", "50");
    }

    [Fact]
    public void Train_FromOllm_GoesOnWithItsShape()
    {
        var model = new CliTextModel();
        string first = model.NewOllm(options: 4);
        CliRun run = CliRun.Of(
            "train", "--model", model.Folder, "--ollm", first, "--data", model.WriteRows(8), "--out", model.At("second"), "--steps", "1", "--json");
        Assert.True(run.Code == 0, run.Error);
        JsonElement before = CliRun.Of("inspect", first, "--json").Json, after = CliRun.Of("inspect", model.At("second"), "--json").Json;
        Assert.Equal(4, after.GetProperty("options").GetInt32());
        Assert.Equal(before.GetProperty("trained_tokens").GetInt64() + run.Json.GetProperty("tokens").GetInt64(), after.GetProperty("trained_tokens").GetInt64());
        CliRun.Of("train", "--model", model.Folder, "--ollm", first, "--options", "5", "--data", model.At("rows.jsonl"), "--out", model.At("third"))
            .AssertRefused("--options", "4 options");
    }

    [Fact]
    public void Train_ExistingOutput_IsKeptUnlessForced()
    {
        var model = new CliTextModel();
        string folder = model.NewOllm();
        Train(model, folder, "--steps", "1").AssertRefused(folder, "--resume", "--force");
        Assert.Equal(3, Metrics(folder).Length);
        Assert.Equal(0, Train(model, folder, "--steps", "1", "--force").Code);
        Assert.Single(Metrics(folder));
        Assert.Equal("step-00000001", Path.GetFileName(Assert.Single(Directory.GetDirectories(Path.Combine(folder, "checkpoints")))));
    }

    [Fact]
    public void Train_NothingToResumeOrOtherSettings_IsRefused()
    {
        var model = new CliTextModel();
        Train(model, model.At("none"), "--resume").AssertRefused("nothing to resume", model.At("none"));
        Assert.Equal(0, Train(model, model.At("out"), "--steps", "2").Code);
        Train(model, model.At("out"), "--steps", "4", "--resume", "--seed", "9").AssertRefused("other settings");
    }

    [Fact]
    public void Train_OllmOfAnotherBackbone_IsRefused()
    {
        string other = new CliTextModel().NewOllm();
        string model = CliRun.NewModel(CliRun.TinyConfig.Replace("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1", StringComparison.Ordinal));
        CliRun.Of("train", "--model", model, "--ollm", other, "--data", "x.jsonl", "--out", Path.Combine(model, "out")).AssertRefused("another backbone", "fingerprint");
    }

    [Fact]
    public void Train_MalformedRow_NamesTheLineOrSkipsIt()
    {
        var model = new CliTextModel();
        string data = model.WriteRows(4);
        File.AppendAllText(data, "{\"problem\": oops}\n{\"problem\": \"1 + 1\"}\n");
        CliRun.Of("train", "--model", model.Folder, "--data", data, "--out", model.At("out")).AssertRefused(data + ":5", "malformed JSON");
        Assert.False(Directory.Exists(model.At("out")));
        // Line 6 has nothing to learn from.
        CliRun run = CliRun.Of("train", "--model", model.Folder, "--data", data, "--out", model.At("out"), "--skip-bad-rows", "--json");
        Assert.True(run.Code == 0, run.Error);
        Assert.Equal((4, 2), (run.Json.GetProperty("rows").GetInt32(), run.Json.GetProperty("skipped_rows").GetInt32()));
        Assert.Contains(data + ":6", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Train_RowOfAShardThatCannotBeUsed_NamesTheShardAndItsLine()
    {
        var model = new CliTextModel();
        string folder = model.At("shards"), second = Path.Combine(folder, "b.jsonl");
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "a.jsonl"), "{\"tokens\": [1, 2]}\n");
        File.WriteAllText(second, "\n{\"tokens\": [1, 320]}\n");
        CliRun.Of("train", "--model", model.Folder, "--data", folder, "--out", model.At("out")).AssertRefused(second + ":2", "320");
    }

    [Fact]
    public void Train_RowsWithoutTargets_TakeNoPlaceAndAreCounted()
    {
        var model = new CliTextModel();
        string with = model.At("with.jsonl"), without = model.At("without.jsonl");
        string[] learned = ["{\"tokens\": [1, 2, 3], \"prompt_length\": 0}", "{\"tokens\": [4, 5, 6, 7], \"prompt_length\": 1}", "{\"tokens\": [8, 9], \"prompt_length\": 1}"];
        File.WriteAllLines(without, learned);
        File.WriteAllLines(with, ["{\"tokens\": [5], \"prompt_length\": 0}", learned[0], "{\"tokens\": [5, 6], \"prompt_length\": 2}", .. learned[1..]]);
        CliRun Run(string data, string output) => CliRun.Of(
            "train", "--model", model.Folder, "--data", data, "--out", model.At(output), "--no-shuffle", "--batch-size", "2", "--steps", "4", "--options", "2", "--latent-width", "8", "--json");
        CliRun run = Run(with, "a");
        Assert.Equal((3, 2), (run.Json.GetProperty("rows").GetInt32(), run.Json.GetProperty("rows_without_targets").GetInt32()));
        Assert.Contains("2 rows left out: no token to learn", run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("left out", Run(without, "b").Error, StringComparison.Ordinal);
        Assert.Equal(WithoutTime(model.At("b")), WithoutTime(model.At("a")));
    }

    [Theory]
    [InlineData("--options", "--options", "0")]
    [InlineData("--lr", "--lr", "NaN")]
    [InlineData("--kl-target", "--kl-target", "-1")]
    [InlineData("--beta", "--beta", "0")]
    [InlineData("gumbel, soft, marginal", "--latent", "hard")]
    [InlineData("context is 128", "--data", "long")]
    [InlineData("no such file", "--data", "/no/such/file.jsonl")]
    public void Train_BadValue_IsRefused(string word, string flag, string value)
    {
        var model = new CliTextModel();
        if (value == "long")
        {
            value = model.At("long.jsonl");
            File.WriteAllText(value, $$"""{"prompt": "", "completion": "{{new string('x', 200)}}"}""");
        }
        string[] args = flag == "--data" ? [] : ["--data", model.WriteRows(3)];
        CliRun.Of(["train", "--model", model.Folder, "--out", model.At("out"), "--steps", "1", flag, value, .. args]).AssertRefused(word);
    }

    [Fact]
    public void Train_LossThatIsNoNumber_Stops()
    {
        var model = new CliTextModel();
        // A first step of this size takes the weights out of float's range.
        CliRun.Of("train", "--model", model.Folder, "--data", model.WriteRows(3), "--out", model.At("out"), "--steps", "3", "--lr", "1e38", "--warmup", "0")
            .AssertRefused("step 2", "NaN", "training stops");
    }

    [Fact]
    public void Train_TokenizerLargerThanTheVocabulary_IsRefused()
    {
        string model = CliRun.NewModel();
        File.WriteAllText(Path.Combine(model, "tokenizer.json"), TokenizerSamples.SmallFile().ToJsonString());
        CliRun.Of("train", "--model", model, "--data", "x.jsonl", "--out", Path.Combine(model, "out")).AssertRefused("vocab_size is 50", "tokenizer");
    }

    private static CliRun Train(CliTextModel model, string folder, params string[] more) => CliRun.Of([.. Arguments(model, folder, more)]);

    private static string[] Arguments(CliTextModel model, string folder, params string[] more) =>
    [
        "train", "--model", model.Folder, "--data", model.WriteRows(20), "--out", folder, "--options", "3", "--latent-width", "8", "--batch-size", "3",
        "--grad-accum", "2", "--lr", "0.01", .. more,
    ];

    private static JsonElement[] Metrics(string folder) =>
        [.. File.ReadAllLines(Path.Combine(folder, "metrics.jsonl")).Select(line => JsonDocument.Parse(line).RootElement)];

    private static string[] WithoutTime(string folder) =>
        [.. Metrics(folder).Select(line => string.Join(' ', line.EnumerateObject().Where(field => field.Name != "tokens_per_second").Select(field => field.ToString())))];
}
