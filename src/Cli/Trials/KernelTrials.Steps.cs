using OllmNative.Kernels;
using OllmNative.Model;
using OllmNative.Runtime.Language;

namespace OllmNative.Cli.Trials;

/// <summary>From logits to tokens: options, argmax, sampling, scores, and counting on.</summary>
internal static partial class KernelTrials
{
    private const int Vocabulary = 151936;

    private static KernelTrialPlan[] Steps =>
    [
        new("OptionChoice", 1e-5, new(8, 10, 0), OptionChoice),
        new("AddOptions", 1e-5, new(Tokens, 3584, 10), AddOptions),
        new("AddChosen", 1e-6, new(8, Hidden, 0), AddChosen),
        new("ArgMax", 0, new(8, Vocabulary, 0), ArgMax),
        new("ArgMaxParts", 0, new(8, Vocabulary, 0), ArgMaxParts),
        new("ArgMaxCombine", 0, new(8, Vocabulary, 0), ArgMaxCombine),
        new("SampleTokens", 1e-5, new(8, Vocabulary, 0), SampleTokens),
        new("ScoreTokens", 1e-4, new(12, Vocabulary, 1), ScoreTokens),
        new("AdvanceRows", 0, new(16, Vocabulary, 0), AdvanceRows),
    ];

    private static int[] TableOf(KernelTrial trial, int rows, int options)
    {
        int[] table = trial.Integers(rows * DecodeRow.Ints, 1000);
        for (int n = 0; n < rows; n++)
        {
            (table[n * DecodeRow.Ints + DecodeRow.Latent], table[n * DecodeRow.Ints + DecodeRow.Option]) = (n % 4, n % options);
            (table[n * DecodeRow.Ints + DecodeRow.TopK], table[n * DecodeRow.Ints + DecodeRow.Stops]) = (n % 3 * 7, 1 + n % DecodeRow.MostStops);
        }
        return table;
    }

    private static ulong SeedOf(int[] table, int row) => (ulong)(uint)table[row * DecodeRow.Ints + DecodeRow.SeedHigh] << 32 | (uint)table[row * DecodeRow.Ints + DecodeRow.SeedLow];

    private static ulong KeyOf(int[] table, int row) => Counter.Key(SeedOf(table, row), (ulong)table[row * DecodeRow.Ints + DecodeRow.Count]);

    private static void OptionChoice(KernelTrial trial, TrialSize size)
    {
        (int rows, int options) = (size.Rows, size.Columns);
        float[] logits = trial.Random(rows * options, 3);
        int[] table = TableOf(trial, rows, options);
        // The draw is read off the kernel's own pi, which another output is held against: a sum on the edge may fall either way.
        int[] z = new int[rows];
        double Judge(float[] hot)
        {
            double[] pi = SoftmaxOf(logits, rows, options);
            for (int n = 0; n < rows; n++)
            {
                ReadOnlySpan<double> row = pi.AsSpan(n * options, options);
                int best = row.IndexOf(pi.Skip(n * options).Take(options).Max());
                z[n] = table[n * DecodeRow.Ints + DecodeRow.Latent] switch
                {
                    DecodeRow.Force => table[n * DecodeRow.Ints + DecodeRow.Option], DecodeRow.Policy => best,
                    DecodeRow.Sample => Generator.DrawOption(Array.ConvertAll(row.ToArray(), p => (float)p), SeedOf(table, n), table[n * DecodeRow.Ints + DecodeRow.Count]), _ => -1,
                };
            }
            return Enumerable.Range(0, hot.Length).Max(i => Math.Abs(hot[i] - (z[i / options] == i % options ? 1 : 0)));
        }
        ArrayView<float> input = trial.Input(logits), pi = trial.Output(logits.Length, () => SoftmaxOf(logits, rows, options));
        ArrayView<float> hot = trial.Judged(new float[logits.Length], Judge);
        ArrayView<int> places = trial.Input(table), chosen = trial.Judged(new int[2 * rows], result => Enumerable.Range(0, rows).Max(n =>
            result[2 * n] != z[n] ? double.PositiveInfinity : z[n] < 0 ? result[2 * n + 1] : Math.Abs(BitConverter.Int32BitsToSingle(result[2 * n + 1]) - SoftmaxOf(logits, rows, options)[n * options + z[n]])));
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<int>, ArrayView<float>, ArrayView<float>, ArrayView<int>, int, int>(OllmNative.Kernels.OptionChoice.Forward);
        trial.Launch = () => kernel(Elements(rows), input, places, pi, hot, chosen, rows, options);
        (trial.Bytes, trial.Flops) = (20.0 * logits.Length, 8.0 * logits.Length);
    }

