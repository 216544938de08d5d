using System.Diagnostics;

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
