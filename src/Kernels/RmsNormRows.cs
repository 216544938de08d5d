namespace OllmNative.Kernels;

/// <summary>
/// Root-mean-square normalisation as the device uses it: rows of the result may lie apart, so that two results share a wider
/// matrix. The gradient of the gain: <see cref="NormGain"/>.
/// </summary>
public static class RmsNormRows
{
    private const string ForwardContract = """
        output[t * stride + d] = gain[d] * input[t,d] / sqrt(mean_d(input[t,d]^2) + epsilon)        input [T,D] f32, gain [D] f32
        grid T, group whole warps, one-dimensional       requires stride >= D; output may be the input where stride = D
        bytes 12TD, flops 4TD
        """;

    private const string RoundedContract = """
        output[t,d] = gain[d] * input[t,d] / sqrt(mean_d(input[t,d]^2) + epsilon), rounded to bf16        input [T,D] f32, gain [D] f32
        grid T, group whole warps, one-dimensional
        bytes 10TD, flops 4TD
        """;

#if !ILGPU
    [Runtime.Extensions.OverlapsPredecessor]
#endif
    [Kernel("RmsNormRows", ForwardContract)]
    public static void Forward(ArrayView<float> input, ArrayView<float> gain, ArrayView<float> output, int width, int stride, float epsilon)
    {
        Overlap.Begin();
        long row = (long)Grid.IdxX * width, target = (long)Grid.IdxX * stride;
        float scale = InverseOf(input, row, width, epsilon);
        for (int d = Group.IdxX; d < width; d += Group.DimX) output[target + d] = gain[d] * (input[row + d] * scale);
    }

    [Kernel("RmsNormRounded", RoundedContract)]
    public static void Rounded(ArrayView<float> input, ArrayView<float> gain, ArrayView<ushort> output, int width, float epsilon)
    {
        long row = (long)Grid.IdxX * width;
        float scale = InverseOf(input, row, width, epsilon);
        for (int d = Group.IdxX; d < width; d += Group.DimX) output[row + d] = Weights16.RoundToBf16(gain[d] * (input[row + d] * scale));
    }

    private static float InverseOf(ArrayView<float> input, long row, int width, float epsilon)
    {
        float squares = 0;
        for (int d = Group.IdxX; d < width; d += Group.DimX) squares += input[row + d] * input[row + d];
        return 1f / XMath.Sqrt(GroupReduce.SumAll(squares) / width + epsilon);
    }
}
