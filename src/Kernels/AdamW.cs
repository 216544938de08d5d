namespace OllmNative.Kernels;

/// <summary>The numbers of one optimizer step, worked out on the host.</summary>
public struct AdamWFactors
{
    /// <summary>Decays of the moments.</summary>
    public float Beta1, Beta2;

    /// <summary>1 - learning rate * weight decay, learning rate / (1 - beta1^t), 1 / sqrt(1 - beta2^t).</summary>
    public float Shrink, Rate, Root;

    /// <summary>Added to the root of the second moment; factor on the gradient.</summary>
    public float Epsilon, GradientScale;
}

/// <summary>AdamW (arXiv 1711.05101) over a flat buffer: all tensors in one launch.</summary>
public static class AdamW
{
    private const string Contract = """
        with g = gradient[i] * gradientScale * numbers[14]:  m[i] = b1 m[i] + (1 - b1) g, v[i] = b2 v[i] + (1 - b2) g^2
        parameter[i] = shrink * parameter[i] - rate * m[i] / (root * sqrt(v[i]) + epsilon)        all [N] f32
        numbers [15] f64 of StepControl: the clipping factor, and with numbers[13] set nothing changes; or empty, then the factor is 1
        grid ceil(N / group), group any one-dimensional
        bytes 28N, flops 14N
        """;

    [Kernel("AdamW", Contract)]
    public static void Step(
        ArrayView<float> parameters, ArrayView<float> gradients, ArrayView<float> first, ArrayView<float> second, ArrayView<double> numbers, AdamWFactors factors, int count)
    {
        int i = Grid.GlobalIndex.X;
        if (i >= count) return;
        float scale = factors.GradientScale;
        if (numbers.Length != 0)
        {
            if (numbers[StepControl.FailedAt] != 0.0) return;
            scale *= (float)numbers[StepControl.ScaleAt];
        }
        float g = gradients[i] * scale;
        float m = first[i] * factors.Beta1 + g * (1f - factors.Beta1);
        float v = second[i] * factors.Beta2 + g * g * (1f - factors.Beta2);
        first[i] = m;
        second[i] = v;
        parameters[i] = parameters[i] * factors.Shrink - m * factors.Rate / (XMath.Sqrt(v) * factors.Root + factors.Epsilon);
    }
}
