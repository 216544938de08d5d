namespace OllmNative.Kernels;

/// <summary>Weights as bytes with a scale for each row, made once from the stored ones, and back again for products of many rows.</summary>
public static class QuantizeRows
{
    private const string Contract = """
        scales[o] = max_i |w[o,i]| / 127,  bytes[o,i] = round(w[o,i] / scales[o]) to -127..127, ties to even; rows of zeros have scale 0
        w [O,I] bf16 (type 0) or f16 (type 1) in words, bytes [O,I] two to a word, scales [O] f32
        grid O, group whole warps, one-dimensional       requires even I
        bytes 5OI + 4O, flops 3OI
        """;

    private const string FloatContract = """
        as QuantizeRows of w [O,I] f32
        grid O, group whole warps, one-dimensional       requires even I
        bytes 9OI + 4O, flops 3OI
        """;

    private const string BackContract = """
        w[o,i] = scales[o] * bytes[o,i] rounded to bf16        bytes [O,I] two to a word, scales [O] f32, w [O,I] bf16 in words
        grid O, group any one-dimensional       requires even I
        bytes 3OI + 4O, flops OI
        """;

    private const string FloatBackContract = """
        w[o,i] = scales[o] * bytes[o,i]        bytes [O,I] two to a word, scales [O], w [O,I] f32
        grid O, group any one-dimensional       requires even I
        bytes 5OI + 4O, flops OI
        """;

    [Kernel("QuantizeRows", Contract)]
    public static void Words(ArrayView<ushort> w, ArrayView<ushort> bytes, ArrayView<float> scales, int inputs, int type)
    {
        long row = (long)Grid.IdxX * inputs;
        float max = 0f;
        for (int i = Group.IdxX; i < inputs; i += Group.DimX) max = XMath.Max(max, XMath.Abs(Weights16.Value(w[row + i], type)));
        float inverse = Inverse(max, scales);
        for (int i = Group.IdxX; i < inputs / 2; i += Group.DimX)
            bytes[row / 2 + i] = Pair(Weights16.Value(w[row + 2 * i], type) * inverse, Weights16.Value(w[row + 2 * i + 1], type) * inverse);
    }

    [Kernel("QuantizeFloatRows", FloatContract)]
    public static void Floats(ArrayView<float> w, ArrayView<ushort> bytes, ArrayView<float> scales, int inputs)
    {
        long row = (long)Grid.IdxX * inputs;
        float max = 0f;
        for (int i = Group.IdxX; i < inputs; i += Group.DimX) max = XMath.Max(max, XMath.Abs(w[row + i]));
        float inverse = Inverse(max, scales);
        for (int i = Group.IdxX; i < inputs / 2; i += Group.DimX) bytes[row / 2 + i] = Pair(w[row + 2 * i] * inverse, w[row + 2 * i + 1] * inverse);
    }

    [Kernel("DequantizeRows", BackContract)]
    public static void Back(ArrayView<ushort> bytes, ArrayView<float> scales, ArrayView<ushort> w, int inputs)
    {
        long row = (long)Grid.IdxX * inputs;
        float scale = scales[Grid.IdxX];
        for (int i = Group.IdxX; i < inputs / 2; i += Group.DimX)
        {
            int pair = bytes[row / 2 + i];
            w[row + 2 * i] = Weights16.RoundToBf16((sbyte)(pair & 0xff) * scale);
            w[row + 2 * i + 1] = Weights16.RoundToBf16((sbyte)(pair >> 8) * scale);
        }
    }

    [Kernel("DequantizeFloatRows", FloatBackContract)]
    public static void FloatsBack(ArrayView<ushort> bytes, ArrayView<float> scales, ArrayView<float> w, int inputs)
    {
        long row = (long)Grid.IdxX * inputs;
        float scale = scales[Grid.IdxX];
        for (int i = Group.IdxX; i < inputs / 2; i += Group.DimX)
        {
            int pair = bytes[row / 2 + i];
            w[row + 2 * i] = (sbyte)(pair & 0xff) * scale;
            w[row + 2 * i + 1] = (sbyte)(pair >> 8) * scale;
        }
    }

    /// <summary>Writes the row's scale; returns what weights are multiplied by.</summary>
    private static float Inverse(float max, ArrayView<float> scales)
    {
        max = GroupReduce.MaxAll(max);
        if (Group.IdxX == 0) scales[Grid.IdxX] = max / 127f;
        return max > 0f ? 127f / max : 0f;
    }

    private static ushort Pair(float low, float high) => (ushort)((Byte(low) & 0xff) | (Byte(high) & 0xff) << 8);

    // Adding 1.5 * 2^23 leaves no bits behind the point: the nearest integer, ties to even, in the lower bits of the sum.
    private static int Byte(float value) => (int)Interop.FloatAsInt(value + 12582912f) - 0x4B400000;
}
