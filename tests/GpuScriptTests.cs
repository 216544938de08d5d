using System.Diagnostics;
using System.Text.Json;

namespace OllmNative.Tests;

/// <summary><c>bench/gpu.sh</c> with a program in ollm's place: what it does when parts go wrong, which is why it is there.</summary>
public sealed class GpuScriptTests
{
    // The device is lost in the first self-test, prefill fails, the first decoding hangs, and everything else says a line of JSON.
    private const string Program = """
        #!/usr/bin/env bash
        case "$*" in
            *--only*) echo '{"passed":true,"lost":false,"wrong":[],"kernels":[],"operations":[]}' ;;
            selftest*"--skip Softmax, long rows"*) echo '{"passed":true,"lost":false,"wrong":[],"kernels":[{"name":"Rope","shape":"1","max_error":0,"tolerance":1,"passed":true,"failure":null}],"operations":[]}' ;;
            selftest*) echo '{"passed":false,"lost":true,"lost_at":"Softmax, long rows","wrong":["Silu","Softmax, long rows"],"kernels":[{"name":"Softmax, long rows","shape":"2 x 3","max_error":1,"tolerance":0,"passed":false,"failure":"CUDA_ERROR_ILLEGAL_ADDRESS"}],"operations":[]}'; exit 1 ;;
            *"bench prefill"*) echo 'error: no memory at all' >&2; exit 1 ;;
            *"bench decode"*"--tokens 2 "*) sleep 60 ;;
            devices*) echo '{"cuda":{"driver_version":"13.0","gpus":[{"name":"A chip","compute_capability":"9.0","versions":[{"name":"graphs","state":"in use","why":null,"in_place":"launches"},{"name":"wgmma","state":"left out","why":"it was off","in_place":"mma.sync"}]}]}}' ;;
            *"bench "*) echo '{"tokens_per_second":10,"min":9,"max":11,"kernels":[]}' ;;
            *) echo '{}' ;;
        esac
        """;

    [SkippableFact]
    public async Task Run_PartsFailHangOrLoseTheDevice_TheRestGoesOnAndTheTableSaysSo()
    {
        Skip.IfNot(OperatingSystem.IsLinux() && File.Exists("/bin/bash") && File.Exists("/usr/bin/timeout") && File.Exists("/usr/bin/python3"), "bash, timeout and python3 are needed");
        string folder = TestData.NewFolder(), results = Path.Combine(folder, "results"), program = Path.Combine(folder, "ollm");
        await File.WriteAllTextAsync(program, Program);
        string script = Path.Combine(AppContext.BaseDirectory, "bench", "gpu.sh");
        // Time for the hanging parts is cut by the whole run's; no PyTorch, whatever this machine has.
        var start = new ProcessStartInfo("/bin/bash", [script, folder, results, "--small", "--seconds", "9"]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["PYTHON"] = "none";
        var watch = Stopwatch.StartNew();
        using Process process = Process.Start(start)!;
        Task<string> said = process.StandardError.ReadToEndAsync(), table = process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.InRange(watch.Elapsed.TotalSeconds, 0, 60);
        Assert.Contains("1 right, 1 wrong or lost", await table, StringComparison.Ordinal);
        Assert.Contains("CUDA_ERROR_ILLEGAL_ADDRESS", await table, StringComparison.Ordinal);
        Assert.Contains("Versions in use: graphs. Left out: wgmma (it was off; in its place mma.sync).", await table, StringComparison.Ordinal);
        using JsonDocument parts = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(results, "results.json")));
        string Status(string part) => parts.RootElement.GetProperty(part).GetProperty("status").GetString()!;
        Assert.Equal("done", Status("smoke"));
        Assert.Equal("done", Status("versions"));
        Assert.Equal("failed (1)", Status("selftest"));
        Assert.Equal("done", Status("selftest-2"));
        Assert.StartsWith("over", Status("first-token"), StringComparison.Ordinal);
        Assert.Equal("skipped", Status("demo"));
        Assert.Equal(0, process.ExitCode);
        Assert.DoesNotContain("unbound", await said, StringComparison.Ordinal);
    }
}
