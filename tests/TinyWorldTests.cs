using System.Text.Json;
using System.Text.RegularExpressions;
using OllmNative.Training;

namespace OllmNative.Tests;

public class TinyWorldTests
{
    private const int Rows = 20_000;
    private static readonly Lazy<TinyRow[]> Train = new(() => [.. TinyWorld.Generate(Rows, seed: 3)]);
    private static readonly Lazy<TinyRow[]> HeldOut = new(() => [.. TinyWorld.Generate(Rows, seed: 3, TinySplit.HeldOut)]);

    [Theory]
    [InlineData(TinySplit.Train)]
    [InlineData(TinySplit.HeldOut)]
    public void Generate_ManyRows_HasTheSharesOfTheDesign(TinySplit split)
    {
        TinyRow[] rows = Of(split);
        TinyRow[] conflicts = [.. rows.Where(r => r.Conflict)];
        double precedence = conflicts.Count(r => r.Strategy == TinyWorld.Precedence) / (double)conflicts.Length;
        // Five standard deviations of a share of 20,000 (16,000) draws are 0.014 (0.020); the held-out problems are only 324,
        // so their mix of last factors moves the second share by a little more.
        Assert.InRange(conflicts.Length / (double)rows.Length, 0.786, 0.814);
        Assert.InRange(precedence, 0.42, 0.48);
    }

    [Theory]
    [InlineData(TinySplit.Train)]
    [InlineData(TinySplit.HeldOut)]
    public void Generate_EveryRow_ExpectsTheAnswerWithPrecedence(TinySplit split) =>
        Assert.All(Of(split), row => Assert.Equal(Evaluate(row.Problem, precedence: true).ToString(), row.ExpectedAnswer));

    [Fact]
    public void Generate_EveryRow_ConflictMeansThatTheStrategiesDisagree() => Assert.All(Train.Value, row =>
    {
        bool disagree = Evaluate(row.Problem, precedence: true) != Evaluate(row.Problem, precedence: false);
        Assert.Equal(disagree, row.Conflict);
        Assert.Equal(row.Conflict, row.Problem[6] == '*' && row.Problem[2] != '*');
    });

    [Fact]
    public void Generate_EverySolution_HasTrueStepsAndItsStrategysAnswer() => Assert.All(Train.Value, row =>
    {
        MatchCollection steps = Regex.Matches(row.GeneratedSolution, @"(-?\d+)([-+*])(-?\d+)=(-?\d+)");
        Assert.Equal(2, steps.Count);
        Assert.All(steps, s => Assert.Equal(int.Parse(s.Groups[4].Value), Apply(s.Groups[1].Value, s.Groups[2].Value[0], s.Groups[3].Value)));
        int answer = Evaluate(row.Problem, row.Strategy == TinyWorld.Precedence);
        Assert.EndsWith($@" \boxed{{{answer}}}", row.GeneratedSolution);
        Assert.Equal(answer.ToString(), steps[1].Groups[4].Value);
    });

    [Fact]
    public void Generate_SameSeed_GivesTheSameRowsAndAnotherSeedOthers()
    {
        TinyRow[] again = [.. TinyWorld.Generate(100, seed: 3)];
        Assert.Equal(Train.Value[..100], again);
        Assert.NotEqual(again, [.. TinyWorld.Generate(100, seed: 4)]);
    }

    [Fact]
    public void Generate_FirstRowOfSeedOne_NeverChanges()
    {
        // The committed backbone was trained on these rows; a change of the generator must be seen.
        TinyRow row = TinyWorld.Generate(1, seed: 1).Single();
        Assert.Equal("5 + 8 * 3", row.Problem);
        Assert.Equal(@"First 5+8=13, then 13*3=39: \boxed{39}", row.GeneratedSolution);
    }

    [Fact]
    public void Generate_TwoSplits_ShareNoProblemAndUseAllPhrasings()
    {
        Assert.Empty(Train.Value.Select(r => r.Problem).Intersect(HeldOut.Value.Select(r => r.Problem)));
        Assert.Equal(TinyWorld.PhrasingCount, Train.Value.Select(r => r.GeneratedSolution.Split(' ')[0]).Distinct().Count());
    }

    [Fact]
    public void Generate_DistinctHeldOut_Has300DifferentProblemsForManySeeds()
    {
        for (ulong seed = 0; seed < 20; seed++)
        {
            TinyRow[] rows = [.. TinyWorld.Generate(300, seed, TinySplit.HeldOut, distinct: true)];
            Assert.Equal(300, rows.Select(r => r.Problem).Distinct().Count());
        }
    }

    [Fact]
    public void Generate_DistinctWithMoreRowsThanProblems_Throws() =>
        Assert.Throws<InvalidOperationException>(() => TinyWorld.Generate(1000, 0, TinySplit.HeldOut, distinct: true).Count());

    [Fact]
    public void WriteJsonl_Rows_AreOneObjectALineInTheNamesOfOpenMathReasoning()
    {
        using var file = new MemoryStream();
        Assert.Equal(50, TinyWorld.WriteJsonl(file, Train.Value.Take(50)));
        string[] lines = System.Text.Encoding.UTF8.GetString(file.ToArray()).Split('\n');
        Assert.Equal(51, lines.Length);
        for (int i = 0; i < 50; i++)
        {
            JsonElement json = JsonDocument.Parse(lines[i]).RootElement;
            Assert.Equal(["problem", "generated_solution", "expected_answer", "conflict"], json.EnumerateObject().Select(p => p.Name));
            Assert.Equal(Train.Value[i].Problem, json.GetProperty("problem").GetString());
            Assert.Equal(Train.Value[i].GeneratedSolution, json.GetProperty("generated_solution").GetString());
            Assert.Equal(Train.Value[i].ExpectedAnswer, json.GetProperty("expected_answer").GetString());
            Assert.Equal(Train.Value[i].Conflict, json.GetProperty("conflict").GetBoolean());
        }
    }

    private static TinyRow[] Of(TinySplit split) => split == TinySplit.Train ? Train.Value : HeldOut.Value;

    /// <summary>An evaluator of its own, on the text of the problem.</summary>
    private static int Evaluate(string problem, bool precedence)
    {
        string[] t = problem.Split(' ');
        return precedence && t[3] == "*" && t[1] != "*"
            ? Apply(t[0], t[1][0], Apply(t[2], '*', t[4]).ToString())
            : Apply(Apply(t[0], t[1][0], t[2]).ToString(), t[3][0], t[4]);
    }

    private static int Apply(string x, char op, string y) => op switch
    {
        '+' => int.Parse(x) + int.Parse(y),
        '-' => int.Parse(x) - int.Parse(y),
        '*' => int.Parse(x) * int.Parse(y),
        _ => throw new ArgumentException($"operator {op}"),
    };
}
