using System.Diagnostics;
using OllmNative.Training;

namespace OllmNative.Tests;

/// <summary>A full disk and a folder that cannot be written: a message, and every checkpoint that was whole stays whole.</summary>
public class DiskTests
{
    [SkippableFact]
    public void Train_DiskFillsUp_KeepsWholeCheckpointsAndResumesOnceThereIsRoom()
    {
        using var disk = SmallDisk.Mount(kilobytes: 200);
        var run = new TrainingRun(steps: 40, checkpointEvery: 4);
        string whole = run.At("whole"), full = disk.At("out");
        Assert.Equal(0, CliRun.Of(run.Arguments(whole, "--keep", "2")).Code);
        string[] arguments = run.Arguments(full, "--keep", "1000");
        CliRun first = CliRun.Of(arguments);
        first.AssertRefused("No space left on device", "cannot be written", full);
        Assert.Empty(TrainingRun.Leftovers(full));
        string[] kept = Directory.GetDirectories(Path.Combine(full, "checkpoints"));
        Assert.InRange(kept.Length, 1, 9);

        // With fewer checkpoints kept there is room, and the run goes on as if nothing had been.
        foreach (string old in kept.Order(StringComparer.Ordinal).SkipLast(1)) Directory.Delete(old, recursive: true);
        CliRun second = CliRun.Of(run.Arguments(full, "--keep", "1", "--resume"));
        Assert.True(second.Code == 0, second.Error);
        Assert.DoesNotContain("warning", second.Error, StringComparison.Ordinal);
        TrainingRun.AssertSame(whole, full);
    }

    [SkippableFact]
    public void Train_FolderBecomesReadOnly_KeepsCheckpointsAndSaysWhy()
    {
        using var disk = SmallDisk.Mount(kilobytes: 2000);
        var run = new TrainingRun(steps: 12, checkpointEvery: 4);
        Assert.Equal(0, CliRun.Of(run.Arguments(disk.At("out"))).Code);
        string[] before = Directory.GetDirectories(disk.At("out/checkpoints"));
        disk.MakeReadOnly();
        CliRun.Of(run.Arguments(disk.At("other"))).AssertRefused(disk.At("other"), "Read-only");
        CliRun.Of([.. run.Arguments(disk.At("out"), "--resume")]).AssertRefused(disk.At("out"), "Read-only");
        Assert.Equal(before, Directory.GetDirectories(disk.At("out/checkpoints")));
    }

    [SkippableFact]
    public void Train_FileSizeLimit_NeverLeavesHalfACheckpoint()
    {
        Skip.IfNot(OperatingSystem.IsLinux() && File.Exists("/bin/bash"), "limits on the size of files are set with bash");
        var run = new TrainingRun(steps: 4, checkpointEvery: 2);
        string output = run.At("out");
        // The shell gives the limit to the program; 8 blocks of 1024 bytes are less than the weights take. The signal must be ignored for the error to arrive.
        string[] words = [.. run.Arguments(output).Select(word => $"'{word}'")];
        using OllmProcess process = OllmProcess.StartProgram("/bin/bash", ["-c", $"trap '' XFSZ; ulimit -f 8; exec dotnet '{OllmProcess.Program}' {string.Join(' ', words)}"], ("DOTNET_EnableWriteXorExecute", "0"));
        CliRun limited = process.Wait();
        limited.AssertRefused("cannot be written", output);
        Assert.Empty(Directory.GetDirectories(Path.Combine(output, "checkpoints")));
        Assert.Empty(TrainingRun.Leftovers(output));
        CliRun resumed = CliRun.Of(run.Arguments(output, "--resume"));
        Assert.True(resumed.Code == 0, resumed.Error);
        Assert.Contains("first checkpoint", resumed.Error, StringComparison.Ordinal);
    }

    [SkippableFact]
    public void Eval_DiskFillsUp_KeepsWholeRowsAndGoesOnOnceThereIsRoom()
    {
        using var disk = SmallDisk.Mount(kilobytes: 12);
        var model = new CliTextModel();
        string[] args = ["eval", "--model", model.Folder, "--ollm", model.NewOllm(), "--data", model.WriteRows(60), "--samples", "2", "--max-tokens", "8", "--seed", "4", "--threads", "1"];
        Assert.Equal(0, CliRun.Of([.. args, "--out", model.At("whole")]).Code);
        string results = disk.At("out/results.jsonl");
        CliRun full = CliRun.Of([.. args, "--out", disk.At("out")]);
        full.AssertRefused("No space left on device", results, "--resume goes on");
        Assert.EndsWith("}\n", File.ReadAllText(results), StringComparison.Ordinal);
        int kept = File.ReadAllLines(results).Length;
        Assert.InRange(kept, 1, 59);

        disk.Grow(kilobytes: 2000);
        CliRun resumed = CliRun.Of([.. args, "--out", disk.At("out"), "--resume", "--json"]);
        Assert.True(resumed.Code == 0, resumed.Error);
        Assert.Equal(kept, resumed.Json.GetProperty("kept_rows").GetInt32());
        Assert.Equal(File.ReadAllLines(Path.Combine(model.At("whole"), "results.jsonl")), File.ReadAllLines(results));
    }

