using System.Text.Json;
using OllmNative.Model;
using OllmNative.Model.Cpu;
using OllmNative.Training;

namespace OllmNative.Tests;

/// <summary>ollm eval: an independent count, stopping and going on, judges; and what data options select.</summary>
public class CliEvalTests
{
    [Fact]
    public void Eval_RandomModel_AgreesWithAnIndependentCount()
    {
        var model = new CliTextModel();
        string ollm = model.NewOllm(), data = model.WriteRows(5), folder = model.At("eval");
        CliRun run = CliRun.Of("eval", "--model", model.Folder, "--ollm", ollm, "--data", data, "--samples", "2", "--max-tokens", "5", "--out", folder, "--json");
        Assert.True(run.Code == 0, run.Error);
        JsonElement[] results = Results(folder);

        using var device = new CpuDevice(1);
        using QwenBackbone backbone = QwenBackbone.Load(device, model.Folder);
        using OllmModel modules = OllmModel.Load(backbone, ollm);
        Tokenizer tokenizer = Tokenizer.Load(model.Folder);
        var encoder = new RowEncoder(backbone.Config, tokenizer, ChatFormat.Detect(model.Folder));
        int targets = 0, right = 0, greedyRight = 0;
        foreach ((DataRow row, JsonElement result) in RowReader.Read(data).Zip(results))
        {
            // Token accuracy: one forward pass over the row, position by position.
            TokenRow tokens = encoder.Encode(row);
            (_, float[] logits) = Reference.Forward(backbone, tokens.Tokens);
            int[] predicted = [.. logits.Chunk(backbone.Config.VocabSize).Select(one => Array.IndexOf(one, one.Max()))];
            int hits = Enumerable.Range(tokens.FirstTarget, tokens.Targets).Count(t => predicted[t - 1] == tokens.Tokens[t]);
            Assert.Equal((tokens.Targets, hits), (result.GetProperty("targets").GetInt32(), result.GetProperty("backbone_tokens_right").GetInt32()));
            (targets, right) = (targets + tokens.Targets, right + hits);

            // The greedy answer: the whole sequence again for every token.
            List<int> sequence = [.. encoder.EncodePrompt(row)];
            var answer = new List<int>();
            for (int step = 0; step < 5; step++)
            {
                float[] last = Reference.Forward(backbone, [.. sequence]).Logits[^backbone.Config.VocabSize..][..tokenizer.VocabularySize];
                int next = Array.IndexOf(last, last.Max());
                if (encoder.StopTokens.Contains(next)) break;
                sequence.Add(next);
                answer.Add(next);
            }
            string text = tokenizer.Decode([.. answer]);
            Assert.Equal(text, result.GetProperty("backbone_greedy").GetString());
            bool isRight = AnswerChecker.Equivalent(text, row.ExpectedAnswer);
            Assert.Equal(isRight, result.GetProperty("backbone_greedy_right").GetBoolean());
            greedyRight += isRight ? 1 : 0;
        }
        Assert.Equal(right / (double)targets, run.Json.GetProperty("token_accuracy").GetProperty("backbone").GetDouble(), 12);
        Assert.Equal(greedyRight / 5.0, run.Json.GetProperty("answer_accuracy").GetProperty("backbone_greedy").GetDouble(), 12);
        double[] interval = [.. run.Json.GetProperty("confidence").GetProperty("token_accuracy").GetProperty("backbone").EnumerateArray().Select(end => end.GetDouble())];
        Assert.InRange(right / (double)targets, interval[0], interval[1]);
    }

