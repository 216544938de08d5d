using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace OllmNative.Model.Cpu;

public sealed unsafe partial class CpuDevice
{
    /// <inheritdoc/>
    public override void Embedding(DeviceView<int> ids, DeviceMatrix table, DeviceView<float> output)
    {
        CpuMatrix m = Cpu(table);
        Expect(output.Length == ids.Length * m.Columns, "Embedding: ids [N], output [N, D]");
        int* id = P(ids);
        ExpectIndices(ids, m.Rows, "Embedding: token id");
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
        ExpectIndices(rows, input.Length / Math.Max(1, columns), "GatherRows: row");
        long bytes = columns * sizeof(float);
        for (long n = 0; n < rows.Length; n++)
            Buffer.MemoryCopy(P(input) + (long)P(rows)[n] * columns, P(output) + n * columns, bytes, bytes);
    }

    /// <inheritdoc/>
    public override void ScatterRows(DeviceView<float> x, DeviceView<int> cacheRows, DeviceView<float> cache, int columns)
    {
        Expect(x.Length == cacheRows.Length * columns, "ScatterRows: x [N, columns], cacheRows [N]");
        ExpectIndices(cacheRows, cache.Length / Math.Max(1, columns), "ScatterRows: cache row");
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
        ExpectIndices(positions, cosSin.Length / headSize, "Rope: position");
        int perItem = RowsPerItem(columns);
        _pool.For(Items(positions.Length, perItem), new RopeBody
        {
            X = P(x), Positions = P(positions), CosSin = P(cosSin), Rows = positions.Length, Columns = columns, HeadSize = headSize, PerItem = perItem,
        });
    }

    /// <summary>Indices are data: one outside of its table would read or write memory of something else.</summary>
    private static void ExpectIndices(DeviceView<int> indices, long count, string what)
    {
        foreach (int index in new ReadOnlySpan<int>(P(indices), checked((int)indices.Length)))
            if ((uint)index >= (ulong)count) throw new ArgumentOutOfRangeException(nameof(indices), $"{what} {index} is outside of 0 to {count - 1}");
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

[MethodImpl(MethodImplOptions.AggressiveOptimization)]
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

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public readonly void Run(int index, int thread)
        {
            int half = HeadSize / 2;
            long end = Math.Min(Rows, (index + 1L) * PerItem);
            for (long n = (long)index * PerItem; n < end; n++)
            {
                float* cos = CosSin + (long)Positions[n] * HeadSize, sin = cos + half;
                for (float* head = X + n * Columns, last = head + Columns; head < last; head += HeadSize)
                {
                    int i = 0;
                    for (; i + 8 <= half; i += 8)
                    {
                        Vector256<float> a = Vector256.Load(head + i), b = Vector256.Load(head + i + half), c = Vector256.Load(cos + i), s = Vector256.Load(sin + i);
                        (a * c - b * s).Store(head + i);
                        (b * c + a * s).Store(head + i + half);
                    }
                    for (; i < half; i++)
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
