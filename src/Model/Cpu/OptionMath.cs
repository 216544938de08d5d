namespace OllmNative.Model.Cpu;

/// <summary>Operations on rows of K options. They are small beside the products, so one plain loop each.</summary>
public sealed unsafe partial class CpuDevice
{
    /// <summary>Bound of p_k(y) / p(y) in the gradient of the marginal loss.</summary>
    private const float MaxRatio = 1e30f;

    /// <summary>Numbers below which a second thread would be woken for nothing.</summary>
    private const long ArgMaxWorthSharing = 1 << 16;

    /// <inheritdoc/>
    public override void ArgMaxRows(DeviceView<float> x, DeviceView<int> index, int columns)
    {
        Expect(x.Length == index.Length * columns, "ArgMaxRows: x [N, columns], index [N]");
        _pool.For(checked((int)index.Length), new ArgMaxBody { X = P(x), Index = P(index), Columns = columns }, x.Length >= ArgMaxWorthSharing);
    }

    private struct ArgMaxBody : IParallelBody
    {
        public float* X;
        public int* Index;
        public int Columns;

        public readonly void Run(int index, int thread) => Index[index] = RowMath.ArgMax(X + (long)index * Columns, Columns);
    }

    /// <inheritdoc/>
    public override void Softmax(DeviceView<float> x, DeviceView<float> p, int columns)
    {
        Expect(x.Length == p.Length && x.Length % columns == 0, "Softmax: x and p [N, columns]");
        for (long row = 0; row < x.Length; row += columns) RowMath.Softmax(P(x) + row, P(p) + row, columns);
    }

    /// <inheritdoc/>
    public override void SoftmaxBackward(DeviceView<float> p, DeviceView<float> dp, DeviceView<float> dx, int columns, float scale, bool accumulate)
    {
        Expect(p.Length == dp.Length && p.Length == dx.Length, "SoftmaxBackward: p, dp and dx [N, columns]");
        for (long row = 0; row < p.Length; row += columns)
        {
            float* probability = P(p) + row, from = P(dp) + row, to = P(dx) + row;
            float mean = 0;
            for (int k = 0; k < columns; k++) mean += probability[k] * from[k];
            for (int k = 0; k < columns; k++)
            {
                float value = probability[k] * (from[k] - mean) * scale;
                to[k] = accumulate ? to[k] + value : value;
            }
        }
    }

    /// <inheritdoc/>
    public override void GumbelSoftmax(
        DeviceView<float> logits, DeviceView<ulong> keys, float temperature, DeviceView<float> soft, DeviceView<float> hard, int columns)
    {
        Expect(logits.Length == keys.Length * columns && soft.Length == logits.Length && hard.Length == logits.Length, "GumbelSoftmax: logits, soft, hard [N, K], keys [N]");
        for (long n = 0; n < keys.Length; n++)
        {
            float* from = P(logits) + n * columns, probability = P(soft) + n * columns, choice = P(hard) + n * columns;
            for (int k = 0; k < columns; k++) probability[k] = (from[k] + Counter.Gumbel(P(keys)[n], (ulong)k)) / temperature;
            int best = RowMath.ArgMax(probability, columns);
            RowMath.Softmax(probability, probability, columns);
            for (int k = 0; k < columns; k++) choice[k] = k == best ? 1 : 0;
        }
    }

    /// <inheritdoc/>
    public override void UniformKl(DeviceView<float> q, DeviceView<float> kl, DeviceView<float> dLogits, int columns, float scale, DeviceView<double> factor = default)
    {
        Expect(q.Length == kl.Length * columns && dLogits.Length == q.Length, "UniformKl: q and dLogits [N, K], kl [N]");
        float logK = MathF.Log(columns);
        if (!factor.IsEmpty) scale *= (float)((CpuBuffer<double>)factor.Buffer!).Pointer[factor.Offset];
        for (long n = 0; n < kl.Length; n++)
        {
            float* p = P(q) + n * columns, d = P(dLogits) + n * columns;
            float sum = 0;
            for (int k = 0; k < columns; k++) sum += p[k] > 0 ? p[k] * (MathF.Log(p[k]) + logK) : 0;
            for (int k = 0; k < columns; k++) d[k] += p[k] > 0 ? scale * p[k] * (MathF.Log(p[k]) + logK - sum) : 0;
            P(kl)[n] = sum;
        }
    }

