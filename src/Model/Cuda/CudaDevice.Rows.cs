#if ILGPU
using ILGPU;
using ILGPU.Runtime;
#else
using OllmNative.Runtime.Language;
#endif

namespace OllmNative.Model.Cuda;

public sealed partial class CudaDevice
{
    /// <summary>Rows that one thread of a column sum takes.</summary>
    private const int SumChunk = 64;

    /// <summary>Columns of a part of a long row's search for its largest entry.</summary>
    private const int ArgMaxPart = 2048;

    private Action<Queue, Launch, Ints, Floats, Floats, int>? _embedding;
    private Action<Queue, Launch, Ints, Words, Floats, int, int>? _embeddingWords;
    private Action<Queue, Launch, Floats, Ints, Floats, int>? _gather, _scatter;
    private Action<Queue, Launch, Floats, Floats, int>? _scaleRows;
    private Action<Queue, Launch, Floats, Floats, int, int>? _fillRows, _addSums;
    private Action<Queue, Launch, Floats, Floats, Floats, int, int, float>? _rmsNorm;
    private Action<Queue, Launch, Floats, Floats, Floats, int, int, int>? _gainPartial;
    private Action<Queue, Launch, Floats, Floats, Floats, int, int>? _gainFinish;
    private Action<Queue, Launch, Floats, Floats, int, int, int>? _sumsPartial;
    private Action<Queue, Launch, Floats, Ints, Floats, int, int, int>? _rope;
    private Action<Queue, Launch, Floats, Floats, Floats, Ints, Floats, Ints, Floats, Floats, Kernels.RopeToCacheShape>? _ropeToCache;
    private Action<Queue, Launch, Floats, Ints, int>? _argMax;
    private Action<Queue, Launch, Floats, Floats, Ints, int, int>? _argMaxParts;
    private Action<Queue, Launch, Floats, Ints, Ints, int>? _argMaxCombine;
    private CudaBuffer<float>? _argMaxValues;
    private CudaBuffer<int>? _argMaxIndices;
    private CudaBuffer<float>? _sumParts;

    /// <inheritdoc/>
    public override void Embedding(DeviceView<int> ids, DeviceMatrix table, DeviceView<float> output)
    {
        var m = (CudaMatrix)table;
        Expect(output.Length == ids.Length * m.Columns, "Embedding: ids [N], output [N, D]");
        if (ids.Length == 0) return;
        Launch launch = Columns(ids.Length, m.Columns);
        if (m.IsFloat) (_embedding ??= _accelerator.LoadKernel<Ints, Floats, Floats, int>(Kernels.Embedding.Forward))(_queue, launch, In(ids), m.Floats, Out(output), m.Columns);
        else
        {
            (_embeddingWords ??= _accelerator.LoadKernel<Ints, Words, Floats, int, int>(Kernels.EmbeddingWords.Forward))(
                _queue, launch, In(ids), m.Words, Out(output), m.Columns, m.WordType);
        }
    }

    /// <inheritdoc/>
    public override void GatherRows(DeviceView<float> input, DeviceView<int> rows, DeviceView<float> output, int columns)
    {
        Expect(output.Length == rows.Length * columns, "GatherRows: rows [N], output [N, columns]");
        if (rows.Length == 0) return;
        (_gather ??= _accelerator.LoadKernel<Floats, Ints, Floats, int>(Kernels.Rows.Gather))(
            _queue, Columns(rows.Length, columns), In(input), In(rows), Out(output), columns);
    }

    /// <inheritdoc/>
    public override void ScatterRows(DeviceView<float> x, DeviceView<int> cacheRows, DeviceView<float> cache, int columns)
    {
        Expect(x.Length == cacheRows.Length * columns, "ScatterRows: x [N, columns], cacheRows [N]");
        if (cacheRows.Length == 0) return;
        (_scatter ??= _accelerator.LoadKernel<Floats, Ints, Floats, int>(Kernels.Rows.Scatter))(
            _queue, Columns(cacheRows.Length, columns), In(x), In(cacheRows), Out(cache), columns);
    }

