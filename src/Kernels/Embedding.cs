namespace OllmNative.Kernels;

/// <summary>Rows of the embedding table by token.</summary>
public static class Embedding
{
    private const string ForwardContract = """
        output[t,d] = table[tokens[t],d]        tokens [T] i32, table [V,D] f32, output [T,D] f32
        grid T, group any one-dimensional       requires 0 <= tokens[t] < V
        bytes 8TD + 4T, flops 0
        """;

    private const string BackwardContract = """
        tableGradient[tokens[t],d] += outputGradient[t,d]        tokens [T] i32, tableGradient [V,D] f32, outputGradient [T,D] f32
        grid T, group any one-dimensional; equal tokens add atomically, so the last bits depend on the order
        bytes 12TD + 4T, flops TD
        """;

    [Kernel("Embedding", ForwardContract)]
    public static void Forward(ArrayView<int> tokens, ArrayView<float> table, ArrayView<float> output, int width)
    {
        long source = (long)tokens[Grid.IdxX] * width;
        long target = (long)Grid.IdxX * width;
        for (int d = Group.IdxX; d < width; d += Group.DimX) output[target + d] = table[source + d];
    }

    [Kernel("EmbeddingBackward", BackwardContract)]
    public static void Backward(ArrayView<int> tokens, ArrayView<float> outputGradient, ArrayView<float> tableGradient, int width)
    {
        long source = (long)Grid.IdxX * width;
        long target = (long)tokens[Grid.IdxX] * width;
        for (int d = Group.IdxX; d < width; d += Group.DimX) Atomic.Add(ref tableGradient[target + d], outputGradient[source + d]);
    }
}