    /// <inheritdoc/>
    public override void PolicyCrossEntropy(DeviceView<float> logits, DeviceView<float> q, DeviceView<float> loss, DeviceView<float> dLogits, int columns, float scale)
    {
        Expect(logits.Length == loss.Length * columns && q.Length == logits.Length && dLogits.Length == logits.Length, "PolicyCrossEntropy: logits, q, dLogits [N, K], loss [N]");
        for (long n = 0; n < loss.Length; n++)
        {
            float* x = P(logits) + n * columns, target = P(q) + n * columns, d = P(dLogits) + n * columns;
            float logSum = RowMath.Softmax(x, d, columns), sum = 0;
            for (int k = 0; k < columns; k++)
            {
                sum += target[k] * (logSum - x[k]);
                d[k] = scale * (d[k] - target[k]);
            }
            P(loss)[n] = sum;
        }
    }

    /// <inheritdoc/>
    public override void MarginalLoss(
        DeviceView<float> q, DeviceView<float> ce, DeviceView<float> loss, DeviceView<float> dq, DeviceView<float> share, int columns, float scale)
    {
        Expect(q.Length == loss.Length * columns && ce.Length == q.Length && dq.Length == q.Length && share.Length == q.Length, "MarginalLoss: q, ce, dq, share [N, K], loss [N]");
        for (long n = 0; n < loss.Length; n++)
        {
            float* p = P(q) + n * columns, c = P(ce) + n * columns, d = P(dq) + n * columns, s = P(share) + n * columns;
            // Relative to the likeliest option that has any weight nothing underflows: p_k(y) = exp(least - c_k) exp(-least).
            float least = float.PositiveInfinity, sum = 0;
            for (int k = 0; k < columns; k++) least = p[k] > 0 ? MathF.Min(least, c[k]) : least;
            for (int k = 0; k < columns; k++) sum += p[k] > 0 ? p[k] * MathF.Exp(least - c[k]) : 0;
            P(loss)[n] = least - MathF.Log(sum);
            for (int k = 0; k < columns; k++)
            {
                float relative = MathF.Exp(least - c[k]);
                // An option of weight zero may be likelier than all others by any factor; its gradient has to stay a number.
                d[k] = -scale * MathF.Min(relative / sum, MaxRatio);
                s[k] = p[k] > 0 ? scale * (p[k] * relative / sum) : 0;
            }
        }
    }

    /// <inheritdoc/>
    public override void PolicyGradient(
        DeviceView<float> logits, DeviceView<int> options, DeviceView<float> advantage, DeviceView<float> oldLogProbability,
        float clip, float entropyBonus, DeviceView<float> loss, DeviceView<float> logProbability, DeviceView<float> dLogits, int columns, float scale)
    {
        Expect(logits.Length == options.Length * columns && dLogits.Length == logits.Length, "PolicyGradient: logits, dLogits [N, K], options [N]");
        for (long n = 0; n < options.Length; n++)
        {
            float* x = P(logits) + n * columns, d = P(dLogits) + n * columns;
            int z = P(options)[n];
            float a = P(advantage)[n], logSum = RowMath.Softmax(x, d, columns), log = x[z] - logSum;
            float ratio = MathF.Exp(log - P(oldLogProbability)[n]);
            float entropy = 0;
            for (int k = 0; k < columns; k++) entropy -= d[k] * (x[k] - logSum);
            // Outside the clip range, on the side where the surrogate is flat, only the entropy term has a gradient.
            bool flat = a >= 0 ? ratio > 1 + clip : ratio < 1 - clip;
            float gain = flat ? 0 : ratio * a;
            P(loss)[n] = -MathF.Min(ratio * a, Math.Clamp(ratio, 1 - clip, 1 + clip) * a) - entropyBonus * entropy;
            P(logProbability)[n] = log;
            for (int k = 0; k < columns; k++)
            {
                float p = d[k];
                d[k] = scale * (gain * (p - (k == z ? 1 : 0)) + entropyBonus * p * (x[k] - logSum + entropy));
            }
        }
    }
}
