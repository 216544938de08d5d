namespace OllmNative.Model.Cpu;

public sealed unsafe partial class CpuDevice
{
    /// <inheritdoc/>
    public override void Embedding(DeviceView<int> ids, DeviceMatrix table, DeviceView<float> output)
    {
        CpuMatrix m = Cpu(table);
        Expect(output.Length == ids.Length * m.Columns, "Embedding: ids [N], output [N, D]");
        int* id = P(ids);
        for (long n = 0; n < ids.Length; n++)
        {
            if ((uint)id[n] >= (uint)m.Rows) throw new ArgumentException($"Embedding: token id {id[n]} is outside the vocabulary of {m.Rows}");
        }
        int perItem = RowsPerItem(m.Columns);
        _pool.For(Items(ids.Length, perItem), new EmbeddingBody
        {
            Ids = id, Table = m.Data, Type = m.DType, Output = P(output), Rows = ids.Length, Columns = m.Columns, PerItem = perItem,
        });
    }

    /// <inheritdoc/>
    public override void GatherRows(DeviceView<float> input, DeviceView<int> rows, DeviceView<float> output, int columns)
    {
        Expect(output.Length == rows.Length * columns, "GatherRows: rows [N], output [N, columns]");
        long bytes = columns * sizeof(float);
        for (long n = 0; n < rows.Length; n++)
            Buffer.MemoryCopy(P(input) + (long)P(rows)[n] * columns, P(output) + n * columns, bytes, bytes);
    }

    /// <inheritdoc/>
    public override void ScatterRows(DeviceView<float> x, DeviceView<int> cacheRows, DeviceView<float> cache, int columns)
    {
        Expect(x.Length == cacheRows.Length * columns, "ScatterRows: x [N, columns], cacheRows [N]");
        long bytes = columns * sizeof(float);
        for (long n = 0; n < cacheRows.Length; n++)
            Buffer.MemoryCopy(P(x) + n * columns, P(cache) + (long)P(cacheRows)[n] * columns, bytes, bytes);
    }

    /// <inheritdoc/>
    public override void ScaleRows(DeviceView<float> x, DeviceView<float> scale, int columns)
    {
        Expect(x.Length == scale.Length * columns, "ScaleRows: x [N, columns], scale [N]");
        for (long n = 0; n < scale.Length; n++)
        {
            float factor = P(scale)[n];
            foreach (ref float value in new Span<float>(P(x) + n * columns, columns)) value *= factor;
        }
    }

    /// <inheritdoc/>
    public override void Rope(DeviceView<float> x, DeviceView<int> positions, DeviceView<float> cosSin, int headSize)
    {
        if (positions.Length == 0) return;
        int columns = checked((int)(x.Length / positions.Length));
        Expect(x.Length == positions.Length * columns && columns % headSize == 0, "Rope: x [N, heads * Dh], positions [N]");
        int perItem = RowsPerItem(columns);
        _pool.For(Items(positions.Length, perItem), new RopeBody
        {
            X = P(x), Positions = P(positions), CosSin = P(cosSin), Rows = positions.Length, Columns = columns, HeadSize = headSize, PerItem = perItem,
        });
    }

    private struct EmbeddingBody : IParallelBody
    {
        public int* Ids;
        public byte* Table;
        public DType Type;
        public float* Output;
        public long Rows;
        public int Columns, PerItem;

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
            long end = Math.Min(Rows, (index + 1L) * PerItem);
            for (long n = (long)index * PerItem; n < end; n++)
            {
                byte* from = Table + (long)Ids[n] * Columns * T.Size;
                float* to = Output + n * Columns;
                for (int i = 0; i < Columns; i++) to[i] = T.Load(from + (long)i * T.Size);
            }
        }
    }

    private struct RopeBody : IParallelBody
    {
        public float* X, CosSin;
        public int* Positions;
        public long Rows;
        public int Columns, HeadSize, PerItem;

        public readonly void Run(int index, int thread)
        {
            int half = HeadSize / 2;
            long end = Math.Min(Rows, (index + 1L) * PerItem);
            for (long n = (long)index * PerItem; n < end; n++)
            {
                float* cos = CosSin + (long)Positions[n] * HeadSize, sin = cos + half;
                for (float* head = X + n * Columns, last = head + Columns; head < last; head += HeadSize)
                {
                    for (int i = 0; i < half; i++)
                    {
                        float a = head[i], b = head[i + half];
                        head[i] = a * cos[i] - b * sin[i];
                        head[i + half] = b * cos[i] + a * sin[i];
                    }
                }
            }
        }
    }
}
