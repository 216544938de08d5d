namespace OllmNative.Kernels;

/// <summary>Hidden states on their way to and from the cache, which holds bf16.</summary>
public static class RoundRows
{
    private const string RoundContract = """
        words[i] = x[i] rounded to bf16, ties to even, x[i] = its value        x [N] f32, words [N] bf16 as 16-bit words
        grid ceil(N / group), group any one-dimensional
        bytes 10N, flops 0
        """;

    private const string WidenContract = """
        x[i] = the value of words[i]        words [N] bf16 as 16-bit words, x [N] f32
        grid ceil(N / group), group any one-dimensional
        bytes 6N, flops 0
        """;

    [Kernel("RoundRows", RoundContract)]
    public static void Round(ArrayView<float> x, ArrayView<ushort> words, int count)
    {
        int i = Grid.GlobalIndex.X;
        if (i >= count) return;
        ushort word = Weights16.RoundToBf16(x[i]);
        words[i] = word;
        x[i] = Weights16.Value(word, Weights16.Bf16);
    }

    [Kernel("WidenRows", WidenContract)]
    public static void Widen(ArrayView<ushort> words, ArrayView<float> x, int count)
    {
        int i = Grid.GlobalIndex.X;
        if (i < count) x[i] = Weights16.Value(words[i], Weights16.Bf16);
    }
}
