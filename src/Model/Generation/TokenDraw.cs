namespace OllmNative.Model;

/// <summary>
/// The draw of a token from logits. A cut (top-k, top-p) is a threshold on the weights exp((l - max) / temperature), found by rounds of 10 bits
/// of their float patterns, so nothing is sorted; sums of weights are integers, so that the kernel <c>SampleTokens</c>, which adds in another
/// order, draws the same token. Equals of the last weight that stays, stay too.
/// </summary>
internal static class TokenDraw
{
    private const int Bins = 1024, Dropped = -1;

    /// <summary>A token of logits [V]; <paramref name="weights"/> is room for as many floats, <paramref name="draw"/> has 23 random bits.</summary>
    public static int Pick(ReadOnlySpan<float> logits, SamplerOptions options, int draw, Span<float> weights)
    {
        float max = logits[LogitMath.IndexOfMax(logits)], inverse = 1 / options.Temperature;
        for (int v = 0; v < logits.Length; v++)
        {
            float weight = MathF.Exp((logits[v] - max) * inverse);
            weights[v] = weight >= options.MinP ? weight : Dropped;
        }
        weights = weights[..logits.Length];
        int threshold = 0;
        long mass = -1;
        if (options.TopK > 0) threshold = Cut(weights, false, options.TopK, 0, ref mass);
        if (options.TopP < 1)
        {
            int share = (int)(options.TopP * (1 << 24));
            threshold = Cut(weights, true, mass < 0 ? 0 : Math.Max(1, Share(mass, share)), mass < 0 ? share : 0, ref mass);
        }
        long total = 0;
        foreach (float weight in weights) total += Kept(weight, threshold);
        long left = Share(total, 2 * draw + 1);
        for (int v = 0; v < weights.Length; v++)
        {
            left -= Kept(weights[v], threshold);
            if (left < 0) return v;
        }
        return LogitMath.IndexOfMax(logits);
    }

    /// <summary>floor(total * share / 2^24) without leaving 64 bits.</summary>
    private static long Share(long total, int share) => (total >> 24) * share + ((total & 0xffffff) * share >> 24);

    private static long Mass(float weight) => (long)(weight * (1 << 30));

    private static long Kept(float weight, int threshold) => weight >= 0 && BitConverter.SingleToInt32Bits(weight) >= threshold ? Mass(weight) : 0;

    /// <summary>The bits of the smallest weight that stays when the largest are taken until their number, or mass, is what is needed.</summary>
    private static int Cut(ReadOnlySpan<float> weights, bool byMass, long need, int share, ref long mass)
    {
        Span<int> counts = stackalloc int[Bins];
        Span<long> masses = stackalloc long[Bins];
        int prefix = 0;
        long above = 0;
        for (int shift = 20; shift >= 0; shift -= 10)
        {
            counts.Clear();
            masses.Clear();
            long total = 0;
            foreach (float weight in weights)
            {
                int bits = BitConverter.SingleToInt32Bits(weight);
                if (weight < 0 || (shift < 20 && bits >> (shift + 10) != prefix)) continue;
                counts[bits >> shift & (Bins - 1)]++;
                masses[bits >> shift & (Bins - 1)] += Mass(weight);
                total += Mass(weight);
            }
            if (share > 0) need = Math.Max(1, Share(total, share));
            share = 0;
            int bin = Bins - 1;
            for (; bin >= 0; bin--)
            {
                long next = byMass ? masses[bin] : counts[bin];
                if (next >= need) break;
                need -= next;
                above += masses[bin];
            }
            mass = bin < 0 ? total : above + masses[bin];
            if (bin < 0) return 0;
            prefix = prefix << 10 | bin;
            if (counts[bin] == 1) return prefix << shift;
        }
        return prefix;
    }
}
