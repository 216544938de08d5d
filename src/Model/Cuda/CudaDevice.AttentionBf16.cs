#if !ILGPU
using OllmNative.Kernels;
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;

namespace OllmNative.Model.Cuda;

/// <summary>Attention over a cache of bf16: prompts on the tensor cores, decoding at the speed of the memory.</summary>
public sealed partial class CudaDevice
{
    /// <summary>Queries of a sequence, on average, from which on a prompt's kernel gains by its larger tiles.</summary>
    private const int PromptQueries = 32;

    /// <summary>Multiprocessors that the emulator stands for, so that it cuts caches as a GPU does.</summary>
    private const int EmulatedMultiprocessors = 132;

    private Action<Queue, Launch, Floats, ArrayView<Bf16>, ArrayView<Bf16>, Floats, Ints, AttentionShape>? _attention64, _attention128;
    private Action<Queue, Launch, Floats, TensorMap, TensorMap, Floats, Words, Ints, AttentionShape>? _attentionWgmma64, _attentionWgmma128;
    private Action<Queue, Launch, Floats, ArrayView<Bf16>, ArrayView<Bf16>, Floats, Ints, Floats, Floats, Ints, AttentionShape>? _decode64, _decode128;
    private Action<Queue, Launch, Floats, Floats, Floats, Ints, Floats, Ints, ArrayView<Bf16>, ArrayView<Bf16>, RopeToCacheShape>? _ropeToCacheBf16;
    private CudaBuffer<int>? _tickets;

    /// <inheritdoc/>
    public override DType CacheType(int headSize) => _options.TensorCores && _options.Has(KernelVersions.Attention) && CacheView.IsBf16Head(headSize) ? DType.BF16 : DType.F32;

    /// <inheritdoc/>
    public override void CopyCache(CacheView source, CacheView destination)
    {
        Expect(source.Length == destination.Length && source.IsBf16 == destination.IsBf16, "CopyCache: equal lengths and types");
        if (source.Length == 0) return;
        if (source.IsBf16) In(source.Words).CopyTo(_queue, Out(destination.Words));
        else In(source.Floats).CopyTo(_queue, Out(destination.Floats));
    }

    private void RopeToCacheBf16(
        DeviceView<float> q, DeviceView<float> k, DeviceView<float> v, DeviceView<int> positions, DeviceView<float> cosSin, DeviceView<int> cacheRows,
        CacheView keys, CacheView values, in RopeToCacheShape shape)
    {
        Expect(shape.HeadSize % 16 == 0 && OnWords(q, k, v, cosSin) && OnWords(keys, values), "RopeToCache: operands on 16 bytes, heads of whole 16 pairs");
        (_ropeToCacheBf16 ??= _accelerator.LoadKernel<Floats, Floats, Floats, Ints, Floats, Ints, ArrayView<Bf16>, ArrayView<Bf16>, RopeToCacheShape>(Kernels.RopeToCacheBf16.Forward))(
            _queue, Each((q.Length + 2 * k.Length) / (2 * Kernels.RopeToCacheBf16.Pairs)), Out(q), In(k), In(v), In(positions), In(cosSin), In(cacheRows),
            Out(keys.Words).Cast<Bf16>(), Out(values.Words).Cast<Bf16>(), shape);
    }

    private void AttentionBf16(
        DeviceView<float> q, CacheView keys, CacheView values, ReadOnlySpan<SequenceSpan> sequences, DeviceView<float> output, AttentionShape shape)
    {
        Expect(CacheView.IsBf16Head(shape.HeadSize) && OnWords(q, output) && OnWords(keys, values), "Attention: heads of 64 or 128, operands on 16 bytes");
        long queries = q.Length / ((long)shape.Heads * shape.HeadSize);
        if (queries <= PromptQueries * (long)sequences.Length) Decode(q, keys, values, sequences, output, shape);
        else if (_options.Hopper && _options.Has(KernelVersions.WgmmaAttention)) PrefillHopper(q, keys, values, sequences, output, shape);
        else Prefill(q, keys, values, sequences, output, shape);
    }

    private void Prefill(
        DeviceView<float> q, CacheView keys, CacheView values, ReadOnlySpan<SequenceSpan> sequences, DeviceView<float> output, in AttentionShape shape)
    {
        Ints items = Items(sequences, AttentionTensor.Queries);
        var launch = shape.HeadSize == 64
            ? _attention64 ??= _accelerator.LoadKernel<Floats, ArrayView<Bf16>, ArrayView<Bf16>, Floats, Ints, AttentionShape>(AttentionTensor.Head64)
            : _attention128 ??= _accelerator.LoadKernel<Floats, ArrayView<Bf16>, ArrayView<Bf16>, Floats, Ints, AttentionShape>(AttentionTensor.Head128);
        launch(
            _queue, AttentionTensor.Config(_blockCount, shape.Heads, shape.HeadSize), In(q), In(keys.Words).Cast<Bf16>(), In(values.Words).Cast<Bf16>(),
            Out(output), items, shape);
    }

