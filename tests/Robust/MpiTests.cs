using System.Diagnostics;
using System.Text.Json;
using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Tests;

/// <summary>Jobs of several processes under each mpirun that is installed; skipped where there is none.</summary>
public class MpiTests
{
    [SkippableTheory]
    [InlineData(MpiLauncher.OpenMpi, "gumbel")]
    [InlineData(MpiLauncher.OpenMpi, "marginal")]
    [InlineData(MpiLauncher.Mpich, "gumbel")]
    public void Train_TwoProcesses_EqualOneWithTwiceTheAccumulation(string mpi, string latent)
    {
        var run = new TrainingRun(steps: 12, checkpointEvery: 5, "--latent", latent, "--validation-rows", "4", "--validation-every", "6");
        string one = run.At("one"), two = run.At("two");
        CliRun alone = CliRun.Of(run.Arguments(one, "--grad-accum", "2", "--json"));
        Assert.True(alone.Code == 0, alone.Error);
        CliRun both = MpiLauncher.Run(mpi, 2, run.Arguments(two, "--json"));
        Assert.True(both.Code == 0, both.Error);
        Assert.Equal(2, both.Json.GetProperty("ranks").GetInt32());
        Assert.InRange(both.Json.GetProperty("scaling_efficiency").GetDouble(), 0.0, 1.0);
        Assert.Single(both.Out.TrimEnd('\n').Split('\n'), line => line.Contains('{', StringComparison.Ordinal));
        AssertClose(one, two, 1e-4);

        // One process goes on where two have stopped, since a step takes the same rows.
        Directory.Delete(Path.Combine(two, "checkpoints", "step-00000012"), recursive: true);
        CliRun resumed = CliRun.Of(run.Arguments(two, "--grad-accum", "2", "--resume"));
        Assert.True(resumed.Code == 0, resumed.Error);
        Assert.Contains("10 of 12", resumed.Error, StringComparison.Ordinal);
        AssertClose(one, two, 1e-4);
    }

    [SkippableFact]
    public void Train_ThreeProcesses_EqualOneWithTheSameRows()
    {
        var run = new TrainingRun(steps: 6, checkpointEvery: 5);
        string one = run.At("one"), three = run.At("three");
        Assert.Equal(0, CliRun.Of(run.Arguments(one, "--grad-accum", "3")).Code);
        CliRun all = MpiLauncher.Run(MpiLauncher.Mpich, 3, run.Arguments(three));
        Assert.True(all.Code == 0, all.Error);
        AssertClose(one, three, 1e-4);
    }

    [SkippableTheory]
    [InlineData(MpiLauncher.OpenMpi)]
    [InlineData(MpiLauncher.Mpich)]
    public void Train_AProcessDies_EndsTheJobAndKeepsTheCheckpoint(string mpi)
    {
        var run = new TrainingRun(steps: 1_000_000, checkpointEvery: 3);
        string output = run.At("out");
        using OllmProcess job = MpiLauncher.Start(mpi, 2, run.Arguments(output));
        // Steps are short and old checkpoints go: any from the sixth step on will do.
        string checkpoints = Path.Combine(output, "checkpoints");
        while (!job.HasExited && !(Directory.Exists(checkpoints) && Directory.EnumerateDirectories(checkpoints, "step-*").Any(path => string.CompareOrdinal(path[^8..], "00000006") >= 0)))
            Thread.Sleep(5);
        Assert.False(job.HasExited, "the job ended by itself");
        using (Process process = Process.GetProcessById(MpiLauncher.ProcessOfRank(job.Id, 1))) process.Kill();
        CliRun ended = job.Wait(30);
        Assert.NotEqual(0, ended.Code);
        Assert.Matches("(?i)(killed|signal:? 9|died)", ended.Error + ended.Out);
        StoredCheckpoint? newest = new CheckpointStore(output).Newest(text => Assert.Fail(text));
        Assert.True(newest!.Step >= 6);
    }

    /// <summary>The bad row falls to the second process; both must come to know of it, or the first would wait for ever.</summary>
    [SkippableTheory]
    [InlineData(MpiLauncher.OpenMpi)]
    [InlineData(MpiLauncher.Mpich)]
    public void Train_BadRowOfTheSecondProcess_IsToldOnceWithItsPlace(string mpi)
    {
        var run = new TrainingRun(steps: 2);
        string[] args = run.Arguments(run.At("out"));
        string data = args[Array.IndexOf(args, "--data") + 1];
        string[] lines = File.ReadAllLines(data);
        lines[3] = """{"tokens": [1, 2, 9999], "prompt_length": 1}""";
        File.WriteAllLines(data, lines);
        CliRun refused = MpiLauncher.Run(mpi, 2, args);
        Assert.Equal(2, refused.Code);
        Assert.Equal(2, refused.Error.Split("error: ").Length); // Once.
        Assert.Contains(":4: token id 9999", refused.Error, StringComparison.Ordinal);
        CliRun skipped = MpiLauncher.Run(mpi, 2, [.. args, "--skip-bad-rows", "--json"]);
        Assert.True(skipped.Code == 0, skipped.Error);
        Assert.Equal((1, 22), (skipped.Json.GetProperty("skipped_rows").GetInt32(), skipped.Json.GetProperty("rows").GetInt32()));
    }

