using System.Diagnostics;
using System.Globalization;

namespace OllmNative.Tests;

/// <summary>
/// A run of many steps with a checkpoint after each: handles, memory and disk stay level. OLLM_SOAK_SECONDS sets how long
/// it is watched (10 s by default).
/// </summary>
public class SoakTests
{
    [SkippableFact]
    public void Train_ManyCheckpoints_HandlesMemoryAndDiskStayLevel()
    {
        Skip.IfNot(Directory.Exists("/proc/self/fd"), "the system has no /proc to count handles in");
        double seconds = double.Parse(Environment.GetEnvironmentVariable("OLLM_SOAK_SECONDS") ?? "10", CultureInfo.InvariantCulture);
        var run = new TrainingRun(steps: 10_000_000);
        string output = run.At("out");
        // With the default budget of the youngest generation the process grows for most of a minute before its first collections;
        // 4 MB of it are filled at once, so that what grows afterwards is kept by somebody.
        using OllmProcess process = OllmProcess.StartProgram("dotnet", [OllmProcess.Program, .. run.Arguments(output)], ("DOTNET_GCgen0size", "0x400000"));
        while (!process.HasExited && !Directory.Exists(Path.Combine(output, "checkpoints"))) Thread.Sleep(10);
        long start = Stopwatch.GetTimestamp();
        Thread.Sleep(TimeSpan.FromSeconds(0.4 * seconds)); // By then everything is compiled and the heap has its size.
        var samples = new List<Level>();
        while (Stopwatch.GetElapsedTime(start).TotalSeconds < seconds)
        {
            Assert.False(process.HasExited, "the run ended");
            samples.Add(Level.Of(process.Id, output));
            Thread.Sleep(TimeSpan.FromSeconds(seconds / 50));
        }
        int steps = TrainingRun.Metrics(output).Length;
        process.Kill();
        process.Wait();
        Level[] first = [.. samples.Take(samples.Count / 2)], second = [.. samples.Skip(samples.Count / 2)];
        string all = $"{steps} steps; {string.Join("; ", samples)}";
        // While a checkpoint is written there are some more files and handles: peaks are compared with peaks.
        Assert.True(second.Max(level => level.Handles) <= first.Max(level => level.Handles) + 4, all);
        Assert.True(second.Max(level => level.Files) <= first.Max(level => level.Files) + 4, all);
        Assert.True(second.Max(level => level.Disk) <= first.Max(level => level.Disk) * 1.2 + 20_000, all);
        Assert.True(second.Average(level => level.Memory) <= first.Average(level => level.Memory) + (6 << 20), all);
        Assert.True(steps > 5 * seconds, all);
    }

    /// <summary>What the process holds at one moment; metrics.jsonl, which grows by a line each step, is left out.</summary>
    private readonly record struct Level(int Handles, long Memory, int Files, long Disk)
    {
        public static Level Of(int process, string output)
        {
            string status = File.ReadLines($"/proc/{process}/status").First(line => line.StartsWith("RssAnon:", StringComparison.Ordinal));
            long memory = 1024 * long.Parse(status["RssAnon:".Length..].Replace("kB", "", StringComparison.Ordinal), CultureInfo.InvariantCulture);
            int files = 0;
            long disk = 0;
            foreach (string file in Walk(output))
            {
                var info = new FileInfo(file);
                if (!info.Exists || info.Name == "metrics.jsonl") continue;
                files++;
                disk += info.Length;
            }
            return new Level(Directory.GetFileSystemEntries($"/proc/{process}/fd").Length, memory, files, disk);
        }

        /// <summary>The files of a folder that changes meanwhile.</summary>
        private static string[] Walk(string folder)
        {
            for (; ; )
            {
                try
                {
                    return Directory.GetFiles(folder, "*", SearchOption.AllDirectories);
                }
                catch (DirectoryNotFoundException)
                {
                    // A checkpoint got its name or was removed between two looks.
                }
            }
        }

        public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Handles} handles, {Memory >> 20} MB, {Files} files of {Disk} bytes");
    }
}
