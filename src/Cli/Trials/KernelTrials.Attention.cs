using OllmNative.Kernels;
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;

namespace OllmNative.Cli.Trials;

/// <summary>Attention over a bf16 cache, and what fills it.</summary>
internal static partial class KernelTrials
{
    private const int MostTrialHeads = 12;

    /// <summary>Rows: tokens of a prompt, or sequences that decode. Columns: query heads. Depth: positions before.</summary>
    private static IEnumerable<KernelTrialPlan> AttentionPlans() =>
    [
        new("AttentionTensor64", 1e-2, new(8192, MostTrialHeads, 0), (trial, size) => Prompt(trial, size, 64)),
        new("AttentionTensor128", 1e-2, new(8192, MostTrialHeads, 0), (trial, size) => Prompt(trial, size, 128)),
        new("AttentionWgmma64", 1e-2, new(8192, MostTrialHeads, 0), (trial, size) => Prompt(trial, size, 64, wgmma: true)) { NeedsHopper = true, LargeTiles = true },
        new("AttentionWgmma128", 1e-2, new(8192, MostTrialHeads, 0), (trial, size) => Prompt(trial, size, 128, wgmma: true)) { NeedsHopper = true, LargeTiles = true },
        new("AttentionDecode64", 1e-2, new(32, MostTrialHeads, 8191), (trial, size) => Decode(trial, size, 64)),
        new("AttentionDecode128", 1e-2, new(16, MostTrialHeads, 8191), (trial, size) => Decode(trial, size, 128)),
        new("RopeToCacheBf16", 1e-5, new(Tokens, MostTrialHeads, 128), RopeToCache),
    ];

    private static AttentionShape Heads(TrialSize size, int headSize)
    {
        int heads = 1 + (size.Columns - 1) % MostTrialHeads;
        int kvHeads = heads % 6 == 0 ? heads / 6 : heads % 2 == 0 ? heads / 2 : heads;
        return new AttentionShape { Heads = heads, KvHeads = kvHeads, HeadSize = headSize, Packed = 1, Splits = 1, Scale = 1 / MathF.Sqrt(headSize) };
    }

    private static Bf16[] Rounded(KernelTrial trial, int count) => Array.ConvertAll(trial.Random(count), Bf16.FromFloat);

    /// <summary>The queries' attention in f64: those of a sequence come one after the other, as do its past + perSequence rows of the cache.</summary>
    private static double[] Attended(float[] q, Bf16[] keys, Bf16[] values, AttentionShape s, int queries, int perSequence, int past)
    {
        int size = s.HeadSize, width = s.KvHeads * size;
        var result = new double[q.Length];
        for (int row = 0; row < queries * s.Heads; row++)
        {
            int query = row / s.Heads, position = past + query % perSequence, first = query / perSequence * (past + perSequence);
            int column = row % s.Heads / (s.Heads / s.KvHeads) * size;
            double[] weights = Each(position + 1, j => s.Scale * Enumerable.Range(0, size).Sum(d => (double)q[row * size + d] * (float)keys[(first + j) * width + column + d]));
            double max = weights.Max(), sum = 0;
            for (int j = 0; j <= position; j++) sum += weights[j] = Math.Exp(weights[j] - max);
            for (int d = 0; d < size; d++)
                for (int j = 0; j <= position; j++) result[row * size + d] += weights[j] / sum * (float)values[(first + j) * width + column + d];
        }
        return result;
    }

    private static void Prompt(KernelTrial trial, TrialSize size, int headSize, bool wgmma = false)
    {
        AttentionShape shape = Heads(size, headSize);
        (int tokens, int past, int width) = (size.Rows, size.Depth, shape.KvHeads * headSize);
        float[] queries = trial.Random(tokens * shape.Heads * headSize, 2);
        Bf16[] keys = Rounded(trial, (past + tokens) * width), values = Rounded(trial, (past + tokens) * width);
        int blocks = (tokens + AttentionTensor.Queries - 1) / AttentionTensor.Queries;
        int[] items = [.. Enumerable.Range(0, blocks).Reverse().SelectMany(b => (int[])[
            b * AttentionTensor.Queries, Math.Min(AttentionTensor.Queries, tokens - b * AttentionTensor.Queries), past + b * AttentionTensor.Queries, 0])];
        ArrayView<float> q = trial.Input(queries), output = trial.Output(queries.Length, () => Attended(queries, keys, values, shape, tokens, tokens, past));
        ArrayView<Bf16> k = trial.Input(keys), v = trial.Input(values);
        ArrayView<int> blockItems = trial.Input(items);
        if (wgmma)
        {
            var hopper = trial.Accelerator.LoadStreamKernel<ArrayView<float>, TensorMap, TensorMap, ArrayView<float>, ArrayView<ushort>, ArrayView<int>, AttentionShape>(
                headSize == 64 ? AttentionWgmma.Head64 : AttentionWgmma.Head128);
            KernelConfig launch = AttentionWgmma.Config(blocks, shape.Heads, headSize);
            TensorMap keyMap = AttentionWgmma.Map(k, width), valueMap = AttentionWgmma.Map(v, width);
            ArrayView<ushort> rounded = trial.Input(new ushort[queries.Length]);
            trial.Launch = () => hopper(launch, q, keyMap, valueMap, output, rounded, blockItems, shape);
        }
        else
        {
            var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<Bf16>, ArrayView<Bf16>, ArrayView<float>, ArrayView<int>, AttentionShape>(
                headSize == 64 ? AttentionTensor.Head64 : AttentionTensor.Head128);
            KernelConfig config = AttentionTensor.Config(blocks, shape.Heads, headSize);
            trial.Launch = () => kernel(config, q, k, v, output, blockItems, shape);
        }

        trial.Bytes = 8.0 * queries.Length + 4.0 * keys.Length;
        trial.Flops = 4.0 * headSize * shape.Heads * tokens * (past + (tokens + 1) / 2.0);
        trial.OnTensorCores = true;
    }

