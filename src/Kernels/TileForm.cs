#if !ILGPU
namespace OllmNative.Kernels;

/// <summary>What a tile of <see cref="CopyTiles"/> is: constants of each kernel. Half of the warps take the upper rows, half the lower ones.</summary>
internal struct TileForm
{
    /// <summary>Rows and columns of the tile, and threads that make it.</summary>
    public int Rows, Columns, Threads;

    /// <summary>The left operand is stored [K,M], the right one [K,N]: terms run down their columns.</summary>
    public bool ADown, BDown;

    /// <summary>Terms come by a list of strips of 64.</summary>
    public bool Listed;

    /// <summary>A tile of <paramref name="rows"/> by <paramref name="columns"/>.</summary>
    public static TileForm Of(int rows, int columns, int threads, bool aDown, bool bDown)
    {
        TileForm form = default;
        form.Rows = rows;
        form.Columns = columns;
        form.Threads = threads;
        form.ADown = aDown;
        form.BDown = bDown;
        return form;
    }

    /// <summary>Columns of a warp.</summary>
    public readonly int WarpColumns => Columns / (Threads / 64);

    /// <summary>This warp's first row within the tile.</summary>
    public readonly int WarpRow() => Group.IdxX / 32 / (Threads / 64) * (Rows / 2);

    /// <summary>This warp's first column within the tile.</summary>
    public readonly int WarpColumn() => Group.IdxX / 32 % (Threads / 64) * WarpColumns;
}

/// <summary>A tile's place and the matrices' sizes.</summary>
public struct TileShape
{
    /// <summary>The tile's first row and column.</summary>
    public int FirstRow, FirstColumn;

    /// <summary>M, N and K.</summary>
    public int Rows, Columns, Terms;

    /// <summary>Elements from one row of A to the next.</summary>
    public int Pitch;
}
#endif
