namespace OllmNative.Kernels;

/// <summary>Rows of a 16-bit embedding table by token.</summary>
public static class EmbeddingWords
{
    private const string Contract = """
        output[t,d] = table[tokens[t],d]        tokens [T] i32, table [V,D] bf16 (type 0) or f16 (type 1), output [T,D] f32
        grid T, group any one-dimensional       requires 0 <= tokens[t] < V
        bytes 6TD + 4T, flops 0
        """;

#if !ILGPU
    [Runtime.Extensions.OverlapsPredecessor]
#endif
    [Kernel("EmbeddingWords", Contract)]
    public static void Forward(ArrayView<int> tokens, ArrayView<ushort> table, ArrayView<float> output, int width, int type)
    {
        Overlap.Begin();
        long source = (long)tokens[Grid.IdxX] * width;
        long target = (long)Grid.IdxX * width;
        for (int d = Group.IdxX; d < width; d += Group.DimX) output[target + d] = Weights16.Value(table[source + d], type);
    }
}
