using System.Text.Json;

namespace OllmNative.Tests;

/// <summary>ollm rl, eval, grade and diagnose.</summary>
public class CliAnswerTests
{
    [Fact]
    public void Rl_SmallRun_WritesOllmMetricsAndReport()
    {
        var model = new CliTextModel();
        string ollm = model.NewOllm(), folder = model.At("rl");
        CliRun run = Rl(model, ollm, folder, "--steps", "2", "--json");
        Assert.True(run.Code == 0, run.Error);
        JsonElement[] metrics = Metrics(folder);
        Assert.Equal(
            ["step", "reward", "active_groups", "malformed", "entropy", "loss", "grad_norm", "lr", "rollouts", "tokens_per_second"],
            metrics[0].EnumerateObject().Select(field => field.Name));
        Assert.Equal([6, 12], metrics.Select(line => line.GetProperty("rollouts").GetInt32()));
        Assert.Equal(2, run.Json.GetProperty("steps").GetInt32());
        Assert.Equal(3, CliRun.Of("inspect", folder, "--json").Json.GetProperty("options").GetInt32());
        Assert.True(File.Exists(Path.Combine(folder, "report.html")));
        Rl(model, ollm, folder, "--steps", "2").AssertRefused("--force", folder);
    }

    [Fact]
    public async Task Rl_CtrlC_SavesThePolicySoFar()
    {
        var model = new CliTextModel();
        string ollm = model.NewOllm(), folder = model.At("rl"), metrics = Path.Combine(folder, "metrics.jsonl");
        using var stop = new CancellationTokenSource();
        string[] args = Arguments(model, ollm, folder, "--steps", "1000000");
        Task<CliRun> running = Task.Run(() => CliRun.Until("", args, stop.Token));
        while (!running.IsCompleted && !(File.Exists(metrics) && new FileInfo(metrics).Length > 0)) await Task.Delay(5);
        await stop.CancelAsync();
        CliRun run = await running;
        Assert.Equal(130, run.Code);
        Assert.Contains("--resume", run.Error, StringComparison.Ordinal);
        Assert.Equal(0, CliRun.Of("inspect", folder, "--json").Code);
        Rl(model, ollm, folder, "--steps", "7", "--resume").AssertRefused("--steps was 1000000 and is 7");
    }

    [Fact]
    public void Rl_ValidationAndResume_GoOnFromTheCheckpoint()
    {
        var model = new CliTextModel();
        string ollm = model.NewOllm(), folder = model.At("rl"), validation = model.WriteRows(3, "validation.jsonl");
        Rl(model, ollm, folder, "--steps", "2", "--resume").AssertRefused("nothing to resume", folder);
        string[] args = ["--steps", "3", "--validation", validation, "--eval-every", "2", "--credit", "token", "--json"];
        CliRun run = Rl(model, ollm, folder, args);
        Assert.True(run.Code == 0, run.Error);
        Assert.Equal([0, 2, 3], File.ReadAllLines(Path.Combine(folder, "evals.jsonl")).Select(line => JsonDocument.Parse(line).RootElement.GetProperty("step").GetInt32()));
        Assert.Equal(3, CliRun.Of("inspect", Path.Combine(folder, "best"), "--json").Json.GetProperty("options").GetInt32());
        byte[] weights = File.ReadAllBytes(Path.Combine(folder, "ollm.safetensors"));
        CliRun again = Rl(model, ollm, folder, [.. args, "--resume"]);
        Assert.True(again.Code == 0, again.Error);
        Assert.Equal(weights, File.ReadAllBytes(Path.Combine(folder, "ollm.safetensors")));
        Rl(model, ollm, folder, [.. args, "--resume", "--seed", "4"]).AssertRefused("--seed was 0 and is 4");
    }

    [Fact]
    public void Rl_TokenMethod_NeedsOneOption()
    {
        var model = new CliTextModel();
        CliRun run = Rl(model, model.NewOllm(options: 1), model.At("rl"), "--steps", "2", "--method", "token", "--json");
        Assert.True(run.Code == 0, run.Error);
        Assert.Equal(12, run.Json.GetProperty("rollouts").GetInt32());
        Rl(model, model.NewOllm(name: "three"), model.At("other"), "--steps", "1", "--method", "token").AssertRefused("one option", "3");
    }

