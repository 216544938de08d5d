using OllmNative.Runtime.Emulator;
using OllmNative.Runtime.Language;

namespace OllmNative.Runtime.Extensions;

/// <summary>
/// Matrix products of four warps (PTX wgmma, sm_90a): D += A B with A [64,16] and B [16,N] of bf16 in shared memory and D [64,N] of f32 in a
/// local array of N/2 floats a thread, N from 8 to 256 in steps of 8. With warp = index in the group / 32 % 4, g = lane / 4, t = lane % 4,
/// D's element 4j + i is row 16 warp + g + 8 (i / 2), column 8j + 2t + i % 2. Products are asynchronous: fence, multiply, commit, wait;
/// the emulator computes at the wait, so that sums that are read before it are old. All 128 threads take part. A may be in registers, as
/// <see cref="TensorCore"/> has it: each warp its 16 rows; a sum's elements 8j to 8j + 7, packed in pairs, are that of columns 16j to 16j + 15.
/// </summary>
public static class WarpGroup
{
    /// <summary>
    /// Describes tile rows of 64 bf16 (128 bytes) as a swizzled tensor copy leaves them, K contiguous, from element <paramref name="index"/> on.
    /// The tile begins on a multiple of 1024 bytes; a step of 16 in K is 16 elements further. A description plus n is of what lies 8 n elements further.
    /// </summary>
    public static long Describe(ArrayView<Bf16> shared, int index) => EmulatedProducts.Describe(shared, index);

    /// <summary>
    /// Describes rows of K with N contiguous: panels of 64 columns of N (128 bytes a row), one <paramref name="panel"/> elements after the
    /// other, each as a swizzled tensor copy leaves it. The first begins on a multiple of 1024 bytes; a step of 16 in K is 1024 elements further.
    /// (PTX ISA 9.7.15.5.1: MN-major, the leading offset is from panel to panel, the stride offset from 8 rows to the next 8.)
    /// </summary>
    public static long DescribeRows(ArrayView<Bf16> shared, int index, int panel) => EmulatedProducts.DescribeRows(shared, index, panel);

    /// <summary>Orders the sums' registers and shared memory before the next products. PTX: wgmma.fence.</summary>
    public static void Fence() { }

    /// <summary>Starts sums += A B; or sums = A B when <paramref name="accumulate"/> is false. The array's length gives N.</summary>
    public static void MultiplyAddBf16(float[] sums, long a, long b, bool accumulate) => MultiplyAddBf16(sums, a, b, accumulate, false, false);

    /// <summary>
    /// The same; <paramref name="aRows"/> and <paramref name="bRows"/>, constants, say which operands <see cref="DescribeRows"/> describes: of A
    /// the 64 rows of the product are its one panel.
    /// </summary>
    public static void MultiplyAddBf16(float[] sums, long a, long b, bool accumulate, bool aRows, bool bRows) =>
        EmulatedThread.Current.Products.Start(sums, a, b, accumulate, aRows, bRows);

    /// <summary>
    /// Starts sums += A B, or sums = A B when <paramref name="accumulate"/> is false, with A [64,16] in registers and B of <see cref="DescribeRows"/>.
    /// A's registers must not change before the wait.
    /// </summary>
    public static void MultiplyAddRowsBf16(float[] sums, FragmentA a, long b, bool accumulate) => EmulatedThread.Current.Products.Start(sums, a, b, accumulate);

    /// <summary>Closes the products since the last commit into a group. PTX: wgmma.commit_group.</summary>
    public static void Commit() => EmulatedThread.Current.Products.Commit();

    /// <summary>Waits until at most <paramref name="pending"/> groups (a constant) are unfinished. PTX: wgmma.wait_group.</summary>
    public static void Wait(int pending) => EmulatedThread.Current.Products.Wait(pending);

    /// <summary>Takes registers for this group of warps, up to <paramref name="count"/> a thread (a constant, a multiple of 8). PTX: setmaxnreg.inc.</summary>
    public static void IncreaseRegisters(int count) => CheckRegisters(count);

    /// <summary>Gives registers back. PTX: setmaxnreg.dec.</summary>
    public static void DecreaseRegisters(int count) => CheckRegisters(count);

    private static void CheckRegisters(int count)
    {
        if (count is < 24 or > 256 || count % 8 != 0) throw EmulatedThread.Error($"{count} registers a thread; 24 to 256 in steps of 8");
    }
}
