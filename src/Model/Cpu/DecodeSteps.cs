using OllmNative.Kernels;

namespace OllmNative.Model.Cpu;

/// <summary>The twins of the kernels that let a GPU decode alone. The processor itself decodes step by step with <see cref="Sampler"/>.</summary>
public sealed unsafe partial class CpuDevice
{
    /// <inheritdoc/>
    public override void ChooseOptions(DeviceView<float> logits, DeviceView<int> rows, DeviceView<float> pi, DeviceView<float> hot, DeviceView<int> chosen, int columns)
    {
        Expect(pi.Length == logits.Length && hot.Length == logits.Length && chosen.Length * columns == 2 * logits.Length, "ChooseOptions: logits, pi, hot [N, K], chosen [N, 2]");
        Softmax(logits, pi, columns);
        for (int n = 0; n < chosen.Length / 2; n++)
        {
            int* row = P(rows) + n * DecodeRow.Ints;
            var distribution = new ReadOnlySpan<float>(P(pi) + (long)n * columns, columns);
            int z = row[DecodeRow.Latent] switch
            {
                DecodeRow.Force => row[DecodeRow.Option],
                DecodeRow.Policy => LogitMath.IndexOfMax(distribution),
                DecodeRow.Sample => Generator.DrawOption(distribution, SeedOf(row), row[DecodeRow.Count]),
                _ => -1,
            };
            for (int k = 0; k < columns; k++) P(hot)[(long)n * columns + k] = k == z ? 1 : 0;
            (P(chosen)[2 * n], P(chosen)[2 * n + 1]) = (z, z < 0 ? 0 : BitConverter.SingleToInt32Bits(distribution[z]));
        }
    }

    /// <inheritdoc/>
    public override void AddChosen(DeviceView<float> b, DeviceView<float> hidden, DeviceView<int> chosen, int columns)
    {
        Expect(b.Length == hidden.Length && chosen.Length * columns == 2 * b.Length, "AddChosen: b, hidden [N, D], chosen [N, 2]");
        for (long i = 0; i < b.Length; i++) P(b)[i] = P(hidden)[i] + (P(chosen)[i / columns * 2] < 0 ? 0 : P(b)[i]);
    }

    /// <inheritdoc/>
    public override void SampleTokens(DeviceView<float> logits, DeviceView<int> rows, DeviceView<float> knobs, DeviceView<int> seen, DeviceView<int> picked, int columns)
    {
        Expect(logits.Length == picked.Length * columns && seen.Length == picked.Length * ((columns + 31) / 32), "SampleTokens: logits [N, V], seen [N, words], picked [N]");
        float[] row = new float[columns], weights = new float[columns];
        for (int n = 0; n < picked.Length; n++)
        {
            new ReadOnlySpan<float>(P(logits) + (long)n * columns, columns).CopyTo(row);
            int* table = P(rows) + n * DecodeRow.Ints, bits = P(seen) + (long)n * ((columns + 31) / 32);
            float* knob = P(knobs) + n * DecodeRow.Knobs;
            var options = new SamplerOptions
            {
                Temperature = knob[DecodeRow.Temperature], TopP = knob[DecodeRow.TopP], MinP = knob[DecodeRow.MinP],
                RepetitionPenalty = knob[DecodeRow.Penalty], TopK = table[DecodeRow.TopK],
            };
            for (int v = 0; v < columns && options.RepetitionPenalty != 1; v++)
            {
                if ((bits[v / 32] >> (v % 32) & 1) != 0) row[v] = Sampler.Penalized(row[v], options.RepetitionPenalty);
            }
            P(picked)[n] = Sampler.Pick(row, options, Counter.Key(SeedOf(table), (ulong)table[DecodeRow.Count]), weights);
        }
    }

    /// <inheritdoc/>
    public override void ScoreTokens(DeviceView<float> logits, DeviceView<int> picked, DeviceView<int> tokens, DeviceView<float> numbers, int columns)
    {
        int count = checked((int)(logits.Length / columns)), most = checked((int)(tokens.Length / count));
        Expect((picked.IsEmpty || picked.Length == count) && numbers.Length == (long)count * (Kernels.ScoreTokens.Fixed + most), "ScoreTokens: logits [N, V], picked [N], tokens [N, T], numbers [N, 2 + T]");
        _pool.For(count, new ScoreBody { Logits = P(logits), Numbers = P(numbers), Picked = picked.IsEmpty ? null : P(picked), Tokens = P(tokens), Columns = columns, Most = most });
    }

    /// <inheritdoc/>
    public override void AdvanceRows(DeviceView<int> picked, DeviceView<int> chosen, DeviceView<int> batch, DeviceView<int> rows, DeviceView<int> seen, DeviceView<int> results)
    {
        int count = checked((int)picked.Length), words = checked((int)(seen.Length / count));
        Expect(batch.Length == 3L * count && rows.Length == (long)count * DecodeRow.Ints && results.Length == 2L * count * DecodeRow.Results, "AdvanceRows: batch [3, N], rows [N, 12], results [2, N, 4]");
        for (int n = 0; n < count; n++)
        {
            int* row = P(rows) + n * DecodeRow.Ints, result = P(results) + (row[DecodeRow.Count] % 2 * count + n) * DecodeRow.Results;
            int token = P(picked)[n];
            result[0] = token;
            (result[1], result[2]) = chosen.IsEmpty ? (-1, 0) : (P(chosen)[2 * n], P(chosen)[2 * n + 1]);
            result[3] = new ReadOnlySpan<int>(row + DecodeRow.FirstStop, row[DecodeRow.Stops]).Contains(token) ? 1 : 0;
            row[DecodeRow.Count]++;
            P(seen)[(long)n * words + token / 32] |= 1 << (token % 32);
            P(batch)[n] = token;
            P(batch)[count + n]++;
            P(batch)[2 * count + n]++;
        }
    }

    private struct ScoreBody : IParallelBody
    {
        public float* Logits, Numbers;
        public int* Picked, Tokens;
        public int Columns, Most;

        public readonly void Run(int n, int worker)
        {
            var row = new ReadOnlySpan<float>(Logits + (long)n * Columns, Columns);
            float* number = Numbers + n * (Kernels.ScoreTokens.Fixed + Most);
            int best = LogitMath.IndexOfMax(row);
            (double sum, number[0]) = LogitMath.Summary(row, row[best]);
            int token = Picked == null ? best : Picked[n];
            number[1] = (uint)token < (uint)row.Length ? (float)(row[token] - sum) : float.NegativeInfinity;
            List<(int Index, float Value)> top = LogitMath.Top(row, Most);
            for (int i = 0; i < Most; i++)
                (Tokens[n * Most + i], number[Kernels.ScoreTokens.Fixed + i]) = i < top.Count ? (top[i].Index, (float)(top[i].Value - sum)) : (-1, float.NegativeInfinity);
        }
    }

    private static ulong SeedOf(int* row) => (ulong)(uint)row[DecodeRow.SeedHigh] << 32 | (uint)row[DecodeRow.SeedLow];
}
