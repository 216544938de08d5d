using System.Text.Json;
using OllmNative.Training;

namespace OllmNative.Tests;

/// <summary>Intervals, groups, judges' files and the log of an evaluation.</summary>
public sealed class EvaluationTests
{
    private static MethodAnswers Answers(string greedy, bool right, params bool[] samples) =>
        new(greedy, right, [.. samples.Select((_, i) => $"{greedy} sample {i}")], samples, 0);

    private static EvalResult Result(int row, bool right, params bool[] samples) =>
        new() { Row = row, Line = row, Key = $"k{row}", ExpectedAnswer = "5", Backbone = Answers($"out {row}", right, samples) };

    private static DataRow Row(int line, params (string Name, string Value)[] extra) => new()
    {
        Line = line, Kind = RowKind.Math, Problem = $"problem {line}", Completion = "solution", ExpectedAnswer = "5", Extra = extra.ToDictionary(pair => pair.Name, pair => pair.Value),
    };

    [Fact]
    public void Bootstrap_CoinFlips_CoversTheBinomialInterval()
    {
        // 400 problems, 30 % right: the standard error is 0.0229, the 95 % interval 0.255 to 0.345.
        (double, double)[] parts = [.. Enumerable.Range(0, 400).Select(i => (i % 10 < 3 ? 1.0 : 0.0, 1.0))];
        Estimate estimate = new Bootstrap(2000, 1).Of(parts);
        Assert.Equal(0.3, estimate.Value, 12);
        Assert.InRange(estimate.Low, 0.245, 0.265);
        Assert.InRange(estimate.High, 0.335, 0.355);
        Assert.Equal(estimate, new Bootstrap(2000, 1).Of(parts));
        Assert.NotEqual(estimate, new Bootstrap(2000, 2).Of(parts));
        Assert.True(double.IsNaN(new Bootstrap(0, 1).Of(parts).Low));
    }

    [Fact]
    public void Bootstrap_UnequalWeights_IsTheRatioOfSums()
    {
        Estimate estimate = new Bootstrap(500, 3).Of([(1, 1), (0, 99)]);
        Assert.Equal(0.01, estimate.Value, 12);
        Assert.Equal((0, 1), (estimate.Low, estimate.High)); // Two problems: a resample may hold only one of them.
    }

    [Fact]
    public void PassAt_AllSubsets_IsTheShareWithARightOne()
    {
        MethodAnswers answers = Answers("x", false, true, false, false, true, false);
        Assert.Equal(0.4, answers.PassAt(1), 12);
        Assert.Equal(1 - 3.0 / 10, answers.PassAt(2), 12); // C(3, 2) of C(5, 2) pairs hold none.
        Assert.Equal(1, answers.PassAt(4), 12);
        Assert.Equal(0, Answers("x", true, false, false).PassAt(2), 12);
    }

    [Fact]
    public void Summary_Rows_AgreesWithCounts()
    {
        EvalResult[] results = [Result(1, true, true, false), Result(2, false, false, false), Result(3, false, true, true)];
        var summary = new EvalSummary(results, withOllm: false, 2, new Bootstrap(100, 0));
        Assert.Equal(3, summary.Problems);
        Assert.Equal([1 / 3.0, 0.5, 2 / 3.0], summary.AnswerAccuracy!.Values.Select(figure => figure.Value));
        Assert.Equal(["backbone_greedy", "backbone_sampled", "backbone_pass@2"], summary.AnswerAccuracy.Keys);
        Assert.Equal(0.5, summary.PassAtK!["backbone"][0], 12);
        Assert.Equal(2 / 3.0, summary.PassAtK["backbone"][1], 12);
        Assert.Null(summary.TokenAccuracy);
        Assert.Null(summary.Differences);
    }

