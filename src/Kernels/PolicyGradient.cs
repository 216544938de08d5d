namespace OllmNative.Kernels;

/// <summary>The clipped surrogate of PPO (arXiv 1707.06347) on option choices.</summary>
public static class PolicyGradient
{
    private const string Contract = """
        with pi = softmax(logits[n]), z = options[n], A = advantage[n], r = pi_z / exp(old[n]):
        loss[n] = -min(r A, clip(r, 1 - c, 1 + c) A) - entropy * H(pi), log[n] = log pi_z, dLogits[n] = scale * its gradient
        logits, dLogits [N,K] f32, options [N] i32, advantage, old, loss, log [N] f32       requires 0 <= options[n] < K
        grid ceil(N / group), group any one-dimensional, one thread a row
        bytes 32NK + 20N, flops 20NK
        """;

    [Kernel("PolicyGradient", Contract)]
    public static void Forward(
        ArrayView<float> logits, ArrayView<int> options, ArrayView<float> advantage, ArrayView<float> old,
        ArrayView<float> loss, ArrayView<float> log, ArrayView<float> dLogits, int rows, int columns, float clip, float entropyBonus, float scale)
    {
        int n = Grid.GlobalIndex.X;
        if (n >= rows) return;
        long row = (long)n * columns;
        int z = options[n];
        float a = advantage[n], logSum = OptionSoftmax.Row(logits, dLogits, row, columns), chosen = logits[row + z] - logSum;
        float ratio = XMath.Exp(chosen - old[n]), entropy = 0;
        for (int k = 0; k < columns; k++) entropy -= dLogits[row + k] * (logits[row + k] - logSum);
        // Outside the clip range, on the side where the surrogate is flat, only the entropy term has a gradient.
        bool flat = a >= 0f ? ratio > 1f + clip : ratio < 1f - clip;
        float gain = flat ? 0f : ratio * a;
        loss[n] = -XMath.Min(ratio * a, XMath.Clamp(ratio, 1f - clip, 1f + clip) * a) - entropyBonus * entropy;
        log[n] = chosen;
        for (int k = 0; k < columns; k++)
        {
            float p = dLogits[row + k];
            dLogits[row + k] = scale * (gain * (p - (k == z ? 1f : 0f)) + entropyBonus * p * (logits[row + k] - logSum + entropy));
        }
    }
}
