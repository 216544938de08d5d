using System.Globalization;

namespace OllmNative.Tests;

/// <summary>Latent RL and evaluation: shared between two processes, and killed and resumed.</summary>
public class SharedCommandsTests
{
    private readonly CliTextModel _model = new();

    [SkippableTheory]
    [InlineData(MpiLauncher.OpenMpi, 2)]
    [InlineData(MpiLauncher.Mpich, 3)]
    public void Rl_SeveralProcesses_EqualOne(string mpi, int processes)
    {
        string[] args = RlArguments(_model.NewOllm(), "--steps", "4", "--batch-size", "6", "--rollouts", "4", "--validation", _model.WriteRows(5, "validation.jsonl"), "--eval-every", "2");
        CliRun alone = CliRun.Of([.. args, "--out", _model.At("one")]);
        Assert.True(alone.Code == 0, alone.Error);
        CliRun both = MpiLauncher.Run(mpi, processes, [.. args, "--out", _model.At("two")]);
        Assert.True(both.Code == 0, both.Error);
        MpiTests.AssertClose(_model.At("one"), _model.At("two"), 1e-4);
        Assert.Equal(File.ReadAllLines(Path.Combine(_model.At("one"), "evals.jsonl")), File.ReadAllLines(Path.Combine(_model.At("two"), "evals.jsonl")));
    }

    [SkippableTheory]
    [InlineData(MpiLauncher.OpenMpi, 2)]
    [InlineData(MpiLauncher.Mpich, 3)]
    public void Eval_SeveralProcesses_GiveTheResultsOfOne(string mpi, int processes)
    {
        string[] args = EvalArguments(_model.NewOllm());
        CliRun alone = CliRun.Of([.. args, "--out", _model.At("one"), "--json"]);
        Assert.True(alone.Code == 0, alone.Error);
        CliRun both = MpiLauncher.Run(mpi, processes, [.. args, "--out", _model.At("two"), "--json"]);
        Assert.True(both.Code == 0, both.Error);
        Assert.Equal(File.ReadAllLines(Path.Combine(_model.At("one"), "results.jsonl")), File.ReadAllLines(Path.Combine(_model.At("two"), "results.jsonl")));
    }

    /// <summary>Rows of every process survive a killed job, whoever goes on: one process, or another number of them.</summary>
    [SkippableTheory]
    [InlineData(1)]
    [InlineData(3)]
    public void Eval_KilledJobOfTwo_GoesOnFromTheRowsOfBoth(int processes)
    {
        string whole = _model.At("whole"), parts = _model.At("parts");
        string[] args = EvalArguments(_model.NewOllm(), rows: 2000);
        Assert.Equal(0, CliRun.Of([.. args, "--out", whole]).Code);
        string first = Path.Combine(parts, "results.jsonl"), second = Path.Combine(parts, "results.rank-0001.jsonl");
        using (OllmProcess job = MpiLauncher.Start(MpiLauncher.OpenMpi, 2, [.. args, "--out", parts]))
        {
            while (!job.HasExited && !(HasLine(first) && HasLine(second))) Thread.Sleep(1);
            Assert.False(job.HasExited, "the job ended before it could be killed");
            job.KillTree();
            job.Wait();
        }
        int kept = File.ReadAllText(first).Count(c => c == '\n') + File.ReadAllText(second).Count(c => c == '\n');
        CliRun refused = CliRun.Of([.. args, "--out", parts]);
        refused.AssertRefused("results.jsonl", "--resume");
        string[] resume = [.. args, "--out", parts, "--resume", "--json"];
        CliRun last = processes == 1 ? CliRun.Of(resume) : MpiLauncher.Run(MpiLauncher.OpenMpi, processes, resume);
        Assert.True(last.Code == 0, last.Error);
        // Processes whose launcher is gone may have written some more before they ended; whoever goes on waits for that.
        Assert.InRange(last.Json.GetProperty("kept_rows").GetInt32(), kept, 1999);
        Assert.Equal(File.ReadAllLines(Path.Combine(whole, "results.jsonl")), File.ReadAllLines(first));
        Assert.Equal(["eval.json", "report.html", "results.jsonl"], Directory.GetFiles(parts).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    private static bool HasLine(string file) => File.Exists(file) && new FileInfo(file).Length > 0;

    [Theory]
    [InlineData("rl", "metrics.jsonl")]
    [InlineData("eval", "results.jsonl")]
    public void Command_KilledAndResumed_GivesTheUninterruptedRun(string command, string growing)
    {
        string ollm = _model.NewOllm(), whole = _model.At("whole"), parts = _model.At("parts");
        string[] args = command == "rl" ? RlArguments(ollm, "--steps", "150", "--batch-size", "3", "--rollouts", "4", "--checkpoint-every", "2") : EvalArguments(ollm, rows: 400);
        CliRun uninterrupted = CliRun.Of([.. args, "--out", whole]);
        Assert.True(uninterrupted.Code == 0, uninterrupted.Error);
        var random = new Random(int.Parse(Environment.GetEnvironmentVariable("OLLM_KILL_SEED") ?? "4", CultureInfo.InvariantCulture));
        int wanted = int.Parse(Environment.GetEnvironmentVariable("OLLM_KILLS") ?? "2", CultureInfo.InvariantCulture);
        string file = Path.Combine(parts, growing);
        for (int kills = 0; kills < wanted;)
        {
            long before = File.Exists(file) ? new FileInfo(file).Length : 0;
            using OllmProcess process = OllmProcess.Start([.. args, "--out", parts, .. before > 0 ? (string[])["--resume"] : []]);
            while (!process.HasExited && (File.Exists(file) ? new FileInfo(file).Length : 0) <= before) Thread.Sleep(1);
            Thread.Sleep(random.Next(0, 60));
            if (!process.HasExited) process.Kill();
            CliRun ended = process.Wait();
            if (ended.Code == 137) kills++;
            else Assert.True(ended.Code == 0, ended.Error);
            if (ended.Code == 0 && kills < wanted) Directory.Delete(parts, recursive: true); // It got to its end: begin again.
        }
        CliRun last = CliRun.Of([.. args, "--out", parts, "--resume"]);
        Assert.True(last.Code == 0, last.Error);
        if (command == "rl") TrainingRun.AssertSame(whole, parts);
        else Assert.Equal(File.ReadAllLines(Path.Combine(whole, growing)), File.ReadAllLines(Path.Combine(parts, growing)));
    }

    private string[] RlArguments(string ollm, params string[] more) =>
        ["rl", "--model", _model.Folder, "--ollm", ollm, "--data", _model.WriteRows(12), "--max-tokens", "6", "--seed", "4", "--threads", "1", .. more];

    private string[] EvalArguments(string ollm, int rows = 40) =>
        ["eval", "--model", _model.Folder, "--ollm", ollm, "--data", _model.WriteRows(rows), "--samples", "2", "--max-tokens", "8", "--seed", "4", "--threads", "1"];
}
