namespace OllmNative.Kernels;

/// <summary>Puts together what attention found in the parts of the keys.</summary>
public static class AttentionCombine
{
    private const string Contract = """
        output[i,d] = sum_s exp(max[i,s] - top_i) partial[i,s,d] / sum_s exp(max[i,s] - top_i) total[i,s]
        i: a query and head; partial [T*H,S,Dh], stats [T*H,S,2] (maximum, sum of weights), output [T*H,Dh] f32
        grid T*H, group any one-dimensional       requires a part with a visible key; parts without one have total 0
        bytes 4TH (S Dh + 2S + Dh), flops 2THSDh
        """;

    [Kernel("AttentionCombine", Contract)]
    public static void Forward(ArrayView<float> partial, ArrayView<float> stats, ArrayView<float> output, int splits, int size)
    {
        long query = Grid.IdxX;
        float top = float.NegativeInfinity, total = 0;
        for (int s = 0; s < splits; s++) top = XMath.Max(top, stats[2 * (query * splits + s)]);
        for (int s = 0; s < splits; s++) total += XMath.Exp(stats[2 * (query * splits + s)] - top) * stats[2 * (query * splits + s) + 1];
        for (int d = Group.IdxX; d < size; d += Group.DimX)
        {
            float sum = 0;
            for (int s = 0; s < splits; s++) sum += XMath.Exp(stats[2 * (query * splits + s)] - top) * partial[(query * splits + s) * size + d];
            output[query * size + d] = sum / total;
        }
    }
}
