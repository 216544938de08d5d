using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace OllmNative.Tests.Cuda;

/// <summary>The program as users have it, on a driver that is a library: every call goes the native way.</summary>
public sealed class InterpretedDriverTests
{
    private static readonly (string, string)[] Small =
        [("--options", "3"), ("--latent-width", "8"), ("--steps", "3"), ("--batch-size", "2"), ("--lr", "0.01"), ("--seed", "5")];

    /// <summary>Where build/interpreted-driver.sh has put it: the folder that the environment names, or artifacts/interpreted-driver.</summary>
    private static string Library()
    {
        string? folder = Environment.GetEnvironmentVariable("OLLM_INTERPRETED_DRIVER");
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); folder is null && at is not null; at = at.Parent)
            if (File.Exists(Path.Combine(at.FullName, "OllmNative.sln"))) folder = Path.Combine(at.FullName, "artifacts", "interpreted-driver");
        Skip.If(folder is null || !File.Exists(Path.Combine(folder, "libcuda.so.1")), "build/interpreted-driver.sh artifacts/interpreted-driver has not been run");
        return folder!;
    }

    private static CliRun Run(string library, string kernels, params string[] args)
    {
        using OllmProcess process = OllmProcess.StartProgram("dotnet", [OllmProcess.Program, .. args],
            ("LD_LIBRARY_PATH", library), ("OLLM_KERNEL_CACHE", kernels), ("OLLM_INTERPRETED_LOG", "1"));
        CliRun run = process.Wait(120);
        Assert.True(run.Code == 0, $"{string.Join(' ', args)}: {run.Error}");
        // Its own voice: a rule that was broken.
        Assert.DoesNotContain("CUDA_ERROR", run.Error, StringComparison.Ordinal);
        return run;
    }

    [SkippableFact]
    public void Library_Exports_EveryImportByItsName()
    {
        nint library = NativeLibrary.Load(Path.Combine(Library(), "libcuda.so.1"));
        foreach (System.Reflection.MethodInfo import in DriverHeader.Imports)
            Assert.True(NativeLibrary.TryGetExport(library, DriverHeader.EntryPoint(import)!, out _), import.Name);
    }

    [SkippableFact]
    public void Commands_OnTheLibrary_AgreeWithTheProcessor()
    {
        string library = Library(), kernels = TestData.NewFolder();
        var model = new CliTextModel();
        string rows = model.WriteRows(6);
        JsonElement devices = Run(library, kernels, "devices", "--json").Json.GetProperty("cuda");
        Assert.Equal("Interpreted H200", devices.GetProperty("gpus")[0].GetProperty("name").GetString());
        Assert.True(Run(library, kernels, "selftest", "--device", "cuda", "--only", "Add", "--rounds", "1", "--json").Json.GetProperty("passed").GetBoolean());

        string[] ce = [.. new[] { "cpu", "cuda" }.Select(device =>
        {
            string output = model.At($"{device}-ollm");
            Run(library, kernels, ["train", "--device", device, "--model", model.Folder, "--data", rows, "--out", output, .. Small.SelectMany(pair => new[] { pair.Item1, pair.Item2 })]);
            return Path.Combine(output, "metrics.jsonl");
        })];
        (double[] cpu, double[] cuda) = (Losses(ce[0]), Losses(ce[1]));
        Assert.Equal(3, cpu.Length);
        Assert.Equal(cpu.Length, cuda.Length);
        foreach ((double expected, double actual) in cpu.Zip(cuda)) Assert.InRange(actual, expected * 0.99, expected * 1.01);

        string ollm = model.At("cpu-ollm");
        (float[] onCpu, float[] onCuda) = (Forward("cpu"), Forward("cuda"));
        float largest = onCpu.Max(Math.Abs);
        Assert.All(onCpu.Zip(onCuda), pair => Assert.InRange(pair.Second - pair.First, -0.03f * (1 + largest), 0.03f * (1 + largest)));
        CliRun text = Run(library, kernels, "generate", "--device", "cuda", "--model", model.Folder, "--ollm", ollm, "--prompt", "1 + 2", "--max-tokens", "5", "--json");
        Assert.Equal(JsonValueKind.Object, text.Json.ValueKind);

        float[] Forward(string device)
        {
            string file = model.At($"{device}.safetensors");
            Run(library, kernels, "forward", "--device", device, "--model", model.Folder, "--tokens", "5,9,12,7", "--out", file);
            using var tensors = Model.SafetensorsFile.Open(file);
            Assert.True(tensors.TryGet("logits", out Model.MappedTensor? logits));
            return logits.ToFloats();
        }
    }

    private static double[] Losses(string file) => [.. File.ReadLines(file).Select(line => JsonDocument.Parse(line).RootElement).Where(line => line.TryGetProperty("ce", out _))
        .Select(line => double.Parse(line.GetProperty("ce").GetRawText(), CultureInfo.InvariantCulture))];
}