    [Fact]
    public async Task Eval_StoppedAndResumed_GivesTheSameResults()
    {
        var model = new CliTextModel();
        string ollm = model.NewOllm(), data = model.WriteRows(30), whole = model.At("whole"), parts = model.At("parts");
        string[] Args(string folder, params string[] more) =>
            ["eval", "--model", model.Folder, "--ollm", ollm, "--data", data, "--samples", "3", "--max-tokens", "60", "--threads", "1", "--out", folder, .. more];
        Assert.Equal(0, CliRun.Of(Args(whole)).Code);

        using var stop = new CancellationTokenSource();
        Task<CliRun> running = Task.Run(() => CliRun.Until("", [.. Args(parts), "--json"], stop.Token));
        string results = Path.Combine(parts, "results.jsonl");
        while (!running.IsCompleted && !(File.Exists(results) && new FileInfo(results).Length > 0)) await Task.Delay(1);
        await stop.CancelAsync();
        CliRun stopped = await running;
        if (stopped.Code != 0)
        {
            // What was graded before the signal is there in whole lines; a line cut short, as by a kill, is graded again.
            Assert.Equal(130, stopped.Code);
            Assert.Contains("--resume", stopped.Error, StringComparison.Ordinal);
            Assert.Empty(stopped.Out);
        }
        Assert.True(File.ReadAllLines(results).Length is > 0 and <= 30);
        using (FileStream file = File.Open(results, FileMode.Open)) file.SetLength(file.Length - 5);
        CliRun resumed = CliRun.Of([.. Args(parts, "--resume"), "--json"]);
        Assert.True(resumed.Code == 0, resumed.Error);
        Assert.InRange(resumed.Json.GetProperty("kept_rows").GetInt32(), 0, 29);
        Assert.Equal(File.ReadAllText(Path.Combine(whole, "results.jsonl")), File.ReadAllText(results));

        // Once more: everything is kept, other options are refused, and so is starting anew without being told.
        Assert.Equal(30, CliRun.Of([.. Args(parts, "--resume"), "--json"]).Json.GetProperty("kept_rows").GetInt32());
        Assert.Equal(4, CliRun.Of([.. Args(parts, "--resume", "--limit", "4"), "--json"]).Json.GetProperty("rows").GetInt32());
        Assert.Equal(30, File.ReadAllLines(results).Length);
        CliRun.Of(Args(parts, "--resume", "--seed", "9")).AssertRefused("--seed 0, this run has 9");
        CliRun.Of(Args(parts)).AssertRefused("--resume", "--force", parts);
        model.WriteRows(31);
        File.WriteAllLines(data, File.ReadAllLines(data).Skip(1));
        CliRun.Of(Args(parts, "--resume")).AssertRefused("row 1", "other contents");
    }

    [Fact]
    public void Eval_JudgeExportAndImport_ReportsBothAccuracies()
    {
        var model = new CliTextModel();
        string folder = model.At("eval"), exported = model.At("judge/in.jsonl"), judged = model.At("judged.jsonl");
        string[] args = ["eval", "--model", model.Folder, "--data", model.WriteRows(4), "--samples", "1", "--max-tokens", "5", "--out", folder, "--json"];
        Assert.Equal(0, CliRun.Of([.. args, "--judge-export", exported]).Code);
        File.WriteAllLines(judged, File.ReadLines(exported).Select(line =>
        {
            JsonElement row = JsonSerializer.Deserialize<JsonElement>(line);
            bool right = row.GetProperty("row").GetInt32() <= 3;
            return JsonSerializer.Serialize(new { problem = row.GetProperty("problem").GetString(), model_generation = row.GetProperty("model_generation").GetString(), judgement = right ? "TRUE" : "FALSE" });
        }));
        CliRun run = CliRun.Of([.. args, "--resume", "--judge-import", judged]);
        Assert.True(run.Code == 0, run.Error);
        JsonElement accuracy = run.Json.GetProperty("judge").GetProperty("accuracy").GetProperty("backbone_greedy");
        Assert.Equal((4, 0.75), (accuracy.GetProperty("problems").GetInt32(), accuracy.GetProperty("judge").GetDouble()));
        Assert.Equal(run.Json.GetProperty("answer_accuracy").GetProperty("backbone_greedy").GetDouble(), accuracy.GetProperty("checker").GetDouble());
        Assert.Contains("Judge", File.ReadAllText(Path.Combine(folder, "report.html")), StringComparison.Ordinal);
        CliRun.Of([.. args, "--resume", "--judge-import", model.At("missing.jsonl")]).AssertRefused("missing.jsonl: no such file");
        File.WriteAllText(model.At("template.txt"), "{{Problem}} only");
        CliRun.Of([.. args, "--resume", "--judge-export", exported, "--judge-template", model.At("template.txt")]).AssertRefused("{{Reference Answer}}");
    }