    /// <inheritdoc/>
    public override void ScaleRows(DeviceView<float> x, DeviceView<float> scale, int columns)
    {
        Expect(x.Length == scale.Length * columns, "ScaleRows: x [N, columns], scale [N]");
        if (scale.Length > 0) ScaleRows(Out(x), In(scale), checked((int)scale.Length), columns);
    }

    /// <inheritdoc/>
    public override void RmsNorm(DeviceView<float> x, DeviceView<float> gain, DeviceView<float> output, float eps, int outputStride = 0)
    {
        int columns = checked((int)gain.Length);
        long rows = x.Length / columns;
        int stride = outputStride == 0 ? columns : outputStride;
        Expect(x.Length == rows * columns && output.Length >= (rows - 1) * stride + columns, "RmsNorm: x [N, D], gain [D], output [N, stride]");
        if (rows == 0) return;
        (_rmsNorm ??= _accelerator.LoadKernel<Floats, Floats, Floats, int, int, float>(Kernels.RmsNormRows.Forward))(
            _queue, RowGroups(rows, columns), In(x), In(gain), Out(output), columns, stride, eps);
    }

    /// <inheritdoc/>
    public override void NormGainGradient(DeviceView<float> gain, DeviceView<float> w, DeviceView<float> dW, DeviceView<float> dGain)
    {
        int columns = checked((int)gain.Length), rows = checked((int)(w.Length / columns)), chunks = (rows + SumChunk - 1) / SumChunk;
        Expect(dGain.Length == columns && w.Length == (long)rows * columns && dW.Length == w.Length, "NormGainGradient: gain, dGain [D], w, dW [M, D]");
        if (rows == 0) return;
        Floats partial = Scratch(ref _sumParts, (long)chunks * columns).Write(0, (long)chunks * columns);
        (_gainPartial ??= _accelerator.LoadKernel<Floats, Floats, Floats, int, int, int>(Kernels.NormGain.Partial))(
            _queue, ColumnChunks(columns, chunks), In(w), In(dW), partial, rows, columns, SumChunk);
        (_gainFinish ??= _accelerator.LoadKernel<Floats, Floats, Floats, int, int>(Kernels.NormGain.Finish))(
            _queue, Each(columns), partial, In(gain), Out(dGain), chunks, columns);
    }

    /// <inheritdoc/>
    public override void Rope(DeviceView<float> x, DeviceView<int> positions, DeviceView<float> cosSin, int headSize)
    {
        if (positions.Length == 0) return;
        int tokens = checked((int)positions.Length), columns = checked((int)(x.Length / tokens));
        Expect(x.Length == (long)tokens * columns && columns % headSize == 0, "Rope: x [N, heads * Dh], positions [N]");
        (_rope ??= _accelerator.LoadKernel<Floats, Ints, Floats, int, int, int>(Kernels.RopeHeads.Forward))(
            _queue, Each(x.Length / 2), Out(x), In(positions), In(cosSin), tokens, columns / headSize, headSize);
    }

    /// <inheritdoc/>
    public override void RopeToCache(
        DeviceView<float> q, DeviceView<float> k, DeviceView<float> v, DeviceView<int> positions, DeviceView<float> cosSin, DeviceView<int> cacheRows,
        CacheView keys, CacheView values, int headSize)
    {
        int tokens = checked((int)positions.Length);
        if (tokens == 0) return;
        var shape = new Kernels.RopeToCacheShape
        {
            Tokens = tokens, Heads = checked((int)(q.Length / tokens / headSize)), KvHeads = checked((int)(k.Length / tokens / headSize)), HeadSize = headSize,
        };
        Expect(q.Length == (long)tokens * shape.Heads * headSize && k.Length == (long)tokens * shape.KvHeads * headSize && v.Length == k.Length, "RopeToCache: q [N, H * Dh], k and v [N, Hkv * Dh]");
        if (keys.IsBf16)
        {
            RopeToCacheBf16(q, k, v, positions, cosSin, cacheRows, keys, values, shape);
            return;
        }
        (_ropeToCache ??= _accelerator.LoadKernel<Floats, Floats, Floats, Ints, Floats, Ints, Floats, Floats, Kernels.RopeToCacheShape>(Kernels.RopeToCache.Forward))(
            _queue, Each((q.Length + 2 * k.Length) / 2), Out(q), In(k), In(v), In(positions), In(cosSin), In(cacheRows), Out(keys.Floats), Out(values.Floats), shape);
    }

