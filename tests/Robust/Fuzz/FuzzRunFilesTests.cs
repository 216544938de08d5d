using System.Text;
using System.Text.Json.Nodes;
using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Tests;

/// <summary>Mutated files of runs that go on: the hidden-state cache, results of an evaluation, tensors of a checkpoint, metrics.</summary>
public sealed class FuzzRunFilesTests : IDisposable
{
    private readonly TinyBackbone _tiny = new(threads: 1);
    private readonly string _folder = TestData.NewFolder();

    public void Dispose() => _tiny.Dispose();

    /// <summary>A cache is never refused: what is not whole is made again. What it says that it has must be what was written.</summary>
    [Fact]
    public void HiddenCache_Mutated_IsUsedOrMadeAgain()
    {
        TokenRow[] rows = [.. Enumerable.Range(0, 5).Select(i => new TokenRow(_tiny.Tokens(3 + i), i % 3, i + 1))];
        int width = _tiny.Model.Config.HiddenSize;
        float[] States(int row) => [.. Enumerable.Range(0, rows[row].Targets * width).Select(i => (float)(i % 64 + row))];
        string complete;
        using (HiddenCache cache = HiddenCache.Open(_folder, _tiny.Model, rows))
        {
            for (int row = 0; row < rows.Length; row++) Assert.True(cache.Write(row, States(row)));
            complete = cache.Path;
        }
        byte[] whole = File.ReadAllBytes(complete), half = [.. whole];
        half.AsSpan(128 + 8 * 3, 16).Clear(); // Without the checksums of the last rows these are missing.
        FuzzRun.Of("hidden-cache", [whole, half], bytes =>
        {
            foreach (string file in Directory.GetFiles(_folder)) File.Delete(file);
            File.WriteAllBytes(bytes.Length % 2 == 0 ? complete : Path.ChangeExtension(complete, "0.partial"), bytes);
            using HiddenCache cache = HiddenCache.Open(_folder, _tiny.Model, rows);
            for (int row = 0; row < rows.Length; row++)
            {
                if (!cache.Has(row)) continue;
                var states = new float[rows[row].Targets * width];
                cache.Read(row, states);
                if (!states.AsSpan().SequenceEqual(States(row))) throw new InvalidOperationException($"row {row} has other states than were written");
            }
        }, refuses: false);
    }

    [Fact]
    public void EvalResults_Mutated_NeverCrash()
    {
        var settings = new Dictionary<string, string> { ["--samples"] = "2", ["ollm"] = "x" };
        var answers = new MethodAnswers("3", true, ["3", "4 \\boxed{4}"], [true, false], 0);
        using (EvalLog log = EvalLog.Open(_folder, settings, withOllm: true, resume: false))
        {
            log.Write(new EvalResult { Row = 1, Line = 1, Key = "a", Tokens = new TokenHits(9, 1, 2, 3, 4), ExpectedAnswer = "3", Backbone = answers, Policy = answers });
            log.Write(new EvalResult { Row = 2, Line = 3, Key = "b", Tokens = new TokenHits(4, 4, 4, 4, 4) });
        }
        string results = Path.Combine(_folder, EvalLog.ResultsFile), saved = Path.Combine(_folder, EvalLog.SettingsFile);
        byte[] goodSettings = File.ReadAllBytes(saved), goodResults = File.ReadAllBytes(results);
        FuzzRun.Of("eval-results", [goodResults, goodSettings], bytes =>
        {
            bool isSettings = bytes.AsSpan().IndexOf("--samples"u8) >= 0;
            File.WriteAllBytes(saved, isSettings ? bytes : goodSettings);
            File.WriteAllBytes(bytes.Length % 3 == 0 ? Path.Combine(_folder, "results.rank-0001.jsonl") : results, isSettings ? goodResults : bytes);
            using EvalLog log = EvalLog.Open(_folder, settings, withOllm: true, resume: true);
            var used = new List<EvalResult>();
            if (log.Find(1, "a") is { } first && first.Fits(9, problem: true, withOllm: true, samples: 2)) used.Add(first);
            if (log.Find(2, "b") is { } second && second.Fits(4, problem: false, withOllm: true, samples: 2)) used.Add(second);
            _ = new EvalSummary(used, withOllm: true, samples: 2, new Bootstrap(2, 1));
            log.Finish(used);
        });
    }

