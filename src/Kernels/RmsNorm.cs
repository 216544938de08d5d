namespace OllmNative.Kernels;

/// <summary>Root-mean-square normalisation of rows, with a gain.</summary>
public static class RmsNorm
{
    private const string ForwardContract = """
        inverse[t] = 1 / sqrt(mean_d(input[t,d]^2) + epsilon)    output[t,d] = gain[d] * input[t,d] * inverse[t]
        input, output [T,D] f32, gain [D] f32, inverse [T] f32 (kept for the backward pass)
        grid T, group 256
        bytes 12TD, flops 4TD
        """;

    private const string BackwardContract = """
        with r = inverse[t], p = gain * outputGradient[t]:  inputGradient[t,d] = r * (p[d] - input[t,d] * r^2 * mean_d(p * input[t]))
        input, outputGradient, inputGradient [T,D] f32, gain [D] f32, inverse [T] f32
        grid T, group 256
        bytes 20TD, flops 8TD
        """;

    private const string GainContract = """
        gainGradient[d] += sum_t outputGradient[t,d] * input[t,d] * inverse[t]
        input, outputGradient [T,D] f32, inverse [T] f32, gainGradient [D] f32
        grid ceil(D / group), group any one-dimensional; a thread sums a column in order, so the result is always the same
        bytes 8TD, flops 3TD
        """;

    [Kernel("RmsNorm", ForwardContract)]
    public static void Forward(ArrayView<float> input, ArrayView<float> gain, ArrayView<float> output, ArrayView<float> inverse, int width, float epsilon)
    {
        long row = (long)Grid.IdxX * width;
        float squares = 0;
        for (int d = Group.IdxX; d < width; d += GroupReduce.GroupSize) squares += input[row + d] * input[row + d];
        float scale = 1f / XMath.Sqrt(GroupReduce.Sum(squares) / width + epsilon);
        for (int d = Group.IdxX; d < width; d += GroupReduce.GroupSize) output[row + d] = gain[d] * (input[row + d] * scale);
        if (Group.IdxX == 0) inverse[Grid.IdxX] = scale;
    }

    [Kernel("RmsNormBackward", BackwardContract)]
    public static void Backward(
        ArrayView<float> input, ArrayView<float> gain, ArrayView<float> inverse, ArrayView<float> outputGradient, ArrayView<float> inputGradient, int width)
    {
        long row = (long)Grid.IdxX * width;
        float scale = inverse[Grid.IdxX];
        float products = 0;
        for (int d = Group.IdxX; d < width; d += GroupReduce.GroupSize) products += gain[d] * outputGradient[row + d] * input[row + d];
        float correction = GroupReduce.Sum(products) / width * scale * scale;
        for (int d = Group.IdxX; d < width; d += GroupReduce.GroupSize)
            inputGradient[row + d] = scale * (gain[d] * outputGradient[row + d] - input[row + d] * correction);
    }

    [Kernel("RmsNormGainGradient", GainContract)]
    public static void GainGradient(
        ArrayView<float> input, ArrayView<float> inverse, ArrayView<float> outputGradient, ArrayView<float> gainGradient, int rows, int width)
    {
        int d = Grid.GlobalIndex.X;
        if (d >= width) return;
        float sum = 0;
        for (int t = 0; t < rows; t++)
        {
            long at = (long)t * width + d;
            sum += outputGradient[at] * input[at] * inverse[t];
        }

        gainGradient[d] += sum;
    }
}
