using System.Globalization;

namespace OllmNative.Tests;

/// <summary>
/// SIGKILL at random moments, half of them while a checkpoint is being written: the run that goes on equals the one that was
/// never killed, bit for bit. OLLM_KILLS sets how many; the nightly script does 30 and more.
/// </summary>
public class KillTests
{
    private const int Steps = 60;

    [Theory]
    [InlineData(6, false)]
    [InlineData(3, true)]
    public void Train_KilledAtRandomMoments_GivesTheUninterruptedRun(int usualKills, bool cachesHidden)
    {
        int kills = Environment.GetEnvironmentVariable("OLLM_KILLS") is { } wanted ? int.Parse(wanted, CultureInfo.InvariantCulture) : usualKills;
        int seed = int.Parse(Environment.GetEnvironmentVariable("OLLM_KILL_SEED") ?? "3", CultureInfo.InvariantCulture);
        var random = new Random(seed);
        var run = new TrainingRun(Steps);
        string whole = run.At("whole"), parts = run.At("parts");
        string[] Arguments(string output, params string[] more) =>
            run.Arguments(output, [.. more, .. cachesHidden ? (string[])["--cache-hidden", output + "-cache"] : []]);
        CliRun uninterrupted = CliRun.Of(Arguments(whole));
        Assert.True(uninterrupted.Code == 0, uninterrupted.Error);

        int done = 0, inWriting = 0;
        while (done < kills)
        {
            if (Path.Exists(Path.Combine(parts, "ollm.json"))) Directory.Delete(parts, recursive: true); // It got to its end: begin again.
            bool started = File.Exists(Path.Combine(parts, "metrics.jsonl"));
            using OllmProcess process = OllmProcess.Start(Arguments(parts, started ? ["--resume"] : []));
            bool wantWriting = done % 2 == 1;
            if (!WaitForMoment(process, parts, random, wantWriting, out bool writing))
            {
                CliRun ended = process.Wait();
                Assert.True(ended.Code == 0, ended.Error);
                continue;
            }
            process.Kill();
            CliRun killed = process.Wait();
            if (killed.Code == 0) continue;
            Assert.Equal(137, killed.Code);
            // A checkpoint under its own name is always whole: none was passed over.
            Assert.DoesNotContain("warning: ", killed.Error, StringComparison.Ordinal);
            done++;
            inWriting += writing ? 1 : 0;
        }
        CliRun last = CliRun.Of(Arguments(parts, "--resume"));
        Assert.True(last.Code == 0, last.Error);
        Assert.DoesNotContain("warning", last.Error, StringComparison.Ordinal);
        TrainingRun.AssertSame(whole, parts);
        Assert.Empty(TrainingRun.Leftovers(parts));
        Assert.True(inWriting > 0, "no kill fell into the writing of a checkpoint");
    }

    /// <summary>
    /// Returns at a random moment after the run has begun to make steps, or as soon as a checkpoint is half written; false
    /// when the run ended first.
    /// </summary>
    private static bool WaitForMoment(OllmProcess process, string folder, Random random, bool wantWriting, out bool writing)
    {
        string metrics = Path.Combine(folder, "metrics.jsonl"), checkpoints = Path.Combine(folder, "checkpoints");
        long before = File.Exists(metrics) ? new FileInfo(metrics).Length : 0;
        string newest = Newest(checkpoints);
        // Steps are being made once a checkpoint is newer than the one that the run began from.
        while (!process.HasExited && Newest(checkpoints) == newest && !(before == 0 && File.Exists(metrics) && new FileInfo(metrics).Length > 0)) Thread.Sleep(1);
        long end = Environment.TickCount64 + random.Next(0, 40);
        do
        {
            writing = Directory.Exists(checkpoints) && Directory.EnumerateDirectories(checkpoints, "writing-*").Any();
            if (wantWriting && writing) break;
        }
        while (!process.HasExited && (wantWriting || Environment.TickCount64 < end));
        return !process.HasExited;
    }

    private static string Newest(string checkpoints) =>
        Directory.Exists(checkpoints) ? Directory.EnumerateDirectories(checkpoints, "step-*").Max(StringComparer.Ordinal) ?? "" : "";
}
