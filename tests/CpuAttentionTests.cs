using OllmNative.Model;

namespace OllmNative.Tests;

/// <summary>Causal grouped-query attention against the definition: scores, softmax, weighted sum, one query at a time.</summary>
public sealed class CpuAttentionTests
{
    private static readonly SequenceSpan[] Packed =
    [
        new(FirstRow: 0, Count: 1, Past: 0, CacheRow: 3), new(1, 5, 300, 10), new(6, 131, 0, 320), new(137, 1, 128, 460), new(138, 3, 127, 600),
    ];

    private const int Rows = 141, CacheRows = 740;

    [Fact]
    public void Attention_PackedSequences_EqualsDefinition()
    {
        using var c = new CpuCase(1);
        foreach ((int heads, int kvHeads, int size) in (ReadOnlySpan<(int, int, int)>)[(1, 1, 8), (4, 2, 10), (7, 1, 32), (2, 2, 33), (3, 1, 128), (200, 1, 2)])
        {
            SequenceSpan[] sequences = heads > 10 ? Packed[..2] : Packed;
            int rows = heads > 10 ? 6 : Rows;
            CpuTensor q = c.Random(rows * heads * size), output = c.Random(q.Before.Length);
            CpuTensor keys = c.Random(CacheRows * kvHeads * size, 2), values = c.Random(CacheRows * kvHeads * size);
            c.Device.Attention(q.View, keys.View, values.View, sequences, output.View, heads, kvHeads, size);
            float[] expected = Expected(q.Before, keys.Before, values.Before, sequences, heads, kvHeads, size);
            output.Near(i => expected[i], 1e-5, $"{heads} heads, {kvHeads} of keys, size {size}");
        }
    }

    [Fact]
    public void Attention_HugeScores_StaysFinite()
    {
        using var c = new CpuCase(2);
        CpuTensor q = c.Random(5 * 16, 60), keys = c.Random(300 * 16, 60), values = c.Random(300 * 16), output = c.Random(5 * 16);
        SequenceSpan[] sequences = [new(0, 5, 295, 0)];
        c.Device.Attention(q.View, keys.View, values.View, sequences, output.View, 1, 1, 16);
        float[] expected = Expected(q.Before, keys.Before, values.Before, sequences, 1, 1, 16);
        output.Near(i => expected[i], 2e-3, "scores up to thousands");
    }

    [Fact]
    public void Attention_NoSequence_WritesNothing()
    {
        using var c = new CpuCase(3);
        CpuTensor q = c.Random(0), cache = c.Random(8), output = c.Random(0);
        c.Device.Attention(q.View, cache.View, cache.View, [], output.View, 1, 1, 8);
        Assert.Empty(output.Now());
    }

    [Fact]
    public void Attention_AnyNumberOfThreads_SameBits() => CpuCase.SameForAllThreads(4, c =>
    {
        CpuTensor q = c.Random(Rows * 4 * 16), output = c.Random(Rows * 4 * 16), keys = c.Random(CacheRows * 32), values = c.Random(CacheRows * 32);
        c.Device.Attention(q.View, keys.View, values.View, Packed, output.View, 4, 2, 16);
        return [output.Now()];
    });

    [Fact]
    public void Attention_TokenByTokenOrAtOnce_SameWithinRounding()
    {
        using var c = new CpuCase(5);
        CpuTensor q = c.Random(150 * 2 * 16), once = c.Random(150 * 2 * 16), alone = c.Random(150 * 2 * 16), keys = c.Random(150 * 16), values = c.Random(150 * 16);
        c.Device.Attention(q.View, keys.View, values.View, [new(0, 150, 0, 0)], once.View, 2, 1, 16);
        for (int t = 0; t < 150; t++)
            c.Device.Attention(q.View.Slice(t * 32, 32), keys.View, values.View, [new(0, 1, t, 0)], alone.View.Slice(t * 32, 32), 2, 1, 16);
        float[] expected = once.Now();
        alone.Near(i => expected[i], 1e-6, "token by token");
    }

    private static float[] Expected(float[] q, float[] keys, float[] values, SequenceSpan[] sequences, int heads, int kvHeads, int size)
    {
        var output = new float[q.Length];
        foreach (SequenceSpan s in sequences)
        {
            for (int r = 0; r < s.Count * heads; r++)
            {
                int head = r % heads, at = ((s.FirstRow + r / heads) * heads + head) * size, length = s.Past + r / heads + 1;
                int Cache(int t) => ((s.CacheRow + t) * kvHeads + head / (heads / kvHeads)) * size;
                double[] scores = [.. Enumerable.Range(0, length).Select(t => Dot(q, at, keys, Cache(t), size) / Math.Sqrt(size))];
                double max = scores.Max(), total = scores.Sum(score => Math.Exp(score - max));
                for (int i = 0; i < size; i++)
                {
                    double sum = 0;
                    for (int t = 0; t < length; t++) sum += Math.Exp(scores[t] - max) / total * values[Cache(t) + i];
                    output[at + i] = (float)sum;
                }
            }
        }
        return output;
    }

    private static double Dot(float[] a, int atA, float[] b, int atB, int count)
    {
        double sum = 0;
        for (int i = 0; i < count; i++) sum += (double)a[atA + i] * b[atB + i];
        return sum;
    }
}
