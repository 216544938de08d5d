using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace OllmNative.Model.Cpu;

public sealed unsafe partial class CpuDevice
{
    /// <summary>Up to this many rows a product is a bundle of dot products: the weights are read once and never packed.</summary>
    private static readonly int DotRows = Avx512F.IsSupported ? 8 : 4;

    /// <inheritdoc/>
    public override void MatMul(DeviceView<float> x, DeviceMatrix w, DeviceView<float> bias, DeviceView<float> output, bool accumulate = false)
    {
        CpuMatrix m = Cpu(w);
        int rows = checked((int)(x.Length / m.Columns));
        Expect(x.Length == (long)rows * m.Columns && output.Length == (long)rows * m.Rows, "MatMul: x [N, columns], output [N, rows]");
        Expect(bias.IsEmpty || bias.Length == m.Rows, "MatMul: bias [rows]");
        if (rows <= DotRows)
        {
            int perItem = Math.Max(8, (int)Math.Min(m.Rows, 65536 / Math.Max(1, m.Columns)) & ~7);
            _pool.For(Items(m.Rows, perItem), new DotBody
            {
                X = P(x), W = m.Data, Type = m.DType, Bias = P(bias), Output = P(output),
                Rows = rows, Inputs = m.Columns, Outputs = m.Rows, PerItem = perItem, Accumulate = accumulate,
            });
            return;
        }
        Product(rows, m.Rows, m.Columns, P(x), m.Columns, 1, Operand.Transposed(m.Data, m.DType, m.Columns), P(output), P(bias), accumulate);
    }

    /// <inheritdoc/>
    public override void MatMulBackwardInput(DeviceView<float> dy, DeviceMatrix w, DeviceView<float> dx, bool accumulate = false)
    {
        CpuMatrix m = Cpu(w);
        int rows = checked((int)(dy.Length / m.Rows));
        Expect(dy.Length == (long)rows * m.Rows && dx.Length == (long)rows * m.Columns, "MatMulBackwardInput: dy [N, rows], dx [N, columns]");
        Product(rows, m.Columns, m.Rows, P(dy), m.Rows, 1, Operand.Rows(m.Data, m.DType, m.Columns), P(dx), null, accumulate);
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
        // A block of A should stay in the second-level cache while panels of B pass by; small products are cut finer so
        // that every thread finds work. The cut never changes the order of any sum.
        int width = MicroKernel.Columns, tile = MicroKernel.Rows;
        int rowsPerItem = Math.Min(m, 32 * tile), columnsPerItem = Math.Min(n, 8 * width);
        while (Items(m, rowsPerItem) * Items(n, columnsPerItem) < 8 && (columnsPerItem > width || rowsPerItem > 2 * tile))
        {
            if (columnsPerItem > width) columnsPerItem = RoundUp(columnsPerItem / 2, width);
            else rowsPerItem = RoundUp(rowsPerItem / 2, tile);
        }
        int columnItems = Items(n, columnsPerItem);
        _pool.For(Items(m, rowsPerItem) * columnItems, new ProductBody
        {
            M = m, N = n, K = k, A = a, ARow = aRow, AK = aK, B = b, C = c, Bias = bias, Accumulate = accumulate,
            RowsPerItem = rowsPerItem, ColumnsPerItem = columnsPerItem, ColumnItems = columnItems, Scratch = _scratch,
        });
    }

    private struct ProductBody : IParallelBody
    {
        public int M, N, K, RowsPerItem, ColumnsPerItem, ColumnItems;
        public float* A, C, Bias;
        public long ARow, AK;
        public Operand B;
        public bool Accumulate;
        public GemmScratch* Scratch;

        public readonly void Run(int index, int thread)
        {
            int i = index / ColumnItems * RowsPerItem, j = index % ColumnItems * ColumnsPerItem;
            int rows = Math.Min(RowsPerItem, M - i), columns = Math.Min(ColumnsPerItem, N - j);
            float* c = C + (long)i * N + j;
            if (Bias != null) SetBias(c, rows, columns, Bias + j);
            Scratch[thread].Multiply(rows, columns, K, A + i * ARow, ARow, AK, B.At(0, j), c, N, Accumulate || Bias != null);
        }

        private readonly void SetBias(float* c, int rows, int columns, float* bias)
        {
            var from = new ReadOnlySpan<float>(bias, columns);
            for (int r = 0; r < rows; r++)
            {
                var to = new Span<float>(c + (long)r * N, columns);
                if (Accumulate) TensorAdd(to, from);
                else from.CopyTo(to);
            }
        }

        private static void TensorAdd(Span<float> to, ReadOnlySpan<float> from)
        {
            for (int j = 0; j < to.Length; j++) to[j] += from[j];
        }
    }

    /// <summary>output[n, j] = w[j] · x[n] + bias[j] for a few rows n: memory-bound, so each weight is read once.</summary>
    private struct DotBody : IParallelBody
    {
        public float* X, Bias, Output;
        public byte* W;
        public DType Type;
        public int Rows, Inputs, Outputs, PerItem;
        public bool Accumulate;

