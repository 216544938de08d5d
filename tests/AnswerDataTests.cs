using System.Text.Json;
using OllmNative.Training;
using Xunit.Abstractions;

namespace OllmNative.Tests;

/// <summary>Agreement of the answer checker with the graders of public judged pairs and responses.</summary>
public sealed class AnswerDataTests(ITestOutputHelper output)
{
    [SkippableFact]
    public void Equivalent_JudgedPairs_AgreesWithGraders()
    {
        int total = 0;
        int agreed = 0;
        foreach (string line in File.ReadLines(TestData.Require("answer_equivalence.jsonl")))
        {
            using JsonDocument row = JsonDocument.Parse(line);
            JsonElement r = row.RootElement;
            bool expected = r.GetProperty("expected").GetBoolean();
            total++;
            if (AnswerChecker.Equivalent(r.GetProperty("prediction").GetString(), r.GetProperty("gold").GetString()) == expected) agreed++;
            else output.WriteLine($"{r.GetProperty("id")} {expected} {AnswerExtractor.Extract(r.GetProperty("prediction").GetString())} || {AnswerExtractor.Extract(r.GetProperty("gold").GetString())}");
        }

        output.WriteLine($"{agreed} of {total}");
        Assert.Equal(492, total);
        Assert.True(agreed >= 500, $"{agreed} of {total} pairs agree");
    }
}
