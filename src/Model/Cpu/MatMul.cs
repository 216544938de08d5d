using System.Numerics;

namespace OllmNative.Model.Cpu;

public sealed unsafe partial class CpuDevice
{
    /// <inheritdoc/>
    public override void MatMul(DeviceView<float> x, DeviceMatrix w, DeviceView<float> bias, DeviceView<float> output, bool accumulate = false)
    {
        CpuMatrix m = Cpu(w);
        int rows = checked((int)(x.Length / m.Columns));
        Expect(x.Length == (long)rows * m.Columns && output.Length == (long)rows * m.Rows, "MatMul: x [N, columns], output [N, rows]");
        Expect(bias.IsEmpty || bias.Length == m.Rows, "MatMul: bias [rows]");
        if (m.Panels is not null)
        {
            PackedProduct(rows, m, P(x), P(output), P(bias), accumulate);
            return;
        }
        if (rows <= DotRows)
        {
            var body = new DotBody();
            body.Add(0, PartOf(new Projection(w, bias, output), x, accumulate));
            Dots(x, body);
            return;
        }
        if (OnAmx(m))
        {
            var body = new AmxBody(rows);
            body.Add(0, new Projection(w, bias, output), accumulate);
            AmxProducts(rows, m.Columns, P(x), body);
            return;
        }
        Product(rows, m.Rows, m.Columns, P(x), m.Columns, 1, Operand.Transposed(m.Data, m.DType, m.Columns, m.Scales), P(output), P(bias), accumulate);
    }

    /// <inheritdoc/>
    public override void MatMulBackwardInput(DeviceView<float> dy, DeviceMatrix w, DeviceView<float> dx, bool accumulate = false)
    {
        CpuMatrix m = Cpu(w);
        int rows = checked((int)(dy.Length / m.Rows));
        Expect(dy.Length == (long)rows * m.Rows && dx.Length == (long)rows * m.Columns, "MatMulBackwardInput: dy [N, rows], dx [N, columns]");
        Product(rows, m.Columns, m.Rows, P(dy), m.Rows, 1, Operand.Rows(m.Data, m.DType, m.Columns, m.Scales), P(dx), null, accumulate);
    }

    /// <inheritdoc/>
    public override void MatMulBackwardWeight(DeviceView<float> dy, DeviceView<float> x, DeviceMatrix dW, DeviceView<float> dBias)
    {
        CpuMatrix d = Cpu(dW);
        int n = checked((int)(dy.Length / d.Rows));
        Expect(d.DType == DType.F32 && dy.Length == (long)n * d.Rows && x.Length == (long)n * d.Columns,
            "MatMulBackwardWeight: dy [N, rows], x [N, columns], dW F32 [rows, columns]");
        Product(d.Rows, d.Columns, n, P(dy), 1, d.Rows, Operand.Rows((byte*)P(x), DType.F32, d.Columns), (float*)d.Data, null, accumulate: true);
        if (!dBias.IsEmpty) AddColumnSums(P(dy), n, d.Rows, P(dBias));
    }

    /// <summary>C [m, n] (+)= A [m, k] B [k, n] + bias, cut into tiles that the threads share.</summary>
    private void Product(int m, int n, int k, float* a, long aRow, long aK, Operand b, float* c, float* bias, bool accumulate)
    {
        if (m == 0 || n == 0) return;
        using Lock.Scope alone = _scratchUse.EnterScope();
        // A block of A should stay in the second-level cache while panels of B pass by; small products are cut finer so
        // that every thread finds work. The cut never changes the order of any sum.
        int width = MicroKernel.Columns, tile = MicroKernel.Rows;
        int rowsPerItem = RoundUp(Items(m, Items(m, 32 * tile)), tile), panels = Items(n, width), columnItems = Items(panels, 8);
        while (Items(m, rowsPerItem) * columnItems < 8 && (columnItems < panels || rowsPerItem > 2 * tile))
        {
            if (columnItems < panels) columnItems = Math.Min(panels, 2 * columnItems);
            else rowsPerItem = RoundUp(rowsPerItem / 2, tile);
        }
        PackedRows packed = PackedRows.Pays(m, n) ? PackRows(m, k, a, aRow, aK, Work(PackedRows.Floats(m, k))) : default;
        _pool.For(Items(m, rowsPerItem) * columnItems, new ProductBody
        {
            M = m, N = n, K = k, A = a, ARow = aRow, AK = aK, B = b, C = c, Bias = bias, Accumulate = accumulate,
            RowsPerItem = rowsPerItem, Panels = panels, ColumnItems = columnItems, Scratch = _scratch, Packed = packed,
        });
    }