        public readonly void Run(int index, int thread)
        {
            switch (Type)
            {
                case DType.F32: Run<F32Element>(index); break;
                case DType.BF16: Run<BF16Element>(index); break;
                default: Run<F16Element>(index); break;
            }
        }

        private readonly void Run<T>(int index) where T : struct, IElement
        {
            int end = Math.Min(Outputs, (index + 1) * PerItem);
            float* dots = stackalloc float[16];
            long stride = (long)Inputs * T.Size;
            for (int j = index * PerItem; j < end; j += 4)
            {
                int count = Math.Min(4, end - j), n = 0;
                byte* w = W + j * stride;
                // Fewer than four rows left: the surplus pointers repeat the last row, and their sums are not used.
                long s1 = count > 1 ? stride : 0, s2 = count > 2 ? 2 * stride : s1, s3 = count > 3 ? 3 * stride : s2;
                for (; Avx512F.IsSupported && n + 4 <= Rows; n += 4)
                {
                    Dot4x4x512<T>(X + (long)n * Inputs, Inputs, w, w + s1, w + s2, w + s3, Inputs, dots);
                    for (int r = 0; r < 4; r++) Store(n + r, j, count, dots + 4 * r);
                }
                for (; n < Rows; n++)
                {
                    float* x = X + (long)n * Inputs;
                    if (Avx512F.IsSupported) Dot4x512<T>(x, w, w + s1, w + s2, w + s3, Inputs, dots);
                    else Dot4x256<T>(x, w, w + s1, w + s2, w + s3, Inputs, dots);
                    Store(n, j, count, dots);
                }
            }
        }

        private readonly void Store(int n, int j, int count, float* dots)
        {
            float* to = Output + (long)n * Outputs + j;
            for (int r = 0; r < count; r++)
            {
                float value = dots[r] + (Bias != null ? Bias[j + r] : 0);
                to[r] = Accumulate ? to[r] + value : value;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Dot4x512<T>(float* x, byte* w0, byte* w1, byte* w2, byte* w3, int count, float* dots) where T : struct, IElement
    {
        Vector512<float> s0 = default, s1 = default, s2 = default, s3 = default;
        int i = 0;
        for (; i + 16 <= count; i += 16)
        {
            Vector512<float> v = Vector512.Load(x + i);
            s0 = Avx512F.FusedMultiplyAdd(T.Load512(w0), v, s0);
            s1 = Avx512F.FusedMultiplyAdd(T.Load512(w1), v, s1);
            s2 = Avx512F.FusedMultiplyAdd(T.Load512(w2), v, s2);
            s3 = Avx512F.FusedMultiplyAdd(T.Load512(w3), v, s3);
            w0 += 16 * T.Size; w1 += 16 * T.Size; w2 += 16 * T.Size; w3 += 16 * T.Size;
        }
        dots[0] = Vector512.Sum(s0);
        dots[1] = Vector512.Sum(s1);
        dots[2] = Vector512.Sum(s2);
        dots[3] = Vector512.Sum(s3);
        DotTail<T>(x + i, w0, w1, w2, w3, count - i, dots);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Dot4x256<T>(float* x, byte* w0, byte* w1, byte* w2, byte* w3, int count, float* dots) where T : struct, IElement
    {
        Vector256<float> s0 = default, s1 = default, s2 = default, s3 = default;
        int i = 0;
        for (; i + 8 <= count; i += 8)
        {
            Vector256<float> v = Vector256.Load(x + i);
            s0 = Vector256.MultiplyAddEstimate(T.Load256(w0), v, s0);
            s1 = Vector256.MultiplyAddEstimate(T.Load256(w1), v, s1);
            s2 = Vector256.MultiplyAddEstimate(T.Load256(w2), v, s2);
            s3 = Vector256.MultiplyAddEstimate(T.Load256(w3), v, s3);
            w0 += 8 * T.Size; w1 += 8 * T.Size; w2 += 8 * T.Size; w3 += 8 * T.Size;
        }
        dots[0] = Vector256.Sum(s0);
        dots[1] = Vector256.Sum(s1);
        dots[2] = Vector256.Sum(s2);
        dots[3] = Vector256.Sum(s3);
        DotTail<T>(x + i, w0, w1, w2, w3, count - i, dots);
    }

    private static void DotTail<T>(float* x, byte* w0, byte* w1, byte* w2, byte* w3, int count, float* dots) where T : struct, IElement
    {
        for (int i = 0; i < count; i++)
        {
            long at = (long)i * T.Size;
            dots[0] += T.Load(w0 + at) * x[i];
            dots[1] += T.Load(w1 + at) * x[i];
            dots[2] += T.Load(w2 + at) * x[i];
            dots[3] += T.Load(w3 + at) * x[i];
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
