#if ILGPU
using ILGPU;
using ILGPU.Runtime;
#else
using OllmNative.Runtime.Language;
#endif
using OllmNative.Kernels;

namespace OllmNative.Model.Cuda;

public sealed partial class CudaDevice
{
    /// <summary>Keys of a part when the cache is cut, and groups from which on it is not.</summary>
    private const int SplitKeys = 256, EnoughGroups = 264;

    private Action<Queue, Launch, Floats, Floats, Floats, Floats, Ints, AttentionShape>? _attention1;
    private Action<Queue, Launch, Floats, Floats, Floats, Floats, Ints, Floats, Floats, AttentionShape>? _attention2;
    private Action<Queue, Launch, Floats, Floats, Floats, int, int>? _combine;
    private CudaBuffer<float>? _attentionSums, _attentionStats;
    private CudaBuffer<int>? _items;
    private SequenceSpan[] _spans = [], _blocks = [];
    private int _spanCount = -1, _perBlock, _blockCount, _mostKeys;
    private bool _singles;

    /// <inheritdoc/>
    public override void Attention(
        DeviceView<float> q, CacheView keys, CacheView values, ReadOnlySpan<SequenceSpan> sequences,
        DeviceView<float> output, int heads, int kvHeads, int headSize)
    {
        Expect(q.Length == output.Length && q.Length % (heads * headSize) == 0, "Attention: q and output [N, H * Dh]");
        if (q.Length == 0) return;
        var shape = new AttentionShape { Heads = heads, KvHeads = kvHeads, HeadSize = headSize, Packed = 1, Splits = 1, Scale = 1 / MathF.Sqrt(headSize) };
        if (keys.IsBf16)
        {
            AttentionBf16(q, keys, values, sequences, output, shape);
            return;
        }
        if (_options.Plain || headSize > AttentionTiles.MostHead)
        {
            Ints items = Items(sequences, 256);
            (_attention1 ??= _accelerator.LoadKernel<Floats, Floats, Floats, Floats, Ints, AttentionShape>(AttentionPlain.Attention1))(
                _queue, new Launch(new Index3D(heads, _blockCount, 1), new Index3D(LargestBlock(), 1, 1)), In(q), In(keys.Floats), In(values.Floats), Out(output), items, shape);
            return;
        }
        AttentionInTiles(q, keys.Floats, values.Floats, sequences, output, shape);
    }

    /// <summary>
    /// Decoding: the query heads of one key/value head together, and the keys in parts while there are multiprocessors
    /// without work. Otherwise blocks of queries of one head.
    /// </summary>
    private void AttentionInTiles(
        DeviceView<float> q, DeviceView<float> keys, DeviceView<float> values, ReadOnlySpan<SequenceSpan> sequences, DeviceView<float> output, AttentionShape shape)
    {
        int group = shape.Heads / shape.KvHeads, queries = checked((int)(q.Length / (shape.Heads * shape.HeadSize)));
        shape.Packed = group <= AttentionTiles.Queries && queries <= 2 * sequences.Length ? group : 1;
        Ints items = Items(sequences, AttentionTiles.Queries / shape.Packed);
        int groups = _blockCount * (shape.Heads / shape.Packed);
        shape.Splits = groups >= EnoughGroups ? 1 : (KeyBucket(_mostKeys) + SplitKeys - 1) / SplitKeys;
        shape.KeysPerSplit = shape.Splits == 1 ? int.MaxValue / 2 : SplitKeys;
        Floats sums = default, stats = default;
        if (shape.Splits > 1)
        {
            long parts = (long)queries * shape.Heads * shape.Splits;
            (sums, stats) = (Scratch(ref _attentionSums, parts * shape.HeadSize).Write(0, parts * shape.HeadSize), Scratch(ref _attentionStats, 2 * parts).Write(0, 2 * parts));
        }
        (_attention2 ??= _accelerator.LoadKernel<Floats, Floats, Floats, Floats, Ints, Floats, Floats, AttentionShape>(AttentionTiles.Attention2))(
            _queue, new Launch(new Index3D(_blockCount, shape.Heads / shape.Packed, shape.Splits), new Index3D(AttentionTiles.Threads, 1, 1)),
            In(q), In(keys), In(values), Out(output), items, sums, stats, shape);
        if (shape.Splits == 1) return;
        (_combine ??= _accelerator.LoadKernel<Floats, Floats, Floats, int, int>(AttentionCombine.Forward))(
            _queue, new Launch(queries * shape.Heads, shape.HeadSize <= 64 ? 64 : 128), sums, stats, Out(output), shape.Splits, shape.HeadSize);
    }

    /// <summary>
    /// The sequences cut into blocks of queries, on the device. All layers of a pass ask for the same, so it is uploaded once;
    /// sequences of one query are cut the same whatever the block.
    /// </summary>
    private Ints Items(ReadOnlySpan<SequenceSpan> sequences, int perBlock)
    {
        if (_spanCount == sequences.Length && (_perBlock == perBlock || _singles) && sequences.SequenceEqual(_spans.AsSpan(0, _spanCount)))
            return _items!.Read(0, 4L * _blockCount);
        (_spanCount, _perBlock, _blockCount, _mostKeys, _singles) = (sequences.Length, perBlock, 0, 0, true);
        if (_spans.Length < sequences.Length) _spans = new SequenceSpan[2 * sequences.Length];
        sequences.CopyTo(_spans);
        foreach (SequenceSpan sequence in sequences)
        {
            _mostKeys = Math.Max(_mostKeys, sequence.Past + sequence.Count);
            _singles &= sequence.Count == 1;
            for (int first = 0; first < sequence.Count; first += perBlock)
            {
                if (_blockCount == _blocks.Length) Array.Resize(ref _blocks, Math.Max(16, 2 * _blocks.Length));
                _blocks[_blockCount++] = new SequenceSpan(
                    sequence.FirstRow + first, Math.Min(perBlock, sequence.Count - first), sequence.Past + first, sequence.CacheRow);
            }
        }
        // The longest first: what begins last then ends soon.
        _blocks.AsSpan(0, _blockCount).Sort(static (a, b) => (b.Past + b.Count).CompareTo(a.Past + a.Count) is not 0 and var order ? order : a.FirstRow.CompareTo(b.FirstRow));
        CudaBuffer<int> items = Scratch(ref _items, 4L * _blocks.Length);
        items.Upload(0, System.Runtime.InteropServices.MemoryMarshal.Cast<SequenceSpan, int>(_blocks.AsSpan(0, _blockCount)));
        return items.Read(0, 4L * _blockCount);
    }

    /// <summary>
    /// Room for this many keys: a power of two, so that the layout of a decoding step, and with it a recording, serves many steps.
    /// </summary>
    private static int KeyBucket(int keys) => Math.Max(SplitKeys, (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)keys));

    private int LargestBlock()
    {
        int most = 1;
        foreach (SequenceSpan block in _blocks.AsSpan(0, _blockCount)) most = Math.Max(most, block.Count);
        return most;
    }
}
