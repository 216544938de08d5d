namespace OllmNative.Kernels;

/// <summary>Softmax of rows.</summary>
public static class Softmax
{
    private const string ForwardContract = """
        output[t,n] = exp(input[t,n] - max_n) / sum_n exp(input[t,n] - max_n)        input, output [T,N] f32; output may be in the place of input
        grid T, group 256       requires N > 0; an entry of minus infinity gets 0, a row of nothing else NaN
        bytes 16TN, flops 6TN
        """;

    private const string BackwardContract = """
        inputGradient[t,n] = output[t,n] * (outputGradient[t,n] - sum_n outputGradient[t,n] * output[t,n])        all [T,N] f32
        grid T, group 256
        bytes 20TN, flops 4TN
        """;

    [Kernel("Softmax", ForwardContract)]
    public static void Forward(ArrayView<float> input, ArrayView<float> output, int width)
    {
        long row = (long)Grid.IdxX * width;
        float max = float.NegativeInfinity;
        for (int n = Group.IdxX; n < width; n += GroupReduce.GroupSize) max = XMath.Max(max, input[row + n]);
        max = GroupReduce.Max(max);
        float sum = 0;
        for (int n = Group.IdxX; n < width; n += GroupReduce.GroupSize) sum += XMath.Exp(input[row + n] - max);
        float scale = 1f / GroupReduce.Sum(sum);
        for (int n = Group.IdxX; n < width; n += GroupReduce.GroupSize) output[row + n] = XMath.Exp(input[row + n] - max) * scale;
    }

    [Kernel("SoftmaxBackward", BackwardContract)]
    public static void Backward(ArrayView<float> output, ArrayView<float> outputGradient, ArrayView<float> inputGradient, int width)
    {
        long row = (long)Grid.IdxX * width;
        float products = 0;
        for (int n = Group.IdxX; n < width; n += GroupReduce.GroupSize) products += outputGradient[row + n] * output[row + n];
        float sum = GroupReduce.Sum(products);
        for (int n = Group.IdxX; n < width; n += GroupReduce.GroupSize)
            inputGradient[row + n] = output[row + n] * (outputGradient[row + n] - sum);
    }
}
