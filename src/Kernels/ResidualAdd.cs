namespace OllmNative.Kernels;

/// <summary>Sums of the residual stream.</summary>
public static class ResidualAdd
{
    private const string ForwardContract = """
        output[i] = residual[i] + branch[i]        all [N] f32; output may be in the place of either
        grid ceil(N / group), group any one-dimensional
        bytes 12N, flops N
        """;

    private const string BackwardContract = """
        gradient[i] += branchGradient[i]: where the branch left the stream, its gradient joins the stream's        all [N] f32
        grid ceil(N / group), group any one-dimensional
        bytes 12N, flops N
        """;

    [Kernel("ResidualAdd", ForwardContract)]
    public static void Forward(ArrayView<float> residual, ArrayView<float> branch, ArrayView<float> output, int count)
    {
        int i = Grid.GlobalIndex.X;
        if (i < count) output[i] = residual[i] + branch[i];
    }

    [Kernel("ResidualAddBackward", BackwardContract)]
    public static void Backward(ArrayView<float> branchGradient, ArrayView<float> gradient, int count)
    {
        int i = Grid.GlobalIndex.X;
        if (i < count) gradient[i] += branchGradient[i];
    }
}
