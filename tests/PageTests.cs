using System.ComponentModel;
using System.Diagnostics;

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
        RequireNode();
        string? named = Environment.GetEnvironmentVariable("OLLM_CHROMIUM");
        Skip.IfNot(Browsers.Append(named).Any(File.Exists), "chromium is not on this machine");
        Skip.IfNot(Directory.Exists(Path.Combine(Folder(), "node_modules", "playwright-core")), "tests/page has no packages: run npm ci there");
        await RunAsync("page.test.mjs");
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
            using Process version = Start("--version");
            version.WaitForExit();
        }
        catch (Win32Exception)
        {
            Skip.If(true, "node is not on this machine");
        }
    }

    private static Process Start(params string[] arguments)
    {
        var start = new ProcessStartInfo("node", arguments) { WorkingDirectory = Folder(), RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["OLLM_PAGE_SHOTS"] = Path.Combine(AppContext.BaseDirectory, "page-shots");
        start.Environment.Remove("OLLM_PAGE_URL");
        return Process.Start(start)!;
    }

    private static async Task RunAsync(string script)
    {
        using Process node = Start("--test", "--test-reporter=tap", script);
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
