using OllmNative.Kernels;
using OllmNative.Runtime.Compiler;
using OllmNative.Runtime.Compiler.Ptx;
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;
using static OllmNative.Tests.Ptx.PtxRun;

namespace OllmNative.Tests.Ptx;

/// <summary>Every kernel of the catalog: compiled, its PTX interpreted, its results against plain C# in f64.</summary>
public sealed class PtxKernelTests
{
    [Fact]
    public void Compile_EveryKernelForEveryTarget_GivesPtxThatParses()
    {
        foreach (KernelDescription kernel in KernelCatalog.All)
        {
            foreach (PtxTarget target in new[] { PtxTarget.Sm80, PtxTarget.Sm90, PtxTarget.Sm90a })
            {
                if (target != PtxTarget.Sm90a && kernel.Contract.Contains("sm_90a", StringComparison.Ordinal)) continue;
                CompiledKernel compiled = KernelCompiler.Compile(kernel.Method, new KernelCompileOptions { Target = target });
                PtxModule module = PtxModule.Parse(compiled.Ptx);
                Assert.Equal(target.Name(), module.Target);
                Assert.Equal(compiled.Parameters.Count, module.Parameters.Count);
            }
        }
    }

    [Theory]
    [InlineData(1, 1, 3)]
    [InlineData(7, 65, 11)]
    public void Embedding_RandomTokens_GathersAndScatters(int tokens, int width, int vocabulary)
    {
        var random = new Random(tokens);
        int[] ids = [.. Enumerable.Range(0, tokens).Select(_ => random.Next(vocabulary))];
        float[] table = Random(1, vocabulary * width), gradient = Random(2, tokens * width), sums = Random(3, vocabulary * width), output = new float[tokens * width];
        double[] expected = [.. sums.Select(x => (double)x)];
        Launch(Embedding.Forward, new(tokens), new(32), ids, table, output, width);
        Assert.Equal(ids.SelectMany(id => table[(id * width)..((id + 1) * width)]), output);
        Launch(Embedding.Backward, new(tokens), new(32), ids, gradient, sums, width);
        for (int t = 0; t < tokens; t++)
            for (int d = 0; d < width; d++) expected[ids[t] * width + d] += gradient[t * width + d];
        AssertClose(expected, sums, 1e-5);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(3, 257)]
    [InlineData(2, 600)]
    public void RmsNorm_RandomRows_AgreesForwardAndBackward(int rows, int width)
    {
        const float epsilon = 1e-6f;
        float[] x = Random(1, rows * width, 3), gain = Random(2, width), dy = Random(3, rows * width), dGain = Random(4, width);
        float[] y = new float[rows * width], inverse = new float[rows], dx = new float[rows * width];
        double[] expectedY = new double[rows * width], expectedDx = new double[rows * width], expectedGain = [.. dGain.Select(g => (double)g)];
        for (int t = 0; t < rows; t++)
        {
            int row = t * width;
            double r = 1 / Math.Sqrt(Enumerable.Range(row, width).Average(i => (double)x[i] * x[i]) + epsilon);
            double dot = Enumerable.Range(0, width).Sum(d => (double)gain[d] * dy[row + d] * x[row + d]);
            for (int d = 0; d < width; d++)
            {
                expectedY[row + d] = gain[d] * x[row + d] * r;
                expectedDx[row + d] = r * gain[d] * dy[row + d] - x[row + d] * r * r * r * dot / width;
                expectedGain[d] += dy[row + d] * x[row + d] * r;
            }
        }
        Launch(RmsNorm.Forward, new(rows), new(GroupReduce.GroupSize), x, gain, y, inverse, width, epsilon);
        Launch(RmsNorm.Backward, new(rows), new(GroupReduce.GroupSize), x, gain, inverse, dy, dx, width);
        Launch(RmsNorm.GainGradient, new((width + 63) / 64), new(64), x, inverse, dy, dGain, rows, width);
        AssertClose(expectedY, y, 1e-5);
        AssertClose(expectedDx, dx, 1e-4);
        AssertClose(expectedGain, dGain, 1e-5);
    }