    private static void AddOptions(KernelTrial trial, TrialSize size)
    {
        (int rows, int width, int options) = (size.Rows, size.Columns, size.Depth);
        float[] pre = trial.Random(rows * width), z = trial.Random(rows * options), table = trial.Random(options * width);
        // Some rows weigh all options, others have chosen one.
        for (int i = 0; i < z.Length; i++)
            if (i / options % 2 == 0) z[i] = i % options == i / options % options ? 1 : 0;
        ArrayView<float> sums = trial.Changed(pre, () => Each(pre.Length, i => pre[i] + Enumerable.Range(0, options).Sum(k => (double)z[i / width * options + k] * table[k * width + i % width])));
        ArrayView<float> weights = trial.Input(z), rowsOfOptions = trial.Input(table);
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, ArrayView<float>, int, int>(OllmNative.Kernels.AddOptions.Forward);
        trial.Launch = () => kernel((rows, Group), sums, weights, rowsOfOptions, width, options);
        (trial.Bytes, trial.Flops) = (8.0 * pre.Length, 2.0 * pre.Length * options);
    }

    private static void AddChosen(KernelTrial trial, TrialSize size)
    {
        int count = size.Rows * size.Columns;
        float[] b = trial.Random(count), h = trial.Random(count);
        int[] z = [.. Enumerable.Range(0, 2 * size.Rows).Select(i => i % 4 == 0 ? -1 : 1)];
        ArrayView<float> bent = trial.Changed(b, () => Each(count, i => h[i] + (z[i / size.Columns * 2] < 0 ? 0.0 : b[i]))), hidden = trial.Input(h);
        ArrayView<int> chosen = trial.Input(z);
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, ArrayView<int>, int>(OllmNative.Kernels.AdvanceRows.AddChosen);
        trial.Launch = () => kernel((size.Rows, Group), bent, hidden, chosen, size.Columns);
        (trial.Bytes, trial.Flops) = (12.0 * count, count);
    }

    /// <summary>Few different values, so that the first among equals counts.</summary>
    private static float[] Coarse(KernelTrial trial, int count) => Array.ConvertAll(trial.Integers(count, 50), value => value / 4f);

    private static int FirstMax(float[] x, int first, int count) => first + Array.IndexOf(x, x.AsSpan(first, count).ToArray().Max(), first) - first;

    private static void ArgMax(KernelTrial trial, TrialSize size)
    {
        float[] x = Coarse(trial, size.Rows * size.Columns);
        ArrayView<float> input = trial.Input(x);
        ArrayView<int> index = trial.ChangedInts(new int[size.Rows], () => [.. Enumerable.Range(0, size.Rows).Select(n => FirstMax(x, n * size.Columns, size.Columns) - n * size.Columns)]);
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<int>, int>(OllmNative.Kernels.ArgMax.Forward);
        trial.Launch = () => kernel(Rows(size.Rows), input, index, size.Columns);
        (trial.Bytes, trial.Flops) = (4.0 * x.Length, x.Length);
    }

    private static void ArgMaxParts(KernelTrial trial, TrialSize size)
    {
        (int rows, int columns, int width) = (size.Rows, size.Columns, size.Columns > 4096 ? 2048 : 37);
        int parts = (columns + width - 1) / width;
        float[] x = Coarse(trial, rows * columns);
        int First(int i) => FirstMax(x, i / parts * columns + i % parts * width, Math.Min(width, columns - i % parts * width));
        ArrayView<float> input = trial.Input(x), values = trial.Output(rows * parts, () => Each(rows * parts, i => x[First(i)]));
        ArrayView<int> indices = trial.ChangedInts(new int[rows * parts], () => [.. Enumerable.Range(0, rows * parts).Select(i => First(i) - i / parts * columns)]);
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, ArrayView<int>, int, int>(OllmNative.Kernels.ArgMax.Parts);
        trial.Launch = () => kernel(new KernelConfig(new Index3D(rows, parts, 1), new Index3D(GroupReduce.GroupSize, 1, 1)), input, values, indices, columns, width);
        (trial.Bytes, trial.Flops) = (4.0 * x.Length, x.Length);
    }