    [Fact]
    public void Groups_OmniMath_AreTiersAndAreas()
    {
        (EvalResult, DataRow)[] problems =
        [
            (Result(1, true), Row(1, ("difficulty", "4.5"), ("domain", "Mathematics -> Algebra -> Other; Mathematics -> Number Theory"))),
            (Result(2, true), Row(2, ("difficulty", "8.25"), ("domain", "Mathematics -> Algebra -> Sets; Mathematics -> Algebra -> Other"))),
            (Result(3, true), Row(3, ("difficulty", "3"))),
            (Result(4, true), Row(4, ("difficulty", "5.0"))),
        ];
        var tables = ProblemGroups.Of(problems).ToDictionary(table => table.Column, table => table.Groups);
        Assert.Equal(["1 to 3: 1", "above 3 to 5: 2", "above 7 to 10: 1"], tables["difficulty"].Select(group => $"{group.Value}: {group.Rows.Count}"));
        Assert.Equal(["Algebra: 2", "Number Theory: 1"], tables["domain"].Select(group => $"{group.Value}: {group.Rows.Count}"));
        Assert.Equal(["difficulty", "domain"], tables.Keys);
    }

    [Theory]
    [InlineData("## Student Final Answer\n216\n\n## Equivalence Judgement\nFALSE\n\n## Justification\nTRUE would be wrong", false)]
    [InlineData("## Equivalence Judgement\n**TRUE**", true)]
    [InlineData("## Student Final Answer\n5\n## Equivalence Judgement\n\nTrue\n", true)]
    [InlineData("## Equivalence Judgement\nmaybe", null)]
    [InlineData("no report", null)]
    public void VerdictOf_Report_ReadsTheJudgement(string report, bool? verdict) => Assert.Equal(verdict, JudgeFile.VerdictOf(report));

    [Fact]
    public void Judge_ExportedRows_ComeBackInEveryForm()
    {
        string folder = TestData.NewFolder(), exported = Path.Combine(folder, "judge.jsonl"), judged = Path.Combine(folder, "judged.jsonl");
        (EvalResult Result, DataRow Row)[] problems =
        [
            (Result(1, true, true, false), Row(1, ("difficulty", "4.5"), ("domain", "a; b"), ("source", "HMMT"))), (Result(2, false, false, false), Row(2)), (Result(3, true, false, false), Row(3)),
        ];
        Assert.Equal(9, JudgeFile.Export(exported, problems, "Q {{Problem}} A {{Reference Answer}} S {{Solution}}"));
        JsonElement[] rows = [.. File.ReadLines(exported).Select(line => JsonSerializer.Deserialize<JsonElement>(line))];
        Assert.Equal(
            ["domain", "difficulty", "problem", "solution", "answer", "source", "model_generation", "model", "row", "original_json", "prompt"],
            rows[0].EnumerateObject().Select(field => field.Name));
        Assert.Equal((4.5, 2, "HMMT"), (rows[0].GetProperty("difficulty").GetDouble(), rows[0].GetProperty("domain").GetArrayLength(), rows[0].GetProperty("source").GetString()));
        Assert.Equal("Q problem 1 A 5 S out 1", rows[0].GetProperty("prompt").GetString());

        // The judge disagrees about row 1's greedy output; row 3 is not judged.
        File.WriteAllLines(judged,
        [
            JsonSerializer.Serialize(new { problem = "problem 1", model_generation = "out 1", omni_judge = "## Equivalence Judgement\nFALSE" }),
            JsonSerializer.Serialize(new { original_json = rows[1].GetProperty("original_json").GetString(), gen = "## Equivalence Judgement\nTRUE" }),
            JsonSerializer.Serialize(new { problem = "problem 1", model_generation = "out 1 sample 1", judgement = "FALSE" }),
            JsonSerializer.Serialize(new { problem = "problem 2", model_generation = "out 2", judgement = false }),
            JsonSerializer.Serialize(new { problem = "other", model_generation = "out", judgement = "TRUE" }),
        ]);
        IReadOnlyList<(string Name, Func<EvalResult, double> Of)> names = new EvalSummary([.. problems.Select(p => p.Result)], false, 2, new Bootstrap(0, 0)).AnswerNames;
        var comparison = new JudgeComparison(judged, JudgeFile.Import(judged), problems, names);
        Assert.Equal((4, 1), (comparison.Outputs, comparison.Unknown));
        Assert.Equal((1, 2, 1, 0), (comparison.BothRight, comparison.BothWrong, comparison.OnlyChecker, comparison.OnlyJudge));
        Assert.Equal(0.75, comparison.Agreement);
        Assert.Equal(new JudgedAccuracy(2, 0.5, 0), comparison.Accuracy["backbone_greedy"]);
        Assert.Equal(new JudgedAccuracy(1, 0.5, 0.5), comparison.Accuracy["backbone_sampled"]); // Only row 1's samples are judged.
        File.WriteAllText(judged, """{"problem": "other", "model_generation": "x", "judgement": "TRUE"}""");
        Assert.Contains("none of its 1 verdicts", FormatsFiles.Error(() => _ = new JudgeComparison(judged, JudgeFile.Import(judged), problems, names)), StringComparison.Ordinal);
        File.WriteAllText(judged, "{\"problem\": \"p\", \"model_generation\": \"x\"}\n");
        Assert.Contains("judged.jsonl:1: not a judged row", FormatsFiles.Error(() => JudgeFile.Import(judged)), StringComparison.Ordinal);
    }