    [Fact]
    public void Rl_OneOption_IsRefused()
    {
        var model = new CliTextModel();
        Rl(model, model.NewOllm(options: 1), model.At("rl"), "--steps", "1").AssertRefused("at least 2 options");
    }

    [Fact]
    public void Eval_WithOllm_HasEveryNameAndARowForEach()
    {
        var model = new CliTextModel();
        string ollm = model.NewOllm(), folder = model.At("eval");
        CliRun run = CliRun.Of(
            "eval", "--model", model.Folder, "--ollm", ollm, "--data", model.WriteRows(4), "--samples", "2", "--max-tokens", "6", "--out", folder, "--json");
        Assert.True(run.Code == 0, run.Error);
        Assert.Equal(["backbone", "policy", "encoder", "oracle"], Names(run.Json, "token_accuracy"));
        Assert.Equal(
            ["backbone_greedy", "backbone_sampled", "backbone_pass@2", "policy_greedy", "policy_sampled", "policy_pass@2"], Names(run.Json, "answer_accuracy"));
        JsonElement[] rows = [.. File.ReadAllLines(Path.Combine(folder, "results.jsonl")).Select(line => JsonDocument.Parse(line).RootElement)];
        Assert.Equal([1, 2, 3, 4], rows.Select(row => row.GetProperty("line").GetInt32()));
        Assert.All(rows, row => Assert.Equal(2, row.GetProperty("policy_samples").GetArrayLength()));
        int targets = rows.Sum(row => row.GetProperty("targets").GetInt32());
        Assert.Equal(targets, run.Json.GetProperty("targets").GetInt32());
        foreach (string name in (string[])["backbone", "policy", "encoder", "oracle"])
        {
            double share = rows.Sum(row => row.GetProperty(name + "_tokens_right").GetInt32()) / (double)targets;
            Assert.Equal(share, run.Json.GetProperty("token_accuracy").GetProperty(name).GetDouble(), 1e-12);
        }
        Assert.True(run.Json.GetProperty("token_accuracy").GetProperty("oracle").GetDouble() >= run.Json.GetProperty("token_accuracy").GetProperty("encoder").GetDouble());
        Assert.Contains("backbone_pass@2", File.ReadAllText(Path.Combine(folder, "report.html")), StringComparison.Ordinal);
        Assert.Contains("policy_pass@2", CliRun.Of(
            "eval", "--model", model.Folder, "--ollm", ollm, "--data", model.At("rows.jsonl"), "--samples", "2", "--max-tokens", "6").Out, StringComparison.Ordinal);
    }

    [Fact]
    public void Eval_BackboneAlone_HasOnlyItsNames()
    {
        var model = new CliTextModel();
        JsonElement json = CliRun.Of("eval", "--model", model.Folder, "--data", model.WriteRows(3), "--limit", "2", "--samples", "0", "--max-tokens", "4", "--json").Json;
        Assert.Equal(["backbone"], Names(json, "token_accuracy"));
        Assert.Equal(["backbone_greedy"], Names(json, "answer_accuracy"));
        Assert.Equal(2, json.GetProperty("problems").GetInt32());
        File.WriteAllText(model.At("text.jsonl"), "{\"text\": \"the thing\"}\n");
        json = CliRun.Of("eval", "--model", model.Folder, "--data", model.At("text.jsonl"), "--json").Json;
        Assert.Equal(JsonValueKind.Null, json.GetProperty("answer_accuracy").ValueKind);
    }

    [Fact]
    public void Eval_AnswersBeyondTheContext_AreRefused()
    {
        var model = new CliTextModel();
        CliRun.Of("eval", "--model", model.Folder, "--data", model.WriteRows(2), "--max-tokens", "128").AssertRefused("--max-tokens 128", "context is 128");
    }