    private static void ArgMaxCombine(KernelTrial trial, TrialSize size)
    {
        (int rows, int parts) = (size.Rows, (size.Columns + 2047) / 2048);
        float[] best = Coarse(trial, rows * parts);
        int[] at = [.. Enumerable.Range(0, rows * parts).Select(i => i % parts * 2048 + i % 7)];
        ArrayView<float> values = trial.Input(best);
        ArrayView<int> indices = trial.Input(at), index = trial.ChangedInts(new int[rows], () => [.. Enumerable.Range(0, rows).Select(n => at[FirstMax(best, n * parts, parts)])]);
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<int>, ArrayView<int>, int>(OllmNative.Kernels.ArgMax.Combine);
        trial.Launch = () => kernel((rows, 32), values, indices, index, parts);
        (trial.Bytes, trial.Flops) = (8.0 * best.Length, best.Length);
    }

    /// <summary>Penalty, min-p, top-k and top-p by sorting, in f64: how far outside of the picked token's share the draw lies.</summary>
    private static void SampleTokens(KernelTrial trial, TrialSize size)
    {
        (int rows, int columns, int words) = (size.Rows, size.Columns, (size.Columns + 31) / 32);
        float[] logits = trial.Random(rows * columns, 4);
        int[] table = TableOf(trial, rows, 1), seen = trial.Integers(rows * words, int.MaxValue);
        float[] knobs = [.. Enumerable.Range(0, rows).SelectMany(n => (float[])[0.6f + 0.3f * (n % 3), n % 2 == 0 ? 0.8f : 1, n % 3 == 0 ? 0.01f : 0, n % 4 == 0 ? 1.3f : 1])];
        double Outside(int[] picked) => Enumerable.Range(0, rows).Max(n =>
        {
            ReadOnlySpan<float> knob = knobs.AsSpan(n * DecodeRow.Knobs, DecodeRow.Knobs);
            float penalty = knob[DecodeRow.Penalty], temperature = knob[DecodeRow.Temperature], topP = knob[DecodeRow.TopP], minP = knob[DecodeRow.MinP];
            double[] l = Each(columns, v => (seen[n * words + v / 32] >> (v % 32) & 1) == 0 ? logits[n * columns + v] : logits[n * columns + v] > 0 ? logits[n * columns + v] / penalty : (double)logits[n * columns + v] * penalty);
            double max = l.Max();
            double[] weights = Array.ConvertAll(l, value => Math.Exp((value - max) / temperature)), sorted = [.. weights.Where(w => w >= minP).OrderDescending()];
            int topK = table[n * DecodeRow.Ints + DecodeRow.TopK];
            if (topK > 0 && topK < sorted.Length) sorted = sorted[..topK];
            double share = topP * sorted.Sum(), reached = 0;
            double least = topP < 1 ? sorted.First(w => (reached += w) >= share * (1 - 1e-6)) : sorted[^1];
            double total = weights.Where(w => w >= least).Sum(), draw = (2 * (Counter.Key(KeyOf(table, n), 0) >> 41) + 1) / (double)(1 << 24) * total;
            if ((uint)picked[n] >= (uint)columns || weights[picked[n]] < least * (1 - 1e-5)) return double.PositiveInfinity;
            double before = weights.Take(picked[n]).Where(w => w >= least).Sum();
            return Math.Max(0, Math.Max(before - draw, draw - before - weights[picked[n]])) / total;
        });
        ArrayView<float> input = trial.Input(logits), settings = trial.Input(knobs);
        ArrayView<int> places = trial.Input(table), bits = trial.Input(seen), result = trial.Judged(new int[rows], Outside);
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<int>, ArrayView<float>, ArrayView<int>, ArrayView<int>, int>(OllmNative.Kernels.SampleTokens.Forward);
        trial.Launch = () => kernel((rows, columns > 1024 ? 1024 : 128), input, places, settings, bits, result, columns);
        (trial.Bytes, trial.Flops) = (4.0 * logits.Length, 12.0 * logits.Length);
    }