    private static void Decode(KernelTrial trial, TrialSize size, int headSize)
    {
        AttentionShape shape = Heads(size, headSize);
        shape = shape.WithPacked(shape.Heads / shape.KvHeads);
        (int sequences, int past, int width) = (size.Rows, size.Depth, shape.KvHeads * headSize);
        // Nobody writes these caches.
        shape.Ahead = past % 2;
        // Small caches are cut more often than they have rounds, so that there are parts without a key.
        shape.Splits = past > 1000 ? 8 : 1 + past % AttentionDecode.MostSplits;
        float[] queries = trial.Random(sequences * shape.Heads * headSize, 2);
        Bf16[] keys = Rounded(trial, sequences * (past + 1) * width), values = Rounded(trial, sequences * (past + 1) * width);
        int[] items = [.. Enumerable.Range(0, sequences).SelectMany(i => (int[])[i, 1, past, i * (past + 1)])];
        ArrayView<float> q = trial.Input(queries), output = trial.Output(queries.Length, () => Attended(queries, keys, values, shape, sequences, 1, past));
        ArrayView<Bf16> k = trial.Input(keys), v = trial.Input(values);
        ArrayView<int> places = trial.Input(items), tickets = trial.Input(new int[sequences * shape.KvHeads]);
        ArrayView<float> sums = trial.Input(new float[queries.Length * shape.Splits]), stats = trial.Input(new float[2 * sequences * shape.Heads * shape.Splits]);
        var kernel = trial.Accelerator.LoadStreamKernel<
            ArrayView<float>, ArrayView<Bf16>, ArrayView<Bf16>, ArrayView<float>, ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<int>, AttentionShape>(
            headSize == 64 ? AttentionDecode.Head64 : AttentionDecode.Head128);
        KernelConfig config = AttentionDecode.Config(sequences, shape.Packed, shape);
        trial.Launch = () => kernel(config, q, k, v, output, places, sums, stats, tickets, shape);
        trial.Bytes = 4.0 * keys.Length + 8.0 * queries.Length;
        trial.Flops = 4.0 * queries.Length * (past + 1);
        trial.OnTensorCores = true;
    }

    private static void RopeToCache(KernelTrial trial, TrialSize size)
    {
        // The kernel's precondition: heads of whole 16 pairs.
        int headSize = (size.Depth + 31) / 32 * 32, half = headSize / 2, tokens = size.Rows;
        AttentionShape heads = Heads(size, headSize);
        var shape = new RopeToCacheShape { Tokens = tokens, Heads = heads.Heads, KvHeads = heads.KvHeads, HeadSize = headSize };
        float[] q = trial.Random(tokens * heads.Heads * headSize), k = trial.Random(tokens * heads.KvHeads * headSize);
        float[] angles = Array.ConvertAll(Each(tokens * headSize, i => i % headSize < half ? Math.Cos(i) : Math.Sin(i - half)), v => (float)v);
        int[] places = [.. Enumerable.Range(0, tokens)];
        ArrayView<float> queries = trial.Changed(q, () => Each(q.Length, i =>
        {
            int d = i % headSize, angle = i / headSize / heads.Heads * headSize + d % half;
            return d < half ? q[i] * angles[angle] - q[i + half] * angles[angle + half] : q[i] * angles[angle] + q[i - half] * angles[angle + half];
        }));
        ArrayView<float> keys = trial.Input(k), table = trial.Input(angles);
        ArrayView<int> positions = trial.Input(places), rows = trial.Input(places);
        ArrayView<Bf16> cacheK = trial.Input(new Bf16[k.Length]), cacheV = trial.Input(new Bf16[k.Length]);
        var kernel = trial.Accelerator.LoadStreamKernel<
            ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<int>, ArrayView<float>, ArrayView<int>, ArrayView<Bf16>, ArrayView<Bf16>, RopeToCacheShape>(
            RopeToCacheBf16.Forward);
        KernelConfig config = Elements((q.Length + 2 * k.Length) / (2 * RopeToCacheBf16.Pairs));
        trial.Launch = () => kernel(config, queries, keys, keys, positions, table, rows, cacheK, cacheV, shape);
        (trial.Bytes, trial.Flops) = (8.0 * q.Length + 12.0 * k.Length, 3.0 * (q.Length + k.Length));
    }
}
