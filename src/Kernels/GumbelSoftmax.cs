namespace OllmNative.Kernels;

/// <summary>Straight-through Gumbel-softmax with noise that depends on each row's key alone.</summary>
public static class GumbelSoftmax
{
    private const ulong Golden = 0x9E3779B97F4A7C15;

    private const string Contract = """
        g[n,k] = -log(-log u(keys[n], k));  soft[n] = softmax((logits[n] + g[n]) / temperature), hard[n] = one-hot of its first largest entry
        logits, soft, hard [N,K] f32, keys [N] u64; u is a counter-based uniform number: SplitMix64 of key and index, 23 bits
        grid ceil(N / group), group any one-dimensional, one thread a row
        bytes 12NK + 8N, flops 60NK
        """;

    [Kernel("GumbelSoftmax", Contract)]
    public static void Forward(
        ArrayView<float> logits, ArrayView<ulong> keys, ArrayView<float> soft, ArrayView<float> hard, float temperature, int rows, int columns)
    {
        int n = Grid.GlobalIndex.X;
        if (n >= rows) return;
        long row = (long)n * columns;
        float best = float.NegativeInfinity;
        int at = 0;
        for (int k = 0; k < columns; k++)
        {
            float value = (logits[row + k] + Noise(keys[n], (ulong)k)) / temperature;
            soft[row + k] = value;
            if (value > best)
            {
                best = value;
                at = k;
            }
        }
        OptionSoftmax.Row(soft, soft, row, columns);
        for (int k = 0; k < columns; k++) hard[row + k] = k == at ? 1f : 0f;
    }

    /// <summary>A standard Gumbel variable as a function of key and index.</summary>
    public static float Noise(ulong key, ulong index) => -KernelMath.Log(-KernelMath.Log(Uniform(key, index)));

    /// <summary>A float in (0, 1), never at either end.</summary>
    public static float Uniform(ulong key, ulong index) => ((float)(int)(Key(key, index) >> 41) + 0.5f) * (1f / (1 << 23));

    /// <summary>The key of a stream of numbers within a stream.</summary>
    public static ulong Key(ulong key, ulong index) => Mix(key ^ Mix(index * Golden));

    private static ulong Mix(ulong x)
    {
        x += Golden;
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
        return x ^ (x >> 31);
    }
}
