using System.Diagnostics;
using System.Globalization;
using OllmNative.Training;

namespace OllmNative.Tests;

/// <summary>Ctrl-C and SIGTERM to a job: to mpirun, to everything in its terminal, or to one process alone.</summary>
public class MpiSignalTests
{
    /// <summary>Whoever gets the signal, all stop after the same step with a checkpoint, nobody is left, and the job goes on later.</summary>
    [SkippableTheory]
    [InlineData(MpiLauncher.OpenMpi, "launcher", "INT")]
    [InlineData(MpiLauncher.OpenMpi, "rank", "INT")]
    [InlineData(MpiLauncher.OpenMpi, "group", "TERM")]
    [InlineData(MpiLauncher.Mpich, "launcher", "TERM")]
    [InlineData(MpiLauncher.Mpich, "rank", "TERM")]
    [InlineData(MpiLauncher.Mpich, "group", "INT")]
    public void Train_Signal_StopsAllWithACheckpointThatGoesOn(string mpi, string target, string signal)
    {
        var run = new TrainingRun(steps: 1_000_000, checkpointEvery: 3);
        string output = run.At("out");
        using (OllmProcess job = MpiLauncher.Start(mpi, 2, run.Arguments(output)))
        {
            WaitForStep(job, output, 6);
            int[] ranks = [MpiLauncher.ProcessOfRank(job.Id, 0), MpiLauncher.ProcessOfRank(job.Id, 1)];
            Send(signal, target == "rank" ? ranks[1] : job.Id, toGroup: target == "group");
            CliRun ended = job.Wait(30);
            Assert.NotEqual(0, ended.Code);
            Assert.Matches("checkpoint of step [0-9]+ written to .*--resume continues", ended.Error);
            Assert.DoesNotContain("error: ", ended.Error, StringComparison.Ordinal);
            Assert.True(SpinWait.SpinUntil(() => ranks.All(id => !IsRunning(id)), 10_000), "a process is left");
        }
        int stopped = new CheckpointStore(output).Newest(text => Assert.Fail(text))!.Step;
        Assert.Equal(stopped, TrainingRun.Metrics(output).Length);
        Assert.Empty(TrainingRun.Leftovers(output));

        using OllmProcess second = MpiLauncher.Start(mpi, 2, run.Arguments(output, "--resume"));
        WaitForStep(second, output, stopped + 6);
        second.KillTree();
        Assert.Contains(FormattableString.Invariant($"{stopped} of 1000000 steps are done"), second.Wait().Error, StringComparison.Ordinal);
        Assert.All(TrainingRun.Metrics(output).Index(), line => Assert.StartsWith(FormattableString.Invariant($"step={line.Index + 1} "), line.Item, StringComparison.Ordinal));
    }

    /// <summary>A launcher makes up its job's exit code from several processes; whatever the order of their ends, it is that of the error.</summary>
    [SkippableTheory]
    [InlineData(MpiLauncher.OpenMpi, 5)]
    [InlineData(MpiLauncher.Mpich, 20)]
    public void Train_BadInputAgainAndAgain_AlwaysEndsWithCode2(string mpi, int times)
    {
        var run = new TrainingRun(steps: 2);
        // Several at a time: on a busy machine processes end in another order.
        for (int i = 0; i < times; i += 5)
        {
            OllmProcess[] jobs = [.. Enumerable.Range(i, 5).Select(n => MpiLauncher.Start(mpi, 2, run.Arguments(run.At(FormattableString.Invariant($"out{n}")), "--ollm", run.At("none"))))];
            foreach (OllmProcess job in jobs)
            {
                using (job)
                {
                    CliRun refused = job.Wait();
                    Assert.Equal(2, refused.Code);
                    Assert.Equal(2, refused.Error.Split("error: ").Length);
                    Assert.Contains(run.At("none"), refused.Error, StringComparison.Ordinal);
                }
            }
        }
    }

    private static void WaitForStep(OllmProcess job, string output, int step)
    {
        // Steps are short and old checkpoints go: any from this one on will do.
        string checkpoints = Path.Combine(output, CheckpointStore.FolderName), name = step.ToString("D8", CultureInfo.InvariantCulture);
        while (!job.HasExited && !(Directory.Exists(checkpoints) && Directory.EnumerateDirectories(checkpoints, "step-*").Any(path => string.CompareOrdinal(path[^8..], name) >= 0)))
            Thread.Sleep(5);
        Assert.False(job.HasExited, "the job ended by itself");
    }

    private static void Send(string signal, int process, bool toGroup)
    {
        string target = (toGroup ? -process : process).ToString(CultureInfo.InvariantCulture);
        using Process sent = Process.Start("kill", [$"-{signal}", "--", target]);
        sent.WaitForExit();
        Assert.Equal(0, sent.ExitCode);
    }

    private static bool IsRunning(int process)
    {
        try
        {
            string stat = File.ReadAllText($"/proc/{process}/stat");
            return stat[stat.LastIndexOf(')') + 2] != 'Z'; // One that nobody has waited for yet holds nothing any more.
        }
        catch (IOException)
        {
            return false;
        }
    }
}
