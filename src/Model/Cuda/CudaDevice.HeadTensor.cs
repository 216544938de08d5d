#if !ILGPU
using OllmNative.Kernels;
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;

namespace OllmNative.Model.Cuda;

/// <summary>The head and its loss on the tensor cores: HeadTensor's kernels, chunk of the vocabulary after chunk.</summary>
public sealed partial class CudaDevice
{
    /// <summary>Smaller vocabularies are not filtered, as on the CPU.</summary>
    private const int LeastFiltered = 4096;

    private Action<Queue, Launch, ArrayView<Bf16>, ArrayView<Bf16>, Ints, Floats, int, int>? _headTarget;
    private Action<Queue, Launch, ArrayView<Bf16>, ArrayView<Bf16>, Floats, Ints, ArrayView<uint>, Floats, Floats, Ints, Ints, HeadShape>? _headLogitsTensor;
    private Action<Queue, Launch, Floats, Floats, Ints, Floats, Floats, Floats, Ints, int, int>? _headTotals;
    private Action<Queue, Launch, ArrayView<Bf16>, ArrayView<Bf16>, Ints, Floats, HeadShape>? _headGradient;
    private Action<Queue, Launch, Floats, Floats, Words, Ints, int>? _headGradientFinish;
    private CudaBuffer<ushort>? _headWeights;
    private CudaBuffer<float>? _headRows, _headSums, _headTops;
    private CudaBuffer<int>? _headBests, _headAlive;

    /// <summary>
    /// Weights exp(l - l_y) leave the first product and enter the second; loss, prediction and the sum that divides the gradient follow from
    /// statistics of strips of 64 entries. Without a gradient the vocabulary goes by in one launch.
    /// </summary>
    private void HeadOnTensorCores(
        DeviceView<float> x, in Weights w, DeviceView<int> targets, DeviceView<float> loss, DeviceView<int> prediction, DeviceView<float> gradient)
    {
        int n = checked((int)targets.Length), strips = Strips(w.Rows);
        Words left = InBf16(x);
        long statistics = (long)strips * n;
        Floats rows = Scratch(ref _headRows, 2L * n).Write(0, 2L * n), target = rows.SubView(0, n), inverse = rows.SubView(n, n);
        Floats sums = Scratch(ref _headSums, statistics).Write(0, statistics), tops = Scratch(ref _headTops, statistics).Write(0, statistics);
        Ints bests = Scratch(ref _headBests, statistics).Write(0, statistics);
        (_headTarget ??= _accelerator.LoadKernel<ArrayView<Bf16>, ArrayView<Bf16>, Ints, Floats, int, int>(HeadTensor.Target))(
            _queue, new Launch((n + 7) / 8, Threads), left.Cast<Bf16>(), w.Words.Cast<Bf16>(), In(targets), target, n, w.Columns);
        for (int first = 0, chunk = gradient.IsEmpty ? w.Rows : HeadChunk(n, w.Rows); first < w.Rows; first += chunk)
        {
            var shape = new HeadShape { Rows = n, Depth = w.Columns, First = first, Count = Math.Min(chunk, w.Rows - first), Negligible = Negligible(w.Rows), Accumulate = first > 0 ? 1 : 0 };
            shape.Pitch = HeadTensor.Strip * Strips(shape.Count);
            Words part = w.Part(first, shape.Count).Words;
            Words weights = gradient.IsEmpty ? default : Scratch(ref _headWeights, (long)n * shape.Pitch).Write(0, (long)n * shape.Pitch);
            long flags = (n + 15L) / 16 * Strips(shape.Count);
            Ints alive = gradient.IsEmpty ? default : Scratch(ref _headAlive, flags).Write(0, flags);
            HeadLogits(left, part, target, In(targets), weights, sums, tops, bests, alive, shape);
            if (!gradient.IsEmpty) HeadGradient(weights, part, alive, Out(gradient), shape);
        }
        (_headTotals ??= _accelerator.LoadKernel<Floats, Floats, Ints, Floats, Floats, Floats, Ints, int, int>(HeadTensor.Totals))(
            _queue, new Launch((n + 31) / 32, Threads), sums, tops, bests, target, inverse, Out(loss), Out(prediction), n, strips);
        if (gradient.IsEmpty) return;
        (_headGradientFinish ??= _accelerator.LoadKernel<Floats, Floats, Words, Ints, int>(HeadTensor.Finish))(
            _queue, Columns(n, w.Columns), Out(gradient), inverse, w.Words, In(targets), w.Columns);
    }

    private void HeadLogits(Words x, Words w, Floats target, Ints targets, Words weights, Floats sums, Floats tops, Ints bests, Ints alive, HeadShape shape)
    {
        if (HeadOnWarpGroups)
        {
            HeadLogitsWgmma(x, w, target, targets, weights, sums, tops, bests, alive, shape);
            return;
        }
        (_headLogitsTensor ??= _accelerator.LoadKernel<ArrayView<Bf16>, ArrayView<Bf16>, Floats, Ints, ArrayView<uint>, Floats, Floats, Ints, Ints, HeadShape>(HeadTensor.Logits))(
            _queue, HeadTensor.LogitsConfig(shape), x.Cast<Bf16>(), w.Cast<Bf16>(), target, targets, weights.Length == 0 ? default : weights.Cast<uint>(), sums, tops, bests, alive, shape);
    }

    private void HeadGradient(Words weights, Words w, Ints alive, Floats gradient, HeadShape shape)
    {
        if (HeadOnWarpGroups && OnPairs(gradient))
        {
            HeadGradientWgmma(weights, w, alive, gradient, shape);
            return;
        }
        (_headGradient ??= _accelerator.LoadKernel<ArrayView<Bf16>, ArrayView<Bf16>, Ints, Floats, HeadShape>(HeadTensor.Gradient))(
            _queue, HeadTensor.GradientConfig(shape), weights.Cast<Bf16>(), w.Cast<Bf16>(), alive, gradient, shape);
    }

    private bool HeadOnWarpGroups => _options.Hopper && _options.Has(KernelVersions.WgmmaHead);

    private static int Strips(int entries) => (entries + HeadTensor.Strip - 1) / HeadTensor.Strip;

    /// <summary>
    /// Entries of a chunk: as many as the workspace holds, in whole tiles. Warp groups are through with one so soon that its end, where
    /// multiprocessors wait for the last, costs more than weights which leave the L2 cache: chunks are eight times as long for them, and of as many tiles
    /// as make whole rounds over the multiprocessors.
    /// </summary>
    private int HeadChunk(int rows, int entries)
    {
        long workspace = HeadOnWarpGroups ? 8 * _options.HeadWorkspace : _options.HeadWorkspace;
        int tiles = (int)Math.Clamp(workspace / rows / HeadTensor.LogitTile, 1, HeadTensor.Strip * HeadTensor.MostStrips / HeadTensor.LogitTile);
        if (HeadOnWarpGroups) tiles = TileChoice.WholeRounds(tiles, (rows + HeadWgmma.RowTile - 1) / HeadWgmma.RowTile, Multiprocessors);
        return Math.Min(entries, tiles * HeadTensor.LogitTile);
    }

    /// <summary>
    /// A row may lose (256 + V/256) 2^-24 of its probability in all, which the rounding of a complete f32 sum loses too; this is a strip's
    /// share. Weights are relative to the target's, so their sum is at least 1 and a weight at least its probability.
    /// </summary>
    private static float Negligible(int entries) => entries < LeastFiltered ? -1 : (256 + entries / 256f) / (1 << 24) / Strips(entries);
}
#endif
