using OllmNative.Model;
using OllmNative.Model.Cpu;
using OllmNative.Model.Cuda;
using OllmNative.Runtime.Extensions;
using OllmNative.Tests.Cuda;

namespace OllmNative.Tests;

/// <summary>Models with heads of 64, whose keys and values the CUDA device keeps as bf16.</summary>
public sealed class CudaAttentionTests
{
    private static readonly CudaDeviceOptions TensorCores = new() { TensorCores = true, Bf16Parameters = true };

    [Theory]
    [InlineData(64, true)]
    [InlineData(128, true)]
    [InlineData(32, false)]
    public void CacheType_HeadSize_SaysWhatTheCacheHolds(int headSize, bool words)
    {
        using CudaDevice device = CudaDeviceTests.NewDevice(TensorCores), plain = CudaDeviceTests.NewDevice();
        (IDisposable memory, CacheView view) = CacheView.Allocate(device, headSize, 3 * headSize);
        using (memory)
        {
            Assert.Equal(words ? DType.BF16 : DType.F32, device.CacheType(headSize));
            Assert.Equal(words, view.IsBf16);
            Assert.Equal(3 * headSize, view.Length);
        }
        Assert.Equal(DType.F32, plain.CacheType(headSize));
    }

    [Fact]
    public void Forward_CopiedPrefix_GivesTheSameBitsAndTheCpusStates()
    {
        using var tiny = new TinyBackbone(hidden: 32, headDim: 64);
        int[] prompt = tiny.Tokens(40), next = tiny.Tokens(3);
        using CudaDevice device = CudaDeviceTests.NewDevice(TensorCores);
        using QwenBackbone other = QwenBackbone.Load(device, tiny.Folder);
        (float[] expected, _) = Continue(tiny.Model, prompt, next);
        (float[] first, float[] second) = Continue(other, prompt, next);
        Assert.Equal(first, second);
        double largest = expected.Max(Math.Abs);
        for (int i = 0; i < first.Length; i++) Assert.Equal(expected[i] / largest, first[i] / largest, 3e-2);
        Assert.NotEqual(expected, first);
    }

    /// <summary>The PTX of the Hopper kernel through the whole device: two sequences of different lengths, packed, over a cache with both.</summary>
    [Fact]
    public void Attention_OnHopper_IsTheCpusOnTheSameCache()
    {
        const int heads = 4, kvHeads = 2, size = 64, rows = 180, width = kvHeads * size;
        SequenceSpan[] sequences = [new(0, 60, 0, 0), new(60, 40, 65, 70)];
        float[] q = Ptx.PtxRun.Random(1, 100 * heads * size, 3), k = Rounded(2), v = Rounded(3);
        using var cpu = new CpuDevice();
        float[] expected = Attend(cpu);
        using var gpu = new PtxGpu();
        using var device = new CudaDevice(gpu.Accelerator, TensorCores with { Hopper = true });
        float[] actual = Attend(device);
        for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], 1e-2);
        Assert.Equal(2, gpu.Driver.Calls("TensorMapEncodeTiled"));

        float[] Rounded(int seed) => [.. Ptx.PtxRun.Random(seed, rows * width).Select(value => Bf16.ToFloat(Bf16.FromFloat(value)))];

        float[] Attend(ComputeDevice on)
        {
            (IDisposable keyMemory, CacheView keys) = Filled(on, k);
            (IDisposable valueMemory, CacheView values) = Filled(on, v);
            using (keyMemory)
            using (valueMemory)
            using (DeviceBuffer<float> queries = on.Allocate<float>(q.Length), output = on.Allocate<float>(q.Length))
            {
                queries.View.Upload(q);
                on.Attention(queries.View, keys, values, sequences, output.View, heads, kvHeads, size);
                return output.View.ToArray();
            }
        }

        (IDisposable Memory, CacheView View) Filled(ComputeDevice on, float[] content)
        {
            (IDisposable memory, CacheView view) = CacheView.Allocate(on, size, content.Length);
            if (view.IsBf16) view.Words.Upload([.. content.Select(value => Bf16.FromFloat(value).Bits)]);
            else view.Floats.Upload(content);
            return (memory, view);
        }
    }

    [Fact]
    public void Generate_RecordedIntoGraphs_GivesTheTokensOfPlainLaunches()
    {
        using var tiny = new TinyBackbone(hidden: 32, vocabulary: 61, seed: 4, headDim: 64);
        int[][] prompts = [tiny.Tokens(35), tiny.Tokens(3)];
        List<int>[] Run(bool graphs)
        {
            using var gpu = new PtxGpu();
            using var device = new CudaDevice(gpu.Accelerator, CudaDeviceOptions.For(gpu.Accelerator) with { Graphs = graphs });
            using QwenBackbone backbone = QwenBackbone.Load(device, tiny.Folder);
            using var generator = new Generator(backbone, null, 2, 40);
            GenerationRequest[] requests = [.. prompts.Select((p, i) => new GenerationRequest { Prompt = p, MaxTokens = 5 - i })];
            generator.Run(requests);
            Assert.Equal(graphs, gpu.Driver.Calls("GraphLaunch") > 1);
            return [.. requests.Select(r => r.Generated)];
        }
        List<int>[] plain = Run(false), recorded = Run(true);
        for (int i = 0; i < prompts.Length; i++) Assert.Equal(plain[i], recorded[i]);
    }

    /// <summary>A prompt, its rows copied for a second sequence, and the same next tokens after both.</summary>
    private static (float[] First, float[] Second) Continue(QwenBackbone model, int[] prompt, int[] next)
    {
        ComputeDevice device = model.Device;
        int d = model.Config.HiddenSize, half = prompt.Length + next.Length;
        using var batch = new TokenBatch(device, prompt.Length);
        using var cache = new KvCache(device, model.Config, 2 * half);
        using var buffers = new ForwardBuffers(device, model.Config, prompt.Length);
        using DeviceBuffer<float> hidden = device.Allocate<float>(prompt.Length * d);
        batch.Add(prompt, 0, 0);
        batch.Upload();
        model.Forward(batch, cache, buffers, hidden.View);
        cache.CopyRows(device, 0, half, prompt.Length);
        batch.Clear();
        batch.Add(next, prompt.Length, 0);
        batch.Add(next, prompt.Length, half);
        batch.Upload();
        model.Forward(batch, cache, buffers, hidden.First(2 * next.Length * d));
        float[] states = hidden.First(2 * next.Length * d).ToArray();
        return (states[..(next.Length * d)], states[(next.Length * d)..]);
    }
}
