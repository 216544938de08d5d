using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace OllmNative.Model.Cpu;

public sealed unsafe partial class CpuDevice
{
    /// <summary>
    /// Up to this many rows a product is a bundle of dot products: the weights are read once, as fast as memory gives them,
    /// and never packed. With AVX-512 sixteen rows keep up with memory.
    /// </summary>
    private static readonly int DotRows = Avx512F.IsSupported ? 16 : 4;

    /// <summary>Weights below which a second thread would be woken for nothing.</summary>
    private const long DotWorthSharing = 1 << 16;

    /// <summary>Bytes of weights in one item: some microseconds of reading.</summary>
    private const int DotItemBytes = 1 << 16;

    /// <inheritdoc/>
    public override void MatMulEach(DeviceView<float> x, params ReadOnlySpan<Projection> projections)
    {
        int rows = projections.IsEmpty ? 0 : RowsOf(x, Cpu(projections[0].W));
        bool dots = projections.Length is > 0 and <= DotBody.MostParts && rows <= DotRows, amx = projections.Length is > 1 and <= MostAmxParts && rows > DotRows;
        foreach (Projection projection in projections)
        {
            dots &= Cpu(projection.W).Panels is null;
            amx &= OnAmx(Cpu(projection.W));
        }
        if (amx)
        {
            var products = new AmxBody(rows);
            for (int i = 0; i < projections.Length; i++) products.Add(i, Checked(projections[i], x), accumulate: false);
            AmxProducts(rows, Cpu(projections[0].W).Columns, P(x), products);
            return;
        }
        if (!dots)
        {
            base.MatMulEach(x, projections);
            return;
        }
        var body = new DotBody();
        for (int i = 0; i < projections.Length; i++) body.Add(i, PartOf(projections[i], x, accumulate: false));
        Dots(x, body);
    }

    private static int RowsOf(DeviceView<float> x, CpuMatrix w)
    {
        int rows = checked((int)(x.Length / w.Columns));
        Expect(x.Length == (long)rows * w.Columns, "MatMul: x [N, columns]");
        return rows;
    }

    private static Projection Checked(Projection projection, DeviceView<float> x)
    {
        CpuMatrix m = Cpu(projection.W);
        Expect(projection.Output.Length == (long)RowsOf(x, m) * m.Rows, "MatMul: output [N, rows]");
        Expect(projection.Bias.IsEmpty || projection.Bias.Length == m.Rows, "MatMul: bias [rows]");
        return projection;
    }

    private static DotPart PartOf(Projection projection, DeviceView<float> x, bool accumulate)
    {
        CpuMatrix m = Cpu(Checked(projection, x).W);
        return new DotPart
        {
            W = m.Data, Scales = m.Scales, Type = m.DType, Inputs = m.Columns, Outputs = m.Rows, Bias = P(projection.Bias), Output = P(projection.Output),
            Accumulate = accumulate, PerItem = Math.Max(8, (int)Math.Min(m.Rows, DotItemBytes / Math.Max(1, m.Columns * m.DType.Size())) & ~3),
        };
    }

    private void Dots(DeviceView<float> x, DotBody body)
    {
        using Lock.Scope alone = _scratchUse.EnterScope();
        body.X = P(x);
        body.Rows = checked((int)(x.Length / Math.Max(1, body.First.Inputs)));
        if (body.NeedsPairs)
        {
            body.Pairs = Work(x.Length);
            for (int n = 0; n < body.Rows; n++) PairOrder(body.X + (long)n * body.First.Inputs, body.First.Inputs, body.Pairs + (long)n * body.First.Inputs);
        }
        _pool.For(body.Count, body, body.Weights >= DotWorthSharing);
    }

    /// <summary>One matrix of a loop over dot products, and its first item.</summary>
    private struct DotPart
    {
        public byte* W;
        public float* Scales, Bias, Output;
        public DType Type;
        public int Inputs, Outputs, PerItem, FirstItem;
        public bool Accumulate;
    }

    /// <summary>output[n, j] = w[j] · x[n] + bias[j] for a few rows n and up to three matrices: memory-bound, so each weight is read once.</summary>
    private struct DotBody : IParallelBody
    {
        public const int MostParts = 3;

