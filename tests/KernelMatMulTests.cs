using OllmNative.Kernels;
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;
using static OllmNative.Tests.EmulatorFixture;

namespace OllmNative.Tests;

/// <summary>The matrix products, in the emulator with race check, against plain C# in f64.</summary>
public sealed class KernelMatMulTests(EmulatorFixture emulator) : IClassFixture<EmulatorFixture>
{
    public static TheoryData<int, int, int, int> Shapes => new()
    {
        { 1, 1, 1, 1 }, { 1, 19, 35, 7 }, { 1, 33, 5, 40 },
        { 2, 1, 1, 1 }, { 2, 19, 35, 7 }, { 2, 5, 3, 33 },
        { 3, 1, 1, 1 }, { 3, 19, 66, 7 }, { 3, 65, 5, 18 },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void MatMul_LayerOfOddSizes_GivesAllThreeProducts(int version, int tokens, int outputs, int inputs)
    {
        float[] x = Random(1, tokens * inputs), w = Random(2, outputs * inputs), dy = Random(3, tokens * outputs), dwBefore = Random(4, outputs * inputs);
        double[] y = new double[tokens * outputs], dx = new double[tokens * inputs], dw = [.. dwBefore.Select(v => (double)v)];
        for (int t = 0; t < tokens; t++)
        {
            for (int o = 0; o < outputs; o++)
            {
                for (int i = 0; i < inputs; i++)
                {
                    y[t * outputs + o] += (double)x[t * inputs + i] * w[o * inputs + i];
                    dx[t * inputs + i] += (double)dy[t * outputs + o] * w[o * inputs + i];
                    dw[o * inputs + i] += (double)dy[t * outputs + o] * x[t * inputs + i];
                }
            }
        }

        AssertClose(y, Multiply(version, x, w, new float[y.Length], MatMulShape.Forward(tokens, outputs, inputs)), 1e-5);
        AssertClose(dx, Multiply(version, dy, w, new float[dx.Length], MatMulShape.InputGradient(tokens, outputs, inputs)), 1e-5);
        AssertClose(dw, Multiply(version, dy, x, dwBefore, MatMulShape.WeightGradient(tokens, outputs, inputs)), 1e-5);
    }

    private float[] Multiply(int version, float[] a, float[] b, float[] c, MatMulShape shape)
    {
        using var left = emulator.Buffer(a);
        using var right = emulator.Buffer(b);
        using var result = emulator.Buffer(c);
        Action<ArrayView<float>, ArrayView<float>, ArrayView<float>, MatMulShape> kernel = version switch
        {
            1 => MatMul.MatMul1,
            2 => MatMul.MatMul2,
            _ => MatMulRegisters.MatMul3,
        };
        emulator.Accelerator.LoadStreamKernel(kernel)(
            version == 3 ? MatMulRegisters.Config(shape) : MatMul.Config(shape), left.View, right.View, result.View, shape);
        return result.GetAsArray1D();
    }

    [Theory]
    [InlineData(1, 1, 8)]
    [InlineData(70, 67, 40)]
    [InlineData(64, 64, 72)]
    public void MatMulBf16_OddSizes_IsTheProductOfTheRoundedInputs(int rows, int columns, int depth)
    {
        Bf16[] a = [.. Random(1, rows * depth).Select(Bf16.FromFloat)], b = [.. Random(2, columns * depth).Select(Bf16.FromFloat)];
        using var left = emulator.Buffer(a);
        using var right = emulator.Buffer(b);
        using var result = emulator.Zeros<float>(rows * columns);
        emulator.Accelerator.LoadStreamKernel<ArrayView<Bf16>, ArrayView<Bf16>, ArrayView<float>, int, int, int>(MatMulBf16.Forward)(
            MatMulBf16.Config(rows, columns), left.View, right.View, result.View, rows, columns, depth);
        var expected = new double[rows * columns];
        for (int m = 0; m < rows; m++)
            for (int n = 0; n < columns; n++)
                expected[m * columns + n] = Enumerable.Range(0, depth).Sum(k => (double)(float)a[m * depth + k] * (float)b[n * depth + k]);
        AssertClose(expected, result.GetAsArray1D(), 1e-5);
    }
}
