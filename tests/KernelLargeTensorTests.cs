using OllmNative.Kernels;
using OllmNative.Runtime.Compiler;
using OllmNative.Runtime.Compiler.Ptx;
using OllmNative.Runtime.Emulator;
using OllmNative.Runtime.Language;
using OllmNative.Tests.Cuda;
using Words = OllmNative.Runtime.Language.ArrayView<ushort>;

namespace OllmNative.Tests;

/// <summary>The large tiles of mma.sync: every form with both widths as PTX, the pipeline in the emulator with its race check.</summary>
public sealed class KernelLargeTensorTests
{
    [Theory]
    [InlineData(128, 130, 200, 136, 2, 34)]
    [InlineData(256, 20, 72, 258, 130, 0)]
    public void Forward_SeveralOutputs_AreTheProductsOfTheRoundedInputs(int width, int m, int k, int n0, int n1, int n2)
    {
        using var gpu = new PtxGpu();
        new LargeProduct(m, k, n0, n1, n2) { Biases = true, Accumulate = true, Rounded = true, Scales = m == 20 }.Check(gpu.Accelerator, on => Forward(on, width));
    }

    [Theory]
    [InlineData(128, 20, 136, 70)]
    [InlineData(256, 130, 8, 130)]
    public void Gated_OddSizes_IsSwiGluOfTheProducts(int width, int m, int k, int n)
    {
        using var gpu = new PtxGpu();
        new LargeProduct(m, k, n, n) { Gated = true, Rounded = true }.Check(gpu.Accelerator, on =>
            on.Accelerator.LoadStreamKernel<Words, Words, Words, ProductTask>(width == 128 ? MatMulTensorLarge.Gated128 : MatMulTensorLarge.Gated256)(
                MatMulTensorLarge.Config(on.Task, width, gated: true), on.A, on.B0, on.B1, on.Task));
    }

    [Theory]
    [InlineData(128, 130, 72, 136)]
    [InlineData(256, 9, 200, 264)]
    public void Input_ScaledSum_IsTheProductOfTheRoundedInputs(int width, int m, int k, int n)
    {
        using var gpu = new PtxGpu();
        new LargeProduct(m, k, n) { DownB = true, Accumulate = true, Scales = true }.Check(gpu.Accelerator, on =>
            on.Accelerator.LoadStreamKernel<Words, Words, ProductTask>(width == 128 ? MatMulTensorLarge.Input128 : MatMulTensorLarge.Input256)(
                MatMulTensorLarge.Config(on.Task, width), on.A, on.B0, on.Task));
    }

    [Theory]
    [InlineData(128, 136, 67, 8)]
    [InlineData(256, 24, 133, 264)]
    public void Weight_AnyNumberOfRows_IsTheProductOfTheRoundedInputs(int width, int m, int k, int n)
    {
        using var gpu = new PtxGpu();
        new LargeProduct(m, k, n) { DownA = true, DownB = true, Accumulate = true }.Check(gpu.Accelerator, on =>
            on.Accelerator.LoadStreamKernel<Words, Words, ProductTask>(width == 128 ? MatMulTensorLarge.Weight128 : MatMulTensorLarge.Weight256)(
                MatMulTensorLarge.Config(on.Task, width), on.A, on.B0, on.Task));
    }

    [Fact]
    public void Forward_InTheEmulator_HasNoRaces()
    {
        using Context context = Context.Create(builder => builder.CPU().Assertions());
        using Accelerator accelerator = context.CreateCPUAccelerator(0);
        // Five tiles of k: every stage is filled again while others read.
        new LargeProduct(70, 264, 90) { Biases = true }.Check(accelerator, on => Forward(on, 128));
    }

    [Theory]
    [InlineData("MatMulTensor3")]
    [InlineData("MatMulTensor4")]
    [InlineData("MatMulTensorInput4")]
    [InlineData("MatMulTensorWeight4")]
    [InlineData("MatMulGated2")]
    public void Compile_LargeTile_PlansItsLoop(string name)
    {
        string ptx = KernelCompiler.Compile(KernelCatalog.Get(name)!.Method, new KernelCompileOptions { Target = PtxTarget.Sm80 }).Ptx;
        Assert.DoesNotContain(".local", ptx, StringComparison.Ordinal);
        int width = name is "MatMulTensor3" ? 128 : 256;
        Assert.Equal(128, Count("mma.sync"));                                          // 4 parts of 16 columns, 32 products of a warp's 64 x 64 each
        Assert.Equal(8 + 32, Count("ldmatrix"));                                       // 8 for a part; 8 before the loop
        Assert.Equal(3 * (128 + width) * 8 / width, Count("cp.async.cg"));             // a tile in the loop, two before it
        Assert.Equal(2, Count("bar.sync"));

        int Count(string instruction) => ptx.Split(instruction).Length - 1;
    }

    /// <summary>Bank of the first word that lane i's row of 16 bytes begins in: eight rows of a matrix load must take all 32 banks once.</summary>
    [Theory]
    [InlineData(64)]
    [InlineData(128)]
    [InlineData(256)]
    public void Place_EightRowsOfOneChunk_TakeEveryBankOnce(int pitch)
    {
        for (int chunk = 0; chunk < pitch / 8; chunk++)
            for (int first = 0; first < 64; first += 8)
                Assert.Equal(8, Enumerable.Range(first, 8).Select(row => ProductTiles.Place(row, chunk, pitch) / 2 % 32).Distinct().Count());
    }

    private static void Forward(LargeProduct.Place on, int width) =>
        on.Accelerator.LoadStreamKernel<Words, Words, Words, Words, ProductTask>(width == 128 ? MatMulTensorLarge.Forward128 : MatMulTensorLarge.Forward256)(
            MatMulTensorLarge.Config(on.Task, width), on.A, on.B0, on.B1, on.B2, on.Task);
}
