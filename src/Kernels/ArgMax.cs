namespace OllmNative.Kernels;

/// <summary>Where the largest entry of a row is.</summary>
public static class ArgMax
{
    private const string Contract = """
        index[n] = position of the largest x[n,c], the first one among equals; 0 where no entry is a number
        x [N,C] f32, index [N] i32
        grid N, group whole warps, one-dimensional
        bytes 4NC + 4N, flops NC
        """;

    [Kernel("ArgMax", Contract)]
    public static void Forward(ArrayView<float> x, ArrayView<int> index, int columns)
    {
        long row = (long)Grid.IdxX * columns;
        float best = float.NegativeInfinity;
        int at = int.MaxValue;
        for (int c = Group.IdxX; c < columns; c += Group.DimX)
        {
            float value = x[row + c];
            if (value > best || (value == best && at == int.MaxValue))
            {
                best = value;
                at = c;
            }
        }
        at = GroupReduce.FirstMaxAll(best, at);
        if (Group.IdxX == 0) index[Grid.IdxX] = at == int.MaxValue ? 0 : at;
    }
}
