using OllmNative.Model;

namespace OllmNative.Tests;

/// <summary>The three products of a linear layer against plain loops, around every block size of the packed path.</summary>
public sealed class CpuMatMulTests
{
    private const double Tolerance = 1e-5;

    // Rows of x, inputs, outputs. Up to 16 rows are dot products; panels have 16 or 32 columns and 256 of k, items 12 x 32 rows and 8 panels.
    private static readonly (int N, int Inputs, int Outputs)[] Edges =
    [
        (0, 5, 7), (1, 1, 1), (1, 33, 5), (2, 16, 9), (3, 300, 31), (4, 47, 70), (5, 8, 33), (6, 257, 32), (13, 31, 64),
        (12, 15, 263), (385, 20, 33), (9, 20, 400), (400, 5, 3), (29, 520, 65), (7, 1, 300), (7, 300, 1), (16, 65, 41), (17, 64, 40),
        (30, 290, 550), (390, 9, 530), // 512 columns and more have their rows packed as well
    ];

    [Fact]
    public void MatMul_AnyShapeAndType_EqualsPlainLoop() => ForAllShapes((c, n, inputs, outputs, type) =>
    {
        (DeviceMatrix w, float[] weights) = c.Weight(type, outputs, inputs);
        CpuTensor x = c.Random(n * inputs), bias = c.Random(outputs);
        foreach ((bool biased, bool add) in (ReadOnlySpan<(bool, bool)>)[(false, false), (true, false), (false, true), (true, true)])
        {
            CpuTensor y = c.Random(n * outputs);
            c.Device.MatMul(x.View, w, biased ? bias.View : default, y.View, add);
            y.Near(at => (biased ? bias.Before[at % outputs] : 0) + (add ? y.Before[at] : 0) + Sum(inputs, i =>
                (double)x.Before[at / outputs * inputs + i] * weights[at % outputs * inputs + i]), Tolerance, $"{n} x {inputs} x {outputs} {type}");
        }
    });

    [Fact]
    public void MatMul_FewRows_EachEqualsItselfAloneToTheBit()
    {
        // What every machine computes row by row; with AVX-512 it is up to 16.
        int rows = System.Runtime.Intrinsics.X86.Avx512F.IsSupported ? 15 : 4;
        using var c = new CpuCase(12);
        foreach ((int inputs, int outputs) in (ReadOnlySpan<(int, int)>)[(96, 294), (300, 31), (15, 3), (32, 4)])
        {
            foreach (DType type in CpuCase.WeightTypes)
            {
                (DeviceMatrix w, _) = c.Weight(type, outputs, inputs);
                CpuTensor x = c.Random(rows * inputs), bias = c.Random(outputs), together = c.Random(rows * outputs), alone = c.Random(outputs);
                c.Device.MatMul(x.View, w, bias.View, together.View);
                for (int n = 0; n < rows; n++)
                {
                    c.Device.MatMul(x.View.Slice(n * inputs, inputs), w, bias.View, alone.View);
                    Assert.Equal(alone.View.ToArray(), together.View.Slice(n * outputs, outputs).ToArray());
                }
            }
        }
    }

    [Fact]
    public void MatMul_ManyColumns_PackedRowsGiveTheBitsOfUnpackedOnes()
    {
        const int N = 100, Inputs = 291, Outputs = 540, Some = 480;
        using var c = new CpuCase(13);
        foreach (DType type in CpuCase.WeightTypes)
        {
            (DeviceMatrix w, _) = c.Weight(type, Outputs, Inputs);
            CpuTensor x = c.Random(N * Inputs), all = c.Random(N * Outputs), some = c.Random(N * Some);
            c.Device.MatMul(x.View, w, default, all.View);
            c.Device.MatMul(x.View, c.Device.FirstRows(w, Some), default, some.View);
            for (int n = 0; n < N; n++) Assert.Equal(some.View.Slice(n * Some, Some).ToArray(), all.View.Slice(n * Outputs, Some).ToArray());
        }
    }

