using OllmNative.Model;

namespace OllmNative.Tests;

/// <summary>Fixtures made by tests/reference/make_fixtures.py and helpers to compare with them.</summary>
internal static class Reference
{
    public static string Folder(params string[] parts) => Path.Combine([AppContext.BaseDirectory, "reference", "fixtures", .. parts]);

    public static float[] Floats(Checkpoint file, string name) => file.Get(name).ToFloats();

    public static int[] Tokens(Checkpoint file, string name) => [.. file.Get(name).AsSpan<long>().ToArray().Select(t => (int)t)];

    /// <summary>Largest difference over the largest expected magnitude.</summary>
    public static double RelativeError(ReadOnlySpan<float> actual, ReadOnlySpan<float> expected)
    {
        Assert.Equal(expected.Length, actual.Length);
        double worst = 0, largest = 1e-12;
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.True(float.IsFinite(actual[i]), $"element {i} is {actual[i]}");
            worst = Math.Max(worst, Math.Abs((double)actual[i] - expected[i]));
            largest = Math.Max(largest, Math.Abs(expected[i]));
        }
        return worst / largest;
    }

    public static void Near(ReadOnlySpan<float> actual, ReadOnlySpan<float> expected, double tolerance, string what)
    {
        double error = RelativeError(actual, expected);
        Assert.True(error <= tolerance, $"{what}: relative error {error:E2} is above {tolerance:E2}");
    }

    /// <summary>Runs one sequence through the backbone, in pieces of the given size, and returns hidden and logits of every position.</summary>
    public static (float[] Hidden, float[] Logits) Forward(QwenBackbone backbone, int[] tokens, int pieceLength = int.MaxValue)
    {
        ComputeDevice device = backbone.Device;
        int d = backbone.Config.HiddenSize, v = backbone.Config.VocabSize;
        using var cache = new KvCache(device, backbone.Config, tokens.Length);
        using var batch = new TokenBatch(device, tokens.Length);
        using var buffers = new ForwardBuffers(device, backbone.Config, tokens.Length);
        using DeviceBuffer<float> hidden = device.Allocate<float>((long)tokens.Length * d), logits = device.Allocate<float>((long)tokens.Length * v);
        for (int at = 0; at < tokens.Length; at += batch.Rows)
        {
            batch.Clear();
            batch.Add(tokens.AsSpan(at, Math.Min(pieceLength, tokens.Length - at)), at, 0);
            batch.Upload();
            backbone.Forward(batch, cache, buffers, hidden.View.Slice((long)at * d, (long)batch.Rows * d));
        }
        device.MatMul(hidden.View, backbone.Head, default, logits.View);
        return (hidden.View.ToArray(), logits.View.ToArray());
    }
}
