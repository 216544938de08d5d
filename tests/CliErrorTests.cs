using System.Diagnostics;
using System.Globalization;
using OllmNative.Model;

namespace OllmNative.Tests;

/// <summary>What the program says, and its exit code, when something is wrong.</summary>
public class CliErrorTests
{
    [Theory]
    [InlineData("--bogus", "devices", "--bogus")]
    [InlineData("nonsense", "nonsense")]
    [InlineData("--rows", "data", "tiny", "--out", "x")]
    [InlineData("expected an integer of at least 1", "data", "tiny", "--out", "x", "--rows", "0")]
    [InlineData("'many'", "data", "tiny", "--out", "x", "--rows", "many")]
    [InlineData("train, heldout", "data", "tiny", "--out", "x", "--rows", "1", "--split", "other")]
    [InlineData("--options", "init", "--model", "x", "--out", "y", "--options", "0")]
    [InlineData("--latent-width", "init", "--model", "x", "--out", "y", "--latent-width", "-3")]
    [InlineData("Required command", "data")]
    [InlineData("@nothing", "tokenize", "@nothing", "--model", "x")]
    [InlineData("qwen3-0.6b", "init-backbone", "--out", "x", "--shape", "gpt")]
    public void BadUsage_AnyCommand_ExitsWith2(string word, params string[] args) =>
        CliRun.Of(args).AssertRefused(word);

    [Theory]
    [InlineData("inspect", "/no/such/folder")]
    [InlineData("forward", "--model", "/no/such/folder", "--tokens", "1", "--out", "x")]
    [InlineData("init", "--model", "/no/such/folder", "--out", "x")]
    [InlineData("tokenize", "--model", "/no/such/folder", "--text", "a")]
    [InlineData("forward", "--model", "x", "--tokens-file", "/no/such/folder", "--out", "x")]
    public void MissingPath_AnyCommand_NamesIt(params string[] args) => CliRun.Of(args).AssertRefused("/no/such/folder");

