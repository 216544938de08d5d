using System.ComponentModel;
using System.Diagnostics;
using OllmNative.Cli.Server;

namespace OllmNative.Tests;

/// <summary>
/// Runs the option explorer's own tests (tests/page) with node: the modules alone, and the page in a browser against the mock
/// server. They are skipped where node, chromium or the folder's packages (<c>npm ci</c>) are missing. Screenshots go to page-shots
/// in the output folder.
/// </summary>
public sealed class PageTests
{
    private static readonly string[] Browsers = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(10);

    [SkippableFact]
    public async Task Modules_WithoutBrowser_PassTheirTests()
    {
        RequireNode();
        await RunAsync("modules.test.mjs");
    }

    [SkippableFact]
    public async Task Page_InChromiumAgainstMockServer_PassesItsTests()
    {
        RequireBrowser();
        await RunAsync("page.test.mjs");
    }

    // Slow enough that a person, and a browser on a busy machine, can stop an answer: some 100 tokens a second on two cores.
    private const string SlowConfig = """
        {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 10,
         "num_attention_heads": 8, "num_key_value_heads": 2, "vocab_size": 294, "max_position_embeddings": 2048, "rms_norm_eps": 1e-6,
         "rope_theta": 10000, "tie_word_embeddings": true, "eos_token_id": 293}
        """;

    [SkippableFact]
    public async Task Stop_InChromiumAgainstRealServer_EndsTheAnswerInPageAndServer()
    {
        RequireBrowser();
        string model = CliRun.NewModel(SlowConfig, "--tokenizer", ServerHost.TinyModel);
        await using (ServerHost host = await ServerHost.StartAsync(new ServerSettings(), model: model))
        {
            await RunAsync("page.test.mjs", host.Address, "--test-name-pattern=^Stop_");
            string metrics = "";
            for (int tries = 0; tries < 100 && !metrics.Contains("ollm_active_sequences 0", StringComparison.Ordinal); tries++)
            {
                await Task.Delay(20);
                metrics = await host.Client.GetStringAsync("/metrics");
            }
            Assert.Contains("ollm_active_sequences 0", metrics, StringComparison.Ordinal);
            Assert.Contains("ollm_requests_total{route=\"/v1/completions\",status=\"499\"} 2", metrics, StringComparison.Ordinal);
        }
        Directory.Delete(model, recursive: true);
    }

    private static void RequireBrowser()
    {
        RequireNode();
        string? named = Environment.GetEnvironmentVariable("OLLM_CHROMIUM");
        Skip.IfNot(Browsers.Append(named).Any(File.Exists), "chromium is not on this machine");
        Skip.IfNot(Directory.Exists(Path.Combine(Folder(), "node_modules", "playwright-core")), "tests/page has no packages: run npm ci there");
    }

    /// <summary>tests/page of the sources that this build came from; a path that does not exist when it has been moved away.</summary>
    private static string Folder()
    {
        string? root = AppContext.BaseDirectory;
        while (root is not null && !File.Exists(Path.Combine(root, "OllmNative.sln"))) root = Path.GetDirectoryName(root);
        return Path.Combine(root ?? AppContext.BaseDirectory, "tests", "page");
    }

    private static void RequireNode()
    {
        Skip.IfNot(Directory.Exists(Folder()), "the sources are not beside the tests");
        try
        {
            using Process version = Start(null, "--version");
            version.WaitForExit();
        }
        catch (Win32Exception)
        {
            Skip.If(true, "node is not on this machine");
        }
    }

    private static Process Start(Uri? server, params string[] arguments)
    {
        var start = new ProcessStartInfo("node", arguments) { WorkingDirectory = Folder(), RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["OLLM_PAGE_SHOTS"] = Path.Combine(AppContext.BaseDirectory, "page-shots");
        start.Environment.Remove("OLLM_PAGE_URL");
        if (server is not null) (start.Environment["OLLM_PAGE_URL"], start.Environment["OLLM_PAGE_SLOW"]) = ($"{server}", "1");
        return Process.Start(start)!;
    }

    private static async Task RunAsync(string script, Uri? server = null, params string[] more)
    {
        using Process node = Start(server, ["--test", "--test-reporter=tap", .. more, script]);
        using var limit = new CancellationTokenSource(Limit);
        Task<string> output = node.StandardOutput.ReadToEndAsync(limit.Token), errors = node.StandardError.ReadToEndAsync(limit.Token);
        try
        {
            await node.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            node.Kill(entireProcessTree: true);
            Assert.Fail($"{script} did not end within {Limit}");
        }

        Assert.True(node.ExitCode == 0, $"{script} failed:\n{await output}\n{await errors}");
        Assert.Contains("# fail 0", await output, StringComparison.Ordinal);
        Assert.DoesNotContain("# pass 0", await output, StringComparison.Ordinal);
    }
}