    [SkippableFact]
    public void Import_GptJudgements_HasAllVerdicts()
    {
        string path = TestData.Require("omni_math", "omni_math_gpt4o_judgements_200.jsonl");
        IReadOnlyDictionary<(string Problem, string Output), bool> verdicts = JudgeFile.Import(path);
        Assert.Equal(24, verdicts.Values.Count(right => right));
        foreach (string line in File.ReadLines(path))
        {
            JsonElement row = JsonSerializer.Deserialize<JsonElement>(line);
            Assert.Equal(row.GetProperty("judgement").GetString() == "TRUE", JudgeFile.VerdictOf(row.GetProperty("gpt4o_report").GetString()!));
        }
    }

    [Fact]
    public void Log_BrokenEnd_KeepsWholeRows()
    {
        string folder = TestData.NewFolder(), results = Path.Combine(folder, EvalLog.ResultsFile);
        var settings = new Dictionary<string, string> { ["--samples"] = "2" };
        EvalResult full = Result(2, true, true, false) with { Tokens = new TokenHits(9, 1, 2, 3, 4), Policy = Answers("p", false, true, true) };
        using (EvalLog log = EvalLog.Open(folder, settings, withOllm: true, resume: false))
        {
            log.Write(full);
            log.Write(new EvalResult { Row = 1, Line = 7, Key = "t", Tokens = new TokenHits(3, 1, 1, 1, 1) });
        }
        File.AppendAllText(results, "{\"row\": 3, \"li");
        using (EvalLog log = EvalLog.Open(folder, settings, withOllm: true, resume: true))
        {
            Assert.Equal([1, 2], log.Kept.Keys.Order());
            EvalResult read = log.Find(2, "k2")!;
            Assert.Equal(JsonSerializer.Serialize(full), JsonSerializer.Serialize(read));
            Assert.Null(log.Find(3, "x"));
            Assert.Contains("row 2", FormatsFiles.Error(() => log.Find(2, "other")), StringComparison.Ordinal);
            log.Finish(log.Kept.Values);
        }
        Assert.Equal([1, 2], File.ReadLines(results).Select(line => JsonSerializer.Deserialize<JsonElement>(line).GetProperty("row").GetInt32()));
        string error = FormatsFiles.Error(() => EvalLog.Open(folder, new Dictionary<string, string> { ["--samples"] = "4" }, true, resume: true).Dispose());
        Assert.Contains("--samples 2, this run has 4", error, StringComparison.Ordinal);
        File.WriteAllText(results, "nonsense\n");
        Assert.Contains("results.jsonl:1", FormatsFiles.Error(() => EvalLog.Open(folder, settings, true, resume: true).Dispose()), StringComparison.Ordinal);
    }
}
