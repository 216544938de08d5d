namespace OllmNative.Runtime.Extensions;

/// <summary>Functions as the hardware has them, for loops where each instruction counts.</summary>
public static class FastMath
{
    /// <summary>
    /// 2^value within two units in the last place; results below the smallest normal number are zero. One instruction, where
    /// <see cref="Language.XMath.Exp2(float)"/> takes four to keep subnormal results. PTX: ex2.approx.ftz.f32.
    /// </summary>
    public static float Exp2(float value)
    {
        float result = MathF.Pow(2, value);
        return result < 1.17549435e-38f ? 0f : result;
    }
}
