using System.Diagnostics;
using OllmNative.Model;

namespace OllmNative.Tests;

/// <summary>
/// Folders of runs and files of rows from somebody else: links to files that a run would write to, devices and pipes under the names of
/// files, weights that are no numbers. Each is refused, and nothing outside of the folder changes.
/// </summary>
public class HostileRunTests
{
    private readonly TrainingRun _run = new(steps: 4, checkpointEvery: 2);

    [SkippableTheory]
    [InlineData("metrics.jsonl")]
    [InlineData("run.lock")]
    public void Train_OutputIsALink_IsRefusedAndItsTargetStays(string name)
    {
        string output = FinishedRun(), victim = Precious(), link = Path.Combine(output, name);
        File.Delete(link);
        File.CreateSymbolicLink(link, victim);
        CliRun.Of(_run.Arguments(output, "--resume")).AssertRefused(link, "is a link");
        Assert.Equal(new string('x', 100_000), File.ReadAllText(victim));
    }

    [SkippableFact]
    public void Eval_ResultsAreALink_IsRefusedAndTheirTargetStays()
    {
        Skip.If(OperatingSystem.IsWindows(), "links need rights on Windows");
        var model = new CliTextModel();
        string output = model.At("out"), victim = Precious(), results = Path.Combine(output, "results.jsonl");
        string[] args = ["eval", "--model", model.Folder, "--data", model.WriteRows(3), "--samples", "0", "--max-tokens", "2", "--out", output];
        Assert.Equal(0, CliRun.Of(args).Code);
        File.Delete(results);
        File.CreateSymbolicLink(results, victim);
        CliRun.Of([.. args, "--resume"]).AssertRefused(results, "is a link");
        Assert.Equal(new string('x', 100_000), File.ReadAllText(victim));
    }

    [SkippableTheory]
    [InlineData("optimizer.safetensors", "/dev/zero", "device")]
    [InlineData("state.json", "/dev/zero", "device")]
    [InlineData("optimizer.safetensors", "pipe", "pipe")]
    [InlineData("../../metrics.jsonl", "pipe", "pipe")]
    public void Resume_FileWithoutAnEnd_IsRefusedWithoutWaiting(string name, string what, string word)
    {
        string output = FinishedRun();
        foreach (string checkpoint in Directory.GetDirectories(Path.Combine(output, "checkpoints")))
        {
            string file = Path.GetFullPath(Path.Combine(checkpoint, name));
            File.Delete(file);
            if (what == "pipe") MakePipe(file);
            else File.CreateSymbolicLink(file, what);
        }
        CliRun.Of(_run.Arguments(output, "--resume")).AssertRefused(Path.GetFileName(name), word);
    }

    [SkippableTheory]
    [InlineData("/dev/zero", "device")]
    [InlineData("pipe", "pipe")]
    [InlineData("sparse", ":1: the line is too long")]
    public void Rows_FileWithoutAnEnd_IsRefusedWithoutWaiting(string what, string word)
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "these files are Linux's");
        var model = new CliTextModel();
        string rows = model.At("rows.jsonl");
        if (what == "pipe") MakePipe(rows);
        else if (what == "sparse")
        {
            // 4 TB in one line that take no room: whoever reads it to its end takes half an hour.
            using FileStream file = File.Create(rows);
            file.SetLength(1L << 42);
        }
        else File.CreateSymbolicLink(rows, what);
        foreach (string command in (string[])["train", "eval", "diagnose"])
        {
            string[] output = command == "train" ? ["--out", model.At("out")] : [];
            CliRun.Of([command, "--model", model.Folder, "--data", rows, .. output]).AssertRefused("rows.jsonl", word);
        }
    }

    [Theory]
    [InlineData("policy.out.weight", float.NaN)]
    [InlineData("decoder.out.bias", float.NegativeInfinity)]
    public void Ollm_WeightsThatAreNoNumbers_AreRefused(string tensor, float value)
    {
        var model = new CliTextModel();
        string ollm = model.NewOllm(), file = Path.Combine(ollm, "ollm.safetensors");
        TensorToWrite[] tensors;
        using (SafetensorsFile read = SafetensorsFile.Open(file))
        {
            tensors = [.. read.Tensors.Select(one =>
            {
                float[] values = one.ToFloats();
                if (one.Name == tensor) values[^1] = value;
                return TensorToWrite.FromFloats(one.Name, values, [.. one.Shape]);
            })];
        }
        SafetensorsWriter.Write(file, tensors);
        CliRun.Of("generate", "--model", model.Folder, "--ollm", ollm, "--prompt", "1 + 2", "--max-tokens", "2").AssertRefused("ollm.safetensors", tensor, "NaN");
    }

    private string FinishedRun()
    {
        Skip.If(OperatingSystem.IsWindows(), "links need rights on Windows");
        string output = _run.At("out");
        CliRun run = CliRun.Of(_run.Arguments(output));
        Assert.True(run.Code == 0, run.Error);
        return output;
    }

    private static string Precious()
    {
        string file = Path.Combine(TestData.NewFolder(), "precious");
        File.WriteAllText(file, new string('x', 100_000));
        return file;
    }

    private static void MakePipe(string path)
    {
        using Process made = Process.Start("mkfifo", path);
        made.WaitForExit();
        Assert.Equal(0, made.ExitCode);
    }
}
