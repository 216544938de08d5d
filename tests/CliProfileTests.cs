using System.Text.Json;
using OllmNative.Tests.Ptx;

namespace OllmNative.Tests;

/// <summary>profile: it counts the operations of the whole process, so no other test may run beside these.</summary>
[Collection(AloneTests.Name)]
public sealed class CliProfileTests
{
    [Fact]
    public void Profile_Forward_TellsOperationsAndWritesATrace()
    {
        string model = CliRun.NewModel(), folder = TestData.NewFolder(), trace = Path.Combine(folder, "trace.json"), result = Path.Combine(folder, "out.safetensors");
        CliRun run = CliRun.Of("profile", "--json", "--trace", trace, "--", "forward", "--model", model, "--tokens", "1,2,3", "--out", result, "--device", "cpu");
        Assert.True(run.Code == 0, run.Error);
        Assert.True(File.Exists(result));
        JsonElement[] operations = [.. run.Json.GetProperty("operations").EnumerateArray()];
        Assert.Equal(2, operations.Single(operation => operation.GetProperty("name").GetString() == "Attention").GetProperty("count").GetInt32());
        Assert.Equal(1, operations.Sum(operation => operation.GetProperty("fraction").GetDouble()), 6);
        JsonElement[] events = [.. JsonDocument.Parse(File.ReadAllText(trace)).RootElement.GetProperty("traceEvents").EnumerateArray()];
        JsonElement[] complete = [.. events.Where(e => e.GetProperty("ph").GetString() == "X")];
        Assert.Equal(operations.Sum(operation => operation.GetProperty("count").GetInt32()), complete.Count(e => e.GetProperty("tid").GetInt32() == 1));
        Assert.All(complete, e => Assert.True(e.GetProperty("dur").GetDouble() >= 0 && e.GetProperty("ts").GetDouble() >= 0));
    }

    [Fact]
    public void Profile_CommandThatFails_KeepsItsExitCode()
    {
        CliRun run = CliRun.Of("profile", "--", "inspect", "no-such-folder");
        Assert.Equal(2, run.Code);
        Assert.Contains("no-such-folder", run.Error, StringComparison.Ordinal);
        CliRun.Of("profile", "--", "profile", "--", "devices").AssertRefused("'profile'");
    }
}
