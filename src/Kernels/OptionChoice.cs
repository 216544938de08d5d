namespace OllmNative.Kernels;

/// <summary>The policy's distribution, and the option of each row that a step decodes.</summary>
public static class OptionChoice
{
    private const string Contract = """
        pi[n] = softmax(logits[n]);  z[n] = -1 | first largest pi | a draw from pi | a given option, by rows[n];  hot[n,k] = 1 where k = z[n], else 0
        chosen[n] = (z[n], the bits of pi[n,z[n]])        logits, pi, hot [N,K] f32, rows [N,12] i32 (DecodeRow), chosen [N,2] i32
        grid ceil(N / group), group any one-dimensional, one thread a row
        bytes 20NK, flops 8NK
        """;

#if !ILGPU
    [Runtime.Extensions.OverlapsPredecessor]
#endif
    [Kernel("OptionChoice", Contract)]
    public static void Forward(
        ArrayView<float> logits, ArrayView<int> rows, ArrayView<float> pi, ArrayView<float> hot, ArrayView<int> chosen, int count, int options)
    {
        Overlap.Begin();
        int n = Grid.GlobalIndex.X;
        if (n >= count) return;
        int row = n * options, kind = rows[n * DecodeRow.Ints + DecodeRow.Latent];
        OptionSoftmax.Row(logits, pi, row, options);
        int z = -1;
        if (kind == DecodeRow.Force) z = rows[n * DecodeRow.Ints + DecodeRow.Option];
        else if (kind == DecodeRow.Policy) z = Likeliest(pi, row, options);
        else if (kind == DecodeRow.Sample) z = Draw(pi, row, options, GumbelSoftmax.Uniform(DecodeRow.Key(rows, n), 1));
        for (int k = 0; k < options; k++) hot[row + k] = k == z ? 1f : 0f;
        chosen[2 * n] = z;
        chosen[2 * n + 1] = z < 0 ? 0 : (int)Interop.FloatAsInt(pi[row + z]);
    }

    private static int Likeliest(ArrayView<float> pi, int row, int options)
    {
        int best = 0;
        for (int k = 1; k < options; k++)
        {
            if (pi[row + k] > pi[row + best]) best = k;
        }
        return best;
    }

    /// <summary>The option that a uniform number falls on; the likeliest where rounding leaves it behind the last.</summary>
    private static int Draw(ArrayView<float> pi, int row, int options, float uniform)
    {
        for (int k = 0; k < options; k++)
        {
            uniform -= pi[row + k];
            if (uniform < 0f) return k;
        }
        return Likeliest(pi, row, options);
    }
}
