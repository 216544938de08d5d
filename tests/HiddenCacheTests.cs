using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Tests;

/// <summary>The file of hidden states: what it holds, and what becomes of files that are not what they should be.</summary>
public sealed class HiddenCacheTests : IDisposable
{
    private readonly TinyBackbone _tiny = new();
    private readonly string _folder = TestData.NewFolder();
    private readonly List<string> _log = [];
    private readonly TokenRow[] _rows;

    public HiddenCacheTests() => _rows = [.. Enumerable.Range(0, 6).Select(i => new TokenRow(_tiny.Tokens(3 + i), i % 3, i + 1))];

    public void Dispose() => _tiny.Dispose();

    [Fact]
    public void Write_AllRows_RenamesAndReadsBackRounded()
    {
        using (HiddenCache cache = Open()) Fill(cache);
        Assert.Equal([".hidden"], Directory.GetFiles(_folder).Select(Path.GetExtension));
        using HiddenCache again = Open();
        Assert.True(again.IsComplete);
        AssertHolds(again);
        Assert.Contains("hidden-state cache: ", _log[0], StringComparison.Ordinal);
        Assert.Contains($"{again.Bytes / 1e6:F1} MB in {_folder}", _log[0], StringComparison.Ordinal);
    }

    [Fact]
    public void Open_PartialFile_KeepsItsWholeRecordsOnly()
    {
        using (HiddenCache cache = Open())
        {
            for (int row = 0; row < 4; row++) Assert.True(cache.Write(row, States(row)));
            Assert.False(cache.IsComplete);
        }
        string partial = Assert.Single(Directory.GetFiles(_folder));
        // The last byte that was written belongs to row 3 or the zeros behind it; a crash would have cut it short.
        FlipByte(partial, Record(3) + 5);
        using HiddenCache resumed = Open();
        Assert.Equal([true, true, true, false, false, false], Enumerable.Range(0, 6).Select(resumed.Has));
        Fill(resumed);
        Assert.True(resumed.IsComplete);
        AssertHolds(resumed);
        Assert.Contains(_log, line => line.Contains("3 of 6 rows", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("truncated", "truncated")]
    [InlineData("cut to nothing", "is not a hidden-state cache")]
    [InlineData("record", "damaged")]
    [InlineData("checksum", "damaged")]
    [InlineData("header", "damaged header")]
    [InlineData("magic", "is not a hidden-state cache")]
    [InlineData("stale", "stale")]
    public void Open_DamagedFile_IsReportedAndMadeAgain(string damage, string word)
    {
        string path;
        using (HiddenCache cache = Open())
        {
            Fill(cache);
            path = cache.Path;
        }
        if (damage == "truncated") Cut(path, new FileInfo(path).Length - 64);
        if (damage == "cut to nothing") Cut(path, 40);
        if (damage == "record") FlipByte(path, Record(2) + 20);
        if (damage == "checksum") FlipByte(path, 128 + 8);
        if (damage == "header") FlipByte(path, 17);
        if (damage == "magic") FlipByte(path, 0);
        if (damage == "stale") ReplaceByCacheOfOtherRows(path);
        _log.Clear();
        using HiddenCache again = Open();
        Assert.Contains(_log, line => line.Contains(path, StringComparison.Ordinal) && line.Contains(word, StringComparison.Ordinal));
        Assert.Equal((false, 0), (again.IsComplete, again.Count));
        Fill(again);
        AssertHolds(again);
    }

    [Fact]
    public void Open_TwoAtATime_EachFillsItsOwn()
    {
        using HiddenCache first = Open(), second = Open();
        Assert.Equal(2, Directory.GetFiles(_folder).Length);
        for (int row = 0; row < 6; row++)
        {
            Assert.True(first.Write(row, States(row)));
            Assert.True(second.Write(row, States(row)));
        }
        Assert.True(first.IsComplete && second.IsComplete);
        AssertHolds(first);
        AssertHolds(second);
        Assert.Equal(first.Path, Assert.Single(Directory.GetFiles(_folder)));
    }

    [Fact]
    public void Open_OtherRowsOrWeights_OtherFile()
    {
        using HiddenCache cache = Open();
        TokenRow changed = _rows[5] with { Tokens = [.. _rows[5].Tokens[..^1], (_rows[5].Tokens[^1] + 1) % 41] }, prompt = _rows[5] with { PromptLength = 4 };
        using var finetuned = new TinyBackbone(seed: 2);
        Assert.Equal(_tiny.Model.Fingerprint, finetuned.Model.Fingerprint);
        using HiddenCache otherToken = Open([.. _rows[..5], changed]), otherPrompt = Open([.. _rows[..5], prompt]), shorter = Open(_rows[..5]);
        using HiddenCache otherWeights = HiddenCache.Open(_folder, finetuned.Model, _rows);
        Assert.Equal(5, new[] { cache.Path, otherToken.Path, otherPrompt.Path, shorter.Path, otherWeights.Path }.Distinct().Count());
    }

    [Fact]
    public void Open_FolderThatIsAFile_IsRefused()
    {
        string file = Path.Combine(_folder, "taken");
        File.WriteAllText(file, "");
        Assert.Contains(file, FormatsFiles.Error(() => HiddenCache.Open(file, _tiny.Model, _rows).Dispose()), StringComparison.Ordinal);
    }

    [Fact]
    public void Bf16Rows_AnyNumber_RoundsToNearestEven()
    {
        float[] values = [0, -0f, 1, 1.00390625f, 1.01171875f, -3.14159274f, 1e-40f, float.MaxValue, float.PositiveInfinity, float.NaN,
            BitConverter.UInt32BitsToSingle(0x7FFFFFFF), BitConverter.UInt32BitsToSingle(0xFF800001), .. Enumerable.Range(1, 60).Select(i => MathF.Sin(i) * MathF.Exp(i - 30))];
        var bits = new ushort[values.Length];
        var back = new float[values.Length];
        Bf16Rows.Round(values, bits);
        Bf16Rows.Widen(bits, back);
        for (int i = 0; i < values.Length; i++)
        {
            if (float.IsNaN(values[i])) Assert.True(float.IsNaN(back[i]));
            else if (values[i] == float.MaxValue) Assert.Equal(float.PositiveInfinity, back[i]);
            else if (float.IsFinite(values[i]) && MathF.Abs(values[i]) > 1e-37f) Assert.InRange(MathF.Abs(back[i] - values[i]), 0, MathF.Abs(values[i]) / 256);
        }
        // Halfway cases go to the even neighbour.
        Assert.Equal((1f, 1.015625f), (back[3], back[4]));
        Assert.True(float.IsNegative(back[1]) && float.IsPositiveInfinity(back[8]));
    }

    private HiddenCache Open(TokenRow[]? rows = null) => HiddenCache.Open(_folder, _tiny.Model, rows ?? _rows, _log.Add);

    private void Fill(HiddenCache cache)
    {
        for (int row = 0; row < 6; row++) Assert.True(cache.Has(row) || cache.Write(row, States(row)));
    }

    private float[] States(int row) => [.. Enumerable.Range(0, _rows[row].Targets * 16).Select(i => MathF.Sin(100 * row + i))];

    private void AssertHolds(HiddenCache cache)
    {
        for (int row = 0; row < 6; row++)
        {
            float[] expected = States(row), actual = new float[expected.Length];
            cache.Read(row, actual);
            for (int i = 0; i < expected.Length; i++) Assert.InRange(MathF.Abs(actual[i] - expected[i]), 0, MathF.Abs(expected[i]) / 256);
        }
    }

    /// <summary>Where the record of a row begins: 128 bytes, the checksums, then records on multiples of 64.</summary>
    private long Record(int row)
    {
        static long Align(long bytes) => (bytes + 63) / 64 * 64;
        return Align(128 + 8 * _rows.Length) + _rows[..row].Sum(r => Align(r.Targets * (4 + 2 * 16)));
    }

    private void ReplaceByCacheOfOtherRows(string path)
    {
        string other = TestData.NewFolder();
        using (HiddenCache cache = HiddenCache.Open(other, _tiny.Model, [.. _rows.Reverse()]))
        {
            for (int row = 0; row < 6; row++) cache.Write(row, States(5 - row));
        }
        File.Move(Assert.Single(Directory.GetFiles(other)), path, overwrite: true);
    }

    private static void Cut(string path, long length)
    {
        using FileStream file = File.OpenWrite(path);
        file.SetLength(length);
    }

    private static void FlipByte(string path, long at)
    {
        byte[] bytes = File.ReadAllBytes(path);
        bytes[at] ^= 16;
        File.WriteAllBytes(path, bytes);
    }
}
