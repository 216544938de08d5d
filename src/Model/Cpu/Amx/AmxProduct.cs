namespace OllmNative.Model.Cpu;

public sealed unsafe partial class CpuDevice
{
    /// <summary>Most rows of one item: a stretch of their terms (384 KB) and the sums of a group of strips (896 KB) share a second-level cache of 2 MB.</summary>
    private const int AmxRows = 256;

    /// <summary>Products that share their x.</summary>
    private const int MostAmxParts = 3;

    private readonly AmxScratch* _amx;

    /// <summary>Whether products with the matrix go to the matrix unit when rows are many.</summary>
    private bool OnAmx(CpuMatrix m) => _amx != null && m.DType == DType.BF16 && m.Panels is null;

    /// <summary>The products of x [rows, k] with up to three bf16 matrices: x is cut into terms once, then threads share strips of the weights.</summary>
    private void AmxProducts(int rows, int k, float* x, AmxBody body)
    {
        if (rows == 0) return;
        using Lock.Scope alone = _scratchUse.EnterScope();
        byte* terms = (byte*)Work(SplitTerms.Bytes(rows, k) / sizeof(float));
        PackTerms(rows, k, x, k, terms);
        body.K = k;
        body.Terms = terms;
        body.Scratch = _amx;
        _pool.For(body.Count, body);
    }

    /// <summary>x [rows, columns] as the second factor of products.</summary>
    private void PackTerms(int rows, int columns, float* x, long stride, byte* terms)
    {
        int stretches = Items(columns, SplitTerms.Stretch);
        _pool.For(Items(rows, Amx.Block) * stretches, new PackTermsBody { Rows = rows, Columns = columns, Stretches = stretches, X = x, Stride = stride, Terms = terms });
    }

    private struct PackTermsBody : IParallelBody
    {
        public int Rows, Columns, Stretches;
        public float* X;
        public long Stride;
        public byte* Terms;

        public readonly void Run(int index, int thread)
        {
            int block = index / Stretches, row = block * Amx.Block, column = index % Stretches * SplitTerms.Stretch;
            SplitTerms.Pack(
                X + row * Stride + column, Stride, Math.Min(Amx.Block, Rows - row), Math.Min(SplitTerms.Stretch, Columns - column), first: false,
                Terms + SplitTerms.Offset(Rows, Columns, column, block));
        }
    }

    /// <summary>One matrix of the loop: its strips in groups of nearly one size, each with every cut of the rows.</summary>
    private struct AmxPart
    {
        public byte* W;
        public float* Bias, Output;
        public int Outputs, Groups, FirstItem;
        public bool Accumulate;
    }

    private struct AmxBody(int rows) : IParallelBody
    {
        // Rows in equal cuts of whole blocks.
        private readonly int _rowsPerItem = RoundUp(Items(rows, Math.Max(1, Items(rows, AmxRows))), Amx.Block);

        public readonly int Rows = rows;
        public AmxPart First, Second, Third;
        public int K, Count;
        public byte* Terms;
        public AmxScratch* Scratch;

        private readonly int RowItems => Items(Rows, _rowsPerItem);

        public void Add(int place, Projection projection, bool accumulate)
        {
            CpuMatrix m = Cpu(projection.W);
            int strips = Items(m.Rows, Amx.Block), rowItems = RowItems;
            // Each group passes over all terms of its rows, so as few as give a multiple of four items: two or four threads end together.
            int groups = Math.Min(strips, RoundUp(Items(strips, AmxScratch.MostStrips), Math.Max(1, 4 / rowItems)));
            var part = new AmxPart
            {
                W = m.Data, Outputs = m.Rows, Bias = P(projection.Bias), Output = P(projection.Output), Accumulate = accumulate, Groups = groups, FirstItem = Count,
            };
            Count += groups * rowItems;
            if (place == 0) First = Second = Third = part;
            else if (place == 1) Second = Third = part;
            else Third = part;
        }

        public readonly void Run(int index, int thread)
        {
            AmxPart part = index >= Third.FirstItem ? Third : index >= Second.FirstItem ? Second : First;
            index -= part.FirstItem;
            int strips = Items(part.Outputs, Amx.Block), group = index / RowItems, first = index % RowItems * _rowsPerItem;
            int from = (int)((long)strips * group / part.Groups) * Amx.Block, to = Math.Min(part.Outputs, (int)((long)strips * (group + 1) / part.Groups) * Amx.Block);
            float* c = part.Output + (long)first * part.Outputs + from;
            Scratch[thread].MultiplyTransposed(
                Terms, Rows, first, Math.Min(_rowsPerItem, Rows - first), part.W + (long)from * K * 2, to - from, K,
                new AmxResult(c, part.Outputs, part.Bias == null ? null : part.Bias + from, part.Accumulate));
        }
    }
}
