namespace OllmNative.Kernels;

/// <summary>Softmax of short rows, one thread a row: rows of K options. Long rows are <see cref="Softmax"/>'s.</summary>
public static class OptionSoftmax
{
    private const string ForwardContract = """
        p[n,k] = exp(x[n,k] - max_n) / sum_k exp(x[n,k] - max_n)        x, p [N,K] f32; p may be in the place of x
        grid ceil(N / group), group any one-dimensional, one thread a row
        bytes 16NK, flops 6NK
        """;

    private const string BackwardContract = """
        dx[n,k] = (accumulate ? dx[n,k] : 0) + p[n,k] * (dp[n,k] - sum_k p[n,k] dp[n,k]) * scale        all [N,K] f32
        grid ceil(N / group), group any one-dimensional, one thread a row
        bytes 20NK, flops 5NK
        """;

    [Kernel("OptionSoftmax", ForwardContract)]
    public static void Forward(ArrayView<float> x, ArrayView<float> p, int rows, int columns)
    {
        int n = Grid.GlobalIndex.X;
        if (n < rows) Row(x, p, (long)n * columns, columns);
    }

    [Kernel("OptionSoftmaxBackward", BackwardContract)]
    public static void Backward(ArrayView<float> p, ArrayView<float> dp, ArrayView<float> dx, int rows, int columns, float scale, int accumulate)
    {
        int n = Grid.GlobalIndex.X;
        if (n >= rows) return;
        long row = (long)n * columns;
        float mean = 0;
        for (int k = 0; k < columns; k++) mean += p[row + k] * dp[row + k];
        for (int k = 0; k < columns; k++)
        {
            float value = p[row + k] * (dp[row + k] - mean) * scale;
            dx[row + k] = accumulate != 0 ? dx[row + k] + value : value;
        }
    }

    /// <summary>p = softmax(x) of one row by one thread; returns the log of the sum of exponentials.</summary>
    internal static float Row(ArrayView<float> x, ArrayView<float> p, long row, int columns)
    {
        float max = float.NegativeInfinity, sum = 0;
        for (int k = 0; k < columns; k++) max = XMath.Max(max, x[row + k]);
        for (int k = 0; k < columns; k++)
        {
            float e = XMath.Exp(x[row + k] - max);
            p[row + k] = e;
            sum += e;
        }
        float scale = 1f / sum;
        for (int k = 0; k < columns; k++) p[row + k] *= scale;
        return max + KernelMath.Log(sum);
    }
}
