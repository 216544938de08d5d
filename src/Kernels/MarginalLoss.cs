namespace OllmNative.Kernels;

/// <summary>The exact mixture over options.</summary>
public static class MarginalLoss
{
    /// <summary>Bound of p_k(y) / p(y) in the gradient: an option of weight zero may be likelier than all others by any factor.</summary>
    private const float MaxRatio = 1e30f;

    private const string Contract = """
        with p_k = exp(-ce[n,k]) and p = sum_k q[n,k] p_k:  loss[n] = -log p, dq[n,k] = -scale * p_k / p, share[n,k] = scale * q[n,k] p_k / p
        q, ce, dq, share [N,K] f32, loss [N] f32; everything relative to the likeliest option that has any weight
        grid ceil(N / group), group any one-dimensional, one thread a row
        bytes 24NK + 4N, flops 14NK
        """;

    [Kernel("MarginalLoss", Contract)]
    public static void Forward(
        ArrayView<float> q, ArrayView<float> ce, ArrayView<float> loss, ArrayView<float> dq, ArrayView<float> share, int rows, int columns, float scale)
    {
        int n = Grid.GlobalIndex.X;
        if (n >= rows) return;
        long row = (long)n * columns;
        float least = float.PositiveInfinity, sum = 0;
        for (int k = 0; k < columns; k++)
            if (q[row + k] > 0f) least = XMath.Min(least, ce[row + k]);
        for (int k = 0; k < columns; k++)
            if (q[row + k] > 0f) sum += q[row + k] * XMath.Exp(least - ce[row + k]);
        loss[n] = least - KernelMath.Log(sum);
        for (int k = 0; k < columns; k++)
        {
            float relative = XMath.Exp(least - ce[row + k]), weight = q[row + k];
            dq[row + k] = -scale * XMath.Min(relative / sum, MaxRatio);
            share[row + k] = weight > 0f ? scale * (weight * relative / sum) : 0f;
        }
    }
}
