namespace OllmNative.Tests;

/// <summary><c>--cache-hidden</c>: when there is a cache, where it lies and what is said about it.</summary>
public sealed class CliTrainCacheTests
{
    [Fact]
    public void Train_SeveralEpochs_CacheInTheOutputFolderAnnouncedFirst()
    {
        var model = new CliTextModel();
        string folder = model.At("out");
        CliRun run = Train(model, "--epochs", "2");
        Assert.True(run.Code == 0, run.Error);
        Assert.Matches($"^hidden-state cache: [0-9.]+ MB in {folder}/hidden-cache\n", run.Error);
        Assert.EndsWith(".hidden", Assert.Single(Directory.GetFiles(Path.Combine(folder, "hidden-cache"))), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--epochs", "1")]
    [InlineData("--steps", "9")]
    [InlineData("--epochs", "2", "--no-cache-hidden")]
    [InlineData("--epochs", "2", "--steps", "2")]
    public void Train_OneEpochOrTold_NoCache(params string[] flags)
    {
        var model = new CliTextModel();
        CliRun run = Train(model, flags);
        Assert.True(run.Code == 0, run.Error);
        Assert.DoesNotContain("hidden-state cache", run.Error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(model.At("out/hidden-cache")));
    }

    [Fact]
    public void Train_SecondRunOnTheSameRows_UsesTheCacheOfTheFirst()
    {
        var model = new CliTextModel();
        string cache = model.At("cache");
        CliRun first = Train(model, "--epochs", "1", "--cache-hidden", cache), second = Train(model, "--epochs", "1", "--cache-hidden", cache, "--force");
        Assert.Equal((0, 0), (first.Code, second.Code));
        Assert.DoesNotContain("complete", first.Error, StringComparison.Ordinal);
        Assert.Contains("complete, 20 rows", second.Error, StringComparison.Ordinal);
        // Cut to other lengths the rows are others, and so are their states.
        CliRun shorter = Train(model, "--epochs", "1", "--cache-hidden", cache, "--force", "--max-length", "12");
        Assert.Contains("other rows", shorter.Error, StringComparison.Ordinal);
        Assert.Equal(2, Directory.GetFiles(cache).Length);
    }

    [Fact]
    public void Train_CacheAndNoCache_IsRefused()
    {
        var model = new CliTextModel();
        Train(model, "--cache-hidden", model.At("cache"), "--no-cache-hidden").AssertRefused("--cache-hidden", "exclude");
        Train(model, "--cache-hidden", model.WriteRows(20)).AssertRefused("--cache-hidden", model.At("rows.jsonl"));
    }

    private static CliRun Train(CliTextModel model, params string[] more) => CliRun.Of(
        ["train", "--model", model.Folder, "--data", model.WriteRows(20), "--out", model.At("out"), "--options", "3", "--latent-width", "8", "--batch-size", "4", .. more]);
}