    [Theory]
    [InlineData(true, false, null, "libmpi.so.40 libmpi.so.12 libmpich.so.12 libmpi.so")]
    [InlineData(false, false, "", "libmpi.so.12 libmpich.so.12 libmpi.so.40 libmpi.so")]
    [InlineData(false, true, null, "libmpi.12.dylib libmpich.12.dylib libmpi.40.dylib libmpi.dylib")]
    [InlineData(true, false, "/opt/mpi/libmpi.so", "/opt/mpi/libmpi.so")]
    public void LibraryNames_OfALauncher_BeginWithItsOwn(bool openMpi, bool mac, string? given, string expected) =>
        Assert.Equal(expected, string.Join(' ', MpiLibrary.Names(openMpi, mac, given)));

    [Theory]
    [InlineData(" 0-3,8\t", new[] { 0, 1, 2, 3, 8 })]
    [InlineData("5", new[] { 5 })]
    [InlineData("0-99999999", 1024)]
    [InlineData("x", new int[0])]
    public void Parse_ProcessorList_GivesNumbers(string list, object expected)
    {
        int[] found = Affinity.Parse(list);
        if (expected is int count) Assert.Equal(count, found.Length);
        else Assert.Equal((int[])expected, found);
    }

    [Theory]
    [InlineData(10, 3)]
    [InlineData(2, 5)]
    [InlineData(64, 8)]
    public void ShareOf_AnyCount_CoversItOnceAndEvenly(int count, int size)
    {
        int next = 0;
        for (int rank = 0; rank < size; rank++)
        {
            (int first, int length) = new FakeGroup(rank, size).ShareOf(count);
            Assert.Equal(next, first);
            Assert.InRange(length, count / size, count / size + 1);
            next += length;
        }
        Assert.Equal(count, next);
    }

    /// <summary>Largest difference of weights, relative to the largest of each tensor, and of the metrics, relative to each value.</summary>
    internal static void AssertClose(string expected, string actual, double bound)
    {
        using (SafetensorsFile a = SafetensorsFile.Open(Path.Combine(expected, "ollm.safetensors")), b = SafetensorsFile.Open(Path.Combine(actual, "ollm.safetensors")))
        {
            foreach (MappedTensor tensor in a.Tensors)
            {
                Assert.True(b.TryGet(tensor.Name, out MappedTensor? other));
                float[] left = tensor.ToFloats(), right = other.ToFloats();
                double scale = Math.Max(1e-3, left.Max(Math.Abs)), worst = left.Zip(right, (x, y) => (double)Math.Abs(x - y)).Max() / scale;
                Assert.True(worst <= bound, $"{tensor.Name}: {worst}");
            }
        }
        string[] first = File.ReadAllLines(Path.Combine(expected, "metrics.jsonl")), second = File.ReadAllLines(Path.Combine(actual, "metrics.jsonl"));
        Assert.Equal(first.Length, second.Length);
        foreach ((string left, string right) in first.Zip(second))
        {
            using JsonDocument a = JsonDocument.Parse(left), b = JsonDocument.Parse(right);
            foreach (JsonProperty value in a.RootElement.EnumerateObject().Where(value => value.Name != "tokens_per_second"))
            {
                double x = value.Value.GetDouble(), y = b.RootElement.GetProperty(value.Name).GetDouble();
                Assert.True(Math.Abs(x - y) <= bound * Math.Max(1e-2, Math.Abs(x)), $"{value.Name}: {x} and {y}");
            }
        }
    }

    private sealed class FakeGroup(int rank, int size) : ProcessGroup
    {
        public override int Rank => rank;
        public override int Size => size;
        public override int LocalRank => rank;
        public override int LocalSize => size;
        public override int FairThreads => 1;
        public override void Sum(Span<float> values) => throw new NotSupportedException();
        public override void Sum(Span<double> values) => throw new NotSupportedException();
        public override void Max(Span<double> values) => throw new NotSupportedException();
        public override void Broadcast(Span<byte> bytes, int from) => throw new NotSupportedException();
        public override bool TryMeet(Span<double> values, TimeSpan patience) => throw new NotSupportedException();
        public override void Abort(int exitCode) => throw new NotSupportedException();
    }
}