    /// <summary>All whole groups of A, packed where <paramref name="to"/> has room for them.</summary>
    private PackedRows PackRows(int m, int k, float* a, long aRow, long aK, float* to)
    {
        int groups = PackedRows.Groups(m);
        var packed = new PackedRows(to, groups, k);
        _pool.For(groups, new PackRowsBody { A = a, ARow = aRow, AK = aK, Packed = packed });
        return packed;
    }

    private struct PackRowsBody : IParallelBody
    {
        public float* A;
        public long ARow, AK;
        public PackedRows Packed;

        public readonly void Run(int index, int thread) => Packed.Pack(index, A + (long)index * PackedRows.Group * ARow, ARow, AK);
    }

    private struct ProductBody : IParallelBody
    {
        public int M, N, K, RowsPerItem, Panels, ColumnItems;
        public float* A, C, Bias;
        public PackedRows Packed;
        public long ARow, AK;
        public Operand B;
        public bool Accumulate;
        public GemmScratch* Scratch;

        public readonly void Run(int index, int thread)
        {
            // Panels in shares that differ by one at most, so that threads end together.
            int i = index / ColumnItems * RowsPerItem, share = index % ColumnItems;
            int j = (int)((long)Panels * share / ColumnItems) * MicroKernel.Columns, end = (int)((long)Panels * (share + 1) / ColumnItems) * MicroKernel.Columns;
            int rows = Math.Min(RowsPerItem, M - i), columns = Math.Min(end, N) - j;
            float* c = C + (long)i * N + j;
            if (Bias != null) SetBias(c, rows, columns, N, Bias + j, Accumulate);
            // Items begin at whole groups: the cut is in tiles, or there is one item of all rows.
            Scratch[thread].Multiply(rows, columns, K, A + i * ARow, ARow, AK, B.At(0, j), c, N, Accumulate || Bias != null, Packed, PackedRows.Groups(i));
        }

        public static void SetBias(float* c, int rows, int columns, int stride, float* bias, bool accumulate)
        {
            var from = new ReadOnlySpan<float>(bias, columns);
            for (int r = 0; r < rows; r++)
            {
                var to = new Span<float>(c + (long)r * stride, columns);
                if (accumulate) TensorAdd(to, from);
                else from.CopyTo(to);
            }
        }

        private static void TensorAdd(Span<float> to, ReadOnlySpan<float> from)
        {
            int j = 0;
            for (; j + Vector<float>.Count <= to.Length; j += Vector<float>.Count) (new Vector<float>(to[j..]) + new Vector<float>(from[j..])).CopyTo(to[j..]);
            for (; j < to.Length; j++) to[j] += from[j];
        }
    }

    private static int RoundUp(int value, int multiple) => (value + multiple - 1) / multiple * multiple;

    /// <summary>sums[j] += sum over rows of x[i, j].</summary>
    private void AddColumnSums(float* x, int rows, int columns, float* sums)
    {
        const int Width = 64;
        _pool.For(Items(columns, Width), new ColumnSumBody { X = x, Rows = rows, Columns = columns, Sums = sums, Width = Width });
    }

    private struct ColumnSumBody : IParallelBody
    {
        public float* X, Sums;
        public int Rows, Columns, Width;

        public readonly void Run(int index, int thread)
        {
            int first = index * Width, count = Math.Min(Width, Columns - first);
            float* total = stackalloc float[Width];
            new Span<float>(total, Width).Clear();
            for (int i = 0; i < Rows; i++)
            {
                float* row = X + (long)i * Columns + first;
                for (int j = 0; j < count; j++) total[j] += row[j];
            }
            for (int j = 0; j < count; j++) Sums[first + j] += total[j];
        }
    }
}
