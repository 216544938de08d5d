using OllmNative.Runtime.Compiler;
using OllmNative.Runtime.Compiler.Ptx;
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;

namespace OllmNative.Tests.Ptx;

/// <summary>Products of a warp group with A in registers and B as rows, in the emulator and as interpreted PTX, against plain C#.</summary>
public sealed class WarpGroupRowsTests(EmulatorFixture emulator) : IClassFixture<EmulatorFixture>
{
    private const int Depth = 32, Columns = 128;

    /// <summary>D [64, 128] = A [64, 32] B [32, 128]: each lane packs its elements of A where the PTX ISA's figure has them; B in two panels of 64 columns.</summary>
    private static void Multiply(ArrayView<float> a, TensorMap b, ArrayView<float> d)
    {
        ArrayView<Bf16> tile = SharedMemory.GetDynamic<Bf16>();
        ArrayView<long> barrier = SharedMemory.Allocate<long>(1);
        if (Group.IdxX == 0)
        {
            TransactionBarrier.Init(barrier, 0, 1);
            TransactionBarrier.FenceInit();
        }

        Group.Barrier();
        if (Group.IdxX == 0)
        {
            TransactionBarrier.ArriveExpect(barrier, 0, 2 * Depth * Columns);
            TensorCopy.Load(b, tile, 0, 0, 0, barrier, 0);
            TensorCopy.Load(b, tile, Depth * 64, 64, 0, barrier, 0);
        }

        TransactionBarrier.Wait(barrier, 0, 0);
        int row = Group.IdxX / 32 * 16 + Group.IdxX % 32 / 4, column = Group.IdxX % 4 * 2;
        float[] sums = new float[Columns / 2];
        WarpGroup.Fence();
        for (int k = 0; k < Depth; k += 16)
        {
            int at = row * Depth + k + column;
            FragmentA part = default;
            part.R0 = Vector16.PackBf16(a[at], a[at + 1]);
            part.R1 = Vector16.PackBf16(a[at + 8 * Depth], a[at + 8 * Depth + 1]);
            part.R2 = Vector16.PackBf16(a[at + 8], a[at + 9]);
            part.R3 = Vector16.PackBf16(a[at + 8 * Depth + 8], a[at + 8 * Depth + 9]);
            WarpGroup.MultiplyAddRowsBf16(sums, part, WarpGroup.DescribeRows(tile, k * 64, Depth * 64), k > 0);
        }

        WarpGroup.Commit();
        WarpGroup.Wait(0);
        for (int i = 0; i < Columns / 2; i++) d[(row + i % 4 / 2 * 8) * Columns + i / 4 * 8 + column + i % 2] = sums[i];
    }

    [Fact]
    public void MultiplyAddRows_LeftInRegisters_IsTheProduct()
    {
        Bf16[] a = [.. PtxRun.Random(1, 64 * Depth).Select(Bf16.FromFloat)], b = [.. PtxRun.Random(2, Depth * Columns).Select(Bf16.FromFloat)];
        float[] left = [.. a.Select(Bf16.ToFloat)], interpreted = new float[64 * Columns];
        double[] expected = [.. Enumerable.Range(0, 64 * Columns).Select(i =>
            Enumerable.Range(0, Depth).Sum(k => (double)left[i / Columns * Depth + k] * Bf16.ToFloat(b[k * Columns + i % Columns])))];
        using var inputA = emulator.Buffer(left);
        using var inputB = emulator.Buffer(b);
        using var output = emulator.Zeros<float>(64 * Columns);
        emulator.Accelerator.LoadStreamKernel<ArrayView<float>, TensorMap, ArrayView<float>>(Multiply)(
            new KernelConfig(new Index3D(1, 1, 1), new Index3D(128, 1, 1), SharedMemoryConfig.RequestDynamic<Bf16>(Depth * Columns)),
            inputA.View, TensorMap.Create(inputB.View.BaseView, Columns, Depth, 64, Depth, TensorSwizzle.Bytes128), output.View);
        PtxRun.AssertClose(expected, output.GetAsArray1D(), 1e-5);

        CompiledKernel kernel = KernelCompiler.Compile(((Delegate)Multiply).Method, new KernelCompileOptions { Target = PtxTarget.Sm90a, MaxThreads = 128 });
        PtxRun.Launch(kernel, new(1), new(128), 2 * Depth * Columns, [left, new PtxRun.TensorMapOf(b, Columns, Depth, 64, Depth, 2, 3), interpreted]);
        PtxRun.AssertClose(expected, interpreted, 1e-5);
        // PTX ISA 9.7.15.5: of two operands in shared memory each has a bit for its direction; with A in registers only B has.
        Assert.Contains(", 1, 1, 1;", kernel.Ptx, StringComparison.Ordinal);
    }

    private static void WrongDescriptor(ArrayView<float> d)
    {
        ArrayView<Bf16> tile = SharedMemory.GetDynamic<Bf16>();
        float[] sums = new float[4];
        WarpGroup.MultiplyAddRowsBf16(sums, default, WarpGroup.Describe(tile, 0), false);
        d[Group.IdxX] = sums[0];
    }

    private static void OddPanel(ArrayView<float> d) => d[Group.IdxX] = WarpGroup.DescribeRows(SharedMemory.GetDynamic<Bf16>(), 0, 100);

    [Fact]
    public void MultiplyAddRows_DescriptorOfAnotherForm_IsAnError()
    {
        using var output = emulator.Zeros<float>(128);
        void Launch(Action<ArrayView<float>> kernel) => emulator.Accelerator.LoadStreamKernel(kernel)(
            new KernelConfig(new Index3D(1, 1, 1), new Index3D(128, 1, 1), SharedMemoryConfig.RequestDynamic<byte>(4096)), output.View);
        Assert.Contains("DescribeRows", Assert.Throws<KernelException>(() => Launch(WrongDescriptor)).Message, StringComparison.Ordinal);
        Assert.Contains("100 elements", Assert.Throws<KernelException>(() => Launch(OddPanel)).Message, StringComparison.Ordinal);
    }
}