    [Theory]
    [InlineData(3, 2, 6)]
    [InlineData(5, 3, 16)]
    public void Rope_RandomHeads_TurnsAndTurnsBack(int tokens, int heads, int headSize)
    {
        const int positions = 40;
        int half = headSize / 2;
        float[] x = Random(1, tokens * heads * headSize), before = [.. x];
        int[] places = [.. Enumerable.Range(0, tokens).Select(t => t * 7 % positions)];
        double Angle(int position, int i) => position * Math.Pow(10000, -2.0 * i / headSize);
        float[] cosines = [.. Enumerable.Range(0, positions * half).Select(j => (float)Math.Cos(Angle(j / half, j % half)))];
        float[] sines = [.. Enumerable.Range(0, positions * half).Select(j => (float)Math.Sin(Angle(j / half, j % half)))];
        var expected = new double[x.Length];
        for (int head = 0; head < tokens * heads; head++)
        {
            for (int i = 0; i < half; i++)
            {
                double angle = Angle(places[head / heads], i), a = x[head * headSize + i], b = x[head * headSize + half + i];
                expected[head * headSize + i] = a * Math.Cos(angle) - b * Math.Sin(angle);
                expected[head * headSize + half + i] = b * Math.Cos(angle) + a * Math.Sin(angle);
            }
        }
        Dim3 grid = new((tokens * heads * half + 63) / 64);
        Launch(Rope.Forward, grid, new(64), x, places, cosines, sines, tokens, heads, headSize);
        AssertClose(expected, x, 1e-5);
        Launch(Rope.Backward, grid, new(64), x, places, cosines, sines, tokens, heads, headSize);
        AssertClose([.. before.Select(v => (double)v)], x, 1e-5);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(777)]
    public void Elementwise_RandomValues_AgreeForwardAndBackward(int count)
    {
        float[] gate = Random(1, count, 6), up = Random(2, count), dy = Random(3, count), first = new float[count], second = new float[count];
        Dim3 grid = new((count + 127) / 128), group = new(128);
        int[] all = [.. Enumerable.Range(0, count)];
        static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));
        double Slope(int i) => Sigmoid(gate[i]) * (1 + gate[i] * (1 - Sigmoid(gate[i])));

        Launch(SwiGlu.Forward, grid, group, gate, up, first, count);
        AssertClose([.. all.Select(i => gate[i] * Sigmoid(gate[i]) * up[i])], first, 1e-5);
        Launch(SwiGlu.Backward, grid, group, gate, up, dy, first, second, count);
        AssertClose([.. all.Select(i => dy[i] * up[i] * Slope(i))], first, 1e-5);
        AssertClose([.. all.Select(i => dy[i] * gate[i] * Sigmoid(gate[i]))], second, 1e-5);
        Launch(SwiGlu.Silu, grid, group, gate, first, count);
        AssertClose([.. all.Select(i => gate[i] * Sigmoid(gate[i]))], first, 1e-5);
        Launch(SwiGlu.SiluBackward, grid, group, gate, dy, first, count);
        AssertClose([.. all.Select(i => dy[i] * Slope(i))], first, 1e-5);
        Launch(ResidualAdd.Forward, grid, group, gate, up, first, count);
        AssertClose([.. all.Select(i => (double)gate[i] + up[i])], first, 1e-6);
        float[] sum = [.. dy];
        Launch(ResidualAdd.Backward, grid, group, up, sum, count);
        AssertClose([.. all.Select(i => (double)dy[i] + up[i])], sum, 1e-6);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 31)]
    [InlineData(3, 700)]
    public void Softmax_RandomRows_AgreesForwardAndBackward(int rows, int width)
    {
        float[] x = Random(1, rows * width, 20), dy = Random(2, rows * width), y = new float[rows * width], dx = new float[rows * width];
        if (width > 1) x[0] = float.NegativeInfinity;
        double[] expected = new double[x.Length], expectedDx = new double[x.Length];
        for (int t = 0; t < rows; t++)
        {
            int[] row = [.. Enumerable.Range(t * width, width)];
            double max = row.Max(i => x[i]), sum = row.Sum(i => Math.Exp(x[i] - max));
            foreach (int i in row) expected[i] = Math.Exp(x[i] - max) / sum;
            double dot = row.Sum(i => expected[i] * dy[i]);
            foreach (int i in row) expectedDx[i] = expected[i] * (dy[i] - dot);
        }
        Launch(Softmax.Forward, new(rows), new(GroupReduce.GroupSize), x, y, width);
        AssertClose(expected, y, 1e-5);
        Launch(Softmax.Backward, new(rows), new(GroupReduce.GroupSize), y, dy, dx, width);
        AssertClose(expectedDx, dx, 1e-5);
    }

    [Theory]
    [InlineData(1, 19, 35, 7)]
    [InlineData(2, 5, 3, 33)]
    [InlineData(3, 65, 5, 18)]
    [InlineData(3, 19, 66, 7)]
    public void MatMul_LayerOfOddSizes_GivesAllThreeProducts(int version, int tokens, int outputs, int inputs)
    {
        float[] x = Random(1, tokens * inputs), w = Random(2, outputs * inputs), dy = Random(3, tokens * outputs), dw = Random(4, outputs * inputs);
        float[] y = new float[tokens * outputs], dx = new float[tokens * inputs];
        double[] expectedY = new double[y.Length], expectedDx = new double[dx.Length], expectedDw = [.. dw.Select(v => (double)v)];
        for (int t = 0; t < tokens; t++)
        {
            for (int o = 0; o < outputs; o++)
            {
                for (int i = 0; i < inputs; i++)
                {
                    expectedY[t * outputs + o] += (double)x[t * inputs + i] * w[o * inputs + i];
                    expectedDx[t * inputs + i] += (double)dy[t * outputs + o] * w[o * inputs + i];
                    expectedDw[o * inputs + i] += (double)dy[t * outputs + o] * x[t * inputs + i];
                }
            }
        }
        Multiply(version, x, w, y, MatMulShape.Forward(tokens, outputs, inputs));
        Multiply(version, dy, w, dx, MatMulShape.InputGradient(tokens, outputs, inputs));
        Multiply(version, dy, x, dw, MatMulShape.WeightGradient(tokens, outputs, inputs));
        AssertClose(expectedY, y, 1e-5);
        AssertClose(expectedDx, dx, 1e-5);
        AssertClose(expectedDw, dw, 1e-5);
    }

    private static void Multiply(int version, float[] a, float[] b, float[] c, MatMulShape shape)
    {
        Delegate kernel = version switch { 1 => MatMul.MatMul1, 2 => MatMul.MatMul2, _ => MatMulRegisters.MatMul3 };
        KernelConfig config = version == 3 ? MatMulRegisters.Config(shape) : MatMul.Config(shape);
        Launch(kernel, Dimension(config.GridDim), Dimension(config.GroupDim), a, b, c, shape);
    }

    [Theory]
    [InlineData(1, 1, 8)]
    [InlineData(70, 67, 40)]
    [InlineData(64, 64, 72)]
    public void MatMulBf16_OddSizes_IsTheProductOfTheRoundedInputs(int rows, int columns, int depth)
    {
        Bf16[] a = [.. Random(1, rows * depth).Select(Bf16.FromFloat)], b = [.. Random(2, columns * depth).Select(Bf16.FromFloat)];
        float[] c = new float[rows * columns];
        var expected = new double[c.Length];
        for (int m = 0; m < rows; m++)
            for (int n = 0; n < columns; n++)
                expected[m * columns + n] = Enumerable.Range(0, depth).Sum(k => (double)(float)a[m * depth + k] * (float)b[n * depth + k]);
        KernelConfig config = MatMulBf16.Config(rows, columns);
        Launch(MatMulBf16.Forward, Dimension(config.GridDim), Dimension(config.GroupDim), a, b, c, rows, columns, depth);
        AssertClose(expected, c, 1e-5);
    }

    private static Dim3 Dimension(Index3D index) => new(index.X, index.Y, index.Z);
}
