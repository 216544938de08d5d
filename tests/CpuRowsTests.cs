using OllmNative.Model;

namespace OllmNative.Tests;

/// <summary>Operations on whole rows: norms, rotation, embedding, gathering and scattering.</summary>
public sealed class CpuRowsTests
{
    private const float Eps = 1e-6f;
    private static readonly (int Rows, int Columns)[] Shapes = [(0, 5), (1, 1), (1, 130), (3, 7), (5, 8), (2, 33), (40, 64), (700, 65)];

    [Fact]
    public void RmsNorm_AnyShapeAndStride_EqualsPlainLoop() => ForAllStrides((c, rows, columns, stride) =>
    {
        CpuTensor x = c.Random(rows * columns, 3), gain = c.Random(columns), output = c.Random(Math.Max(0, (rows - 1) * Row(columns, stride) + columns));
        c.Device.RmsNorm(x.View, gain.View, output.View, Eps, stride);
        output.Near(at =>
        {
            (int row, int column) = Math.DivRem(at, Row(columns, stride));
            return column >= columns ? output.Before[at] : gain.Before[column] * x.Before[row * columns + column] * InverseRms(x.Before, row, columns);
        }, 1e-5, $"{rows} x {columns}, stride {stride}");
    });

    [Fact]
    public void NormGainGradient_AnyShape_EqualsPlainLoop()
    {
        using var c = new CpuCase(3);
        foreach ((int rows, int columns) in Shapes)
        {
            CpuTensor gain = c.Of([.. Enumerable.Range(0, columns).Select(j => j % 5 == 2 ? 0 : 1 + 0.1f * j)]);
            CpuTensor w = c.Random(rows * columns, 3), d = c.Random(rows * columns), result = c.Random(columns);
            c.Device.NormGainGradient(gain.View, w.View, d.View, result.View);
            result.Near(j => gain.Before[j] == 0 ? 0 : Enumerable.Range(0, rows).Sum(i => (double)w.Before[i * columns + j] * d.Before[i * columns + j]) / gain.Before[j],
                1e-5, $"{rows} x {columns}");
        }
    }

    [Fact]
    public void RmsNorm_InPlace_SameAsApart()
    {
        using var c = new CpuCase(2);
        CpuTensor x = c.Random(9 * 35), gain = c.Random(35), apart = c.Random(9 * 35);
        c.Device.RmsNorm(x.View, gain.View, apart.View, Eps);
        c.Device.RmsNorm(x.View, gain.View, x.View, Eps);
        Assert.Equal(apart.Now(), x.Now());
    }

    [Fact]
    public void RmsNorm_ZeroRow_IsZero()
    {
        using var c = new CpuCase(2);
        CpuTensor x = c.Of(new float[9]), gain = c.Random(9), output = c.Random(9);
        c.Device.RmsNorm(x.View, gain.View, output.View, Eps);
        output.Near(_ => 0, 0, "norm of zeros");
    }

    [Fact]
    public void Rope_SeveralHeads_RotatesPairs()
    {
        using var c = new CpuCase(3);
        foreach ((int rows, int heads, int size) in (ReadOnlySpan<(int, int, int)>)[(0, 2, 4), (1, 1, 2), (7, 3, 10), (300, 2, 64)])
        {
            int[] positions = [.. Enumerable.Range(0, rows).Select(_ => c.Between(0, 20))];
            CpuTensor x = c.Random(rows * heads * size), table = c.Random(21 * size);
            c.Device.Rope(x.View, c.Upload(positions), table.View, size);
            x.Near(at =>
            {
                int i = at % size, pair = i % (size / 2), head = at - i, angle = positions[at / (heads * size)] * size + pair;
                double cos = table.Before[angle], sin = table.Before[angle + size / 2], a = x.Before[head + pair], b = x.Before[head + pair + size / 2];
                return i < size / 2 ? a * cos - b * sin : b * cos + a * sin;
            }, 1e-6, $"{rows} x {heads} x {size}");
        }
    }

    [Fact]
    public void Embedding_AnyType_CopiesRows()
    {
        using var c = new CpuCase(4);
        foreach (DType type in CpuCase.WeightTypes)
        {
            (DeviceMatrix table, float[] values) = c.Weight(type, 30, 19);
            int[] ids = [.. Enumerable.Range(0, 2000).Select(_ => c.Between(0, 29))];
            CpuTensor output = c.Random(ids.Length * 19);
            c.Device.Embedding(c.Upload(ids), table, output.View);
            output.Near(at => values[ids[at / 19] * 19 + at % 19], 0, $"{type}");
        }
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(30)]
    public void Embedding_IdOutsideTable_IsRefused(int id)
    {
        using var c = new CpuCase(4);
        (DeviceMatrix table, _) = c.Weight(DType.F32, 30, 4);
        Assert.Throws<ArgumentOutOfRangeException>(() => c.Device.Embedding(c.Upload(3, id), table, c.Random(8).View));
    }

    [Fact]
    public void GatherAndScatterRows_RandomRows_CopyThem()
    {
        using var c = new CpuCase(5);
        int[] rows = [4, 0, 4, 2];
        CpuTensor input = c.Random(5 * 3), gathered = c.Random(4 * 3), cache = c.Random(9 * 3);
        c.Device.GatherRows(input.View, c.Upload(rows), gathered.View, 3);
        gathered.Near(at => input.Before[rows[at / 3] * 3 + at % 3], 0, "gathered");
        int[] places = [8, 1, 0, 5];
        c.Device.ScatterRows(gathered.View, c.Upload(places), cache.View, 3);
        cache.Near(at => Array.IndexOf(places, at / 3) is var n and >= 0 ? input.Before[rows[n] * 3 + at % 3] : cache.Before[at], 0, "scattered");
    }

    [Fact]
    public void ScaleRows_RandomFactors_ScalesEachRow()
    {
        using var c = new CpuCase(6);
        CpuTensor x = c.Random(5 * 11), scale = c.Random(5);
        c.Device.ScaleRows(x.View, scale.View, 11);
        x.Near(at => x.Before[at] * (double)scale.Before[at / 11], 1e-7, "scaled rows");
    }

    private static int Row(int columns, int stride) => stride == 0 ? columns : stride;

    private static double InverseRms(float[] x, int row, int columns) =>
        1 / Math.Sqrt(Enumerable.Range(0, columns).Sum(i => (double)x[row * columns + i] * x[row * columns + i]) / columns + Eps);

    private static void ForAllStrides(Action<CpuCase, int, int, int> check)
    {
        using var c = new CpuCase(1);
        foreach ((int rows, int columns) in Shapes)
        {
            foreach (int stride in (ReadOnlySpan<int>)[0, columns, columns + 5, 2 * columns]) check(c, rows, columns, stride);
        }
    }
}
