using System.Text.Json;

namespace OllmNative.Tests;

/// <summary><c>ollm bench</c> of whole models: what it prints, and that bad sizes are refused.</summary>
public sealed class CliBenchTests
{
    [Theory]
    [InlineData("prefill", "--tokens", "20")]
    [InlineData("decode", "--tokens", "3")]
    [InlineData("train", "--tokens", "16")]
    [InlineData("train", "--tokens", "16", "--cached")]
    public void Bench_TinyModel_PrintsRatesLimitsAndMemory(string part, params string[] flags)
    {
        JsonElement json = Run([part, "--repeats", "3", "--threads", "1", .. flags]);
        double median = json.GetProperty("tokens_per_second").GetDouble(), limit = json.GetProperty("limit").GetDouble();
        Assert.InRange(median, json.GetProperty("min").GetDouble(), json.GetProperty("max").GetDouble());
        Assert.True(json.GetProperty("min").GetDouble() > 0);
        Assert.Equal(median / limit, json.GetProperty("limit_fraction").GetDouble(), 1e-9);
        Assert.True(json.GetProperty("flops_per_second").GetDouble() > 1e8 && json.GetProperty("bytes_per_second").GetDouble() > 1e7);
        Assert.True(json.GetProperty("peak_memory_bytes").GetInt64() > 1 << 20);
    }

    [Fact]
    public void BenchCost_TinyModel_BothCurvesWithTheirLines()
    {
        string config = CliRun.TinyConfig.Replace("\"max_position_embeddings\": 64", "\"max_position_embeddings\": 256", StringComparison.Ordinal);
        string page = Path.Combine(TestData.NewFolder(), "cost.html");
        CliRun run = CliRun.Of("bench", "cost", "--model", CliRun.NewModel(config), "--tokens", "64", "--repeats", "1", "--threads", "1", "--page", page, "--json");
        Assert.True(run.Code == 0, run.Error);
        Assert.Equal([8, 16, 32, 64], run.Json.GetProperty("by_tokens").EnumerateArray().Select(p => p.GetProperty("tokens").GetInt32()));
        Assert.Equal([1, 10, 100, 1000], run.Json.GetProperty("by_options").EnumerateArray().Select(p => p.GetProperty("options").GetInt32()));
        Assert.All(run.Json.GetProperty("by_tokens").EnumerateArray(), p => Assert.True(p.GetProperty("seconds").GetDouble() > 0));
        Assert.Contains("<svg", File.ReadAllText(page), StringComparison.Ordinal);
    }

    [Fact]
    public void Bench_MoreTokensThanTheContext_IsRefused() =>
        CliRun.Of("bench", "prefill", "--model", CliRun.NewModel(), "--tokens", "64").AssertRefused("--tokens 64", "context of 64");

    private static JsonElement Run(string[] args)
    {
        CliRun run = CliRun.Of(["bench", args[0], "--model", CliRun.NewModel(), .. args[1..], "--json"]);
        Assert.True(run.Code == 0, run.Error);
        return run.Json;
    }
}
