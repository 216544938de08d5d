using OllmNative.Model;
using OllmNative.Model.Cpu;

namespace OllmNative.Tests;

/// <summary>Indices outside of their table are an error before any memory is touched.</summary>
public sealed class IndexRangeTests : IDisposable
{
    private const int Columns = 4, Rows = 3;
    private readonly CpuDevice _device = new(1);

    public void Dispose() => _device.Dispose();

    [Theory]
    [InlineData(-1)]
    [InlineData(Rows)]
    [InlineData(int.MaxValue)]
    [InlineData(int.MinValue)]
    public void RowOperations_IndexOutsideOfTheTable_Throw(int index)
    {
        using DeviceBuffer<float> table = _device.Allocate<float>(Rows * Columns), rows = _device.Allocate<float>(2 * Columns);
        using DeviceBuffer<int> indices = _device.Allocate<int>(2);
        indices.Upload(0, [1, index]);
        DeviceMatrix matrix = _device.Matrix(table.View, Rows, Columns);
        Assert.Throws<ArgumentOutOfRangeException>(() => _device.GatherRows(table.View, indices.View, rows.View, Columns));
        Assert.Throws<ArgumentOutOfRangeException>(() => _device.ScatterRows(rows.View, indices.View, table.View, Columns));
        Assert.Throws<ArgumentOutOfRangeException>(() => _device.Rope(rows.View, indices.View, table.View, Columns));
        Assert.Throws<ArgumentOutOfRangeException>(() => _device.Embedding(indices.View, matrix, rows.View));
        Assert.All(table.View.ToArray(), value => Assert.Equal(0, value));
    }
}
