using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace OllmNative.Model.Cpu;

/// <summary>e^x for eight floats in f32 arithmetic: the runtime's own goes through f64 and takes three times as long.</summary>
internal static class Exponential
{
    // Outside of these e^x is no normal f32: zero below, infinity above.
    private const float Least = -87.3f, Most = 88.3f;

    /// <summary>
    /// e^x with a relative error below 2e-7; 0 below -87.3, infinity above 88.3, NaN for NaN. With n = round(x / ln 2) and
    /// r = x - n ln 2 it is 2^n e^r, and e^r for |r| at most ln 2 / 2 is a Taylor-like polynomial of degree 7 (what it leaves out
    /// is r^8 / 8!, below 6e-9).
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Of(Vector256<float> x)
    {
        Vector256<float> n = Vector256.Round(x * 1.44269504f);
        // ln 2 in two parts, the first short enough for n times it to be exact.
        Vector256<float> r = Vector256.MultiplyAddEstimate(n, Vector256.Create(-0.693359375f), x);
        r = Vector256.MultiplyAddEstimate(n, Vector256.Create(2.12194440e-4f), r);
        Vector256<float> p = Vector256.Create(1f / 5040);
        p = Vector256.MultiplyAddEstimate(p, r, Vector256.Create(1f / 720));
        p = Vector256.MultiplyAddEstimate(p, r, Vector256.Create(1f / 120));
        p = Vector256.MultiplyAddEstimate(p, r, Vector256.Create(1f / 24));
        p = Vector256.MultiplyAddEstimate(p, r, Vector256.Create(1f / 6));
        p = Vector256.MultiplyAddEstimate(p, r, Vector256.Create(0.5f));
        p = Vector256.MultiplyAddEstimate(p * r, r, r) + Vector256<float>.One;
        Vector256<float> power = Vector256.ShiftLeft(Vector256.ConvertToInt32Native(n) + Vector256.Create(127), 23).AsSingle();
        Vector256<float> value = Vector256.AndNot(p * power, Vector256.LessThan(x, Vector256.Create(Least)));
        return Vector256.ConditionalSelect(Vector256.GreaterThan(x, Vector256.Create(Most)), Vector256.Create(float.PositiveInfinity), value);
    }
}