    [Fact]
    public void CheckpointTensors_MutatedAndSealedAnew_NeverCrash()
    {
        using OllmModel ollm = _tiny.NewOllm(3, 8);
        using OllmTensors first = new(_tiny.Device, ollm.Shape), second = new(_tiny.Device, ollm.Shape);
        string output = Path.Combine(_folder, "run");
        TrainingCheckpoint.Write(output, ollm, first, second, new TrainingState(3, 5, 0.5, 0, "a=b"), keep: 1);
        string checkpoint = TrainingCheckpoint.Newest(output)!.Location;
        string weights = Path.Combine(checkpoint, "ollm.safetensors"), moments = Path.Combine(checkpoint, "optimizer.safetensors"), state = Path.Combine(checkpoint, "state.json");
        byte[] goodWeights = File.ReadAllBytes(weights), goodMoments = File.ReadAllBytes(moments);
        JsonObject fields = (JsonObject)JsonNode.Parse(File.ReadAllText(state))!;
        foreach (string name in (string[])["sha256", "checksum"]) fields.Remove(name);
        FuzzRun.Of("checkpoint-tensors", [goodWeights, goodMoments], bytes =>
        {
            bool isMoments = bytes.AsSpan().IndexOf("first."u8) >= 0;
            File.WriteAllBytes(weights, isMoments ? goodWeights : bytes);
            File.WriteAllBytes(moments, isMoments ? bytes : goodMoments);
            SealedFolder.Seal(checkpoint, fields);
            TrainingCheckpoint newest = TrainingCheckpoint.Newest(output)!;
            using OllmModel loaded = OllmModel.Load(_tiny.Model, newest.Location);
            newest.Restore(loaded.Parameters, first, second, "a=b");
        });
    }

    [Fact]
    public void Metrics_Mutated_NeverCrash()
    {
        byte[] metrics = Encoding.UTF8.GetBytes("{\"step\":1,\"loss\":0.5,\"reward\":null,\"rollouts\":8}\n{\"step\":2,\"loss\":1e-3,\"greedy\":0.5,\"rollouts\":16,\"malformed\":0}\n");
        FuzzRun.Of("metrics", [metrics], bytes =>
        {
            File.WriteAllBytes(Path.Combine(_folder, RlRun.EvaluationsFile), bytes);
            RlRun.ReadEvaluations(_folder);
            File.WriteAllBytes(Path.Combine(_folder, RlRun.MetricsFile), bytes);
            _ = RlRun.ReadMetrics(_folder).Count();
            Cli.MetricsLog log = Cli.MetricsLog.Read(_folder);
            _ = (log.Last("loss"), log.Mean("loss"), log.Curves("loss", "reward"));
        });
    }

    [Fact]
    public void GradedAndJudgedRows_Mutated_NeverCrash()
    {
        byte[] grade = Encoding.UTF8.GetBytes("{\"prediction\": \"so \\\\boxed{3}\", \"gold\": \"3\"}\n{\"prediction\": \"x\", \"gold\": 4}\n");
        byte[] judge = Encoding.UTF8.GetBytes("{\"original_json\": \"{\\\"problem\\\": \\\"p\\\", \\\"model_generation\\\": \\\"g\\\"}\", \"gen\": \"## Equivalence Judgement\\nTRUE\"}\n");
        string path = Path.Combine(_folder, "rows.jsonl");
        FuzzRun.Of("grade", [grade], bytes =>
        {
            File.WriteAllBytes(path, bytes);
            CliRun run = CliRun.Of("grade", "--data", path, "--json");
            if (run.Code == 2) throw new OllmException(run.Error);
            if (run.Code != 0) throw new InvalidOperationException(run.Error);
        });
        FuzzRun.Of("judge", [grade, judge], bytes =>
        {
            File.WriteAllBytes(path, bytes);
            try
            {
                JudgeFile.Import(path);
            }
            catch (OllmException) when (bytes.AsSpan().SequenceEqual(grade) || bytes.AsSpan().SequenceEqual(judge))
            {
                // A seed need not be a judge's file; what it is turned into is what counts.
            }
        });
    }
}
