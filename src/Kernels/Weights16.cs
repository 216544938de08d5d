namespace OllmNative.Kernels;

/// <summary>16-bit weights as words: bf16, or f16 when asked. What every kernel with such weights, and no extension, reads them by.</summary>
public static class Weights16
{
    /// <summary>How the words are to be read: a kernel's argument.</summary>
    public const int Bf16 = 0, F16 = 1;

    /// <summary>The value of a word, exactly, for finite values.</summary>
    public static float Value(ushort word, int type)
    {
        uint bits = word;
        if (type == Bf16) return Interop.IntAsFloat(bits << 16);
        // The exponent of f16 has another bias: a product with 2^112 mends it, subnormal numbers included.
        float magnitude = Interop.IntAsFloat((bits & 0x7fffu) << 13) * 5.192297e33f;
        return (bits & 0x8000u) != 0 ? -magnitude : magnitude;
    }

    /// <summary>The word of the nearest bf16, ties to even.</summary>
    public static ushort RoundToBf16(float value)
    {
        uint bits = Interop.FloatAsInt(value);
        return (ushort)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
    }
}
