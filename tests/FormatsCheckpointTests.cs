using OllmNative.Model;
using static OllmNative.Tests.FormatsFiles;

namespace OllmNative.Tests;

public class FormatsCheckpointTests
{
    private const string Index = "model.safetensors.index.json";

    [Theory]
    [InlineData("model.safetensors")]
    [InlineData("anything.safetensors")]
    public void Open_FolderWithOneFile_FindsIt(string name)
    {
        string folder = TestData.NewFolder();
        SafetensorsWriter.Write(Path.Combine(folder, name), [Counting("a", 2, 3), Counting("b")]);
        using Checkpoint checkpoint = Checkpoint.Open(folder);
        Assert.Equal([Path.Combine(folder, name)], checkpoint.Files);
        Assert.Equal(28, checkpoint.TotalBytes);
        Assert.Equal(folder, checkpoint.Path);
        Assert.Equal(5, checkpoint.Get("a", 2, 3).AsSpan<float>()[5]);
        Assert.Equal(1, checkpoint.Get("b", []).ElementCount);
    }

    [Fact]
    public void Open_ShardedFolder_JoinsTheShards()
    {
        using Checkpoint checkpoint = Checkpoint.Open(Sharded("""{"a":"s-1.safetensors","b":"s-2.safetensors"}"""));
        Assert.Equal(["a", "b"], checkpoint.Tensors.Select(tensor => tensor.Name));
        Assert.Equal(2, checkpoint.Files.Count);
        Assert.EndsWith("s-2.safetensors", checkpoint.Get("b").File, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("../s-1.safetensors")]
    [InlineData("..\\\\s-1.safetensors")]
    [InlineData("/etc/s-1.safetensors")]
    [InlineData("C:s-1.safetensors")]
    [InlineData("sub/s-1.safetensors")]
    [InlineData("..")]
    [InlineData("")]
    [InlineData(".safetensors")]
    [InlineData("s-1.bin")]
    [InlineData("s\\u0000.safetensors")]
    public void Open_ShardOutsideOfTheFolder_IsRefused(string shard)
    {
        string folder = Sharded($$"""{"a":"{{shard}}"}""");
        Assert.Contains("expected the plain name", Error(() => Checkpoint.Open(folder)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"a":"s-1.safetensors","b":"s-9.safetensors"}""", "1 of 2 shards are missing: \"s-9.safetensors\"")]
    [InlineData("""{"a":"s-2.safetensors"}""", "s-2.safetensors: model.safetensors.index.json says that this shard holds \"a\"")]
    [InlineData("""{"a":1}""", "expected a string")]
    [InlineData("""{"a":null}""", "expected a string")]
    [InlineData("""{}""", "\"weight_map\" is empty")]
    [InlineData("""[]""", "\"weight_map\" is an array, expected an object")]
    [InlineData("""null""", "\"weight_map\" is missing")]
    [InlineData("""{"a":"s-1.safetensors","a":"s-2.safetensors"}""", "not valid JSON")]
    public void Open_BrokenIndex_NamesTheProblem(string weightMap, string words)
    {
        string folder = Sharded(weightMap);
        string message = Error(() => Checkpoint.Open(folder));
        Assert.Contains(words, message, StringComparison.Ordinal);
        Assert.StartsWith(folder, message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_FolderWithoutOneChoice_ListsWhatItFound()
    {
        string folder = TestData.NewFolder();
        Assert.Contains("no weights", Error(() => Checkpoint.Open(folder)), StringComparison.Ordinal);
        SafetensorsWriter.Write(Path.Combine(folder, "one.safetensors"), []);
        SafetensorsWriter.Write(Path.Combine(folder, "two.safetensors"), []);
        Assert.Contains("2 safetensors files (\"one.safetensors\", \"two.safetensors\")", Error(() => Checkpoint.Open(folder)), StringComparison.Ordinal);
        Assert.Contains("no such file", Error(() => Checkpoint.Open(Path.Combine(folder, "none"))), StringComparison.Ordinal);
    }

    [Fact]
    public void Get_MissingTensor_SuggestsNearbyNames()
    {
        string path = Path.Combine(TestData.NewFolder(), "m.safetensors");
        SafetensorsWriter.Write(path, [Counting("lm_head.weight", 1), Counting("model.norm.weight", 1), Counting("model.layers.0.mlp.up_proj.weight", 1), Counting("z", 1)]);
        using Checkpoint checkpoint = Checkpoint.Open(path);
        string message = Error(() => checkpoint.Get("model.norm.weigth"));
        Assert.StartsWith($"{path}: tensor \"model.norm.weigth\" is missing; similar names there: \"model.norm.weight\", ", message, StringComparison.Ordinal);
        Assert.False(checkpoint.TryGet("model.norm.weigth", out _));
    }

    [Fact]
    public void Get_OtherShape_SaysBothShapes()
    {
        string path = Path.Combine(TestData.NewFolder(), "m.safetensors");
        SafetensorsWriter.Write(path, [Counting("a", 2, 3)]);
        using Checkpoint checkpoint = Checkpoint.Open(path);
        Assert.Contains("has shape [2, 3], expected [3, 2]", Error(() => checkpoint.Get("a", 3, 2)), StringComparison.Ordinal);
        Assert.Contains("expected []", Error(() => checkpoint.Get("a", [])), StringComparison.Ordinal);
    }

    [Fact]
    public void Fingerprint_SameModelShardedOrInOneFile_IsEqual()
    {
        string folder = TestData.NewFolder();
        SafetensorsWriter.Write(Path.Combine(folder, "model.safetensors"), [Counting("b", 3), Counting("a", 2)]);
        using Checkpoint single = Checkpoint.Open(folder);
        using Checkpoint sharded = Checkpoint.Open(Sharded("""{"a":"s-1.safetensors","b":"s-2.safetensors"}"""));
        ModelConfig config = Config();
        string print = BackboneFingerprint.Compute(config, single);
        Assert.Matches("^[0-9a-f]{64}$", print);
        Assert.Equal(print, BackboneFingerprint.Compute(config with { Path = "elsewhere", MaxPositions = 9, EosTokenIds = [1] }, sharded));
    }

    [Fact]
    public void Fingerprint_AnyValueThatMatters_ChangesIt()
    {
        using Checkpoint checkpoint = Checkpoint.Open(Sharded("""{"a":"s-1.safetensors","b":"s-2.safetensors"}"""));
        using Checkpoint smaller = Checkpoint.Open(Sharded("""{"a":"s-1.safetensors"}"""));
        ModelConfig config = Config();
        ModelConfig[] variants =
        [
            config, config with { ModelType = "qwen3" }, config with { HiddenSize = 16 }, config with { IntermediateSize = 17 }, config with { Layers = 3 },
            config with { Heads = 4 }, config with { KvHeads = 2 }, config with { HeadDim = 8 }, config with { VocabSize = 11 }, config with { RmsNormEps = 1e-5f },
            config with { RopeTheta = 1e6 }, config with { TieWordEmbeddings = true }, config with { QkvBias = true }, config with { OutputBias = true }, config with { QkNorm = true },
        ];
        string[] prints = [.. variants.Select(variant => BackboneFingerprint.Compute(variant, checkpoint)), BackboneFingerprint.Compute(config, smaller)];
        Assert.Equal(prints.Length, prints.Distinct().Count());
    }

    private static ModelConfig Config() => new()
    {
        ModelType = "qwen2", HiddenSize = 8, IntermediateSize = 16, Layers = 2, Heads = 2, KvHeads = 1, HeadDim = 4, VocabSize = 10,
    };

    /// <summary>A folder with shards s-1 (tensor a) and s-2 (tensors b, extra) and this weight_map.</summary>
    private static string Sharded(string weightMap)
    {
        string folder = TestData.NewFolder();
        SafetensorsWriter.Write(Path.Combine(folder, "s-1.safetensors"), [Counting("a", 2)]);
        SafetensorsWriter.Write(Path.Combine(folder, "s-2.safetensors"), [Counting("extra", 1), Counting("b", 3)]);
        File.WriteAllText(Path.Combine(folder, Index), $$"""{"metadata":{"total_size":20},"weight_map":{{weightMap}}}""");
        return folder;
    }
}
