using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace OllmNative.Model.Cpu;

public sealed unsafe partial class CpuDevice
{
    /// <summary>Up to this many new tokens of a sequence read keys and values where they lie; more pay for packed panels.</summary>
    private const int FewQueries = 4;

    /// <summary>Positions of one block: 64 keys of 64 floats, and then as many values, stay in the first-level cache.</summary>
    private const int FewKeys = 64;

    /// <summary>Multiply-adds below which a second thread would be woken for nothing.</summary>
    private const long FewWorthSharing = 400_000;

    /// <summary>
    /// Attention for decoding: one item is all query heads of a key/value head, for the new tokens of one sequence, so every
    /// key and value is read once from memory and nothing is packed.
    /// </summary>
    private void AttendFew(in AttentionOperands operands, SequenceSpan* items, int count)
    {
        long work = 0;
        int most = 0;
        for (int i = 0; i < count; i++)
        {
            work += 2L * items[i].Count * (items[i].Past + items[i].Count) * operands.Heads * operands.HeadSize;
            most = Math.Max(most, items[i].Count);
        }
        int rows = most * (operands.Heads / operands.KvHeads);
        long perThread = (long)rows * (2 * operands.HeadSize + FewKeys + 2);
        _pool.For(
            count * operands.KvHeads,
            new AttentionFewBody { On = operands, Items = items, Rows = rows, Work = Work(perThread * Threads), PerThread = perThread },
            work >= FewWorthSharing);
    }

    private struct AttentionFewBody : IParallelBody
    {
        public AttentionOperands On;
        public SequenceSpan* Items;
        public int Rows;
        public float* Work;
        public long PerThread;

        public readonly void Run(int index, int thread)
        {
            SequenceSpan item = Items[index / On.KvHeads];
            int kvHead = index % On.KvHeads, group = On.Heads / On.KvHeads, size = On.HeadSize, rows = item.Count * group;
            float* q = Work + thread * PerThread, sum = q + (long)Rows * size, scores = sum + (long)Rows * size;
            float* max = scores + (long)Rows * FewKeys, total = max + Rows;
            On.LoadQueries(item, kvHead, q);
            for (int r = 0; r < rows; r++) (max[r], total[r]) = (float.NegativeInfinity, 0);
            new Span<float>(sum, rows * size).Clear();

            long width = (long)On.KvHeads * size;
            int last = item.Past + item.Count;
            for (int key = 0; key < last; key += FewKeys)
            {
                int count = Math.Min(FewKeys, last - key);
                long at = (item.CacheRow + key) * width + kvHead * size;
                Scores(q, rows, On.Keys + at, width, count, size, scores);
                for (int r = 0; r < rows; r++)
                {
                    int visible = Math.Clamp(item.Past + r / group + 1 - key, 0, count);
                    AttentionOperands.Online(scores + (long)r * FewKeys, visible, count, ref max[r], ref total[r], sum + (long)r * size, size);
                }
                AddValues(scores, rows, On.Values + at, width, count, size, sum);
            }
            On.StoreOutput(item, kvHead, sum, total);
        }
    }

