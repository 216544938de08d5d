#if !ILGPU
namespace OllmNative.Kernels;

/// <summary>
/// What a product on the tensor cores is asked for, beside its operands: up to three outputs of one left operand, next to each other, and what
/// is done to the sums on the way out. Every number of columns is even, and outputs lie on multiples of 8 bytes, so that two columns are
/// stored at once.
/// </summary>
public struct ProductTask
{
    /// <summary>Rows of the outputs and terms of a sum.</summary>
    public int M, K;

    /// <summary>Columns of each output; 0 where there is none.</summary>
    public int N0, N1, N2;

    /// <summary>1 adds to what the outputs hold.</summary>
    public int Accumulate;

    /// <summary>
    /// Parts that K is cut into, where a kernel can; 0 or 1: none. Part p of output i is stored p M N_i elements further, plain sums, which
    /// <see cref="SplitSums"/> puts together.
    /// </summary>
    public int Splits;

    /// <summary>1: the launch before has not written the right operands, so that a kernel may read them ahead of its wait.</summary>
    public int Ahead;

    /// <summary>[M, N] each; the first may be empty where only <see cref="Rounded"/> is wanted.</summary>
    public ArrayView<float> Output0, Output1, Output2;

    /// <summary>[N] each, or empty.</summary>
    public ArrayView<float> Bias0, Bias1, Bias2;

    /// <summary>[M]: what the output held counts so many times; or empty.</summary>
    public ArrayView<float> Scale;

    /// <summary>[M, N0]: the first output rounded to bf16 as well; or empty.</summary>
    public ArrayView<ushort> Rounded;

    /// <summary>Tiles of <paramref name="width"/> columns over all outputs.</summary>
    public readonly int ColumnTiles(int width) => (N0 + width - 1) / width + (N1 + width - 1) / width + (N2 + width - 1) / width;
}

/// <summary>Which tile of the grid a group makes.</summary>
public struct TilePlace
{
    // Tiles that run at the same time lie in a block of so many rows of tiles: what they read of both operands then stays in the L2 cache.
    private const int GroupRows = 8;

    public int Row, Column;

    /// <summary>Tile <paramref name="number"/> of a grid of tiles: down the rows of a band first, then to the next column.</summary>
    public static TilePlace Of(int number, int rows, int columns)
    {
        int band = number / (GroupRows * columns), first = band * GroupRows, rest = number - band * GroupRows * columns;
        int height = XMath.Min(rows - first, GroupRows);
        TilePlace place = default;
        place.Row = first + rest % height;
        place.Column = rest / height;
        return place;
    }
}
#endif
