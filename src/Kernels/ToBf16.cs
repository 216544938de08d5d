#if !ILGPU
using OllmNative.Runtime.Extensions;

namespace OllmNative.Kernels;

/// <summary>Activations and parameters on their way to the tensor cores.</summary>
public static class ToBf16
{
    private const string Contract = """
        output[i] = input[i] rounded to bf16, ties to even        input [N] f32, output [N] bf16
        eight elements a thread: grid ceil(N / 8 / group), group any one-dimensional       requires N % 8 = 0, views on 16 bytes
        bytes 6N, flops 0
        """;

    private const string SingleContract = """
        output[i] = input[i] rounded to bf16, ties to even        input [N] f32, output [N] bf16
        grid ceil(N / group), group any one-dimensional; for views on odd addresses
        bytes 6N, flops 0
        """;

    private const string HalfContract = """
        output[i] = input[i] rounded to bf16, ties to even        input [N] f16, output [N] bf16
        eight elements a thread: grid ceil(N / 8 / group), group any one-dimensional       requires N % 8 = 0, views on 16 bytes
        bytes 4N, flops 0
        """;

    [Kernel("ToBf16", Contract), OverlapsPredecessor]
    public static void Eight(ArrayView<float> input, ArrayView<Bf16> output, int count)
    {
        Overlap.Begin();
        int i = Grid.GlobalIndex.X * 8;
        if (i >= count) return;
        Float4 low = Vector16.LoadFloat4(input, i), high = Vector16.LoadFloat4(input, i + 4);
        Vector16.StoreWords(output, i, new Word4(
            Vector16.PackBf16(low.X, low.Y), Vector16.PackBf16(low.Z, low.W), Vector16.PackBf16(high.X, high.Y), Vector16.PackBf16(high.Z, high.W)));
    }

    [Kernel("ToBf16Half", HalfContract)]
    public static void Half(ArrayView<ushort> input, ArrayView<Bf16> output, int count)
    {
        int i = Grid.GlobalIndex.X * 8;
        if (i >= count) return;
        Word4 eight = Vector16.LoadWords(input, i);
        Vector16.StoreWords(output, i, new Word4(Rounded(eight.X), Rounded(eight.Y), Rounded(eight.Z), Rounded(eight.W)));
    }

    [Kernel("ToBf16Single", SingleContract)]
    public static void Single(ArrayView<float> input, ArrayView<Bf16> output, int count)
    {
        int i = Grid.GlobalIndex.X;
        if (i < count) output[i] = Bf16.FromFloat(input[i]);
    }

    /// <summary>Two f16 as two bf16.</summary>
    private static uint Rounded(uint pair) =>
        Vector16.PackBf16(Weights16.Value((ushort)pair, Weights16.F16), Weights16.Value((ushort)(pair >> 16), Weights16.F16));
}
#endif
