namespace OllmNative.Model.Cpu;

public sealed unsafe partial class CpuDevice
{
    // Rounded and widened while it is in the cache.
    private const int RoundPiece = 1 << 14;

    /// <inheritdoc/>
    public override void AddLosses(
        DeviceView<float> loss, DeviceView<float> kl, DeviceView<float> policy, DeviceView<int> prediction, DeviceView<int> targets, DeviceView<float> q,
        DeviceView<double> totals)
    {
        long rows = loss.Length, columns = rows == 0 ? 1 : prediction.Length / rows;
        Expect(kl.Length == rows && policy.Length == rows && prediction.Length == rows * columns && targets.Length == prediction.Length && (q.IsEmpty ? columns == 1 : q.Length == prediction.Length),
            "AddLosses: loss, kl, policy [N], prediction, targets, q [N, K]");
        double* sums = ((CpuBuffer<double>)totals.Buffer!).Pointer + totals.Offset;
        int* predicted = P(prediction), wanted = P(targets);
        sums[0] += Sum(P(loss), rows);
        sums[1] += Sum(P(kl), rows);
        sums[2] += Sum(P(policy), rows);
        for (long n = 0; n < rows; n++)
        {
            long best = n * columns;
            for (long k = best + 1; !q.IsEmpty && k < (n + 1) * columns; k++)
                if (P(q)[k] > P(q)[best]) best = k;
            if (predicted[best] == wanted[best]) sums[3]++;
        }
    }

    /// <inheritdoc/>
    public override void RoundRows(DeviceView<float> x, DeviceView<ushort> words)
    {
        Expect(x.Length == words.Length, "RoundRows: equal lengths");
        for (long first = 0; first < x.Length; first += RoundPiece)
        {
            int count = (int)Math.Min(RoundPiece, x.Length - first);
            var values = new Span<float>(P(x) + first, count);
            Span<ushort> bits = WordsOf(words, first, count);
            Bf16Rows.Round(values, bits);
            Bf16Rows.Widen(bits, values);
        }
    }

    /// <inheritdoc/>
    public override void WidenRows(DeviceView<ushort> words, DeviceView<float> x)
    {
        Expect(x.Length == words.Length, "WidenRows: equal lengths");
        for (long first = 0; first < x.Length; first += RoundPiece)
        {
            int count = (int)Math.Min(RoundPiece, x.Length - first);
            Bf16Rows.Widen(WordsOf(words, first, count), new Span<float>(P(x) + first, count));
        }
    }

    private static Span<ushort> WordsOf(DeviceView<ushort> view, long first, int count) =>
        new(((CpuBuffer<ushort>)view.Buffer!).Pointer + view.Offset + first, count);

    private static double Sum(float* values, long count)
    {
        double sum = 0;
        for (long i = 0; i < count; i++) sum += values[i];
        return sum;
    }
}
