using OllmNative.Kernels;
using OllmNative.Runtime.Compiler;
using OllmNative.Runtime.Compiler.Ptx;
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;
using OllmNative.Tests.Cuda;
using static OllmNative.Tests.EmulatorFixture;

namespace OllmNative.Tests;

/// <summary>The products on the tensor cores with both tile sizes, as PTX, against plain C# in f64.</summary>
public sealed class KernelTensorTests
{
    [Theory]
    [InlineData(128, 136, 150, 200)]
    [InlineData(64, 70, 66, 24)]
    public void Forward_BiasAndSum_IsTheProductOfTheRoundedInputs(int tile, int m, int n, int k) =>
        Check(tile == 128 ? MatMulTensor.Forward128 : MatMulTensor.Forward64, tile, m, n, k, (i, t) => i * k + t, (j, t) => j * k + t, bias: true, scale: false);

    [Theory]
    [InlineData(128, 140, 136, 72)]
    [InlineData(64, 33, 72, 168)]
    public void Input_ScaledSum_IsTheProductOfTheRoundedInputs(int tile, int m, int n, int k) =>
        Check(tile == 128 ? MatMulTensor.Input128 : MatMulTensor.Input64, tile, m, n, k, (i, t) => i * k + t, (j, t) => t * n + j, bias: false, scale: true);

    [Theory]
    [InlineData(128, 136, 136, 45)]
    [InlineData(64, 72, 8, 130)]
    public void Weight_Sum_IsTheProductOfTheRoundedInputs(int tile, int m, int n, int k) =>
        Check(tile == 128 ? MatMulTensor.Weight128 : MatMulTensor.Weight64, tile, m, n, k, (i, t) => t * m + i, (j, t) => t * n + j, bias: false, scale: false);

    [Theory]
    [InlineData("MatMulTensor1")]
    [InlineData("MatMulTensor2")]
    [InlineData("MatMulTensorInput1")]
    [InlineData("MatMulTensorWeight1")]
    [InlineData("AttentionTensor64")]
    [InlineData("AttentionTensor128")]
    [InlineData("AttentionDecode64")]
    [InlineData("AttentionDecode128")]
    [InlineData("Attention2")]
    [InlineData("MatMulFewBf16Rows1")]
    [InlineData("MatMulFewBf16Rows3")]
    [InlineData("MatMulFewF32Rows2")]
    [InlineData("NormProducts1")]
    [InlineData("NormProducts3")]
    [InlineData("NormGateUp3")]
    [InlineData("HeadLogits")]
    [InlineData("HeadGradient")]
    [InlineData("DecodeNormProducts1")]
    [InlineData("DecodeNormProducts4")]
    [InlineData("DecodeGateUp2")]
    [InlineData("DecodeGateUp3")]
    [InlineData("DecodeMatMul1")]
    [InlineData("DecodeMatMul4")]
    [InlineData("DecodeAdapter1")]
    [InlineData("DecodeAdapter2")]
    public void Compile_HotKernel_KeepsItsSumsInRegisters(string name)
    {
        string ptx = KernelCompiler.Compile(KernelCatalog.Get(name)!.Method, new KernelCompileOptions { Target = PtxTarget.Sm80 }).Ptx;
        Assert.DoesNotContain(".local", ptx, StringComparison.Ordinal);
    }

    private static void Check(
        Action<ArrayView<Bf16>, ArrayView<Bf16>, ArrayView<float>, ArrayView<float>, ArrayView<float>, int, int, int, int> kernel,
        int tile, int m, int n, int k, Func<int, int, int> atA, Func<int, int, int> atB, bool bias, bool scale)
    {
        Bf16[] a = [.. Random(1, m * k).Select(Bf16.FromFloat)], b = [.. Random(2, n * k).Select(Bf16.FromFloat)];
        float[] before = Random(3, m * n), biases = Random(4, n), scales = Random(5, m);
        using var gpu = new PtxGpu();
        using var left = gpu.Accelerator.Allocate1D(a);
        using var right = gpu.Accelerator.Allocate1D(b);
        using var result = gpu.Accelerator.Allocate1D(before);
        using var biasBuffer = gpu.Accelerator.Allocate1D(biases);
        using var scaleBuffer = gpu.Accelerator.Allocate1D(scales);
        gpu.Accelerator.LoadStreamKernel(kernel)(
            MatMulTensor.Config(m, n, tile), left.View, right.View, bias ? biasBuffer.View.BaseView : default, scale ? scaleBuffer.View.BaseView : default,
            result.View, m, n, k, 1);
        var expected = new double[m * n];
        for (int i = 0; i < m; i++)
        {
            for (int j = 0; j < n; j++)
            {
                double sum = before[i * n + j] * (scale ? scales[i] : 1.0) + (bias ? biases[j] : 0);
                for (int t = 0; t < k; t++) sum += (double)(float)a[atA(i, t)] * (float)b[atB(j, t)];
                expected[i * n + j] = sum;
            }
        }
        AssertClose(expected, result.GetAsArray1D(), 1e-5);
    }
}
