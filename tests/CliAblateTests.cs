using System.Text.Json;
using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Tests;

/// <summary>ollm ablate with runs of a few steps.</summary>
public class CliAblateTests
{
    [Fact]
    public void Ablate_SmallStudies_HaveFiguresAndAreNotRunTwice()
    {
        string folder = TestData.NewFolder();
        CliRun run = Ablate(folder, "--json");
        Assert.True(run.Code == 0, run.Error);
        JsonElement studies = run.Json.GetProperty("studies");
        Assert.Equal(["K = 1", "K = 10"], studies.GetProperty("options").EnumerateArray().Select(one => one.GetProperty("case").GetString()));
        JsonElement options = studies.GetProperty("options")[1].GetProperty("figures");
        Assert.InRange(options.GetProperty("effective_options").GetProperty("mean").GetDouble(), 1, 10.001);
        Assert.InRange(options.GetProperty("token_oracle").GetProperty("mean").GetDouble(), options.GetProperty("token_encoder").GetProperty("mean").GetDouble(), 1);
        Assert.Equal(3, studies.GetProperty("rl").GetArrayLength());
        foreach (JsonElement one in studies.GetProperty("rl").EnumerateArray())
        {
            Assert.Equal(16, one.GetProperty("figures").GetProperty("rollouts").GetProperty("mean").GetDouble());
            Assert.InRange(one.GetProperty("figures").GetProperty("after_pass@2").GetProperty("mean").GetDouble(), 0, 1);
        }
        string page = File.ReadAllText(Path.Combine(folder, "report.html"));
        Assert.Contains("RL on options against RL on tokens", page, StringComparison.Ordinal);

        DateTime[] before = Written(folder);
        CliRun again = Ablate(folder);
        Assert.Contains("options, credit by token", again.Out, StringComparison.Ordinal);
        Assert.Equal(before, Written(folder));
        Ablate(folder, "--samples", "3").AssertRefused("samples 2, this study has 3", "--force");
        File.WriteAllText(Directory.GetFiles(Path.Combine(folder, "runs"))[0], "{");
        Ablate(folder).AssertRefused("is no result of a study", Path.Combine(folder, "runs"));
    }

    [Theory]
    [InlineData("'heat' is not known", "--study", "options,heat")]
    [InlineData("'x' is not a number", "--options", "1,x")]
    [InlineData("--kl-targets", "--kl-targets", "-1")]
    [InlineData("--betas", "--betas", "0")]
    public void Ablate_BadValue_IsRefused(string word, string flag, string value) => CliRun.Of("ablate", "--out", TestData.NewFolder(), flag, value).AssertRefused(word);

    [Fact]
    public void MatchedWidth_TinyModel_DecoderHasAsManyNumbersAsThePolicy()
    {
        foreach (int d in (int[])[96, 1536])
        {
            long policy = Count(new OllmShape(d, OllmShape.DefaultLatentWidth(d), 10, 1e-6f), "policy"), decoder = Count(new OllmShape(d, StudyLab.MatchedWidth(d), 1, 1e-6f), "decoder");
            Assert.InRange(decoder / (double)policy, 0.995, 1.005);
        }

        static long Count(OllmShape shape, string module) =>
            shape.Tensors.Where(t => t.Name.StartsWith(module, StringComparison.Ordinal)).Sum(t => t.Shape.Aggregate(1L, (product, extent) => product * extent));
    }

    [Fact]
    public void IsWorkedSolution_RowsAndOtherTexts_AreToldApart()
    {
        foreach (TinyRow row in TinyWorld.Generate(50, seed: 4)) Assert.True(TinyWorld.IsWorkedSolution(row.Problem, row.GeneratedSolution), row.GeneratedSolution);
        Assert.True(TinyWorld.IsWorkedSolution("2 + 3 * 6", @"First 3*6=18, then 2+18=20: \boxed{20}"));
        Assert.False(TinyWorld.IsWorkedSolution("2 + 3 * 6", @"First 3*6=18, then 2+18=21: \boxed{21}"));
        Assert.False(TinyWorld.IsWorkedSolution("2 + 3 * 6", @"\boxed{20}"));
        Assert.False(TinyWorld.IsWorkedSolution("2 + 3", @"\boxed{5}"));
    }

    private static CliRun Ablate(string folder, params string[] more) => CliRun.Of(
    [
        "ablate", "--out", folder, "--study", "options,rl", "--options", "1,10", "--seeds", "1", "--steps", "2", "--rl-steps", "2", "--batch-size", "1", "--rows", "80",
        "--problems", "6", .. more.Contains("--samples") ? more : ["--samples", "2", .. more],
    ]);

    private static DateTime[] Written(string folder) => [.. Directory.GetFiles(Path.Combine(folder, "runs")).Order().Select(File.GetLastWriteTimeUtc)];
}
