using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace OllmNative.Model.Cpu;

/// <summary>
/// Which vocabulary entries the head's gradient g = sum_v p_v W_v - W_y can do without, in the spirit of cut cross-entropy
/// (arXiv 2411.09009, section 4.3), but row by row and with a bound on what is lost.
/// <para>An entry is left out of a row's gradient when its probability is below 2^-24, half an ulp of a sum that is of the
/// order of W's entries, and only as long as all that the row leaves out adds up to less than
/// B = (256 + V/256) 2^-24, where 256 is the chunk: the sum runs over chunks of 256 entries, each added up inside the product
/// and then to the result, so (chunk + number of chunks) roundings of 2^-24 are the a-priori error bound of the complete sum
/// itself. Hence, for every component i and exact arithmetic elsewhere,</para>
/// <code>|g_i filtered - g_i| &lt;= sum over v left out of p_v |W_vi| &lt;= B max_v |W_vi|</code>
/// <para>(5.1e-5 max|W| for V = 151,936). Probabilities are compared before the sum of exponentials S is complete, against a
/// lower bound of it, which only keeps more. Where many entries of a chunk matter to a row, that row takes the whole product;
/// with a flat distribution all rows do, and the result has the bits of the exact one.</para>
/// </summary>
internal readonly unsafe struct HeadFilter
{
    /// <summary>Below this vocabulary the product is too small for a filter to gain anything.</summary>
    public const int SmallestVocabulary = 4096;

    /// <summary>Entries that are added one by one; with more, the row's share of a whole product costs less.</summary>
    public const int Few = 24;

    private const float Ulp = 1f / (1 << 24);

    private readonly float _budget;
    private readonly int _d;
    private readonly DType _type;

    /// <summary>Prepares for one split of the vocabulary, which gets its share of the bound.</summary>
    public HeadFilter(int vocabulary, int split, int chunk, int d, DType type)
    {
        (_d, _type) = (d, type);
        _budget = Bound(vocabulary, chunk) * Math.Min(1, (float)split / vocabulary);
    }

    /// <summary>B: the largest probability that may be left out of a row's gradient.</summary>
    public static float Bound(int vocabulary, int chunk) => (chunk + (float)vocabulary / chunk) * Ulp;

    /// <summary>
    /// gradient += e_v W_v over the entries that matter, when they are few and the rest fits the bound; otherwise returns false
    /// and changes nothing.
    /// </summary>
    /// <param name="e">exp(logit - max), <paramref name="count"/> entries.</param>
    /// <param name="count">Entries of the chunk.</param>
    /// <param name="known">A lower bound of the sum of all exponentials, relative to the same maximum.</param>
    /// <param name="skipped">What the row has left out so far, relative to the same maximum.</param>
    /// <param name="w">W's rows of the chunk.</param>
    /// <param name="gradient">The row's sum [D].</param>
    public bool TryAddFew(float* e, int count, float known, ref float skipped, byte* w, float* gradient)
    {
        float cut = Ulp * known, left = skipped;
        int* matter = stackalloc int[Few];
        int found = 0, i = 0;
        for (; i + 8 <= count; i += 8)
        {
            Vector256<float> x = Vector256.Load(e + i), below = Vector256.LessThan(x, Vector256.Create(cut));
            left += Vector256.Sum(x & below);
            // What is no number is not below anything: such a row takes the whole product.
            for (uint bits = ~below.ExtractMostSignificantBits() & 0xFF; bits != 0; bits &= bits - 1)
            {
                if (found == Few) return false;
                matter[found++] = i + BitOperations.TrailingZeroCount(bits);
            }
        }
        for (; i < count; i++)
        {
            if (e[i] < cut)
            {
                left += e[i];
                continue;
            }
            if (found == Few) return false;
            matter[found++] = i;
        }
        if (!(left <= _budget * known)) return false;
        skipped = left;
        switch (_type)
        {
            case DType.F32: Add<F32Element>(matter, found, e, w, gradient); break;
            case DType.BF16: Add<BF16Element>(matter, found, e, w, gradient); break;
            default: Add<F16Element>(matter, found, e, w, gradient); break;
        }
        return true;
    }

    /// <summary>x · w for one row of weights.</summary>
    public static float Dot<T>(float* x, byte* w, int d) where T : struct, IElement
    {
        Vector256<float> sum = default;
        int i = 0;
        for (; i + 8 <= d; i += 8) sum += Vector256.Load(x + i) * T.Load256(w + (long)i * T.Size);
        float total = Vector256.Sum(sum);
        for (; i < d; i++) total += x[i] * T.Load(w + (long)i * T.Size);
        return total;
    }

    /// <summary>Four rows of W at a time: the gradient is read and written once for them.</summary>
    private void Add<T>(int* matter, int found, float* e, byte* w, float* gradient) where T : struct, IElement
    {
        long stride = (long)_d * T.Size;
        int k = 0;
        for (; k + 4 <= found; k += 4)
        {
            int a = matter[k], b = matter[k + 1], c = matter[k + 2], d = matter[k + 3];
            AddFour<T>(gradient, _d, w + a * stride, w + b * stride, w + c * stride, w + d * stride, e[a], e[b], e[c], e[d]);
        }
        for (; k < found; k++) AddOne<T>(gradient, _d, w + matter[k] * stride, e[matter[k]]);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddFour<T>(float* to, int d, byte* w0, byte* w1, byte* w2, byte* w3, float e0, float e1, float e2, float e3) where T : struct, IElement
    {
        int i = 0;
        for (; i + 8 <= d; i += 8)
        {
            int at = i * T.Size;
            Vector256<float> sum = Vector256.Load(to + i) + T.Load256(w0 + at) * e0 + T.Load256(w1 + at) * e1;
            (sum + T.Load256(w2 + at) * e2 + T.Load256(w3 + at) * e3).Store(to + i);
        }
        for (; i < d; i++)
        {
            int at = i * T.Size;
            to[i] += T.Load(w0 + at) * e0 + T.Load(w1 + at) * e1 + T.Load(w2 + at) * e2 + T.Load(w3 + at) * e3;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddOne<T>(float* to, int d, byte* w, float e) where T : struct, IElement
    {
        int i = 0;
        for (; i + 8 <= d; i += 8) (Vector256.Load(to + i) + T.Load256(w + i * T.Size) * e).Store(to + i);
        for (; i < d; i++) to[i] += T.Load(w + i * T.Size) * e;
    }
}
