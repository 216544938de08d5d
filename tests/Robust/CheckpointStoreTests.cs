using System.Text.Json.Nodes;
using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Tests;

/// <summary>Which checkpoints stay, which are passed over, and what sweeping removes.</summary>
public class CheckpointStoreTests
{
    private readonly string _folder = TestData.NewFolder();
    private readonly List<string> _warnings = [];

    [Fact]
    public void Write_ManyCheckpoints_KeepsTheNewestAndTheBest()
    {
        double[] scores = [5, 2, 3, 4, 6, 7];
        for (int i = 0; i < scores.Length; i++) Write(i + 1, scores[i], keep: 2);
        Assert.Equal(["step-00000002", "step-00000005", "step-00000006"], Names());
        Assert.Equal("step-00000002", Path.GetFileName(new CheckpointStore(_folder).Best()));
        Assert.Equal(6, new CheckpointStore(_folder).Newest(_warnings.Add)!.Step);
        Assert.Empty(_warnings);
    }

    [Theory]
    [InlineData("data.bin")]
    [InlineData("state.json")]
    public void Newest_AnyByteFlipped_FallsBackWithAWarning(string file)
    {
        Write(1);
        Write(2);
        string path = Path.Combine(_folder, "checkpoints", "step-00000002", file);
        byte[] bytes = File.ReadAllBytes(path);
        for (int at = 0; at < bytes.Length; at += Math.Max(1, bytes.Length / 40))
        {
            byte[] damaged = [.. bytes];
            damaged[at] ^= 4;
            File.WriteAllBytes(path, damaged);
            _warnings.Clear();
            Assert.Equal(1, new CheckpointStore(_folder).Newest(_warnings.Add)!.Step);
            Assert.Contains(path, Assert.Single(_warnings), StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("data.bin", "missing")]
    [InlineData("state.json", "no such file")]
    public void Newest_OnlyCheckpointLacksAFile_IsRefused(string file, string word)
    {
        Write(1);
        File.Delete(Path.Combine(_folder, "checkpoints", "step-00000001", file));
        string message = FormatsFiles.Error(() => new CheckpointStore(_folder).Newest());
        Assert.Contains(word, message, StringComparison.Ordinal);
        Assert.Contains("no other checkpoint", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("../secret")]
    [InlineData("/etc/hostname")]
    [InlineData("..")]
    public void Open_NameLeadsOutOfTheFolder_IsRefused(string name)
    {
        string folder = Directory.CreateDirectory(Path.Combine(_folder, "inside")).FullName;
        SealedFolder.Seal(folder, new JsonObject { ["placeholder"] = 1 });
        string path = Path.Combine(folder, "state.json"), text = File.ReadAllText(path).Replace("\"sha256\": {}", $"\"sha256\": {{\"{name}\": \"00\"}}", StringComparison.Ordinal);
        string old = JsonNode.Parse(text)!["checksum"]!.GetValue<string>(), zeros = new('0', 64);
        string sum = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(text.Replace(old, zeros, StringComparison.Ordinal))));
        File.WriteAllText(path, text.Replace(old, sum, StringComparison.Ordinal));
        Assert.Contains("plain names", FormatsFiles.Error(() => SealedFolder.Open(folder)), StringComparison.Ordinal);
    }

    [Fact]
    public void Write_FillFails_LeavesTheCheckpointsAsTheyWere()
    {
        Write(1);
        string message = FormatsFiles.Error(() => new CheckpointStore(_folder).Write(2, _ => throw new IOException("No space left on device"), [], keep: 1));
        Assert.Contains("No space left", message, StringComparison.Ordinal);
        Assert.Contains("step-00000001", message, StringComparison.Ordinal);
        Assert.Equal(["step-00000001"], Names());
    }

    [Fact]
    public void Write_DamagedCheckpointOfTheSameStep_IsReplaced()
    {
        Write(1);
        string path = Path.Combine(_folder, "checkpoints", "step-00000001", "data.bin");
        File.WriteAllBytes(path, [1]);
        Write(1);
        Assert.Equal(1, new CheckpointStore(_folder).Newest(_warnings.Add)!.Step);
        Assert.Equal(["step-00000001"], Names());
    }

    [Fact]
    public void Sweep_LeftoversOfAKilledRun_AreRemovedAndNothingElse()
    {
        Write(1);
        string checkpoints = Path.Combine(_folder, "checkpoints");
        Directory.CreateDirectory(Path.Combine(checkpoints, "writing-00000002"));
        File.WriteAllText(Path.Combine(checkpoints, "writing-00000002", "half"), "x");
        Directory.CreateDirectory(Path.Combine(_folder, $"removing-{Guid.NewGuid():N}"));
        File.WriteAllText(DurableFiles.TemporaryName(Path.Combine(_folder, "ollm.safetensors")), "half");
        string[] mine = [Path.Combine(_folder, "notes.tmp"), Path.Combine(_folder, "removing-old-things")];
        File.WriteAllText(mine[0], "");
        Directory.CreateDirectory(mine[1]);
        new CheckpointStore(_folder).Sweep();
        Assert.Equal([checkpoints, mine[0], mine[1]], Directory.EnumerateFileSystemEntries(_folder).Order(StringComparer.Ordinal));
        Assert.Equal(["step-00000001"], Names());
    }

    [Fact]
    public void Take_FolderOfARunningRun_IsRefusedUntilItEnds()
    {
        using (RunLock.Take(_folder))
            Assert.Contains("another run", FormatsFiles.Error(() => RunLock.Take(_folder, patience: 60).Dispose()), StringComparison.Ordinal);
        RunLock.Take(_folder).Dispose();
    }

    private void Write(int step, double? score = null, int keep = 5) => new CheckpointStore(_folder).Write(
        step, folder => File.WriteAllBytes(Path.Combine(folder, "data.bin"), [.. Enumerable.Range(0, 200).Select(i => (byte)(i * step))]), new JsonObject { ["step"] = step }, keep, score);

    private string[] Names() => [.. Directory.EnumerateDirectories(Path.Combine(_folder, "checkpoints")).Select(path => Path.GetFileName(path)!).Order(StringComparer.Ordinal)];
}
