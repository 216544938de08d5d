namespace OllmNative.Kernels;

/// <summary>Rotary position embedding by one table of cosines and sines side by side.</summary>
public static class RopeHeads
{
    private const string Contract = """
        with c = cosSin[positions[t],i], s = cosSin[positions[t],i+Dh/2], i < Dh/2:
        (x[t,h,i], x[t,h,i+Dh/2]) <- (x[t,h,i] c - x[t,h,i+Dh/2] s, x[t,h,i+Dh/2] c + x[t,h,i] s)
        x [T,H,Dh] f32 in place, positions [T] i32, cosSin [P,Dh] f32
        grid ceil(T*H*Dh/2 / group), group any one-dimensional       requires even Dh, 0 <= positions[t] < P
        bytes 8THDh + 4THDh, flops 3THDh
        """;

    [Kernel("RopeHeads", Contract)]
    public static void Forward(ArrayView<float> x, ArrayView<int> positions, ArrayView<float> cosSin, int tokens, int heads, int headSize)
    {
        int half = headSize / 2;
        int pair = Grid.GlobalIndex.X;
        if (pair >= tokens * heads * half) return;
        int head = pair / half, i = pair % half;
        long angle = (long)positions[head / heads] * headSize + i;
        float cosine = cosSin[angle], sine = cosSin[angle + half];
        long first = (long)head * headSize + i, second = first + half;
        float a = x[first], b = x[second];
        x[first] = a * cosine - b * sine;
        x[second] = b * cosine + a * sine;
    }
}
