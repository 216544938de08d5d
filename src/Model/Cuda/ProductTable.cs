namespace OllmNative.Model.Cuda;

/// <summary>The kernels for a product C [M, N] with sums of K terms.</summary>
internal enum ProductKernel
{
    /// <summary>One thread an element, no barriers: any shape.</summary>
    Plain,

    /// <summary>One warp for some outputs of a few rows, each weight read once: M up to 8.</summary>
    FewRows,

    /// <summary>f32 tiles of 64 x 64, sums in registers: any shape.</summary>
    Registers,

    /// <summary>Tensor cores, tiles of 64 x 64.</summary>
    Tensor64,

    /// <summary>Tensor cores, tiles of 128 x 128.</summary>
    Tensor128,
}

/// <summary>Which kernel makes a product: by its shape alone, so that a step's sums do not depend on anything else.</summary>
internal static class ProductTable
{
    /// <summary>Most rows of <see cref="ProductKernel.FewRows"/>.</summary>
    public const int MostFewRows = 8;

    /// <summary>The same with tensor cores.</summary>
    public const int MostTensorRows = 16;

    /// <summary>Tiles of 128 x 128 that keep every multiprocessor of a large chip busy; with fewer, smaller tiles are quicker.</summary>
    private const long ManyTiles = 96;

    /// <summary>output = x Wᵀ: M rows, N outputs.</summary>
    public static ProductKernel Forward(int m, int n, CudaDeviceOptions options, bool tensor) =>
        options.Plain && !tensor ? ProductKernel.Plain
        : m <= (tensor ? MostTensorRows : MostFewRows) && !options.Plain ? ProductKernel.FewRows
        : tensor ? Tensor(m, n)
        : ProductKernel.Registers;

    /// <summary>Gradients of input and weights.</summary>
    public static ProductKernel Backward(int m, int n, CudaDeviceOptions options, bool tensor) =>
        tensor ? Tensor(m, n)
        : options.Plain || m <= MostFewRows ? ProductKernel.Plain
        : ProductKernel.Registers;

    private static ProductKernel Tensor(int m, int n) =>
        (m + 127L) / 128 * ((n + 127L) / 128) >= ManyTiles ? ProductKernel.Tensor128 : ProductKernel.Tensor64;
}
