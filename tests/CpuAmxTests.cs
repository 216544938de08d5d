using System.Runtime.Intrinsics.X86;
using OllmNative.Model;
using OllmNative.Model.Cpu;

namespace OllmNative.Tests;

/// <summary>The matrix unit's products. Where there is none the same calls take the other path, which has to pass as well.</summary>
public sealed class CpuAmxTests
{
    [Theory]
    [InlineData(17, 31, 33)]
    [InlineData(64, 512, 96)]
    [InlineData(97, 545, 290)]   // two stretches, ragged on all sides
    [InlineData(300, 1100, 40)]  // two cuts of the rows, three stretches
    public void MatMul_Bf16WeightsAnyValues_ErrorWithinThatOfF32Sums(int n, int inputs, int outputs)
    {
        using var c = new CpuCase(41);
        (DeviceMatrix w, float[] weights) = c.Weight(DType.BF16, outputs, inputs);
        // Magnitudes from 2^-20 to 2^20: terms of one number meet terms of others of all sizes.
        float[] values = [.. c.Numbers(n * inputs).Select((v, i) => MathF.ScaleB(v, i % 41 - 20))];
        CpuTensor x = c.Of(values), y = c.Random(n * outputs);
        c.Device.MatMul(x.View, w, default, y.View);
        float[] now = y.Now();
        for (int row = 0; row < n; row += 7)
        {
            for (int j = 0; j < outputs; j++)
            {
                double sum = 0, magnitude = 0;
                for (int i = 0; i < inputs; i++)
                {
                    double term = (double)values[row * inputs + i] * weights[j * inputs + i];
                    (sum, magnitude) = (sum + term, magnitude + Math.Abs(term));
                }
                // Random roundings of 2^-24 add up like a walk; 8 is far above what a correct sum needs, and far below a lost last term.
                Assert.InRange(now[row * outputs + j], sum - magnitude * 8 / (1 << 24), sum + magnitude * 8 / (1 << 24));
            }
        }
    }

    [Fact]
    public void MatMulEach_SharedRows_SameBitsAsOneByOne()
    {
        using var c = new CpuCase(42);
        const int N = 50, Inputs = 600;
        int[] outputs = [330, 64, 65];
        CpuTensor x = c.Random(N * Inputs);
        Projection[] together = [.. outputs.Select(o => new Projection(c.Weight(DType.BF16, o, Inputs).Matrix, c.Random(o).View, c.Random(N * o).View))];
        c.Device.MatMulEach(x.View, together);
        foreach (Projection p in together)
        {
            CpuTensor alone = c.Random((int)p.Output.Length);
            c.Device.MatMul(x.View, p.W, p.Bias, alone.View);
            Assert.Equal(alone.Now(), p.Output.ToArray());
        }
    }

    [Fact]
    public void MatMul_Bf16_RowAndThreadsDoNotChangeBits() => CpuCase.SameForAllThreads(43, c =>
    {
        (DeviceMatrix w, _) = c.Weight(DType.BF16, 290, 700);
        CpuTensor x = c.Random(280 * 700), all = c.Random(280 * 290), some = c.Random(40 * 290);
        c.Device.MatMul(x.View, w, default, all.View);
        c.Device.MatMul(x.View.Slice(133 * 700, 40 * 700), w, default, some.View);
        Assert.Equal(some.Now(), all.Now()[(133 * 290)..(173 * 290)]);
        return [all.Now()];
    });

    [Fact]
    public void Description_MatrixUnit_NamedWhereItIsUsed()
    {
        using var device = new CpuDevice(1);
        Assert.Equal(Amx.IsSupported, device.Description.Contains("AMX", StringComparison.Ordinal));
        Assert.True(!Amx.IsSupported || Avx512BW.IsSupported);
    }
}
