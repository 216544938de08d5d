using OllmNative.Model;

namespace OllmNative.Tests;

/// <summary>Sizes, fresh modules, and the OLLM folder with everything that can be wrong in it.</summary>
public sealed class OllmModelTests : IDisposable
{
    private const string Weights = "ollm.safetensors";
    private readonly TinyBackbone _tiny = new();

    public void Dispose() => _tiny.Dispose();

    [Fact]
    public void DefaultLatentWidth_DeepSeekDistill15B_GivesThePapersShare()
    {
        // DeepSeek-R1-Distill-Qwen-1.5B: 28 layers, D 1536, 12 query heads and 2 key/value heads of 128, F 8960, V 151936, untied head.
        const long d = 1536, kv = 2 * 128, f = 8960, v = 151_936;
        const long layer = d * d + d + 2 * (kv * d + kv) + d * d + 3 * f * d + 2 * d;
        const long backbone = 28 * layer + 2 * v * d + d;
        Assert.Equal(1_777_088_000, backbone);

        int m = OllmShape.DefaultLatentWidth((int)d);
        Assert.Equal(3584, m);
        const long k = 10;
        // M x D: encoder.in (twice as wide), decoder.in and .out, policy.in. K x M: one for each module. D: four norms, decoder.out.bias.
        long trained = 5 * m * d + 3 * k * m + 5 * d + 3 * m + 2 * k;
        Assert.Equal(27_651_092, new OllmShape((int)d, m, (int)k, 1e-6f).ParameterCount);
        Assert.Equal(trained, new OllmShape((int)d, m, (int)k, 1e-6f).ParameterCount);
        Assert.Equal(0.0156, (double)trained / backbone, 0.00005);
    }

    [Theory]
    [InlineData(96, 256)]
    [InlineData(16, 64)]
    [InlineData(896, 2112)]
    public void DefaultLatentWidth_AnyWidth_IsAMultipleOf64(int hidden, int expected) => Assert.Equal(expected, OllmShape.DefaultLatentWidth(hidden));

    [Fact]
    public void Create_Fresh_EqualsItsBackboneForEveryOption()
    {
        using OllmModel ollm = OllmModel.Create(_tiny.Model, 4, null, seed: 1);
        float[] hidden = Reference.Forward(_tiny.Model, _tiny.Tokens(6)).Hidden;
        using DeviceBuffer<float> h = _tiny.Device.Allocate<float>(hidden.Length), z = _tiny.Device.Allocate<float>(6 * 4), bent = _tiny.Device.Allocate<float>(hidden.Length);
        h.Upload(0, hidden);
        using var decoder = new Decoder(_tiny.Device, ollm.Parameters, null, 6);
        for (int option = 0; option < 4; option++)
        {
            z.Upload(0, [.. Enumerable.Range(0, 24).Select(i => i % 4 == option ? 1f : 0f)]);
            decoder.Forward(h.View, z.View, bent.View);
            Assert.Equal(hidden, bent.View.ToArray());
        }
    }

    [Fact]
    public void Create_Seed_DecidesTheWeights()
    {
        using OllmModel a = OllmModel.Create(_tiny.Model, 4, 32, 1), b = OllmModel.Create(_tiny.Model, 4, 32, 1), c = OllmModel.Create(_tiny.Model, 4, 32, 2);
        Assert.Equal(a.Parameters.All.ToArray(), b.Parameters.All.ToArray());
        Assert.NotEqual(a.Parameters.All.ToArray(), c.Parameters.All.ToArray());
        float bound = 1 / MathF.Sqrt(32);
        float[] uniform = a.Parameters["encoder.in.weight"].ToArray();
        Assert.All(uniform, w => Assert.InRange(w, -bound, bound));
        Assert.True(uniform.Max() > 0.9f * bound && uniform.Min() < -0.9f * bound);
        Assert.All(a.Parameters["policy.norm.weight"].ToArray(), w => Assert.Equal(1, w));
    }

    [Theory]
    [InlineData(0, 32, "--options")]
    [InlineData(1025, 32, "--options")]
    [InlineData(4, 0, "--latent-width")]
    public void Create_SizesOutOfRange_AreRefused(int options, int width, string flag) =>
        Assert.Contains(flag, FormatsFiles.Error(() => OllmModel.Create(_tiny.Model, options, width, 0)), StringComparison.Ordinal);

    [Fact]
    public void SaveAndLoad_RandomModules_KeepsEverything()
    {
        using OllmModel ollm = _tiny.NewOllm(4, 24);
        (ollm.LatentMode, ollm.TrainedTokens) = (LatentMode.Marginal, 12_345_678_901);
        string folder = TestData.NewFolder();
        ollm.Save(folder);
        using OllmModel loaded = OllmModel.Load(_tiny.Model, folder);
        Assert.Equal(ollm.Parameters.All.ToArray(), loaded.Parameters.All.ToArray());
        Assert.Equal((ollm.Shape, LatentMode.Marginal, 12_345_678_901), (loaded.Shape, loaded.LatentMode, loaded.TrainedTokens));
        Assert.Equal(_tiny.Model.Fingerprint, OllmManifest.Load(folder).Fingerprint);
    }