    /// <summary>scores[r, j] = q_r · k_j: two queries and four keys at a time; rows of scores are <see cref="FewKeys"/> apart.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Scores(float* q, int rows, float* keys, long stride, int count, int size, float* scores)
    {
        for (int j = 0; j < count; j += 4)
        {
            // Past the last key and the last query the pointers repeat it, and what they give is not used.
            float* k0 = keys + j * stride, k1 = j + 1 < count ? k0 + stride : k0, k2 = j + 2 < count ? k1 + stride : k1, k3 = j + 3 < count ? k2 + stride : k2;
            for (int r = 0; r < rows; r += 2)
            {
                float* q0 = q + (long)r * size, q1 = r + 1 < rows ? q0 + size : q0, to = scores + (long)r * FewKeys + j;
                Vector256<float> s00 = default, s01 = default, s02 = default, s03 = default, s10 = default, s11 = default, s12 = default, s13 = default;
                int i = 0;
                for (; i + 8 <= size; i += 8)
                {
                    Vector256<float> a = Vector256.Load(q0 + i), b = Vector256.Load(q1 + i), k = Vector256.Load(k0 + i);
                    s00 = Vector256.MultiplyAddEstimate(a, k, s00);
                    s10 = Vector256.MultiplyAddEstimate(b, k, s10);
                    k = Vector256.Load(k1 + i);
                    s01 = Vector256.MultiplyAddEstimate(a, k, s01);
                    s11 = Vector256.MultiplyAddEstimate(b, k, s11);
                    k = Vector256.Load(k2 + i);
                    s02 = Vector256.MultiplyAddEstimate(a, k, s02);
                    s12 = Vector256.MultiplyAddEstimate(b, k, s12);
                    k = Vector256.Load(k3 + i);
                    s03 = Vector256.MultiplyAddEstimate(a, k, s03);
                    s13 = Vector256.MultiplyAddEstimate(b, k, s13);
                }
                Vector128<float> first = SumEach(s00, s01, s02, s03), second = SumEach(s10, s11, s12, s13);
                for (; i < size; i++)
                {
                    Vector128<float> k = Vector128.Create(k0[i], k1[i], k2[i], k3[i]);
                    first += k * q0[i];
                    second += k * q1[i];
                }
                first.Store(to);
                if (r + 1 < rows) second.Store(to + FewKeys);
            }
        }
    }

