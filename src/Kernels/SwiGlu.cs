namespace OllmNative.Kernels;

/// <summary>The gated activation of Qwen's MLP, and the plain silu of the OLLM modules.</summary>
public static class SwiGlu
{
    private const string ForwardContract = """
        output[i] = silu(gate[i]) * up[i]        silu(x) = x / (1 + exp(-x))        all [N] f32
        grid ceil(N / group), group any one-dimensional
        bytes 12N, flops 5N
        """;

    private const string BackwardContract = """
        with s = sigmoid(gate[i]):  gateGradient[i] = outputGradient[i] * up[i] * s * (1 + gate[i] * (1 - s))
        upGradient[i] = outputGradient[i] * gate[i] * s        all [N] f32; a gradient may be in the place of outputGradient
        grid ceil(N / group), group any one-dimensional
        bytes 20N, flops 11N
        """;

    private const string SiluContract = """
        output[i] = silu(input[i])        all [N] f32; output may be in the place of input
        grid ceil(N / group), group any one-dimensional
        bytes 8N, flops 4N
        """;

    private const string SiluBackwardContract = """
        with s = sigmoid(input[i]):  inputGradient[i] = outputGradient[i] * s * (1 + input[i] * (1 - s))        all [N] f32
        grid ceil(N / group), group any one-dimensional
        bytes 12N, flops 8N
        """;

    [Kernel("SwiGlu", ForwardContract)]
    public static void Forward(ArrayView<float> gate, ArrayView<float> up, ArrayView<float> output, int count)
    {
        int i = Grid.GlobalIndex.X;
        if (i < count) output[i] = gate[i] * Sigmoid(gate[i]) * up[i];
    }

    [Kernel("SwiGluBackward", BackwardContract)]
    public static void Backward(
        ArrayView<float> gate, ArrayView<float> up, ArrayView<float> outputGradient, ArrayView<float> gateGradient, ArrayView<float> upGradient, int count)
    {
        int i = Grid.GlobalIndex.X;
        if (i >= count) return;
        float x = gate[i], gradient = outputGradient[i];
        float s = Sigmoid(x);
        gateGradient[i] = gradient * up[i] * s * (1f + x * (1f - s));
        upGradient[i] = gradient * x * s;
    }

    [Kernel("Silu", SiluContract)]
    public static void Silu(ArrayView<float> input, ArrayView<float> output, int count)
    {
        int i = Grid.GlobalIndex.X;
        if (i < count) output[i] = input[i] * Sigmoid(input[i]);
    }

    [Kernel("SiluBackward", SiluBackwardContract)]
    public static void SiluBackward(ArrayView<float> input, ArrayView<float> outputGradient, ArrayView<float> inputGradient, int count)
    {
        int i = Grid.GlobalIndex.X;
        if (i >= count) return;
        float x = input[i];
        float s = Sigmoid(x);
        inputGradient[i] = outputGradient[i] * s * (1f + x * (1f - s));
    }

    internal static float Sigmoid(float x) => 1f / (1f + XMath.Exp(-x));
}
