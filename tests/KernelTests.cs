using OllmNative.Kernels;
using OllmNative.Runtime.Language;
using static OllmNative.Tests.EmulatorFixture;

namespace OllmNative.Tests;

/// <summary>Every kernel but the products, in the emulator with race check, against plain C# in f64.</summary>
public sealed class KernelTests(EmulatorFixture emulator) : IClassFixture<EmulatorFixture>
{
    [Theory]
    [InlineData(1, 1, 3)]
    [InlineData(7, 65, 11)]
    public void Embedding_RandomTokens_GathersAndScatters(int tokens, int width, int vocabulary)
    {
        var random = new Random(tokens);
        int[] ids = [.. Enumerable.Range(0, tokens).Select(_ => random.Next(vocabulary))];
        float[] table = Random(1, vocabulary * width), gradient = Random(2, tokens * width), before = Random(3, vocabulary * width);
        using var idBuffer = emulator.Buffer(ids);
        using var tableBuffer = emulator.Buffer(table);
        using var output = emulator.Zeros<float>(tokens * width);
        emulator.Accelerator.LoadStreamKernel<ArrayView<int>, ArrayView<float>, ArrayView<float>, int>(Embedding.Forward)(
            (tokens, 32), idBuffer.View, tableBuffer.View, output.View, width);
        Assert.Equal(ids.SelectMany(id => table[(id * width)..((id + 1) * width)]), output.GetAsArray1D());

        using var gradientBuffer = emulator.Buffer(gradient);
        using var tableGradient = emulator.Buffer(before);
        emulator.Accelerator.LoadStreamKernel<ArrayView<int>, ArrayView<float>, ArrayView<float>, int>(Embedding.Backward)(
            (tokens, 32), idBuffer.View, gradientBuffer.View, tableGradient.View, width);
        double[] expected = [.. before.Select(x => (double)x)];
        for (int t = 0; t < tokens; t++)
            for (int d = 0; d < width; d++) expected[ids[t] * width + d] += gradient[t * width + d];
        AssertClose(expected, tableGradient.GetAsArray1D(), 1e-5);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(3, 257)]
    [InlineData(2, 600)]
    public void RmsNorm_RandomRows_AgreesForwardAndBackward(int rows, int width)
    {
        const float Epsilon = 1e-6f;
        float[] x = Random(1, rows * width, 3), gain = Random(2, width), dy = Random(3, rows * width), gainBefore = Random(4, width);
        using var input = emulator.Buffer(x);
        using var gains = emulator.Buffer(gain);
        using var outputGradient = emulator.Buffer(dy);
        using var output = emulator.Zeros<float>(rows * width);
        using var inverse = emulator.Zeros<float>(rows);
        using var inputGradient = emulator.Zeros<float>(rows * width);
        using var gainGradient = emulator.Buffer(gainBefore);
        emulator.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, int, float>(RmsNorm.Forward)(
            (rows, GroupReduce.GroupSize), input.View, gains.View, output.View, inverse.View, width, Epsilon);
        emulator.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, int>(RmsNorm.Backward)(
            (rows, GroupReduce.GroupSize), input.View, gains.View, inverse.View, outputGradient.View, inputGradient.View, width);
        emulator.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, int, int>(RmsNorm.GainGradient)(
            ((width + 63) / 64, 64), input.View, inverse.View, outputGradient.View, gainGradient.View, rows, width);

        double[] y = new double[rows * width], dx = new double[rows * width], dGain = [.. gainBefore.Select(g => (double)g)];
        for (int t = 0; t < rows; t++)
        {
            int row = t * width;
            double r = 1 / Math.Sqrt(Enumerable.Range(row, width).Average(i => (double)x[i] * x[i]) + Epsilon);
            double dot = Enumerable.Range(0, width).Sum(d => (double)gain[d] * dy[row + d] * x[row + d]);
            for (int d = 0; d < width; d++)
            {
                y[row + d] = gain[d] * x[row + d] * r;
                dx[row + d] = r * gain[d] * dy[row + d] - x[row + d] * r * r * r * dot / width;
                dGain[d] += dy[row + d] * x[row + d] * r;
            }
        }

        AssertClose(y, output.GetAsArray1D(), 1e-5);
        AssertClose(dx, inputGradient.GetAsArray1D(), 1e-4);
        AssertClose(dGain, gainGradient.GetAsArray1D(), 1e-5);
    }

