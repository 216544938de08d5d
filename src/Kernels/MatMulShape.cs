namespace OllmNative.Kernels;

/// <summary>
/// One matrix product, described by strides: C[m,n] = sum_k A[m * ARow + k * AColumn] * B[n * BRow + k * BColumn], with C [M,N] in rows.
/// A layer's three products (forward, gradient of the input, gradient of the weights) differ in the strides only.
/// </summary>
public readonly struct MatMulShape
{
    public readonly int M, N, K;
    public readonly int ARow, AColumn, BRow, BColumn;

    /// <summary>1 adds to C, 0 overwrites it. (A kernel's argument cannot hold a bool.)</summary>
    public readonly int Accumulate;

    private MatMulShape(int m, int n, int k, int aRow, int aColumn, int bRow, int bColumn, int accumulate)
    {
        M = m;
        N = n;
        K = k;
        ARow = aRow;
        AColumn = aColumn;
        BRow = bRow;
        BColumn = bColumn;
        Accumulate = accumulate;
    }

    /// <summary>output [tokens,outputs] = input [tokens,inputs] weight^T, weight [outputs,inputs].</summary>
    public static MatMulShape Forward(int tokens, int outputs, int inputs) => new(tokens, outputs, inputs, inputs, 1, inputs, 1, 0);

    /// <summary>inputGradient [tokens,inputs] = outputGradient [tokens,outputs] weight; A is the gradient, B the weight.</summary>
    public static MatMulShape InputGradient(int tokens, int outputs, int inputs) => new(tokens, inputs, outputs, outputs, 1, 1, inputs, 0);

    /// <summary>weightGradient [outputs,inputs] += outputGradient^T input; A is the gradient, B the input.</summary>
    public static MatMulShape WeightGradient(int tokens, int outputs, int inputs) => new(outputs, inputs, tokens, 1, outputs, 1, inputs, 1);

    /// <summary>The same product, added to C or not.</summary>
    public MatMulShape Adding(bool accumulate) => new(M, N, K, ARow, AColumn, BRow, BColumn, accumulate ? 1 : 0);
}
