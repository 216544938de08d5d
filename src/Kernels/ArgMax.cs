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

    private const string PartsContract = """
        of each part c of width columns: values[n,c] = the largest x[n,v], indices[n,c] = its first position; minus infinity and 2^31-1 without a number
        x [N,C], values [N,P] f32, indices [N,P] i32, P = ceil(C/width)
        grid N x P, group whole warps, one-dimensional
        bytes 4NC + 8NP, flops NC
        """;

    private const string CombineContract = """
        index[n] = indices[n,c] of the part with the largest values[n,c], the lowest among equals; 0 where no entry is a number
        values [N,P] f32, indices [N,P] i32, index [N] i32
        grid N, group whole warps, one-dimensional
        bytes 8NP + 4N, flops NP
        """;

    [Kernel("ArgMax", Contract)]
    public static void Forward(ArrayView<float> x, ArrayView<int> index, int columns)
    {
        int at = FirstMax(x, (long)Grid.IdxX * columns, 0, columns);
        if (Group.IdxX == 0) index[Grid.IdxX] = at == int.MaxValue ? 0 : at;
    }

#if !ILGPU
    [Runtime.Extensions.OverlapsPredecessor]
#endif
    [Kernel("ArgMaxParts", PartsContract)]
    public static void Parts(ArrayView<float> x, ArrayView<float> values, ArrayView<int> indices, int columns, int width)
    {
        Overlap.Begin();
        long row = (long)Grid.IdxX * columns;
        int first = Grid.IdxY * width, at = FirstMax(x, row, first, XMath.Min(first + width, columns));
        if (Group.IdxX != 0) return;
        int part = Grid.IdxX * Grid.DimY + Grid.IdxY;
        values[part] = at == int.MaxValue ? float.NegativeInfinity : x[row + at];
        indices[part] = at;
    }

#if !ILGPU
    [Runtime.Extensions.OverlapsPredecessor]
#endif
    [Kernel("ArgMaxCombine", CombineContract)]
    public static void Combine(ArrayView<float> values, ArrayView<int> indices, ArrayView<int> index, int parts)
    {
        Overlap.Begin();
        int row = Grid.IdxX * parts, at = int.MaxValue;
        float best = float.NegativeInfinity;
        for (int part = Group.IdxX; part < parts; part += Group.DimX)
        {
            // A thread's parts come in order, so the first of equals stays.
            float value = values[row + part];
            if (value > best || at == int.MaxValue)
            {
                best = value;
                at = indices[row + part];
            }
        }
        at = GroupReduce.FirstMaxAll(best, at);
        if (Group.IdxX == 0) index[Grid.IdxX] = at == int.MaxValue ? 0 : at;
    }

    /// <summary>First position of the largest number of columns [first, end) of a row; 2^31-1 without one.</summary>
    private static int FirstMax(ArrayView<float> x, long row, int first, int end)
    {
        float best = float.NegativeInfinity;
        int at = int.MaxValue;
        for (int c = first + Group.IdxX; c < end; c += Group.DimX)
        {
            float value = x[row + c];
            if (value > best || (value == best && at == int.MaxValue))
            {
                best = value;
                at = c;
            }
        }
        return GroupReduce.FirstMaxAll(best, at);
    }
}
