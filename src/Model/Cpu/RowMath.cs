using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace OllmNative.Model.Cpu;

/// <summary>Reductions over one row of floats that several operations share.</summary>
internal static unsafe class RowMath
{
[MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Max(float* x, int count)
    {
        int i = 0;
        float max = float.NegativeInfinity;
        if (count >= 8)
        {
            Vector256<float> m = Vector256.Load(x);
            for (i = 8; i + 8 <= count; i += 8) m = Vector256.Max(m, Vector256.Load(x + i));
            Vector128<float> four = Vector128.Max(m.GetLower(), m.GetUpper());
            max = MathF.Max(MathF.Max(four[0], four[1]), MathF.Max(four[2], four[3]));
        }
        for (; i < count; i++) max = MathF.Max(max, x[i]);
        return max;
    }

    /// <summary>x = exp(x - shift); returns the sum.</summary>
[MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float ExpSum(float* x, int count, float shift)
    {
        Vector256<float> sum = default;
        Vector256<float> offset = Vector256.Create(shift);
        int i = 0;
        for (; i + 8 <= count; i += 8)
        {
            Vector256<float> e = Exponential.Of(Vector256.Load(x + i) - offset);
            e.Store(x + i);
            sum += e;
        }
        float total = Vector256.Sum(sum);
        for (; i < count; i++)
        {
            x[i] = MathF.Exp(x[i] - shift);
            total += x[i];
        }
        return total;
    }

[MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Scale(float* x, int count, float scale)
    {
        int i = 0;
        for (; i + 8 <= count; i += 8) (Vector256.Load(x + i) * scale).Store(x + i);
        for (; i < count; i++) x[i] *= scale;
    }

[MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static int ArgMax(float* x, int count)
    {
        float max = Max(x, count);
        int i = 0;
        Vector256<float> wanted = Vector256.Create(max);
        while (i + 8 <= count && !Vector256.EqualsAny(Vector256.Load(x + i), wanted)) i += 8;
        for (; i < count; i++)
        {
            if (x[i] == max) return i;
        }
        return 0;
    }

    /// <summary>p = softmax(x); may be in place. Returns log of the sum of exponentials.</summary>
    public static float Softmax(float* x, float* p, int count)
    {
        float max = Max(x, count);
        if (p != x) new ReadOnlySpan<float>(x, count).CopyTo(new Span<float>(p, count));
        float sum = ExpSum(p, count, max);
        Scale(p, count, 1 / sum);
        return max + MathF.Log(sum);
    }
}
