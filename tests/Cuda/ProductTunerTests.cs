using System.Text;
using OllmNative.Model;
using OllmNative.Model.Cuda;
using OllmNative.Runtime.Cuda;
using CudaDevice = OllmNative.Model.Cuda.CudaDevice;

namespace OllmNative.Tests.Cuda;

/// <summary>Which tile a product takes: by arithmetic, by measurement, by the note of an earlier run.</summary>
public sealed class ProductTunerTests
{
    private const int M = 20, N = 24, K = 16, Candidates = 6, Rounds = 3;

    private static readonly string[] Kernels =
        ["MatMulTensor_Forward64", "MatMulTensor_Forward128", "MatMulTensorLarge_Forward128", "MatMulTensorLarge_Forward256", "MatMulWgmma_ForwardNarrow", "MatMulWgmma_Forward"];

    [Fact]
    public void Product_FirstUse_IsMeasuredAndTheSecondRunKnows()
    {
        string folder = TestData.NewFolder();
        (string[] compiled, int timings) = Run(folder);
        Assert.Equal((Candidates, Candidates * Rounds), (compiled.Length, timings));
        Assert.Single(Directory.GetFiles(folder, "*.note"));
        Assert.Equal(0, Run(folder).Timings);
        // Another chip has its own notes.
        Assert.NotEqual(0, Run(folder, driver: new PtxDriver { Version = 12090 }).Timings);
        Assert.Equal(2, Directory.GetFiles(folder, "*.note").Length);
    }

    /// <summary>Repeated work runs once before it is recorded, and that is when its products are measured; one that first appears in a recording is not.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Product_InRepeatedWork_IsMeasuredBeforeTheRecordingOrNotAtAll(bool ranBefore)
    {
        using var gpu = new PtxGpu(null, new KernelCache(TestData.NewFolder()));
        using var device = new CudaDevice(gpu.Accelerator, new CudaDeviceOptions { TensorCores = true, Bf16Parameters = true, Hopper = true, MeasureProducts = true, Graphs = true });
        using DeviceBuffer<float> x = Uploaded(device, EmulatorFixture.Random(1, M * K)), w = Uploaded(device, EmulatorFixture.Random(2, N * K)), y = device.Allocate<float>(M * N);
        DeviceMatrix weights = device.Matrix(w.View, N, K);
        // Copies of the operands are made, and their memory is there.
        device.MatMulBackwardInput(y.View, weights, x.View);
        (int measured, bool works) = (gpu.Driver.Calls("EventElapsedTime"), ranBefore);
        var key = new RepeatKey(x, y, w, device, gpu, 0, M);
        void Work()
        {
            if (works) device.MatMul(x.View, weights, default, y.View);
        }
        device.Repeat(key, [new SequenceSpan(0, M, 0, 0)], Work);
        int first = gpu.Driver.Calls("EventElapsedTime") - measured;
        works = true;
        device.Repeat(key, [new SequenceSpan(0, M, 0, 0)], Work);
        Assert.Equal(ranBefore ? Candidates * Rounds : 0, first);
        Assert.Equal(first, gpu.Driver.Calls("EventElapsedTime") - measured);
        Assert.Equal(1, gpu.Driver.Calls("GraphLaunch"));
        // What was not measured in the recording is measured when it is asked for outside of one.
        device.MatMul(x.View, weights, default, y.View);
        Assert.Equal(Candidates * Rounds, gpu.Driver.Calls("EventElapsedTime") - measured);
    }

    [Theory]
    [InlineData("Large256", "MatMulTensorLarge_Forward256")]
    [InlineData("Wgmma", "MatMulWgmma_Forward")]
    public void Product_WithANote_TakesThatTile(string tile, string kernel) =>
        Assert.Equal(([kernel], 0), Run(TestData.NewFolder(), note: tile), ByValue);

    [Fact]
    public void Product_NoteThatIsDamaged_IsMeasuredAgain()
    {
        string folder = TestData.NewFolder();
        Assert.Equal(0, Run(folder, note: "Large128").Timings);
        string file = Assert.Single(Directory.GetFiles(folder, "*.note"));
        byte[] bytes = File.ReadAllBytes(file);
        bytes[^1] ^= 1;
        File.WriteAllBytes(file, bytes);
        Assert.Equal(Candidates * Rounds, Run(folder).Timings);
        Assert.Equal(Candidates * Rounds, Run(TestData.NewFolder(), note: "Gigantic").Timings);
    }

    [Fact]
    public void Product_NotMeasured_FollowsFromTheSizes() =>
        Assert.Equal((["MatMulTensor_Forward64"], 0), Run(TestData.NewFolder(), note: "Large256", measure: false), ByValue);

    [Theory]
    [InlineData(2048, 17920, true, "Wgmma")]
    [InlineData(2048, 17920, false, "Large256")]
    [InlineData(2048, 1536, true, "WgmmaNarrow")]
    [InlineData(16, 1536, true, "WgmmaSplit")]
    [InlineData(1024, 1536, true, "WgmmaNarrow")]
    [InlineData(16, 1536, false, "Small64")]
    [InlineData(300, 200, false, "Small64")]
    public void Default_OfSizes_IsTheTileThatIsThroughFirst(int m, int n, bool hopper, string tile)
    {
        ProductTile[] all = Enum.GetValues<ProductTile>();
        Assert.Equal(tile, TileChoice.Default(new ProductSize(ProductForm.Forward, m, n, 1536), hopper ? all : all[..^3], TileChoice.UsualMultiprocessors).ToString());
    }

    private static bool ByValue((string[] Kernels, int Timings) expected, (string[] Kernels, int Timings) actual) =>
        expected.Kernels.SequenceEqual(actual.Kernels) && expected.Timings == actual.Timings;

    /// <summary>One product on a driver without a GPU: which kernels were made for it, and how many times were taken.</summary>
    private static (string[] Kernels, int Timings) Run(string folder, PtxDriver? driver = null, string? note = null, bool measure = true)
    {
        using var gpu = new PtxGpu(driver, new KernelCache(folder));
        if (note is not null) gpu.Accelerator.Notes.Remember(ProductTuner.Subject(new ProductSize(ProductForm.Forward, M, N, K).Class), note);
        float[] x = EmulatorFixture.Random(1, M * K), w = EmulatorFixture.Random(2, N * K);
        using var device = new CudaDevice(gpu.Accelerator, new CudaDeviceOptions { TensorCores = true, Bf16Parameters = true, Hopper = true, MeasureProducts = measure });
        using DeviceBuffer<float> input = Uploaded(device, x), weights = Uploaded(device, w), output = device.Allocate<float>(M * N);
        // Added to, so that a trial must not touch it.
        device.MatMul(input.View, device.Matrix(weights.View, N, K), default, output.View, accumulate: true);
        float[] found = output.View.ToArray();
        for (int i = 0; i < found.Length; i++)
        {
            double sum = Enumerable.Range(0, K).Sum(t => (double)x[i / N * K + t] * w[i % N * K + t]);
            Assert.InRange(found[i], sum - 0.05, sum + 0.05);
        }
        string texts = string.Concat(Directory.GetFiles(folder, "*.ptx").Select(file => Encoding.Latin1.GetString(File.ReadAllBytes(file))));
        return ([.. Kernels.Where(kernel => texts.Contains($".entry {kernel}(", StringComparison.Ordinal))], gpu.Driver.Calls("EventElapsedTime"));
    }

    private static DeviceBuffer<float> Uploaded(CudaDevice device, float[] values)
    {
        DeviceBuffer<float> buffer = device.Allocate<float>(values.Length);
        buffer.Upload(0, values);
        return buffer;
    }
}
