using OllmNative.Model;
using OllmNative.Model.Cpu;

namespace OllmNative.Tests;

/// <summary>8-bit weights: the rounding that is promised, products with them, and small matrices packed once.</summary>
public sealed unsafe class CpuInt8Tests
{
    private static readonly (int N, int Inputs, int Outputs)[] Shapes = [(1, 1, 1), (1, 33, 5), (3, 300, 31), (6, 257, 32), (16, 64, 65), (17, 31, 64), (40, 70, 50)];

    [Fact]
    public void Quantize_AnyType_RoundsToHalfAStepOfItsRow()
    {
        using var c = new CpuCase(1);
        foreach (DType type in CpuCase.WeightTypes)
        {
            (DeviceMatrix w, float[] values) = c.Weight(type, 9, 77);
            var q = (CpuMatrix)c.Device.Quantize(w);
            Assert.Equal(DType.I8, q.DType);
            Assert.Equal(9 * 77, q.Bytes);
            for (int row = 0; row < 9; row++)
            {
                float largest = values[(row * 77)..((row + 1) * 77)].Max(MathF.Abs);
                Assert.Equal(largest / 127, q.Scales[row]);
                for (int i = 0; i < 77; i++) Assert.InRange(q.Scales[row] * ((sbyte*)q.Data)[row * 77 + i] - values[row * 77 + i], -0.501f * q.Scales[row], 0.501f * q.Scales[row]);
            }
            Assert.Same(q, c.Device.Quantize(q));
        }
    }

    [Fact]
    public void Quantize_ZeroRow_GivesZero()
    {
        using var c = new CpuCase(2);
        DeviceMatrix q = c.Device.Quantize(c.Device.Matrix(c.Of(new float[2 * 8]).View, 2, 8));
        CpuTensor x = c.Random(8), y = c.Random(2);
        c.Device.MatMul(x.View, q, default, y.View);
        Assert.Equal([0f, 0f], y.Now());
    }

    [Fact]
    public void Products_Int8Weights_EqualPlainLoopOverRoundedWeights()
    {
        using var c = new CpuCase(3);
        foreach ((int n, int inputs, int outputs) in Shapes)
        {
            (DeviceMatrix stored, _) = c.Weight(DType.BF16, outputs, inputs);
            var small = (CpuMatrix)c.Device.Quantize(stored);
            // The same bytes once as they stream and once packed, as small matrices are.
            var large = new CpuMatrix(small, small.Data, DType.I8, outputs, inputs, small.Scales);
            Assert.NotNull(small.Panels);
            double W(int j, int i) => (double)small.Scales[j] * ((sbyte*)small.Data)[j * inputs + i];
            CpuTensor x = c.Random(n * inputs), bias = c.Random(outputs), dy = c.Random(n * outputs);
            foreach (CpuMatrix w in (CpuMatrix[])[small, large])
            {
                CpuTensor y = c.Random(n * outputs), dx = c.Random(n * inputs);
                c.Device.MatMul(x.View, w, bias.View, y.View, accumulate: true);
                y.Near(at => y.Before[at] + bias.Before[at % outputs] + Enumerable.Range(0, inputs).Sum(i => x.Before[at / outputs * inputs + i] * W(at % outputs, i)), 1e-5, $"{n} x {inputs} x {outputs}");
                c.Device.MatMulBackwardInput(dy.View, w, dx.View);
                dx.Near(at => Enumerable.Range(0, outputs).Sum(j => dy.Before[at / inputs * outputs + j] * W(j, at % inputs)), 1e-5, $"dx of {n} x {inputs} x {outputs}");
            }
        }
    }

    [Fact]
    public void PackedMatrix_AnyShapeAndType_EqualsPlainLoopAndEachRowItselfAlone()
    {
        using var c = new CpuCase(4);
        foreach ((int n, int inputs, int outputs) in Shapes)
        {
            foreach (DType type in CpuCase.WeightTypes)
            {
                (DeviceMatrix stored, float[] values) = c.Weight(type, outputs, inputs);
                var m = (CpuMatrix)stored;
                var w = new CpuMatrix(m, m.Data, type, outputs, inputs) { Panels = CpuDevice.PackWhole(Operand.Transposed(m.Data, type, inputs), outputs, inputs) };
                CpuTensor x = c.Random(n * inputs), bias = c.Random(outputs), y = c.Random(n * outputs), alone = c.Random(outputs);
                c.Device.MatMul(x.View, w, bias.View, y.View);
                y.Near(at => bias.Before[at % outputs] + Enumerable.Range(0, inputs).Sum(i => (double)x.Before[at / outputs * inputs + i] * values[at % outputs * inputs + i]), 1e-5, $"{n} x {inputs} x {outputs} {type}");
                for (int row = 0; row < n; row++)
                {
                    c.Device.MatMul(x.View.Slice(row * inputs, inputs), w, bias.View, alone.View);
                    Assert.Equal(alone.Now(), y.View.Slice(row * outputs, outputs).ToArray());
                }
            }
        }
    }

    [Fact]
    public void MatMulEach_SeveralMatrices_EqualOneByOneToTheBit()
    {
        using var c = new CpuCase(5);
        foreach (int n in (int[])[1, 5, 16, 20])
        {
            (DeviceMatrix a, _) = c.Weight(DType.BF16, 300, 352);
            (DeviceMatrix b, _) = c.Weight(DType.F32, 17, 352);
            DeviceMatrix q = c.Device.Quantize(a); // Large enough to stream rather than be packed.
            CpuTensor x = c.Random(n * 352), bias = c.Random(300);
            CpuTensor[] each = [c.Random(n * 300), c.Random(n * 17), c.Random(n * 300)], one = [c.Random(n * 300), c.Random(n * 17), c.Random(n * 300)];
            c.Device.MatMulEach(x.View, new Projection(a, bias.View, each[0].View), new Projection(b, default, each[1].View), new Projection(q, default, each[2].View));
            c.Device.MatMul(x.View, a, bias.View, one[0].View);
            c.Device.MatMul(x.View, b, default, one[1].View);
            c.Device.MatMul(x.View, q, default, one[2].View);
            for (int i = 0; i < 3; i++) Assert.Equal(one[i].Now(), each[i].Now());
        }
    }

    [Fact]
    public void Products_ManyCallersAtOnce_EachGetsItsOwn()
    {
        using var c = new CpuCase(6);
        (DeviceMatrix w, _) = c.Weight(DType.BF16, 300, 352);
        CpuTensor[] x = [.. Enumerable.Range(0, 4).Select(i => c.Random((i % 2 == 0 ? 3 : 40) * 352))], y = [.. x.Select(t => c.Random(t.Before.Length / 352 * 300))];
        float[][] expected = [.. x.Select((t, i) =>
        {
            c.Device.MatMul(t.View, w, default, y[i].View);
            return y[i].Now();
        })];
        Thread[] callers = [.. Enumerable.Range(0, 4).Select(i => new Thread(() =>
        {
            for (int round = 0; round < 50; round++) c.Device.MatMul(x[i].View, w, default, y[i].View);
        }))];
        foreach (Thread caller in callers) caller.Start();
        foreach (Thread caller in callers) caller.Join();
        for (int i = 0; i < 4; i++) Assert.Equal(expected[i], y[i].Now());
    }
}