    [Fact]
    public void Grade_Rows_CountsEquivalentAnswers()
    {
        string folder = TestData.NewFolder(), data = Path.Combine(folder, "rows.jsonl"), results = Path.Combine(folder, "out", "grades.jsonl");
        File.WriteAllText(data, """
            {"prediction": "so it is \\boxed{1/2}", "gold": "0.5"}
            {"prediction": "7", "gold": 7}
            {"prediction": "The answer is 8", "gold": "9"}
            {"prediction": null, "gold": "9"}

            """);
        CliRun run = CliRun.Of("grade", "--data", data, "--out", results, "--json");
        Assert.True(run.Code == 0, run.Error);
        Assert.Equal((4, 2, 1), (run.Json.GetProperty("rows").GetInt32(), run.Json.GetProperty("right").GetInt32(), run.Json.GetProperty("no_answer").GetInt32()));
        Assert.Equal(0.5, run.Json.GetProperty("accuracy").GetDouble());
        JsonElement[] grades = [.. File.ReadAllLines(results).Select(line => JsonDocument.Parse(line).RootElement)];
        Assert.Equal([true, true, false, false], grades.Select(grade => grade.GetProperty("equivalent").GetBoolean()));
        Assert.Equal(["1/2", "7", "8", null], grades.Select(grade => grade.GetProperty("answer").GetString()));
        Assert.Contains("2 of 4 right", CliRun.Of("grade", "--data", data).Out, StringComparison.Ordinal);
    }

    [Fact]
    public void Grade_BadRow_NamesTheLineOrSkipsIt()
    {
        string data = Path.Combine(TestData.NewFolder(), "rows.jsonl");
        File.WriteAllText(data, "{\"prediction\": \"1\", \"gold\": \"1\"}\n{\"prediction\": \"1\"}\nnonsense\n");
        CliRun.Of("grade", "--data", data).AssertRefused(data + ":2", "gold is missing");
        JsonElement json = CliRun.Of("grade", "--data", data, "--skip-bad-rows", "--json").Json;
        Assert.Equal((1, 2), (json.GetProperty("rows").GetInt32(), json.GetProperty("skipped_rows").GetInt32()));
    }

    [Fact]
    public void Diagnose_RandomModel_IsNearlyUniform()
    {
        var model = new CliTextModel();
        string folder = model.At("diagnosis");
        JsonElement json = CliRun.Of("diagnose", "--model", model.Folder, "--data", model.WriteRows(3), "--out", folder, "--json").Json;
        // Weights of size 0.02 leave the logits near zero: the entropy is that of 320 equal tokens.
        Assert.InRange(json.GetProperty("mean_entropy").GetDouble(), Math.Log(320) - 0.05, Math.Log(320));
        Assert.Equal((0, 1), (json.GetProperty("deterministic").GetDouble(), json.GetProperty("ambiguous").GetDouble()));
        Assert.InRange(json.GetProperty("top2_mass").GetDouble(), 2.0 / 320, 4.0 / 320);
        Assert.Equal(json.GetProperty("positions").GetInt32(), json.GetProperty("histogram").GetProperty("counts").EnumerateArray().Sum(count => count.GetInt32()));
        Assert.True(File.Exists(Path.Combine(folder, "report.html")));
    }

    [Fact]
    public void Diagnose_Limit_MovesTheShares()
    {
        var model = new CliTextModel();
        JsonElement json = CliRun.Of("diagnose", "--model", model.Folder, "--data", model.WriteRows(3), "--deterministic", "10", "--limit", "1", "--json").Json;
        Assert.Equal(1, json.GetProperty("deterministic").GetDouble());
        Assert.Equal(JsonValueKind.Null, json.GetProperty("top2_mass_ambiguous").ValueKind);
    }

    private static CliRun Rl(CliTextModel model, string ollm, string folder, params string[] more) => CliRun.Of(Arguments(model, ollm, folder, more));

    private static string[] Arguments(CliTextModel model, string ollm, string folder, params string[] more) =>
    [
        "rl", "--model", model.Folder, "--ollm", ollm, "--data", model.WriteRows(6), "--out", folder, "--batch-size", "2", "--rollouts", "3",
        "--max-tokens", "8", .. more,
    ];

    private static JsonElement[] Metrics(string folder) =>
        [.. File.ReadAllLines(Path.Combine(folder, "metrics.jsonl")).Select(line => JsonDocument.Parse(line).RootElement)];

    private static string[] Names(JsonElement json, string property) => [.. json.GetProperty(property).EnumerateObject().Select(field => field.Name)];
}