    [Fact]
    public void MatMulBackwardInput_AnyShapeAndType_EqualsPlainLoop() => ForAllShapes((c, n, inputs, outputs, type) =>
    {
        (DeviceMatrix w, float[] weights) = c.Weight(type, outputs, inputs);
        CpuTensor dy = c.Random(n * outputs);
        foreach (bool add in (ReadOnlySpan<bool>)[false, true])
        {
            CpuTensor dx = c.Random(n * inputs);
            c.Device.MatMulBackwardInput(dy.View, w, dx.View, add);
            dx.Near(at => (add ? dx.Before[at] : 0) + Sum(outputs, j =>
                (double)dy.Before[at / inputs * outputs + j] * weights[j * inputs + at % inputs]), Tolerance, $"{n} x {inputs} x {outputs} {type}");
        }
    });

    [Fact]
    public void MatMulBackwardWeight_AnyShape_AddsPlainLoop() => ForAllShapes((c, n, inputs, outputs, type) =>
    {
        if (type != DType.F32) return;
        CpuTensor dy = c.Random(n * outputs), x = c.Random(n * inputs), dw = c.Random(outputs * inputs), dBias = c.Random(outputs);
        c.Device.MatMulBackwardWeight(dy.View, x.View, c.Device.Matrix(dw.View, outputs, inputs), dBias.View);
        dw.Near(at => dw.Before[at] + Sum(n, r =>
            (double)dy.Before[r * outputs + at / inputs] * x.Before[r * inputs + at % inputs]), Tolerance, $"dW of {n} x {inputs} x {outputs}");
        dBias.Near(j => dBias.Before[j] + Sum(n, r => (double)dy.Before[r * outputs + j]), Tolerance, $"dBias of {n} x {outputs}");
    });

    [Fact]
    public void Products_AnyNumberOfThreads_SameBits() => CpuCase.SameForAllThreads(5, c =>
    {
        (DeviceMatrix w, _) = c.Weight(DType.BF16, 150, 290);
        CpuTensor x = c.Random(50 * 290), y = c.Random(50 * 150), one = c.Random(150), dx = c.Random(50 * 290), dw = c.Random(150 * 290), bias = c.Random(150);
        c.Device.MatMul(x.View, w, bias.View, y.View);
        c.Device.MatMul(x.View.Slice(0, 290), w, bias.View, one.View);
        c.Device.MatMulBackwardInput(y.View, w, dx.View);
        c.Device.MatMulBackwardWeight(y.View, x.View, c.Device.Matrix(dw.View, 150, 290), bias.View);
        return [y.Now(), one.Now(), dx.Now(), dw.Now(), bias.Now()];
    });

    [Fact]
    public void MatMul_RowOfALargeBatch_SameBitsAsInAnotherBatch()
    {
        using var c = new CpuCase(6);
        (DeviceMatrix w, _) = c.Weight(DType.F16, 70, 270);
        CpuTensor x = c.Random(40 * 270), all = c.Random(40 * 70), few = c.Random(19 * 70);
        c.Device.MatMul(x.View, w, default, all.View);
        c.Device.MatMul(x.View.Slice(11 * 270, 19 * 270), w, default, few.View);
        Assert.Equal(all.Now()[(11 * 70)..(30 * 70)], few.Now());
    }

    private static void ForAllShapes(Action<CpuCase, int, int, int, DType> check)
    {
        using var c = new CpuCase(1);
        var shapes = new List<(int N, int Inputs, int Outputs)>(Edges);
        for (int i = 0; i < 10; i++) shapes.Add((c.Between(0, 40), c.Between(1, 90), c.Between(1, 90)));
        foreach ((int n, int inputs, int outputs) in shapes)
        {
            foreach (DType type in CpuCase.WeightTypes) check(c, n, inputs, outputs, type);
        }
    }

    private static double Sum(int count, Func<int, double> term)
    {
        double sum = 0;
        for (int i = 0; i < count; i++) sum += term(i);
        return sum;
    }
}
