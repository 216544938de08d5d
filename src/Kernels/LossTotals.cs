namespace OllmNative.Kernels;

/// <summary>The sums of a step's losses, added up on the device.</summary>
public static class LossTotals
{
    private const string Contract = """
        totals[0..2] += sums of loss, kl, policy; totals[3] += how often prediction[n,b] = targets[n,b], b the first largest of q[n] (0 without q)
        loss, kl, policy [N] f32, prediction, targets [N,K] i32, q [N,K] f32 or empty (then K = 1), totals [4] f64; the order of the sums is fixed
        grid 1, group whole warps, one-dimensional
        bytes 20N + 4NK, flops 4N
        """;

    [Kernel("LossTotals", Contract)]
    public static void Add(
        ArrayView<float> loss, ArrayView<float> kl, ArrayView<float> policy, ArrayView<int> prediction, ArrayView<int> targets, ArrayView<float> q,
        ArrayView<double> totals, int rows, int columns)
    {
        double sumLoss = 0, sumKl = 0, sumPolicy = 0, hits = 0;
        for (int n = Group.IdxX; n < rows; n += Group.DimX)
        {
            sumLoss += loss[n];
            sumKl += kl[n];
            sumPolicy += policy[n];
            int best = n * columns;
            for (int k = best + 1; k < (n + 1) * columns && q.Length != 0; k++)
                if (q[k] > q[best]) best = k;
            if (prediction[best] == targets[best]) hits += 1;
        }
        sumLoss = GroupReduce.SumAll(sumLoss);
        sumKl = GroupReduce.SumAll(sumKl);
        sumPolicy = GroupReduce.SumAll(sumPolicy);
        hits = GroupReduce.SumAll(hits);
        if (Group.IdxX != 0) return;
        totals[0] += sumLoss;
        totals[1] += sumKl;
        totals[2] += sumPolicy;
        totals[3] += hits;
    }
}