        public DotPart First, Second, Third;
        public float* X, Pairs;
        public int Rows, Count;
        public long Weights;

        /// <summary>BF16 weights are widened two by two, which needs x in the same order.</summary>
        public bool NeedsPairs { get; private set; }

        public void Add(int place, DotPart part)
        {
            part.FirstItem = Count;
            Count += Items(part.Outputs, part.PerItem);
            Weights += (long)part.Outputs * part.Inputs;
            NeedsPairs |= Avx512F.IsSupported && part.Type == DType.BF16;
            if (place == 0) First = Second = Third = part;
            else if (place == 1) Second = Third = part;
            else Third = part;
        }

        public readonly void Run(int index, int thread)
        {
            DotPart part = index >= Third.FirstItem ? Third : index >= Second.FirstItem ? Second : First;
            int first = (index - part.FirstItem) * part.PerItem, end = Math.Min(part.Outputs, first + part.PerItem);
            switch (part.Type)
            {
                case DType.F32: Run<F32Element>(part, first, end); break;
                case DType.BF16: Run<BF16Element>(part, first, end); break;
                case DType.I8: Run<I8Element>(part, first, end); break;
                default: Run<F16Element>(part, first, end); break;
            }
        }

        private readonly void Run<T>(in DotPart part, int first, int end) where T : struct, IElement
        {
            int inputs = part.Inputs;
            float* x = Avx512F.IsSupported && T.InPairs ? Pairs : X;
            float* dots = stackalloc float[16];
            long stride = (long)inputs * T.Size;
            for (int j = first; j < end; j += 4)
            {
                int count = Math.Min(4, end - j), n = 0;
                byte* w = part.W + j * stride;
                // Fewer than four rows left: the surplus pointers repeat the last row, and their sums are not used.
                long s1 = count > 1 ? stride : 0, s2 = count > 2 ? 2 * stride : s1, s3 = count > 3 ? 3 * stride : s2;
                for (; Avx512F.IsSupported && n + 4 <= Rows; n += 4)
                {
                    Dot4x4x512<T>(x + (long)n * inputs, inputs, w, w + s1, w + s2, w + s3, inputs, n == 0, dots);
                    for (int r = 0; r < 4; r++) Store(part, n + r, j, count, dots + 4 * r);
                }
                for (; n < Rows; n++)
                {
                    float* row = x + (long)n * inputs;
                    if (Avx512F.IsSupported) Dot4x512<T>(row, w, w + s1, w + s2, w + s3, inputs, n == 0, dots);
                    else Dot4x256<T>(row, w, w + s1, w + s2, w + s3, inputs, n == 0, dots);
                    Store(part, n, j, count, dots);
                }
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static void Store(in DotPart part, int n, int j, int count, float* dots)
        {
            float* to = part.Output + (long)n * part.Outputs + j;
            if (count == 4)
            {
                Vector128<float> four = Vector128.Load(dots);
                if (part.Scales != null) four *= Vector128.Load(part.Scales + j);
                if (part.Bias != null) four += Vector128.Load(part.Bias + j);
                if (part.Accumulate) four += Vector128.Load(to);
                four.Store(to);
                return;
            }
            for (int r = 0; r < count; r++)
            {
                float value = part.Scales != null ? dots[r] * part.Scales[j + r] : dots[r];
                if (part.Bias != null) value += part.Bias[j + r];
                to[r] = part.Accumulate ? to[r] + value : value;
            }
        }
    }

    /// <summary>
    /// In every 32 floats the 16 at even places first, then the 16 at odd ones: how <see cref="BF16Element"/> gives its
    /// weights. What is left at the end stays in order.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PairOrder(float* from, int count, float* to)
    {
        Vector512<int> even = Vector512.Create(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30), odd = Avx512F.Add(even, Vector512.Create(1));
        int i = 0;
        for (; i + 32 <= count; i += 32)
        {
            Vector512<float> a = Avx512F.LoadVector512(from + i), b = Avx512F.LoadVector512(from + i + 16);
            Avx512F.Store(to + i, Avx512F.PermuteVar16x32x2(a, even, b));
            Avx512F.Store(to + i + 16, Avx512F.PermuteVar16x32x2(a, odd, b));
        }
        for (; i < count; i++) to[i] = from[i];
    }
}
