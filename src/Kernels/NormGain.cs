namespace OllmNative.Kernels;

/// <summary>
/// The gradient of the gain of a norm before a linear layer, from the layer's weights and their gradient: with y = W (g x^) and dW = dy^T (g x^) it
/// is sum_i W[i,j] dW[i,j] / g[j]. The gradient of the layer's input, a product as large as that of its weights, is not needed for it.
/// </summary>
public static class NormGain
{
    private const string PartialContract = """
        partial[c,j] = sum over rows i of chunk c of weights[i,j] * gradient[i,j]        weights, gradient [M,D] f32, partial [ceil(M/chunk),D] f32
        grid ceil(D / group) x ceil(M / chunk), group any one-dimensional; a thread sums a column in order
        bytes 8MD, flops 2MD
        """;

    private const string FinishContract = """
        gainGradient[j] = sum_c partial[c,j] / gain[j], 0 where the gain is 0        partial [C,D] f32, gain, gainGradient [D] f32
        grid ceil(D / group), group any one-dimensional; a thread sums a column in order
        bytes 4CD + 8D, flops CD
        """;

    [Kernel("NormGainPartial", PartialContract)]
    public static void Partial(ArrayView<float> weights, ArrayView<float> gradient, ArrayView<float> partial, int rows, int width, int chunk)
    {
        int j = Grid.IdxX * Group.DimX + Group.IdxX;
        if (j >= width) return;
        int first = Grid.IdxY * chunk, end = XMath.Min(first + chunk, rows);
        float sum = 0;
        for (int i = first; i < end; i++) sum += weights[(long)i * width + j] * gradient[(long)i * width + j];
        partial[(long)Grid.IdxY * width + j] = sum;
    }

    [Kernel("NormGainFinish", FinishContract)]
    public static void Finish(ArrayView<float> partial, ArrayView<float> gain, ArrayView<float> gainGradient, int chunks, int width)
    {
        int j = Grid.IdxX * Group.DimX + Group.IdxX;
        if (j >= width) return;
        float sum = 0, divisor = gain[j];
        for (int c = 0; c < chunks; c++) sum += partial[(long)c * width + j];
        gainGradient[j] = divisor == 0f ? 0f : sum / divisor;
    }
}
