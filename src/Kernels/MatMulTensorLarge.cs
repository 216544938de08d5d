#if !ILGPU
using OllmNative.Runtime.Extensions;

namespace OllmNative.Kernels;

/// <summary>
/// The products of linear layers for many rows, on the tensor cores of sm_80 and later (mma.sync). Versions 3 and 4 of
/// <see cref="MatMulTensor"/>'s: larger tiles, operands of 64 columns of k without bank conflicts, several outputs of one input, and
/// SwiGLU. Portable twins: <see cref="MatMulRegisters.MatMul3"/>, <see cref="MatMulWords.MatMulWords2"/>, <see cref="SwiGlu.Forward"/>.
/// </summary>
public static class MatMulTensorLarge
{
    private const string Layout = """
        task: sizes, outputs f32 [M,N] (the first also as bf16), bias [N] or empty; scale [M] or empty: what C held counts scale[m] times
        tiles of 128 x W x 64, three in flight: grid all tiles of all outputs, group W, 384 (128 + W) bytes of dynamic shared memory; sm_80
        W = 128 (versions 3, 1) or 256 (versions 4, 2)       requires rows of A and B of a multiple of 8 elements, even N, views on 16 bytes
        bytes of memory traffic 2MNK/W + MNK/64 + 4MN, flops 2MNK
        """;

    private const string ForwardContract = """
        C_i[m,n] = (accumulate ? C_i[m,n] : 0) + bias_i[n] + sum_k A[m,k] * B_i[n,k]        A [M,K], up to three B [N,K] bf16: outputs of layers

        """ + Layout;

    private const string HalfContract = """
        C_i[m,n] = (accumulate ? C_i[m,n] : 0) + bias_i[n] + sum_k A[m,k] * B_i[n,k]        A [M,K], up to three B [N,K] f16: outputs of layers

        """ + Layout;

    private const string GatedContract = """
        C[m,n] = silu(sum_k A[m,k] * Gate[n,k]) * sum_k A[m,k] * Up[n,k]        A [M,K], Gate, Up [N,K] bf16, N of the task is Gate's rows
        C in f32, in bf16, or both; a tile has W/2 columns

        """ + Layout;

    private const string InputContract = """
        C[m,n] = (accumulate ? C[m,n] : 0) + bias[n] + sum_k A[m,k] * B[k,n]        A [M,K], B [K,N] bf16: gradient of the input

        """ + Layout;

    private const string WeightContract = """
        C[m,n] = (accumulate ? C[m,n] : 0) + bias[n] + sum_k A[k,m] * B[k,n]        A [K,M], B [K,N] bf16: gradient of the weights

        """ + Layout;

    /// <summary>The launch of a task with tiles of <paramref name="width"/> columns.</summary>
    public static KernelConfig Config(in ProductTask task, int width, bool gated = false) => new(
        new Index3D((task.M + ProductTiles.Height - 1) / ProductTiles.Height * task.ColumnTiles(gated ? width / 2 : width), 1, 1), new Index3D(width, 1, 1),
        SharedMemoryConfig.RequestDynamic<ushort>(ProductTiles.SharedElements(width)));

    /// <summary>Shared memory that a group needs.</summary>
    public static int SharedBytes(int width) => ProductTiles.SharedElements(width) * sizeof(ushort);

    [Kernel("MatMulTensor", ForwardContract, Version = 3, Threads = 128, DynamicShared = 96 * 1024)]
    [GroupBounds(128, 2)]
    public static void Forward128(ArrayView<ushort> a, ArrayView<ushort> b0, ArrayView<ushort> b1, ArrayView<ushort> b2, ProductTask task) =>
        ProductTiles.Run(a, b0, b1, b2, task, 128, ProductTiles.Forward, false);

    [Kernel("MatMulTensor", ForwardContract, Version = 4, Threads = 256, DynamicShared = 144 * 1024)]
    [GroupBounds(256)]
    public static void Forward256(ArrayView<ushort> a, ArrayView<ushort> b0, ArrayView<ushort> b1, ArrayView<ushort> b2, ProductTask task) =>
        ProductTiles.Run(a, b0, b1, b2, task, 256, ProductTiles.Forward, false);

    [Kernel("MatMulTensorF16", HalfContract, Version = 1, Threads = 128, DynamicShared = 96 * 1024)]
    [GroupBounds(128, 2)]
    public static void Half128(ArrayView<ushort> a, ArrayView<ushort> b0, ArrayView<ushort> b1, ArrayView<ushort> b2, ProductTask task) =>
        ProductTiles.Run(a, b0, b1, b2, task, 128, ProductTiles.Forward, true);

    [Kernel("MatMulTensorF16", HalfContract, Version = 2, Threads = 256, DynamicShared = 144 * 1024)]
    [GroupBounds(256)]
    public static void Half256(ArrayView<ushort> a, ArrayView<ushort> b0, ArrayView<ushort> b1, ArrayView<ushort> b2, ProductTask task) =>
        ProductTiles.Run(a, b0, b1, b2, task, 256, ProductTiles.Forward, true);

    [Kernel("MatMulGated", GatedContract, Version = 1, Threads = 128, DynamicShared = 96 * 1024)]
    [GroupBounds(128, 2)]
    public static void Gated128(ArrayView<ushort> a, ArrayView<ushort> gate, ArrayView<ushort> up, ProductTask task) =>
        ProductTiles.Run(a, gate, up, default, task, 128, ProductTiles.Gated, false);

    [Kernel("MatMulGated", GatedContract, Version = 2, Threads = 256, DynamicShared = 144 * 1024)]
    [GroupBounds(256)]
    public static void Gated256(ArrayView<ushort> a, ArrayView<ushort> gate, ArrayView<ushort> up, ProductTask task) =>
        ProductTiles.Run(a, gate, up, default, task, 256, ProductTiles.Gated, false);

    [Kernel("MatMulTensorInput", InputContract, Version = 3, Threads = 128, DynamicShared = 96 * 1024)]
    [GroupBounds(128, 2)]
    public static void Input128(ArrayView<ushort> a, ArrayView<ushort> b, ProductTask task) =>
        ProductTiles.Run(a, b, default, default, task, 128, ProductTiles.Input, false);

    [Kernel("MatMulTensorInput", InputContract, Version = 4, Threads = 256, DynamicShared = 144 * 1024)]
    [GroupBounds(256)]
    public static void Input256(ArrayView<ushort> a, ArrayView<ushort> b, ProductTask task) =>
        ProductTiles.Run(a, b, default, default, task, 256, ProductTiles.Input, false);

    [Kernel("MatMulTensorWeight", WeightContract, Version = 3, Threads = 128, DynamicShared = 96 * 1024)]
    [GroupBounds(128, 2)]
    public static void Weight128(ArrayView<ushort> a, ArrayView<ushort> b, ProductTask task) =>
        ProductTiles.Run(a, b, default, default, task, 128, ProductTiles.Weight, false);

    [Kernel("MatMulTensorWeight", WeightContract, Version = 4, Threads = 256, DynamicShared = 144 * 1024)]
    [GroupBounds(256)]
    public static void Weight256(ArrayView<ushort> a, ArrayView<ushort> b, ProductTask task) =>
        ProductTiles.Run(a, b, default, default, task, 256, ProductTiles.Weight, false);
}
#endif