    /// <summary>sum_r += sum_j p[r, j] v_j, in tiles of rows and columns whose sums stay in registers.</summary>
    private static void AddValues(float* p, int rows, float* values, long stride, int count, int size, float* sums)
    {
        int i = 0;
        for (; i + 16 <= size; i += 16)
        {
            int r = 0;
            for (; r + 4 <= rows; r += 4) AddValues4x16(p + (long)r * FewKeys, values + i, stride, count, sums + (long)r * size + i, size);
            for (; r < rows; r++) AddValues1x16(p + (long)r * FewKeys, values + i, stride, count, sums + (long)r * size + i);
        }
        for (int r = 0; r < rows; r++)
        {
            float* to = sums + (long)r * size, weights = p + (long)r * FewKeys;
            int rest = i;
            for (; rest + 8 <= size; rest += 8) AddValues1x8(weights, values + rest, stride, count, to + rest);
            for (; rest < size; rest++)
            {
                for (int j = 0; j < count; j++) to[rest] += weights[j] * values[j * stride + rest];
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddValues4x16(float* p, float* v, long stride, int count, float* sum, int size)
    {
        float* p1 = p + FewKeys, p2 = p1 + FewKeys, p3 = p2 + FewKeys, sum1 = sum + size, sum2 = sum1 + size, sum3 = sum2 + size;
        Vector256<float> s00 = Vector256.Load(sum), s01 = Vector256.Load(sum + 8), s10 = Vector256.Load(sum1), s11 = Vector256.Load(sum1 + 8);
        Vector256<float> s20 = Vector256.Load(sum2), s21 = Vector256.Load(sum2 + 8), s30 = Vector256.Load(sum3), s31 = Vector256.Load(sum3 + 8);
        for (int j = 0; j < count; j++, v += stride)
        {
            Vector256<float> low = Vector256.Load(v), high = Vector256.Load(v + 8), x = Vector256.Create(p[j]);
            s00 = Vector256.MultiplyAddEstimate(x, low, s00);
            s01 = Vector256.MultiplyAddEstimate(x, high, s01);
            x = Vector256.Create(p1[j]);
            s10 = Vector256.MultiplyAddEstimate(x, low, s10);
            s11 = Vector256.MultiplyAddEstimate(x, high, s11);
            x = Vector256.Create(p2[j]);
            s20 = Vector256.MultiplyAddEstimate(x, low, s20);
            s21 = Vector256.MultiplyAddEstimate(x, high, s21);
            x = Vector256.Create(p3[j]);
            s30 = Vector256.MultiplyAddEstimate(x, low, s30);
            s31 = Vector256.MultiplyAddEstimate(x, high, s31);
        }
        s00.Store(sum); s01.Store(sum + 8);
        s10.Store(sum1); s11.Store(sum1 + 8);
        s20.Store(sum2); s21.Store(sum2 + 8);
        s30.Store(sum3); s31.Store(sum3 + 8);
    }

    /// <summary>One row: four keys at a time, or the additions would wait for each other.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddValues1x16(float* p, float* v, long stride, int count, float* sum)
    {
        Vector256<float> a0 = Vector256.Load(sum), a1 = Vector256.Load(sum + 8), b0 = default, b1 = default, c0 = default, c1 = default, d0 = default, d1 = default;
        int j = 0;
        for (; j + 4 <= count; j += 4, v += 4 * stride)
        {
            float* v2 = v + 2 * stride;
            Vector256<float> x = Vector256.Create(p[j]);
            a0 = Vector256.MultiplyAddEstimate(x, Vector256.Load(v), a0);
            a1 = Vector256.MultiplyAddEstimate(x, Vector256.Load(v + 8), a1);
            x = Vector256.Create(p[j + 1]);
            b0 = Vector256.MultiplyAddEstimate(x, Vector256.Load(v + stride), b0);
            b1 = Vector256.MultiplyAddEstimate(x, Vector256.Load(v + stride + 8), b1);
            x = Vector256.Create(p[j + 2]);
            c0 = Vector256.MultiplyAddEstimate(x, Vector256.Load(v2), c0);
            c1 = Vector256.MultiplyAddEstimate(x, Vector256.Load(v2 + 8), c1);
            x = Vector256.Create(p[j + 3]);
            d0 = Vector256.MultiplyAddEstimate(x, Vector256.Load(v2 + stride), d0);
            d1 = Vector256.MultiplyAddEstimate(x, Vector256.Load(v2 + stride + 8), d1);
        }
        for (; j < count; j++, v += stride)
        {
            a0 = Vector256.MultiplyAddEstimate(Vector256.Create(p[j]), Vector256.Load(v), a0);
            a1 = Vector256.MultiplyAddEstimate(Vector256.Create(p[j]), Vector256.Load(v + 8), a1);
        }
        (a0 + b0 + (c0 + d0)).Store(sum);
        (a1 + b1 + (c1 + d1)).Store(sum + 8);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddValues1x8(float* p, float* v, long stride, int count, float* sum)
    {
        Vector256<float> a = Vector256.Load(sum), b = default, c = default, d = default;
        int j = 0;
        for (; j + 4 <= count; j += 4, v += 4 * stride)
        {
            float* v2 = v + 2 * stride;
            a = Vector256.MultiplyAddEstimate(Vector256.Create(p[j]), Vector256.Load(v), a);
            b = Vector256.MultiplyAddEstimate(Vector256.Create(p[j + 1]), Vector256.Load(v + stride), b);
            c = Vector256.MultiplyAddEstimate(Vector256.Create(p[j + 2]), Vector256.Load(v2), c);
            d = Vector256.MultiplyAddEstimate(Vector256.Create(p[j + 3]), Vector256.Load(v2 + stride), d);
        }
        for (; j < count; j++, v += stride) a = Vector256.MultiplyAddEstimate(Vector256.Create(p[j]), Vector256.Load(v), a);
        (a + b + (c + d)).Store(sum);
    }

    /// <summary>The sums of four vectors, side by side.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> SumEach(Vector256<float> a, Vector256<float> b, Vector256<float> c, Vector256<float> d)
    {
        if (!Avx.IsSupported) return Vector128.Create(Vector256.Sum(a), Vector256.Sum(b), Vector256.Sum(c), Vector256.Sum(d));
        Vector256<float> pairs = Avx.HorizontalAdd(Avx.HorizontalAdd(a, b), Avx.HorizontalAdd(c, d));
        return pairs.GetLower() + pairs.GetUpper();
    }
}