    private static void ScoreTokens(KernelTrial trial, TrialSize size)
    {
        (int rows, int columns, int most) = (size.Rows, size.Columns, Math.Min(size.Depth, 20));
        // All different, so that rounding moves no token past another.
        float[] logits = Array.ConvertAll(trial.Random(rows * columns), value => value);
        for (int i = 0; i < logits.Length; i++) logits[i] = (i % columns * 7919L % columns) / (float)columns * 9 + 1e-3f * logits[i] / columns;
        int[] picked = trial.Integers(rows, columns);
        // No such column, as ids of a prompt may be.
        if (rows > 2) picked[2] = columns;
        int[] Order(int n) => [.. Enumerable.Range(0, columns).OrderByDescending(v => logits[n * columns + v]).ThenBy(v => v)];
        double[] Facts(int n)
        {
            double[] p = SoftmaxOf(logits[(n * columns)..((n + 1) * columns)], 1, columns);
            int[] order = Order(n);
            return [-p.Sum(value => value * Math.Log(value)), picked[n] < columns ? Math.Log(p[picked[n]]) : double.NegativeInfinity, .. Each(most, i => i < columns ? Math.Log(p[order[i]]) : double.NegativeInfinity)];
        }
        ArrayView<float> input = trial.Input(logits), numbers = trial.Judged(new float[rows * (2 + most)], actual =>
            Enumerable.Range(0, rows).SelectMany(Facts).Zip(actual, (e, a) => double.IsNegativeInfinity(e) && float.IsNegativeInfinity(a) ? 0 : Math.Abs(e - a) / (1 + Math.Abs(e))).Max());
        ArrayView<int> which = trial.Input(picked), tokens = trial.ChangedInts(new int[rows * most], () => [.. Enumerable.Range(0, rows).SelectMany(n => Order(n).Concat(Enumerable.Repeat(-1, most)).Take(most))]);
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<int>, ArrayView<int>, ArrayView<float>, int, int>(OllmNative.Kernels.ScoreTokens.Forward);
        trial.Launch = () => kernel((rows, columns > 1024 ? 1024 : 128), input, which, tokens, numbers, columns, most);
        (trial.Bytes, trial.Flops) = (4.0 * logits.Length, (8.0 + most) * logits.Length);
    }

    private static void AdvanceRows(KernelTrial trial, TrialSize size)
    {
        (int rows, int words) = (size.Rows, (size.Columns + 31) / 32);
        int[] picked = trial.Integers(rows, size.Columns), chosen = trial.Integers(2 * rows, 99), batch = trial.Integers(3 * rows, 999), items = trial.Integers(4 * rows, 99);
        int[] table = TableOf(trial, rows, 3), seen = trial.Integers(rows * words, 1 << 20), results = new int[2 * rows * DecodeRow.Results];
        if (rows > 1) table[DecodeRow.Ints + DecodeRow.FirstStop] = picked[1];
        int Ends(int n) => table.AsSpan(n * DecodeRow.Ints + DecodeRow.FirstStop, table[n * DecodeRow.Ints + DecodeRow.Stops]).Contains(picked[n]) ? 1 : 0;
        int[] Results()
        {
            int[] expected = [.. results];
            for (int n = 0; n < rows; n++)
                ((int[])[picked[n], chosen[2 * n], chosen[2 * n + 1], Ends(n)]).CopyTo(expected, (table[n * DecodeRow.Ints + DecodeRow.Count] % 2 * rows + n) * DecodeRow.Results);
            return expected;
        }
        ArrayView<int> tokens = trial.Input(picked), z = trial.Input(chosen), told = trial.ChangedInts(results, Results);
        ArrayView<int> b = trial.ChangedInts(batch, () => [.. batch.Select((value, i) => i < rows ? picked[i] : value + 1)]);
        ArrayView<int> spans = trial.ChangedInts(items, () => [.. items.Select((value, i) => i % 4 == 2 ? value + 1 : value)]);
        ArrayView<int> places = trial.ChangedInts(table, () => [.. table.Select((value, i) => i % DecodeRow.Ints == DecodeRow.Count ? value + 1 : value)]);
        ArrayView<int> bits = trial.ChangedInts(seen, () => [.. seen.Select((value, i) => i % words == picked[i / words] / 32 ? value | 1 << (picked[i / words] % 32) : value)]);
        var kernel = trial.Accelerator.LoadStreamKernel<ArrayView<int>, ArrayView<int>, ArrayView<int>, ArrayView<int>, ArrayView<int>, ArrayView<int>, ArrayView<int>, int, int>(OllmNative.Kernels.AdvanceRows.Forward);
        trial.Launch = () => kernel(Elements(rows), tokens, z, b, spans, places, bits, told, rows, words);
        trial.Bytes = 120.0 * rows;
    }
}
