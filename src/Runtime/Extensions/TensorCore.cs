using OllmNative.Runtime.Emulator;
using OllmNative.Runtime.Language;

namespace OllmNative.Runtime.Extensions;

/// <summary>A thread's share of a 16x16 matrix of 16-bit elements: A of an m16n8k16 product, or four 8x8 matrices.</summary>
public struct FragmentA
{
    public uint R0, R1, R2, R3;
}

/// <summary>A thread's share of a 16x8 matrix of 16-bit elements: B of an m16n8k16 product, or two 8x8 matrices.</summary>
public struct FragmentB
{
    public uint R0, R1;
}

/// <summary>A thread's share of a 16x8 matrix of floats: C and D of an m16n8k16 product.</summary>
public struct FragmentC
{
    public float R0, R1, R2, R3;
}

/// <summary>
/// Matrix products of a warp (PTX mma.sync.aligned.m16n8k16, sm_80): D = A B + C with A [16,16] and B [16,8] of bf16 or f16, C and D
/// [16,8] of f32. All 32 lanes take part, each holding these elements, two 16-bit elements a register, the lower half first
/// (PTX ISA, "Matrix Fragments for mma.m16n8k16"); g = lane / 4, t = lane % 4:
/// <code>
/// A  R0 = (g, 2t..2t+1)   R1 = (g+8, 2t..2t+1)   R2 = (g, 2t+8..2t+9)   R3 = (g+8, 2t+8..2t+9)     (row, k)
/// B  R0 = (2t..2t+1, g)   R1 = (2t+8..2t+9, g)                                                     (k, column)
/// C  R0 = (g, 2t)   R1 = (g, 2t+1)   R2 = (g+8, 2t)   R3 = (g+8, 2t+1)                             (row, column)
/// </code>
/// ldmatrix reads 8x8 matrices of 16-bit elements from shared memory: lane i gives the address of row i % 8 of matrix i / 8 (16
/// bytes, on a multiple of 16) and gets of each matrix the elements (g, 2t..2t+1); with .trans the elements (2t..2t+1, g).
/// </summary>
public static class TensorCore
{
    /// <summary>D = A B + C with bf16 inputs. PTX: mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32.</summary>
    public static FragmentC MultiplyAddBf16(FragmentA a, FragmentB b, FragmentC c) => WarpMatrix.MultiplyAdd(a, b, c, bf16: true);

    /// <summary>D = A B + C with f16 inputs. PTX: mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32.</summary>
    public static FragmentC MultiplyAddF16(FragmentA a, FragmentB b, FragmentC c) => WarpMatrix.MultiplyAdd(a, b, c, bf16: false);

    /// <summary>Four 8x8 matrices; this lane's row starts at element <paramref name="index"/>. PTX: ldmatrix.sync.aligned.m8n8.x4.shared.b16.</summary>
    public static FragmentA LoadMatrix4<T>(ArrayView<T> shared, int index) where T : unmanaged => WarpMatrix.Load4(shared, index, transposed: false);

    /// <summary>As <see cref="LoadMatrix4"/>, each matrix transposed. PTX: ldmatrix ... .trans.</summary>
    public static FragmentA LoadMatrix4Transposed<T>(ArrayView<T> shared, int index) where T : unmanaged => WarpMatrix.Load4(shared, index, transposed: true);

    /// <summary>Two 8x8 matrices, whose rows lanes 0 to 15 point to; the other lanes' index must be valid too. PTX: ldmatrix ... .x2.</summary>
    public static FragmentB LoadMatrix2<T>(ArrayView<T> shared, int index) where T : unmanaged => WarpMatrix.Load2(shared, index, transposed: false);

    /// <summary>As <see cref="LoadMatrix2"/>, each matrix transposed.</summary>
    public static FragmentB LoadMatrix2Transposed<T>(ArrayView<T> shared, int index) where T : unmanaged => WarpMatrix.Load2(shared, index, transposed: true);
}
