namespace OllmNative.Kernels;

/// <summary>Functions of real numbers where the hardware's approximation is not enough.</summary>
public static class KernelMath
{
    /// <summary>
    /// The natural logarithm of a positive normal number within about one unit in the last place, also near 1, where the
    /// hardware's has an absolute error only: -log(-log u) of a u just below 1 needs its relative precision.
    /// <para>x = 2^e m with m in [0.71, 1.42); log m = 2 atanh(s) with s = (m - 1) / (m + 1), a series in s².</para>
    /// </summary>
    public static float Log(float x)
    {
        uint bits = Interop.FloatAsInt(x);
        int exponent = (int)(bits >> 23) - 127;
        float m = Interop.IntAsFloat((bits & 0x7fffffu) | 0x3f800000u);
        if (m > 1.41421356f)
        {
            m *= 0.5f;
            exponent++;
        }
        float f = m - 1f, s = f / (2f + f), z = s * s;
        float series = z * (0.66666667f + z * (0.4f + z * (0.28571429f + z * (0.22222222f + z * 0.18181818f))));
        // 2s = f - f s exactly; ln 2 in two parts, the first short enough for an exact product with e.
        float e = exponent;
        return e * 0.69313812f + (f - s * (f - series) + e * 9.0580006e-6f);
    }
}
