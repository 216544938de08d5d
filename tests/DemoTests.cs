using System.Text.Json;
using OllmNative.Cli;
using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Tests;

/// <summary>The demo with a few steps: what it leaves in its folder, and the names in its last line.</summary>
public class DemoTests
{
    private static readonly DemoOptions Small = new() { TrainingRows = 200, EvaluationProblems = 12, TrainSteps = 3, RowsPerStep = 16, RlSteps = 2, ShownProblems = 1 };

    [Fact]
    public void Run_FewSteps_WritesEveryFolderAndTheNamedFigures()
    {
        string folder = TestData.NewFolder();
        using ModelSession session = ModelSession.Open(ServerHost.TinyModel);
        DemoResult result = new DemoRun(session.Backbone, session.Tokenizer, Small, folder).Run();

        JsonElement json = JsonDocument.Parse(JsonOutput.Serialize(DemoReport.Json(result, Small.Samples))).RootElement;
        Assert.Equal(["token_accuracy", "before_rl", "after_rl", "k1", "seconds"], Names(json));
        Assert.Equal(["backbone", "policy", "encoder", "oracle"], Names(json.GetProperty("token_accuracy")));
        Assert.Equal(
            ["backbone_greedy", "backbone_sampled", "backbone_pass@8", "policy_greedy", "policy_sampled", "policy_pass@8"], Names(json.GetProperty("before_rl")));
        Assert.Equal(["policy_greedy", "policy_sampled", "policy_pass@8"], Names(json.GetProperty("after_rl")));
        Assert.Equal(["policy_greedy", "policy_sampled"], Names(json.GetProperty("k1")));

        Assert.Equal(Small.TrainSteps, Lines(folder, "ollm", "metrics.jsonl").Length);
        Assert.Equal(Small.TrainSteps, Lines(folder, "baseline", "metrics.jsonl").Length);
        string[] rl = Lines(folder, "ollm-rl", "metrics.jsonl");
        Assert.Equal(result.Rl.Select(line => line.Reward), rl.Select(line => JsonDocument.Parse(line).RootElement.GetProperty("reward").GetDouble()));
        foreach (string name in (string[])["ollm", "ollm-rl"])
        {
            using ModelSession trained = ModelSession.Open(ServerHost.TinyModel, Path.Combine(folder, name));
            Assert.Equal(new DemoOptions().Options, trained.Ollm!.Shape.Options);
        }
        Assert.Equal(Small.ShownProblems, result.Traces.Count);
    }

    private static string[] Names(JsonElement value) => [.. value.EnumerateObject().Select(property => property.Name)];

    private static string[] Lines(params string[] path) => File.ReadAllLines(Path.Combine(path));
}