    [Fact]
    public void Load_OtherBackbone_IsRefused()
    {
        string folder = Saved();
        using var wider = new TinyBackbone(hidden: 24);
        using var deeper = new TinyBackbone(layers: 3);
        Assert.Contains("hidden_size 24", FormatsFiles.Error(() => OllmModel.Load(wider.Model, folder)), StringComparison.Ordinal);
        Assert.Contains("another backbone", FormatsFiles.Error(() => OllmModel.Load(deeper.Model, folder)), StringComparison.Ordinal);
    }

    [Fact]
    public void Load_NoFingerprint_ComparesSizesOnly()
    {
        string folder = Saved();
        Rewrite(folder, json => json.Replace(_tiny.Model.Fingerprint, "", StringComparison.Ordinal).Replace("\"fingerprint\": \"\"", "\"fingerprint\": null", StringComparison.Ordinal));
        using var deeper = new TinyBackbone(layers: 3);
        using OllmModel loaded = OllmModel.Load(deeper.Model, folder);
        Assert.Equal(4, loaded.Shape.Options);
    }

    [Theory]
    [InlineData("decoder.in.bias", "decoder.in.biases", "decoder.in.bias|decoder.in.biases")]
    [InlineData("\"policy.out.weight\":{\"dtype\":\"F32\"", "\"policy.out.weight\":{\"dtype\":\"I32\"", "policy.out.weight|I32|F32")]
    [InlineData("\"shape\":[4,24]", "\"shape\":[24,4]", "encoder.out.weight|[24, 4]|[4, 24]")]
    public void Load_WrongTensor_IsRefusedByName(string from, string to, string words)
    {
        string folder = Saved(), path = Path.Combine(folder, Weights);
        byte[] file = File.ReadAllBytes(path);
        int length = BitConverter.ToInt32(file, 0);
        string header = System.Text.Encoding.UTF8.GetString(file, 8, length);
        Assert.Contains(from, header, StringComparison.Ordinal);
        // The header keeps its length: what is added is taken from the padding, which is written anew.
        string changed = header.Replace(from, to, StringComparison.Ordinal).TrimEnd();
        changed = changed.PadRight((changed.Length + 7) / 8 * 8);
        File.WriteAllBytes(path, [.. BitConverter.GetBytes((long)changed.Length), .. System.Text.Encoding.UTF8.GetBytes(changed), .. file[(8 + length)..]]);
        string message = FormatsFiles.Error(() => OllmModel.Load(_tiny.Model, folder));
        foreach (string word in (string[])[Weights, .. words.Split('|')]) Assert.Contains(word, message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"format_version\": 1", "\"format_version\": 2", "format_version")]
    [InlineData("\"options\": 4,", "", "options")]
    [InlineData("\"options\": 4", "\"options\": 0", "options")]
    [InlineData("\"options\": 4", "\"options\": \"four\"", "options")]
    [InlineData("\"latent_width\": 24", "\"latent_width\": -1", "latent_width")]
    [InlineData("\"latent_mode\": \"gumbel\"", "\"latent_mode\": \"hard\"", "latent_mode")]
    [InlineData("\"latent_mode\": \"gumbel\"", "\"latent_mode\": \"1\"", "latent_mode")]
    [InlineData("\"backbone\"", "\"model\"", "backbone")]
    [InlineData("\"hidden_size\": 16", "\"hidden_size\": null", "hidden_size")]
    [InlineData("\"options\": 4", "\"options\": 5", "encoder.out.weight")]
    [InlineData("{", "", "ollm.json")]
    public void Load_WrongManifest_IsRefusedByPlace(string from, string to, string place)
    {
        string folder = Saved();
        Rewrite(folder, json =>
        {
            Assert.Contains(from, json, StringComparison.Ordinal);
            return json.Replace(from, to, StringComparison.Ordinal);
        });
        string message = FormatsFiles.Error(() => OllmModel.Load(_tiny.Model, folder));
        Assert.Contains(place, message, StringComparison.Ordinal);
        Assert.Contains(folder, message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(OllmManifest.FileName)]
    [InlineData(Weights)]
    public void Load_MissingFile_IsRefusedByName(string file)
    {
        string folder = Saved();
        File.Delete(Path.Combine(folder, file));
        Assert.Contains(file, FormatsFiles.Error(() => OllmModel.Load(_tiny.Model, folder)), StringComparison.Ordinal);
    }

    private string Saved()
    {
        using OllmModel ollm = _tiny.NewOllm(4, 24);
        string folder = TestData.NewFolder();
        ollm.Save(folder);
        return folder;
    }

    private static void Rewrite(string folder, Func<string, string> change)
    {
        string path = Path.Combine(folder, OllmManifest.FileName);
        File.WriteAllText(path, change(File.ReadAllText(path)));
    }
}