    [SkippableFact]
    public void Rl_DiskFillsUp_KeepsWholeCheckpointsAndGoesOnOnceThereIsRoom()
    {
        using var disk = SmallDisk.Mount(kilobytes: 90);
        var model = new CliTextModel();
        string[] args =
        [
            "rl", "--model", model.Folder, "--ollm", model.NewOllm(), "--data", model.WriteRows(6), "--steps", "12", "--batch-size", "2", "--rollouts", "3", "--max-tokens", "5",
            "--checkpoint-every", "2", "--threads", "1",
        ];
        Assert.Equal(0, CliRun.Of([.. args, "--out", model.At("whole")]).Code);
        File.WriteAllBytes(disk.At("filler"), new byte[24 << 10]);
        string folder = disk.At("out");
        CliRun full = CliRun.Of([.. args, "--out", folder]);
        full.AssertRefused("No space left on device", folder);
        Assert.Empty(TrainingRun.Leftovers(folder));

        File.Delete(disk.At("filler"));
        disk.Grow(kilobytes: 2000);
        CliRun resumed = CliRun.Of([.. args, "--out", folder, "--resume"]);
        Assert.True(resumed.Code == 0, resumed.Error);
        TrainingRun.AssertSame(model.At("whole"), folder);
    }

    [SkippableFact]
    public void Report_DiskIsFull_IsRefusedAndLeavesNothing()
    {
        using var disk = SmallDisk.Mount(kilobytes: 4);
        var page = new ReportPage("A page");
        for (int i = 0; i < 500; i++) page.AddText($"line {i} of more than the disk takes");
        string error = FormatsFiles.Error(() => page.Save(disk.At("report.html")));
        Assert.Contains("No space left on device", error, StringComparison.Ordinal);
        Assert.Contains(disk.At("report.html"), error, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(disk.At("")));
    }

    /// <summary>Room enough when the cache is made, none when it is filled: training goes on without it, to the same end.</summary>
    [SkippableFact]
    public void HiddenCache_DiskFillsUp_IsReportedAndTheRunGoesOn()
    {
        using var disk = SmallDisk.Mount(kilobytes: 64);
        using var tiny = new TinyBackbone(threads: 1);
        TokenRow[] rows = [.. Enumerable.Range(0, 30).Select(i => new TokenRow(tiny.Tokens(20), 1, i + 1))];
        var log = new List<string>();
        using HiddenCache cache = HiddenCache.Open(disk.At("cache"), tiny.Model, rows, log.Add);
        using (FileStream filler = File.Create(disk.At("filler")))
        {
            void Fill()
            {
                while (true) filler.Write(new byte[4096]);
            }
            Assert.ThrowsAny<IOException>(Fill);
        }
        bool written = true;
        for (int row = 0; row < rows.Length && written; row++) written = cache.Write(row, new float[rows[row].Targets * tiny.Model.Config.HiddenSize]);
        Assert.False(written);
        Assert.False(cache.IsUsable);
        Assert.Contains(log, line => line.Contains("cannot be written", StringComparison.Ordinal) && line.Contains("goes on without it", StringComparison.Ordinal));
        Assert.Empty(Directory.GetFiles(disk.At("cache")));
    }

    /// <summary>A file system of a given size in memory; only root may mount one.</summary>
    private sealed class SmallDisk : IDisposable
    {
        private readonly string _folder = TestData.NewFolder();

        private SmallDisk()
        {
        }

        public static SmallDisk Mount(int kilobytes)
        {
            Skip.IfNot(OperatingSystem.IsLinux() && Environment.UserName == "root", "a small disk is a mounted tmpfs, which needs root on Linux");
            var disk = new SmallDisk();
            Skip.IfNot(Do("mount", "-t", "tmpfs", "-o", $"size={kilobytes}k", "tmpfs", disk._folder), "mounting a tmpfs is not permitted here");
            return disk;
        }

        public string At(string name) => Path.Combine(_folder, name);

        public void MakeReadOnly() => Skip.IfNot(Do("mount", "-o", "remount,ro", _folder), "remounting is not permitted here");

        public void Grow(int kilobytes) => Skip.IfNot(Do("mount", "-o", $"remount,size={kilobytes}k", _folder), "remounting is not permitted here");

        public void Dispose()
        {
            Do("umount", _folder);
            Directory.Delete(_folder);
        }

        private static bool Do(string program, params string[] args)
        {
            using var process = Process.Start(new ProcessStartInfo(program, args) { RedirectStandardError = true })!;
            process.WaitForExit();
            return process.ExitCode == 0;
        }
    }
}
