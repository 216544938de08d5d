namespace OllmNative.Kernels;

/// <summary>Rotary position embedding of the heads, in place.</summary>
public static class Rope
{
    private const string ForwardContract = """
        with c = cosines[positions[t],i], s = sines[positions[t],i], i < Dh/2:
        (x[t,h,i], x[t,h,i+Dh/2]) <- (x[t,h,i] c - x[t,h,i+Dh/2] s, x[t,h,i+Dh/2] c + x[t,h,i] s)
        x [T,H,Dh] f32, positions [T] i32, cosines and sines [P,Dh/2] f32 of the angle p * theta^(-2i/Dh), made in f64 on the host
        grid ceil(T*H*Dh/2 / group), group any one-dimensional       requires even Dh, 0 <= positions[t] < P
        bytes 8THDh + 4THDh, flops 3THDh
        """;

    private const string BackwardContract = """
        xGradient is turned back by the same angles: the transposed rotation, in place
        shapes, grid, group, preconditions, bytes and flops as Rope
        """;

    [Kernel("Rope", ForwardContract)]
    public static void Forward(
        ArrayView<float> x, ArrayView<int> positions, ArrayView<float> cosines, ArrayView<float> sines, int tokens, int heads, int headSize) =>
        Turn(x, positions, cosines, sines, tokens, heads, headSize, 1f);

    [Kernel("RopeBackward", BackwardContract)]
    public static void Backward(
        ArrayView<float> xGradient, ArrayView<int> positions, ArrayView<float> cosines, ArrayView<float> sines, int tokens, int heads, int headSize) =>
        Turn(xGradient, positions, cosines, sines, tokens, heads, headSize, -1f);

    private static void Turn(
        ArrayView<float> x, ArrayView<int> positions, ArrayView<float> cosines, ArrayView<float> sines, int tokens, int heads, int headSize, float direction)
    {
        int half = headSize / 2;
        int pair = Grid.GlobalIndex.X;
        if (pair >= tokens * heads * half) return;
        int head = pair / half, i = pair % half;
        int angle = positions[head / heads] * half + i;
        float cosine = cosines[angle], sine = direction * sines[angle];
        long first = (long)head * headSize + i, second = first + half;
        float a = x[first], b = x[second];
        x[first] = a * cosine - b * sine;
        x[second] = b * cosine + a * sine;
    }
}
