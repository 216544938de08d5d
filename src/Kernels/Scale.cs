namespace OllmNative.Kernels;

/// <summary>One factor for everything.</summary>
public static class Scale
{
    private const string Contract = """
        x[i] *= factor        x [N] f32
        grid ceil(N / group), group any one-dimensional
        bytes 8N, flops N
        """;

    [Kernel("Scale", Contract)]
    public static void Forward(ArrayView<float> x, float factor, int count)
    {
        int i = Grid.GlobalIndex.X;
        if (i < count) x[i] *= factor;
    }
}
