using OllmNative.Kernels;
using OllmNative.Runtime.Compiler;
using OllmNative.Runtime.Compiler.Ptx;
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;
using OllmNative.Tests.Cuda;
using Words = OllmNative.Runtime.Language.ArrayView<ushort>;

namespace OllmNative.Tests.Ptx;

/// <summary>The products of Hopper's warp groups, in the emulator and as PTX through the host layer, against plain C# in f64.</summary>
public sealed class WgmmaProductTests(EmulatorFixture emulator) : IClassFixture<EmulatorFixture>
{
    /// <summary>More tiles than groups, so that each makes several; sizes that fill no tile; stages go round more than once.</summary>
    [Theory]
    [InlineData(256, 1, 8, 2, 0, 0)]
    [InlineData(256, 140, 72, 36, 258, 20)]
    [InlineData(192, 64, 600, 194, 2, 0)]
    public void Forward_SeveralOutputs_AreTheProductsOfTheRoundedInputs(int width, int m, int k, int n0, int n1, int n2)
    {
        var product = new LargeProduct(m, k, n0, n1, n2) { Biases = true, Accumulate = true, Scales = m == 140 };
        product.Check(emulator.Accelerator, Forward);
        using var gpu = new PtxGpu();
        product.Check(gpu.Accelerator, Forward);

        void Forward(LargeProduct.Place on)
        {
            TensorMap Right(Words b, int n) => MatMulWgmma.Right(n > 0 ? b : on.B0, n > 0 ? n : n0, k, width);
            on.Accelerator.LoadStreamKernel<TensorMap, TensorMap, TensorMap, TensorMap, ProductTask>(width == 256 ? MatMulWgmma.Forward : MatMulWgmma.ForwardNarrow)(
                MatMulWgmma.Config(on.Task, 2, width), MatMulWgmma.Left(on.A, m, k), Right(on.B0, n0), Right(on.B1, n1), Right(on.B2, n2), on.Task);
        }
    }

    [Theory]
    [InlineData(256, 130, 72, 140)]
    [InlineData(256, 9, 136, 6)]
    [InlineData(192, 130, 72, 106)]
    public void Gated_OddSizes_IsSwiGluOfTheProducts(int width, int m, int k, int n)
    {
        var product = new LargeProduct(m, k, n, n, 0) { Gated = true, Rounded = true };
        product.Check(emulator.Accelerator, Gated);
        using var gpu = new PtxGpu();
        product.Check(gpu.Accelerator, Gated);

        void Gated(LargeProduct.Place on) =>
            on.Accelerator.LoadStreamKernel<TensorMap, TensorMap, TensorMap, ProductTask>(width == 256 ? MatMulWgmma.Gated : MatMulWgmma.GatedNarrow)(
                MatMulWgmma.Config(on.Task, 1, width, gated: true), MatMulWgmma.Left(on.A, m, k), MatMulWgmma.Right(on.B0, n, k, width, gated: true),
                MatMulWgmma.Right(on.B1, n, k, width, gated: true), on.Task);
    }

    /// <summary>Gradients: operands whose terms run down their columns.</summary>
    [Theory]
    [InlineData(256, false, 130, 72, 264)]
    [InlineData(192, false, 9, 328, 200)]
    [InlineData(256, true, 136, 70, 264)]
    [InlineData(192, true, 8, 330, 200)]
    public void Gradients_OddSizes_AreTheProductsOfTheRoundedInputs(int width, bool weight, int m, int k, int n)
    {
        var product = new LargeProduct(m, k, n) { Accumulate = true, Scales = !weight, DownA = weight, DownB = true };
        product.Check(emulator.Accelerator, Gradient);
        using var gpu = new PtxGpu();
        product.Check(gpu.Accelerator, Gradient);

        void Gradient(LargeProduct.Place on) =>
            on.Accelerator.LoadStreamKernel<TensorMap, TensorMap, ProductTask>((width, weight) switch
            {
                (256, false) => MatMulWgmma.Input,
                (_, false) => MatMulWgmma.InputNarrow,
                (256, _) => MatMulWgmma.Weight,
                _ => MatMulWgmma.WeightNarrow,
            })(MatMulWgmma.Config(on.Task, 2, width), weight ? MatMulWgmma.Down(on.A, m, k) : MatMulWgmma.Left(on.A, m, k), MatMulWgmma.Down(on.B0, n, k), on.Task);
    }

    [Theory]
    [InlineData("HeadLogitsWgmma")]
    [InlineData("HeadGradientWgmma")]
    [InlineData("MatMulWgmmaInput")]
    [InlineData("MatMulWgmmaWeightNarrow")]
    [InlineData("MatMulWgmma")]
    [InlineData("MatMulWgmmaNarrow")]
    [InlineData("MatMulWgmmaGated")]
    [InlineData("MatMulWgmmaGatedNarrow")]
    public void Compile_Products_StayInTheirRegisters(string name)
    {
        string ptx = KernelCompiler.Compile(KernelCatalog.Get(name)!.Method, new KernelCompileOptions { Target = PtxTarget.Sm90a }).Ptx;
        Assert.DoesNotContain(".local", ptx, StringComparison.Ordinal);
        string[] lines = ptx.Split('\n');
        int[] products = [.. Enumerable.Range(0, lines.Length).Where(i => lines[i].Contains("wgmma.mma_async", StringComparison.Ordinal))];
        Assert.Equal(4, products.Length);
        // The same registers in all four, and no copy of one between them.
        Assert.Single(products.Select(i => lines[i][lines[i].IndexOf('{', StringComparison.Ordinal)..lines[i].IndexOf('}', StringComparison.Ordinal)]).Distinct());
        Assert.DoesNotContain(lines[products[0]..products[^1]], line => line.Contains("mov.f32", StringComparison.Ordinal));
        Assert.Contains(".param .align 64 .b8 ", ptx, StringComparison.Ordinal);
        Assert.Contains(".maxntid 384, 1, 1\n.minnctapersm 1", ptx, StringComparison.Ordinal);
    }
}
