namespace OllmNative.Kernels;

/// <summary>Rows picked, placed, scaled and filled.</summary>
public static class Rows
{
    private const string GatherContract = """
        output[n,c] = input[rows[n],c]        input [R,C] f32, rows [N] i32, output [N,C] f32
        grid N, group any one-dimensional       requires 0 <= rows[n] < R
        bytes 8NC + 4N, flops 0
        """;

    private const string ScatterContract = """
        output[rows[n],c] = input[n,c]        input [N,C] f32, rows [N] i32, output [R,C] f32
        grid N, group any one-dimensional       requires 0 <= rows[n] < R, all different
        bytes 8NC + 4N, flops 0
        """;

    private const string ScaleContract = """
        x[n,c] *= scale[n]        x [N,C] f32, scale [N] f32
        grid N, group any one-dimensional
        bytes 8NC + 4N, flops NC
        """;

    private const string FillContract = """
        output[n,c] = (accumulate ? output[n,c] : 0) + row[c]        row [C] f32, output [N,C] f32
        grid N, group any one-dimensional
        bytes 4NC (accumulate: 8NC) + 4C, flops NC
        """;

    [Kernel("GatherRows", GatherContract)]
    public static void Gather(ArrayView<float> input, ArrayView<int> rows, ArrayView<float> output, int columns)
    {
        long source = (long)rows[Grid.IdxX] * columns;
        long target = (long)Grid.IdxX * columns;
        for (int c = Group.IdxX; c < columns; c += Group.DimX) output[target + c] = input[source + c];
    }

    [Kernel("ScatterRows", ScatterContract)]
    public static void Scatter(ArrayView<float> input, ArrayView<int> rows, ArrayView<float> output, int columns)
    {
        long source = (long)Grid.IdxX * columns;
        long target = (long)rows[Grid.IdxX] * columns;
        for (int c = Group.IdxX; c < columns; c += Group.DimX) output[target + c] = input[source + c];
    }

    [Kernel("ScaleRows", ScaleContract)]
    public static void Scale(ArrayView<float> x, ArrayView<float> scale, int columns)
    {
        long row = (long)Grid.IdxX * columns;
        float factor = scale[Grid.IdxX];
        for (int c = Group.IdxX; c < columns; c += Group.DimX) x[row + c] *= factor;
    }

    [Kernel("FillRows", FillContract)]
    public static void Fill(ArrayView<float> row, ArrayView<float> output, int columns, int accumulate)
    {
        long target = (long)Grid.IdxX * columns;
        for (int c = Group.IdxX; c < columns; c += Group.DimX) output[target + c] = accumulate != 0 ? output[target + c] + row[c] : row[c];
    }
}
