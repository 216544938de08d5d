namespace OllmNative.Model.Cuda;

/// <summary>The products of linear layers that the tensor cores make.</summary>
internal enum ProductForm
{
    /// <summary>x Wᵀ of up to three W, bf16.</summary>
    Forward,

    /// <summary>The same in f16.</summary>
    Half,

    /// <summary>silu(x Gateᵀ) * (x Upᵀ).</summary>
    Gated,

    /// <summary>dy W.</summary>
    Input,

    /// <summary>dyᵀ x.</summary>
    Weight,
}

/// <summary>The kernels that make them, by their tile of the result.</summary>
internal enum ProductTile
{
    /// <summary>mma.sync, 64 x 64: MatMulTensor2.</summary>
    Small64,

    /// <summary>mma.sync, 128 x 128, warps of 64 x 32: MatMulTensor1.</summary>
    Small128,

    /// <summary>mma.sync, 128 x 128, warps of 64 x 64: MatMulTensor3.</summary>
    Large128,

    /// <summary>mma.sync, 128 x 256: MatMulTensor4.</summary>
    Large256,

    /// <summary>wgmma, 128 x 192, persistent: MatMulWgmmaNarrow.</summary>
    WgmmaNarrow,

    /// <summary>wgmma, 128 x 256, persistent: MatMulWgmma.</summary>
    Wgmma,

    /// <summary>MatMulWgmmaNarrow with K in parts, and SplitSums: for results of few tiles.</summary>
    WgmmaSplit,
}

/// <summary>One product, as the choice of its tile sees it.</summary>
/// <param name="Form">What is multiplied.</param>
/// <param name="M">Rows of the result.</param>
/// <param name="N">Columns of all results together.</param>
/// <param name="K">Terms of a sum.</param>
internal readonly record struct ProductSize(ProductForm Form, int M, int N, int K)
{
    /// <summary>What is measured once for all sizes like this: rows up to the same power of two.</summary>
    public ProductSize Class => this with { M = (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Math.Max(M, 16)) };
}

/// <summary>Which tile a product takes when nothing has been measured.</summary>
internal static class TileChoice
{
    /// <summary>Multiprocessors that are assumed where there are none: an H200's.</summary>
    public const int UsualMultiprocessors = 132;

    /// <summary>Rows and columns of the tile, and what it reaches of the tensor cores' peak where it fits, by arithmetic (docs/cuda-device.md).</summary>
    private static (int Rows, int Columns, double Reach) Of(ProductTile tile) => tile switch
    {
        ProductTile.Small64 => (64, 64, 0.18),
        ProductTile.Small128 => (128, 128, 0.30),
        ProductTile.Large128 => (128, 128, 0.42),
        ProductTile.Large256 => (128, 256, 0.48),
        ProductTile.WgmmaNarrow or ProductTile.WgmmaSplit => (128, 192, 0.68),
        _ => (128, 256, 0.72),
    };

    // Of a multiprocessor's tensor cores; of the chip's cache, for sums that go there and back; clocks of one launch more.
    private const double ProductsAClock = 2048, BytesAClock = 2300, SecondLaunch = 4000;

    /// <summary>Parts of K that give every multiprocessor a tile, of at least four steps of 64 each.</summary>
    public static int Parts(in ProductSize size, int multiprocessors)
    {
        (int rows, int columns, _) = Of(ProductTile.WgmmaSplit);
        int tiles = ((size.M + rows - 1) / rows) * ((size.N + columns - 1) / columns), steps = (size.K + 63) / 64;
        return Math.Max(Math.Min(multiprocessors / tiles, steps / 4), 1);
    }

    /// <summary>The most columns of tiles, up to <paramref name="most"/>, whose tiles keep every multiprocessor busy to the end; <paramref name="most"/> where none do.</summary>
    public static int WholeRounds(int most, int rowTiles, int multiprocessors)
    {
        int step = 1;
        while (step * rowTiles % multiprocessors != 0) step++;
        return most < step ? most : most / step * step;
    }

    /// <summary>The tile that is through first: rounds of tiles over the multiprocessors, times the time of one.</summary>
    public static ProductTile Default(in ProductSize size, ReadOnlySpan<ProductTile> candidates, int multiprocessors)
    {
        ProductTile best = candidates[0];
        double least = double.PositiveInfinity;
        foreach (ProductTile candidate in candidates)
        {
            (int rows, int columns, double reach) = Of(candidate);
            double tiles = Math.Ceiling((double)size.M / rows) * Math.Ceiling((double)size.N / columns);
            int parts = candidate == ProductTile.WgmmaSplit ? Parts(size, multiprocessors) : 1;
            double time = Math.Ceiling(tiles * parts / multiprocessors) * rows * columns * size.K / (parts * reach * ProductsAClock);
            if (parts > 1) time += SecondLaunch + 8.0 * parts * size.M * size.N / BytesAClock;
            if (time < least) (best, least) = (candidate, time);
        }
        return best;
    }
}