    [SkippableFact]
    public void Device_AsTokensFile_IsRefused()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "there is no /dev/zero here");
        CliRun.Of("forward", "--model", "x", "--tokens-file", "/dev/zero", "--out", "x").AssertRefused("/dev/zero", "is a device");
    }

    [Fact]
    public void TruncatedWeights_InspectAndForward_AreRefused()
    {
        string model = CliRun.NewModel(), weights = Path.Combine(model, "model.safetensors");
        byte[] bytes = File.ReadAllBytes(weights);
        File.WriteAllBytes(weights, bytes[..(bytes.Length - 10)]);
        CliRun.Of("inspect", weights).AssertRefused("truncated", weights);
        CliRun.Of("forward", "--model", model, "--tokens", "1", "--out", Path.Combine(model, "x.st")).AssertRefused("truncated", weights);
    }

    [Fact]
    public void WrongShape_InspectAndForward_NameTensorAndShapes()
    {
        string model = CliRun.NewModel(), config = Path.Combine(model, "config.json");
        File.WriteAllText(config, File.ReadAllText(config).Replace("\"intermediate_size\": 24", "\"intermediate_size\": 28", StringComparison.Ordinal));
        CliRun.Of("forward", "--model", model, "--tokens", "1", "--out", Path.Combine(model, "x.st")).AssertRefused("mlp.gate_proj.weight", "[24, 16]", "[28, 16]");
        CliRun.Of("inspect", model, "--json").AssertRefused("mlp.gate_proj.weight", "[24, 16]", "[28, 16]");
    }

    [Fact]
    public void UnknownArchitecture_InitBackboneAndInspect_AreRefused()
    {
        string folder = TestData.NewFolder(), file = Path.Combine(folder, "config.json"), model = Path.Combine(folder, "model");
        File.WriteAllText(file, CliRun.TinyConfig.Replace("\"qwen2\"", "\"llama\"", StringComparison.Ordinal));
        CliRun.Of("inspect", folder).AssertRefused("llama", file);
        CliRun.Of("init-backbone", "--config", file, "--out", model).AssertRefused("llama", file);
        Assert.False(File.Exists(Path.Combine(model, "config.json")));
    }

    [Theory]
    [InlineData("50", "item 1 is 50", "below 50")]
    [InlineData("1,2,-4", "item 3 is '-4'")]
    [InlineData("1,x", "item 2 is 'x'")]
    [InlineData(",", "no token ids")]
    public void Forward_BadTokens_NamesTheItem(string tokens, params string[] words)
    {
        string model = CliRun.NewModel(), file = Path.Combine(model, "x.st");
        CliRun.Of("forward", "--model", model, "--tokens", tokens, "--out", file).AssertRefused([.. words, "--tokens"]);
        Assert.False(File.Exists(file));
    }

    [Fact]
    public void Forward_MoreTokensThanPositions_IsRefused() =>
        CliRun.Of("forward", "--model", CliRun.NewModel(), "--tokens", string.Join(',', Enumerable.Repeat(1, 65)), "--out", "x").AssertRefused("65 tokens", "64");

    [Fact]
    public void Forward_OllmOfAnotherBackbone_IsRefused()
    {
        string model = CliRun.NewModel(), other = CliRun.NewModel(CliRun.TinyConfig.Replace("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1", StringComparison.Ordinal));
        string ollm = Path.Combine(other, "ollm");
        Assert.Equal(0, CliRun.Of("init", "--model", other, "--out", ollm).Code);
        CliRun.Of("forward", "--model", model, "--ollm", ollm, "--tokens", "1", "--out", "x").AssertRefused("another backbone");
    }

    [Fact]
    public void CudaDevice_NotThere_SaysWhatIsMissing() =>
        CliRun.Of("init", "--model", CliRun.NewModel(), "--out", "x", "--device", "cuda").AssertRefused("--device cuda", "CUDA");

    [Fact]
    public void OutputIsAFolder_Forward_IsRefused()
    {
        string model = CliRun.NewModel();
        CliRun.Of("forward", "--model", model, "--tokens", "1", "--out", model).AssertRefused("--out", "is a folder");
    }

    [Fact]
    public void Inspect_HostileTensorName_CannotDriveTheTerminal()
    {
        string file = Path.Combine(TestData.NewFolder(), "x.safetensors");
        SafetensorsWriter.Write(file, [TensorToWrite.FromFloats("a\u001b[2J[red]b", new float[1], 1)]);
        CliRun run = CliRun.Of("inspect", file);
        Assert.Equal(0, run.Code);
        Assert.Contains("a\\u001b[2J[red]b", run.Out, StringComparison.Ordinal);
        Assert.Equal("a\u001b[2J[red]b", CliRun.Of("inspect", file, "--json").Json.GetProperty("tensors")[0].GetProperty("name").GetString());
    }

    // The mask of ignored signals, which children inherit; SIGINT is number 2.
    private static bool IgnoresInterrupts() => File.Exists("/proc/self/status") && File.ReadLines("/proc/self/status")
        .Any(line => line.StartsWith("SigIgn:", StringComparison.Ordinal) && (Convert.ToUInt64(line[7..].Trim(), 16) & 2) != 0);

    [SkippableFact]
    public void CtrlC_WhileWaitingForInput_ExitsWith130()
    {
        Skip.If(OperatingSystem.IsWindows(), "signals are sent with kill");
        Skip.If(IgnoresInterrupts(), "started in the background by a shell, where Ctrl-C is ignored, and so are programs that it starts");
        string model = CliRun.NewModel();
        using var program = Process.Start(new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "ollm.dll"), "forward", "--model", model, "--tokens-file", "-", "--out", "x"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        // Before its handler is there the runtime's own answer to the signal is the same code, so the moment does not matter for it.
        Thread.Sleep(2000);
        using (Process kill = Process.Start("kill", ["-INT", program.Id.ToString(CultureInfo.InvariantCulture)])) kill.WaitForExit();
        bool ended = program.WaitForExit(TimeSpan.FromSeconds(30));
        if (!ended) program.Kill();
        Assert.True(ended);
        Assert.Equal(130, program.ExitCode);
        Assert.Equal("interrupted", program.StandardError.ReadToEnd().Trim());
        Assert.Empty(program.StandardOutput.ReadToEnd());
    }

    [Fact]
    public void Program_AsAProcess_ReturnsItsCodesAndJson()
    {
        (int code, string output, string error) = Start("devices", "--json");
        Assert.True(code == 0, error);
        Assert.StartsWith("{", output, StringComparison.Ordinal);
        (code, output, error) = Start("inspect", "/no/such/folder");
        Assert.Equal((2, ""), (code, output));
        Assert.StartsWith("error: /no/such/folder", error, StringComparison.Ordinal);
    }

    private static (int Code, string Output, string Error) Start(params string[] args)
    {
        using var program = Process.Start(new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "ollm.dll"), .. args])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        Task<string> error = program.StandardError.ReadToEndAsync();
        string output = program.StandardOutput.ReadToEnd();
        program.WaitForExit();
        return (program.ExitCode, output, error.Result);
    }
}
