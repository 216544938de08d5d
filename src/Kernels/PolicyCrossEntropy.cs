namespace OllmNative.Kernels;

/// <summary>Cross-entropy of the policy against the encoder's distribution.</summary>
public static class PolicyCrossEntropy
{
    private const string Contract = """
        loss[n] = -sum_k q[n,k] log softmax(logits[n])_k;  dLogits[n,k] = scale * (softmax(logits[n])_k - q[n,k])
        logits, q, dLogits [N,K] f32, loss [N] f32
        grid ceil(N / group), group any one-dimensional, one thread a row
        bytes 28NK + 4N, flops 12NK
        """;

    [Kernel("PolicyCrossEntropy", Contract)]
    public static void Forward(
        ArrayView<float> logits, ArrayView<float> q, ArrayView<float> loss, ArrayView<float> dLogits, int rows, int columns, float scale)
    {
        int n = Grid.GlobalIndex.X;
        if (n >= rows) return;
        long row = (long)n * columns;
        float logSum = OptionSoftmax.Row(logits, dLogits, row, columns), sum = 0;
        for (int k = 0; k < columns; k++)
        {
            float target = q[row + k];
            sum += target * (logSum - logits[row + k]);
            dLogits[row + k] = scale * (dLogits[row + k] - target);
        }
        loss[n] = sum;
    }
}
