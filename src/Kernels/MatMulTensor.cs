#if !ILGPU
using OllmNative.Runtime.Extensions;

namespace OllmNative.Kernels;

/// <summary>
/// The three products of a linear layer on the tensor cores, bf16 in, f32 sums and results. They differ in how the operands lie:
/// where k runs along the rows of a tile, ldmatrix transposes it on the way to the registers. The portable twins are
/// <see cref="MatMulRegisters.MatMul3"/> and <see cref="MatMulWords.MatMulWords2"/>.
/// </summary>
public static class MatMulTensor
{
    private const string Layout = """
        bias [N] or empty; scale [M] or empty: what C held counts scale[m] times
        tiles of T x T x 32, four in flight: grid ceil(N/T) x ceil(M/T), group 2T, 512 (T + 8) bytes of dynamic shared memory; sm_80
        T = 128 (versions 1) or 64 (versions 2)       requires rows of A and B of a multiple of 8 elements, views on 16 bytes
        bytes of memory traffic 4MNK/T + 4MN, flops 2MNK
        """;

    private const string ForwardContract = """
        C[m,n] = (accumulate ? C[m,n] : 0) + bias[n] + sum_k A[m,k] * B[n,k]        A [M,K], B [N,K] bf16, C [M,N] f32: output of a layer

        """ + Layout;

    private const string InputContract = """
        C[m,n] = (accumulate ? C[m,n] : 0) + bias[n] + sum_k A[m,k] * B[k,n]        A [M,K], B [K,N] bf16, C [M,N] f32: gradient of the input

        """ + Layout;

    private const string WeightContract = """
        C[m,n] = (accumulate ? C[m,n] : 0) + bias[n] + sum_k A[k,m] * B[k,n]        A [K,M], B [K,N] bf16, C [M,N] f32: gradient of the weights

        """ + Layout;

    /// <summary>The layout of a product with tiles of <paramref name="tile"/> rows and columns: 64 or 128.</summary>
    public static KernelConfig Config(int m, int n, int tile) => new(
        new Index3D((n + tile - 1) / tile, (m + tile - 1) / tile, 1), new Index3D(2 * tile, 1, 1),
        SharedMemoryConfig.RequestDynamic<Bf16>(CopyTiles.SharedElements(Form(tile, true, true))));

    [Kernel("MatMulTensor", ForwardContract, Version = 1, Threads = 256, DynamicShared = 512 * (128 + 8))]
    public static void Forward128(
        ArrayView<Bf16> a, ArrayView<Bf16> b, ArrayView<float> bias, ArrayView<float> scale, ArrayView<float> c, int m, int n, int k, int accumulate) =>
        Run(a, b, bias, scale, c, m, n, k, accumulate, 128, false, false);

    [Kernel("MatMulTensor", ForwardContract, Version = 2, Threads = 128, DynamicShared = 512 * (64 + 8))]
    public static void Forward64(
        ArrayView<Bf16> a, ArrayView<Bf16> b, ArrayView<float> bias, ArrayView<float> scale, ArrayView<float> c, int m, int n, int k, int accumulate) =>
        Run(a, b, bias, scale, c, m, n, k, accumulate, 64, false, false);

    [Kernel("MatMulTensorInput", InputContract, Version = 1, Threads = 256, DynamicShared = 512 * (128 + 8))]
    public static void Input128(
        ArrayView<Bf16> a, ArrayView<Bf16> b, ArrayView<float> bias, ArrayView<float> scale, ArrayView<float> c, int m, int n, int k, int accumulate) =>
        Run(a, b, bias, scale, c, m, n, k, accumulate, 128, false, true);

    [Kernel("MatMulTensorInput", InputContract, Version = 2, Threads = 128, DynamicShared = 512 * (64 + 8))]
    public static void Input64(
        ArrayView<Bf16> a, ArrayView<Bf16> b, ArrayView<float> bias, ArrayView<float> scale, ArrayView<float> c, int m, int n, int k, int accumulate) =>
        Run(a, b, bias, scale, c, m, n, k, accumulate, 64, false, true);

    [Kernel("MatMulTensorWeight", WeightContract, Version = 1, Threads = 256, DynamicShared = 512 * (128 + 8))]
    public static void Weight128(
        ArrayView<Bf16> a, ArrayView<Bf16> b, ArrayView<float> bias, ArrayView<float> scale, ArrayView<float> c, int m, int n, int k, int accumulate) =>
        Run(a, b, bias, scale, c, m, n, k, accumulate, 128, true, true);

    [Kernel("MatMulTensorWeight", WeightContract, Version = 2, Threads = 128, DynamicShared = 512 * (64 + 8))]
    public static void Weight64(
        ArrayView<Bf16> a, ArrayView<Bf16> b, ArrayView<float> bias, ArrayView<float> scale, ArrayView<float> c, int m, int n, int k, int accumulate) =>
        Run(a, b, bias, scale, c, m, n, k, accumulate, 64, true, true);

    private static TileForm Form(int tile, bool aDown, bool bDown) => TileForm.Of(tile, tile, 2 * tile, aDown, bDown);

    /// <summary>The last three arguments are constants of each kernel.</summary>
    private static void Run(
        ArrayView<Bf16> a, ArrayView<Bf16> b, ArrayView<float> bias, ArrayView<float> scale, ArrayView<float> c,
        int m, int n, int k, int accumulate, int tile, bool aDown, bool bDown)
    {
        float[] sums = new float[tile / 2];
        for (int i = 0; i < tile / 2; i++) sums[i] = 0f;
        TileForm form = Form(tile, aDown, bDown);
        TileShape shape = default;
        shape.FirstRow = Grid.IdxY * tile;
        shape.FirstColumn = Grid.IdxX * tile;
        shape.Rows = m;
        shape.Columns = n;
        shape.Terms = k;
        shape.Pitch = aDown ? m : k;
        CopyTiles.Run(a, b, sums, default, shape, (k + CopyTiles.Depth - 1) / CopyTiles.Depth, form);
        int firstRow = shape.FirstRow + form.WarpRow() + Group.IdxX % 32 / 4, firstColumn = shape.FirstColumn + form.WarpColumn() + Group.IdxX % 4 * 2;
        for (int i = 0; i < tile / 2; i++)
        {
            // Element i of a thread: product i / 4 of four a row of products, register i % 4 of it.
            int row = firstRow + i / 16 * 16 + i % 4 / 2 * 8, column = firstColumn + i / 4 % 4 * 8 + i % 2;
            if (row < m && column < n) Store(c, bias, scale, row, column, n, accumulate, sums[i]);
        }
    }

    private static void Store(ArrayView<float> c, ArrayView<float> bias, ArrayView<float> scale, int row, int column, int columns, int accumulate, float sum)
    {
        long at = (long)row * columns + column;
        if (bias.Length != 0) sum += bias[column];
        if (accumulate != 0) sum += scale.Length != 0 ? c[at] * scale[row] : c[at];
        c[at] = sum;
    }
}
#endif
