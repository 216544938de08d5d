namespace OllmNative.Model.Cpu;

public sealed unsafe partial class CpuDevice
{
    /// <summary>
    /// Matrices of at most this many elements are packed once, when they are opened. A model made of such matrices lives in
    /// the caches, where not reading but arranging weights costs time; a matrix of a large model is larger and streams from
    /// memory as the file has it.
    /// </summary>
    private const long SmallMatrix = 1 << 16;

    /// <summary>Multiply-adds below which a second thread would be woken for nothing.</summary>
    private const long PackedWorthSharing = 1 << 21;

    /// <summary>W [rows, columns] as panels, or null when it is not small.</summary>
    internal static CpuBuffer<float>? PackWhole(Operand transposed, int rows, int columns)
    {
        if ((long)rows * columns > SmallMatrix || columns == 0) return null;
        int width = MicroKernel.Columns;
        var panels = new CpuBuffer<float>((long)Items(rows, width) * width * columns);
        for (int j = 0; j < rows; j += width) transposed.At(0, j).Pack(columns, Math.Min(width, rows - j), panels.Pointer + (long)j * columns);
        return panels;
    }

    /// <summary>y [N, rows(W)] (+)= x Wᵀ + bias with packed W. Every row sums in the same order, however many there are.</summary>
    private void PackedProduct(int rows, CpuMatrix m, float* x, float* y, float* bias, bool accumulate)
    {
        if (rows == 0) return;
        using Lock.Scope alone = _scratchUse.EnterScope();
        int rowsPerItem = Math.Min(rows, 4 * MicroKernel.Rows);
        _pool.For(Items(rows, rowsPerItem), new PackedBody
        {
            Rows = rows, RowsPerItem = rowsPerItem, N = m.Rows, K = m.Columns, X = x, Panels = m.Panels!.Pointer, Y = y, Bias = bias, Accumulate = accumulate, Scratch = _scratch,
        }, (long)rows * m.Rows * m.Columns >= PackedWorthSharing);
    }

    private struct PackedBody : IParallelBody
    {
        public int Rows, RowsPerItem, N, K;
        public float* X, Panels, Y, Bias;
        public bool Accumulate;
        public GemmScratch* Scratch;

        public readonly void Run(int index, int thread)
        {
            int first = index * RowsPerItem, rows = Math.Min(RowsPerItem, Rows - first);
            float* y = Y + (long)first * N;
            if (Bias != null) ProductBody.SetBias(y, rows, N, N, Bias, Accumulate);
            Scratch[thread].MultiplyPacked(rows, N, K, X + (long)first * K, Panels, y, Accumulate || Bias != null);
        }
    }
}
