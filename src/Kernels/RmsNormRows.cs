namespace OllmNative.Kernels;

/// <summary>
/// Root-mean-square normalisation as the device uses it: rows of the result may lie apart, so that two results share a wider
/// matrix; the gradient of the gain is summed in two stages, so that many rows keep the chip busy.
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

    private const string InverseContract = """
        inverse[t] = 1 / sqrt(mean_d(input[t,d]^2) + epsilon)        input [T,D] f32, inverse [T] f32
        grid T, group whole warps, one-dimensional
        bytes 4TD + 4T, flops 2TD
        """;

    private const string GainContract = """
        partial[c,d] = sum over rows t of chunk c of outputGradient[t * stride + d] * input[t,d] * inverse[t]
        input [T,D] f32, outputGradient [T,stride] f32, inverse [T] f32, partial [ceil(T/chunk),D] f32
        grid ceil(D / group) x ceil(T / chunk), group any one-dimensional; a thread sums a column in order
        bytes 8TD, flops 3TD
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

#if !ILGPU
    [Runtime.Extensions.OverlapsPredecessor]
#endif
    [Kernel("RmsNormRounded", RoundedContract)]
    public static void Rounded(ArrayView<float> input, ArrayView<float> gain, ArrayView<ushort> output, int width, float epsilon)
    {
        Overlap.Begin();
        long row = (long)Grid.IdxX * width;
        float scale = InverseOf(input, row, width, epsilon);
        for (int d = Group.IdxX; d < width; d += Group.DimX) output[row + d] = Weights16.RoundToBf16(gain[d] * (input[row + d] * scale));
    }

    [Kernel("RmsNormInverse", InverseContract)]
    public static void Inverse(ArrayView<float> input, ArrayView<float> inverse, int width, float epsilon)
    {
        float scale = InverseOf(input, (long)Grid.IdxX * width, width, epsilon);
        if (Group.IdxX == 0) inverse[Grid.IdxX] = scale;
    }

    [Kernel("RmsNormGainPartial", GainContract)]
    public static void GainPartial(
        ArrayView<float> input, ArrayView<float> inverse, ArrayView<float> outputGradient, ArrayView<float> partial, int rows, int width, int stride, int chunk)
    {
        int d = Grid.IdxX * Group.DimX + Group.IdxX;
        if (d >= width) return;
        int first = Grid.IdxY * chunk, end = XMath.Min(first + chunk, rows);
        float sum = 0;
        for (int t = first; t < end; t++) sum += outputGradient[(long)t * stride + d] * (input[(long)t * width + d] * inverse[t]);
        partial[(long)Grid.IdxY * width + d] = sum;
    }

    private static float InverseOf(ArrayView<float> input, long row, int width, float epsilon)
    {
        float squares = 0;
        for (int d = Group.IdxX; d < width; d += Group.DimX) squares += input[row + d] * input[row + d];
        return 1f / XMath.Sqrt(GroupReduce.SumAll(squares) / width + epsilon);
    }
}
