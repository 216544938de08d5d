using System.Text;
using OllmNative.Kernels;
using OllmNative.Model;
using OllmNative.Model.Cuda;
using OllmNative.Runtime.Cuda;
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;
using OllmNative.Tests.Cuda;
using CudaDevice = OllmNative.Model.Cuda.CudaDevice;
using Words = OllmNative.Runtime.Language.ArrayView<ushort>;

namespace OllmNative.Tests.Ptx;

/// <summary>Products whose K is cut into parts, in the emulator and as PTX, against plain C# in f64; and through the device.</summary>
public sealed class SplitProductTests(EmulatorFixture emulator) : IClassFixture<EmulatorFixture>
{
    /// <summary>Parts of unequal numbers of steps, a last step that is not whole, several outputs with all that is done on the way out.</summary>
    [Theory]
    [InlineData(7, 70, 456, 200, 8, 4, true)]
    [InlineData(2, 5, 136, 12, 0, 0, false)]
    public void Forward_InParts_IsTheProductOfTheRoundedInputs(int parts, int m, int k, int n0, int n1, int n2, bool accumulate)
    {
        var product = new LargeProduct(m, k, n0, n1, n2) { Biases = true, Accumulate = accumulate, Scales = accumulate };
        product.Check(emulator.Accelerator, Forward);
        using var gpu = new PtxGpu();
        product.Check(gpu.Accelerator, Forward);

        void Forward(LargeProduct.Place on)
        {
            ProductTask task = on.Task, cut = new() { M = m, K = k, N0 = n0, N1 = n1, N2 = n2, Splits = parts, Ahead = 1 };
            using var sums = on.Accelerator.Allocate1D<float>(parts * m * (n0 + n1 + n2));
            cut.Output0 = sums.View.SubView(0, parts * m * n0);
            cut.Output1 = sums.View.SubView(parts * m * n0, parts * m * n1);
            cut.Output2 = sums.View.SubView(parts * m * (n0 + n1), parts * m * n2);
            task.Splits = parts;
            TensorMap Right(Words b, int n) => MatMulWgmma.Right(n > 0 ? b : on.B0, n > 0 ? n : n0, k, MatMulWgmma.Narrow);
            on.Accelerator.LoadStreamKernel<TensorMap, TensorMap, TensorMap, TensorMap, ProductTask>(MatMulWgmma.ForwardNarrow)(
                MatMulWgmma.Config(cut, 4, MatMulWgmma.Narrow), MatMulWgmma.Left(on.A, m, k), Right(on.B0, n0), Right(on.B1, n1), Right(on.B2, n2), cut);
            on.Accelerator.LoadStreamKernel<ArrayView<float>, ProductTask>(SplitSums.Forward)(SplitSums.Config(task), sums.View, task);
            on.Accelerator.Synchronize();
        }
    }

    [Fact]
    public void Product_OfFewTiles_IsCutByTheDevice()
    {
        const int m = 33, n = 40, k = 1032;
        float[] x = EmulatorFixture.Random(1, m * k), w = EmulatorFixture.Random(2, n * k);
        string folder = TestData.NewFolder();
        using var gpu = new PtxGpu(cache: new KernelCache(folder));
        using var device = new CudaDevice(gpu.Accelerator, new CudaDeviceOptions { TensorCores = true, Bf16Parameters = true, Hopper = true, Tile = ProductTile.WgmmaSplit });
        using DeviceBuffer<float> input = device.Allocate<float>(x.Length), weights = device.Allocate<float>(w.Length), output = device.Allocate<float>(m * n);
        input.Upload(0, x);
        weights.Upload(0, w);
        device.MatMul(input.View, device.Matrix(weights.View, n, k), default, output.View);
        double[] expected = [.. Enumerable.Range(0, m * n).Select(i => Enumerable.Range(0, k).Sum(t => (double)Rounded(x[i / n * k + t]) * Rounded(w[i % n * k + t])))];
        PtxRun.AssertClose(expected, output.View.ToArray(), 1e-4);
        Assert.Contains(Directory.GetFiles(folder, "*.ptx"), file => Encoding.Latin1.GetString(File.ReadAllBytes(file)).Contains(".entry SplitSums_Forward(", StringComparison.Ordinal));

        static float Rounded(float value) => Bf16.ToFloat(Bf16.FromFloat(value));
    }

    [Theory]
    [InlineData(64, 1536, 8960, 16)] // 8 tiles, 140 steps
    [InlineData(64, 1536, 1536, 6)] // 24 steps: at least four each
    [InlineData(256, 1536, 8960, 8)]
    [InlineData(2048, 1536, 8960, 1)] // 128 tiles
    [InlineData(64, 1536, 128, 1)]
    public void Parts_OfSizes_FillTheMultiprocessors(int m, int n, int k, int parts) =>
        Assert.Equal(parts, TileChoice.Parts(new ProductSize(ProductForm.Forward, m, n, k), 132));
}
