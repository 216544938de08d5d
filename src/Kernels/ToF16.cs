#if !ILGPU
using Half = OllmNative.Runtime.Language.Half;

namespace OllmNative.Kernels;

/// <summary>Activations on their way to the tensor cores where the weights are f16.</summary>
public static class ToF16
{
    private const string Contract = """
        output[i] = input[i] rounded to f16, ties to even, and kept within its range of 65504        input [N] f32, output [N] f16
        grid ceil(N / group), group any one-dimensional
        bytes 6N, flops 2N
        """;

    // Activations seldom come near it, but an infinity would spoil the whole row.
    private const float Largest = 65504f;

    [Kernel("ToF16", Contract)]
    public static void Forward(ArrayView<float> input, ArrayView<Half> output, int count)
    {
        int i = Grid.GlobalIndex.X;
        if (i < count) output[i] = (Half)XMath.Max(XMath.Min(input[i], Largest), -Largest);
    }
}
#endif