    [Theory]
    [InlineData(3, 2, 6)]
    [InlineData(5, 3, 16)]
    public void Rope_RandomHeads_TurnsAndTurnsBack(int tokens, int heads, int headSize)
    {
        const int Positions = 40;
        int half = headSize / 2;
        float[] x = Random(1, tokens * heads * headSize);
        int[] positions = [.. Enumerable.Range(0, tokens).Select(t => t * 7 % Positions)];
        double Angle(int position, int i) => position * Math.Pow(10000, -2.0 * i / headSize);
        using var values = emulator.Buffer(x);
        using var places = emulator.Buffer(positions);
        using var cosines = emulator.Buffer([.. Enumerable.Range(0, Positions * half).Select(j => (float)Math.Cos(Angle(j / half, j % half)))]);
        using var sines = emulator.Buffer([.. Enumerable.Range(0, Positions * half).Select(j => (float)Math.Sin(Angle(j / half, j % half)))]);
        KernelConfig config = ((tokens * heads * half + 63) / 64, 64);
        emulator.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<int>, ArrayView<float>, ArrayView<float>, int, int, int>(Rope.Forward)(
            config, values.View, places.View, cosines.View, sines.View, tokens, heads, headSize);
        var expected = new double[x.Length];
        for (int head = 0; head < tokens * heads; head++)
        {
            for (int i = 0; i < half; i++)
            {
                double angle = Angle(positions[head / heads], i);
                double a = x[head * headSize + i], b = x[head * headSize + half + i];
                expected[head * headSize + i] = a * Math.Cos(angle) - b * Math.Sin(angle);
                expected[head * headSize + half + i] = b * Math.Cos(angle) + a * Math.Sin(angle);
            }
        }

        AssertClose(expected, values.GetAsArray1D(), 1e-5);
        emulator.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<int>, ArrayView<float>, ArrayView<float>, int, int, int>(Rope.Backward)(
            config, values.View, places.View, cosines.View, sines.View, tokens, heads, headSize);
        AssertClose([.. x.Select(v => (double)v)], values.GetAsArray1D(), 1e-5);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(777)]
    public void SwiGlu_RandomValues_AgreesForwardAndBackward(int count)
    {
        float[] gate = Random(1, count, 6), up = Random(2, count), dy = Random(3, count);
        using var gates = emulator.Buffer(gate);
        using var ups = emulator.Buffer(up);
        using var gradient = emulator.Buffer(dy);
        using var first = emulator.Zeros<float>(count);
        using var second = emulator.Zeros<float>(count);
        KernelConfig config = ((count + 127) / 128, 128);
        static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));
        double Slope(int i) => Sigmoid(gate[i]) * (1 + gate[i] * (1 - Sigmoid(gate[i])));

        emulator.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, ArrayView<float>, int>(SwiGlu.Forward)(config, gates.View, ups.View, first.View, count);
        AssertClose([.. Enumerable.Range(0, count).Select(i => gate[i] * Sigmoid(gate[i]) * up[i])], first.GetAsArray1D(), 1e-5);

        emulator.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, int>(SwiGlu.Backward)(
            config, gates.View, ups.View, gradient.View, first.View, second.View, count);
        AssertClose([.. Enumerable.Range(0, count).Select(i => dy[i] * up[i] * Slope(i))], first.GetAsArray1D(), 1e-5);
        AssertClose([.. Enumerable.Range(0, count).Select(i => dy[i] * gate[i] * Sigmoid(gate[i]))], second.GetAsArray1D(), 1e-5);

        emulator.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, int>(SwiGlu.Silu)(config, gates.View, first.View, count);
        AssertClose([.. Enumerable.Range(0, count).Select(i => gate[i] * Sigmoid(gate[i]))], first.GetAsArray1D(), 1e-5);

        emulator.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, ArrayView<float>, int>(SwiGlu.SiluBackward)(config, gates.View, gradient.View, first.View, count);
        AssertClose([.. Enumerable.Range(0, count).Select(i => dy[i] * Slope(i))], first.GetAsArray1D(), 1e-5);
    }

    [Fact]
    public void ResidualAdd_RandomValues_AddsForwardAndBackward()
    {
        float[] a = Random(1, 333), b = Random(2, 333);
        using var stream = emulator.Buffer(a);
        using var branch = emulator.Buffer(b);
        emulator.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, ArrayView<float>, int>(ResidualAdd.Forward)((3, 128), stream.View, branch.View, stream.View, 333);
        Assert.Equal(a.Zip(b, (x, y) => x + y), stream.GetAsArray1D());
        emulator.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, int>(ResidualAdd.Backward)((3, 128), stream.View, branch.View, 333);
        Assert.Equal(a.Zip(b, (x, y) => y + (x + y)), branch.GetAsArray1D());
    }

    [Theory]
    [InlineData(2, 1)]
    [InlineData(3, 300)]
    [InlineData(1, 513)]
    public void Softmax_RandomRows_AgreesForwardAndBackward(int rows, int width)
    {
        float[] x = Random(1, rows * width, 30), dy = Random(2, rows * width);
        using var values = emulator.Buffer(x);
        using var gradient = emulator.Buffer(dy);
        using var inputGradient = emulator.Zeros<float>(rows * width);
        emulator.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, int>(Softmax.Forward)((rows, GroupReduce.GroupSize), values.View, values.View, width);
        emulator.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, ArrayView<float>, int>(Softmax.Backward)(
            (rows, GroupReduce.GroupSize), values.View, gradient.View, inputGradient.View, width);
        double[] p = new double[rows * width], dx = new double[rows * width];
        for (int row = 0; row < rows * width; row += width)
        {
            double max = x[row..(row + width)].Max(), sum = x[row..(row + width)].Sum(v => Math.Exp(v - max));
            for (int n = row; n < row + width; n++) p[n] = Math.Exp(x[n] - max) / sum;
            double dot = Enumerable.Range(row, width).Sum(n => p[n] * dy[n]);
            for (int n = row; n < row + width; n++) dx[n] = p[n] * (dy[n] - dot);
        }

        AssertClose(p, values.GetAsArray1D(), 1e-5);
        AssertClose(dx, inputGradient.GetAsArray1D(), 1e-5);
    }

    [Fact]
    public void Catalog_All_HasContractsAndUniqueNames()
    {
        Assert.Equal(KernelCatalog.All.Count, KernelCatalog.All.Select(kernel => kernel.Name).Distinct().Count());
        Assert.All(KernelCatalog.All, kernel =>
        {
            Assert.Contains("grid", kernel.Contract, StringComparison.Ordinal);
            Assert.Contains("flops", kernel.Contract, StringComparison.Ordinal);
            Assert.True(kernel.Method.IsStatic);
            Assert.InRange(kernel.Method.GetParameters().Length, 1, 14);
        });
        Assert.Equal(3, KernelCatalog.All.Count(kernel => kernel.Operation == "MatMul"));
        Assert.Equal("MatMul3", KernelCatalog.Get("matmul3")?.Method.Name);
        Assert.Null(KernelCatalog.Get("MatMul9"));
    }
}
