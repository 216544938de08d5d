namespace OllmNative.Kernels;

/// <summary>KL of the options' distribution against the uniform one.</summary>
public static class UniformKl
{
    private const string Contract = """
        kl[n] = sum_k q[n,k] (log q[n,k] + log K);  dLogits[n,k] += scale * q[n,k] (log q[n,k] + log K - kl[n])        terms with q = 0 are 0
        q, dLogits [N,K] f32, kl [N] f32, logK = log K, factor [1] f64 multiplies scale, or is empty
        grid ceil(N / group), group any one-dimensional, one thread a row
        bytes 16NK + 4N, flops 40NK
        """;

    [Kernel("UniformKl", Contract)]
    public static void Forward(ArrayView<float> q, ArrayView<float> kl, ArrayView<float> dLogits, ArrayView<double> factor, int rows, int columns, float logK, float scale)
    {
        int n = Grid.GlobalIndex.X;
        if (n >= rows) return;
        long row = (long)n * columns;
        if (factor.Length != 0) scale *= (float)factor[0];
        float sum = 0;
        for (int k = 0; k < columns; k++) sum += Term(q[row + k], logK);
        for (int k = 0; k < columns; k++)
        {
            float p = q[row + k];
            dLogits[row + k] += scale * (Term(p, logK) - p * sum);
        }
        kl[n] = sum;
    }

    private static float Term(float p, float logK) => p > 1e-37f ? p * (KernelMath.Log(p) + logK) : 0f;
}