    /// <inheritdoc/>
    public override void ArgMaxRows(DeviceView<float> x, DeviceView<int> index, int columns)
    {
        Expect(x.Length == index.Length * columns, "ArgMaxRows: x [N, columns], index [N]");
        if (index.Length == 0) return;
        if (_options.Plain || columns < 2 * ArgMaxPart)
        {
            (_argMax ??= _accelerator.LoadKernel<Floats, Ints, int>(Kernels.ArgMax.Forward))(_queue, RowGroups(index.Length, columns), In(x), Out(index), columns);
            return;
        }
        // One group would read a row of logits on one multiprocessor, load after load.
        int rows = checked((int)index.Length), parts = (columns + ArgMaxPart - 1) / ArgMaxPart;
        Floats values = Scratch(ref _argMaxValues, (long)rows * parts).Write(0, (long)rows * parts);
        Ints indices = Scratch(ref _argMaxIndices, (long)rows * parts).Write(0, (long)rows * parts);
        (_argMaxParts ??= _accelerator.LoadKernel<Floats, Floats, Ints, int, int>(Kernels.ArgMax.Parts))(
            _queue, new Launch(new Index3D(rows, parts, 1), new Index3D(Threads, 1, 1)), In(x), values, indices, columns, ArgMaxPart);
        (_argMaxCombine ??= _accelerator.LoadKernel<Floats, Ints, Ints, int>(Kernels.ArgMax.Combine))(_queue, new Launch(rows, 32), values, indices, Out(index), parts);
    }

    private void ScaleRows(Floats x, Floats scale, int rows, int columns) =>
        (_scaleRows ??= _accelerator.LoadKernel<Floats, Floats, int>(Kernels.Rows.Scale))(_queue, Columns(rows, columns), x, scale, columns);

    /// <summary>Each row of the output becomes, or gets added, one row.</summary>
    private void FillRows(Floats row, Floats output, int rows, int columns, bool accumulate) =>
        (_fillRows ??= _accelerator.LoadKernel<Floats, Floats, int, int>(Kernels.Rows.Fill))(_queue, Columns(rows, columns), row, output, columns, accumulate ? 1 : 0);

    /// <summary>sums [C] += sums down the columns of x [N, C]: chunks of rows first, then the chunks in order.</summary>
    private void AddColumnSums(Floats x, Floats sums, int rows, int columns)
    {
        int chunks = (rows + SumChunk - 1) / SumChunk;
        if (chunks > 1)
        {
            Floats partial = Scratch(ref _sumParts, (long)chunks * columns).Write(0, (long)chunks * columns);
            (_sumsPartial ??= _accelerator.LoadKernel<Floats, Floats, int, int, int>(Kernels.ColumnSums.Partial))(
                _queue, ColumnChunks(columns, chunks), x, partial, rows, columns, SumChunk);
            (x, rows) = (partial, chunks);
        }
        AddColumns(x, sums, rows, columns);
    }

    private void AddColumns(Floats x, Floats sums, int rows, int columns) =>
        (_addSums ??= _accelerator.LoadKernel<Floats, Floats, int, int>(Kernels.ColumnSums.Add))(_queue, Each(columns), x, sums, rows, columns);

    /// <summary>One group a row whose threads take a column each, as far as they go.</summary>
    private static Launch Columns(long rows, int columns) => new(checked((int)rows), columns <= 32 ? 32 : columns <= 128 ? 128 : Threads);

    private static Launch ColumnChunks(int columns, int chunks) =>
        new(new Index3D((columns + Threads - 1) / Threads, chunks, 1), new Index3D(Threads, 1, 1));
}