    /// <summary>What comes out is there in bf16 too, for the output projection.</summary>
    private void PrefillHopper(
        DeviceView<float> q, CacheView keys, CacheView values, ReadOnlySpan<SequenceSpan> sequences, DeviceView<float> output, in AttentionShape shape)
    {
        Ints items = Items(sequences, AttentionWgmma.Queries);
        int width = shape.KvHeads * shape.HeadSize;
        Floats result = Out(output);
        Words rounded = NewCopy(output);
        var launch = shape.HeadSize == 64
            ? _attentionWgmma64 ??= _accelerator.LoadKernel<Floats, TensorMap, TensorMap, Floats, Words, Ints, AttentionShape>(AttentionWgmma.Head64)
            : _attentionWgmma128 ??= _accelerator.LoadKernel<Floats, TensorMap, TensorMap, Floats, Words, Ints, AttentionShape>(AttentionWgmma.Head128);
        launch(
            _queue, AttentionWgmma.Config(_blockCount, shape.Heads, shape.HeadSize), In(q), AttentionWgmma.Map(In(keys.Words).Cast<Bf16>(), width),
            AttentionWgmma.Map(In(values.Words).Cast<Bf16>(), width), result, rounded, items, shape);
    }

    /// <summary>The query heads of one key/value head together, and the cache in as many parts as the multiprocessors can use.</summary>
    private void Decode(
        DeviceView<float> q, CacheView keys, CacheView values, ReadOnlySpan<SequenceSpan> sequences, DeviceView<float> output, AttentionShape shape)
    {
        int queries = checked((int)(q.Length / (shape.Heads * shape.HeadSize)));
        shape = shape.WithPacked(HeadsTogether(shape.Heads / shape.KvHeads));
        int perBlock = queries == sequences.Length ? 1 : AttentionDecode.Rows / shape.Packed;
        Ints items = Items(sequences, perBlock);
        int groups = _blockCount * (shape.Heads / shape.Packed);
        shape.Splits = Splits(KeyBucket(_mostKeys), groups);
        Floats sums = default, stats = default;
        Ints tickets = default;
        if (shape.Splits > 1)
        {
            long parts = (long)queries * shape.Heads * shape.Splits;
            (sums, stats) = (Scratch(ref _attentionSums, parts * shape.HeadSize).Write(0, parts * shape.HeadSize), Scratch(ref _attentionStats, 2 * parts).Write(0, 2 * parts));
            tickets = Scratch(ref _tickets, groups).Write(0, groups);
        }
        var launch = shape.HeadSize == 64
            ? _decode64 ??= _accelerator.LoadKernel<Floats, ArrayView<Bf16>, ArrayView<Bf16>, Floats, Ints, Floats, Floats, Ints, AttentionShape>(AttentionDecode.Head64)
            : _decode128 ??= _accelerator.LoadKernel<Floats, ArrayView<Bf16>, ArrayView<Bf16>, Floats, Ints, Floats, Floats, Ints, AttentionShape>(AttentionDecode.Head128);
        launch(
            _queue, AttentionDecode.Config(_blockCount, perBlock * shape.Packed, shape), In(q), In(keys.Words).Cast<Bf16>(), In(values.Words).Cast<Bf16>(),
            Out(output), items, sums, stats, tickets, shape);
    }

    /// <summary>
    /// Parts of a cache. 256 positions are two rounds of one group: less than what parts cost, a second meeting through memory. More positions
    /// gain by parts of one round up to eight, then of two: the last group reads them all. No more groups than multiprocessors while
    /// those have too few, and otherwise enough that their last turn is a small one.
    /// </summary>
    private int Splits(int keys, int groups)
    {
        int multiprocessors = _accelerator.AcceleratorType == AcceleratorType.Cuda ? _accelerator.NumMultiprocessors : EmulatedMultiprocessors;
        int gain = keys <= 2 * AttentionDecode.Round ? 1 : Math.Max(Math.Min(keys / AttentionDecode.Round, 8), keys / (2 * AttentionDecode.Round));
        int room = (groups <= multiprocessors / 2 ? multiprocessors : 4 * multiprocessors) / groups;
        return Math.Clamp(Math.Min(gain, room), 1, AttentionDecode.MostSplits);
    }

    /// <summary>Heads of a group of <paramref name="group"/> that share their keys' reads: all, or the largest equal parts that fit.</summary>
    private static int HeadsTogether(int group)
    {
        int together = Math.Min(group, AttentionDecode.Rows);
        while (group % together != 0) together--;
        return together;
    }

    private static bool OnWords(params ReadOnlySpan<DeviceView<float>> views)
    {
        foreach (DeviceView<float> view in views)
            if (view.Offset % 4 != 0) return false;
        return true;
    }

    private static bool OnWords(CacheView keys, CacheView values) => keys.Words.Offset % 8 == 0 && values.Words.Offset % 8 == 0;
}
#endif