    [Fact]
    public void Eval_DifficultyAndDomain_HaveTables()
    {
        var model = new CliTextModel();
        string data = model.At("omni.jsonl");
        File.WriteAllLines(data, Enumerable.Range(1, 4).Select(i => JsonSerializer.Serialize(new
        {
            domain = (string[])[i % 2 == 0 ? "Mathematics -> Algebra -> x" : "Mathematics -> Geometry"], difficulty = 2.5 * i, problem = $"{i}", solution = $"the answer is {i}", answer = $"{i}", source = "s",
        })));
        string folder = model.At("eval");
        CliRun run = CliRun.Of("eval", "--model", model.Folder, "--data", data, "--samples", "2", "--max-tokens", "4", "--out", folder, "--json");
        Assert.True(run.Code == 0, run.Error);
        JsonElement groups = run.Json.GetProperty("groups");
        Assert.Equal(["1 to 3", "above 3 to 5", "above 7 to 10"], groups.GetProperty("difficulty").EnumerateArray().Select(group => group.GetProperty("value").GetString()));
        Assert.Equal([2, 2], groups.GetProperty("domain").EnumerateArray().Select(group => group.GetProperty("problems").GetInt32()));
        Assert.Contains("By difficulty", File.ReadAllText(Path.Combine(folder, "report.html")), StringComparison.Ordinal);
        Assert.Contains("Geometry", CliRun.Of("eval", "--model", model.Folder, "--data", data, "--samples", "0", "--max-tokens", "4").Out, StringComparison.Ordinal);
    }

    [Fact]
    public void Eval_Filters_SelectRowsOrSayThatNoneIsLeft()
    {
        var model = new CliTextModel();
        string data = model.At("rows.jsonl");
        File.WriteAllLines(data, Enumerable.Range(0, 6).Select(i => JsonSerializer.Serialize(new
        {
            expected_answer = i == 5 ? null : $"{i}", problem_type = i % 2 == 0 ? "has_answer_extracted" : "converted_proof", pass_rate_72b_tir = i == 4 ? "n/a" : $"0.{i}",
            problem = $"{i}", generated_solution = $"<think>the thing</think>{i}", inference_mode = "cot", used_in_kaggle = true,
        })));
        JsonElement Rows(params string[] more) => CliRun.Of(["eval", "--model", model.Folder, "--data", data, "--samples", "0", "--max-tokens", "2", "--json", .. more]).Json;
        Assert.Equal(6, Rows().GetProperty("rows").GetInt32());
        Assert.Equal(3, Rows("--problem-type", "has_answer_extracted").GetProperty("rows").GetInt32());
        Assert.Equal(2, Rows("--problem-type", "has_answer_extracted,converted_proof", "--min-pass-rate", "0.25", "--inference-mode", "cot").GetProperty("rows").GetInt32());
        CliRun.Of("eval", "--model", model.Folder, "--data", data, "--inference-mode", "tir").AssertRefused("6 left out", "--inference-mode");
        CliRun.Of("eval", "--model", model.Folder, "--data", data, "--min-pass-rate", "2").AssertRefused("--min-pass-rate");
    }

    [Fact]
    public void Train_ValidationRows_LogsLossesThatDoNotChangeTheRun()
    {
        var model = new CliTextModel();
        string data = model.WriteRows(20);
        string[] Args(string name, params string[] more) =>
        [
            "train", "--model", model.Folder, "--data", data, "--out", model.At(name), "--options", "3", "--latent-width", "8", "--steps", "5", "--batch-size", "4", "--lr", "0.01", "--json", .. more,
        ];
        CliRun often = CliRun.Of(Args("often", "--validation-rows", "6", "--validation-every", "2"));
        Assert.True(often.Code == 0, often.Error);
        Assert.Equal(0, CliRun.Of(Args("once", "--validation-rows", "6", "--validation-every", "0")).Code);
        JsonElement[] lines = [.. File.ReadLines(Path.Combine(model.At("often"), "metrics.jsonl")).Select(line => JsonSerializer.Deserialize<JsonElement>(line))];
        Assert.Equal([2, 4, 5], lines.Where(line => line.TryGetProperty("validation_ce", out _)).Select(line => line.GetProperty("step").GetInt32()));
        Assert.Equal(14, often.Json.GetProperty("rows").GetInt32());
        Assert.InRange(lines[^1].GetProperty("validation_ce").GetDouble(), 0.1, Math.Log(320) + 1);
        Assert.Equal(File.ReadAllBytes(Path.Combine(model.At("often"), "ollm.safetensors")), File.ReadAllBytes(Path.Combine(model.At("once"), "ollm.safetensors")));
        Assert.Contains("rows that are not learned", File.ReadAllText(Path.Combine(model.At("often"), "report.html")), StringComparison.Ordinal);
        CliRun.Of(Args("none", "--validation-rows", "20")).AssertRefused("--validation-rows 20");
    }

    private static JsonElement[] Results(string folder) => [.. File.ReadLines(Path.Combine(folder, "results.jsonl")).Select(line => JsonSerializer.Deserialize<JsonElement>(line))];
}
