using OllmNative.Kernels;
using OllmNative.Runtime.Compiler;
using OllmNative.Runtime.Compiler.Ptx;
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;

namespace OllmNative.Tests.Ptx;

/// <summary>The extensions for sm_90 and sm_90a, in the emulator and as interpreted PTX.</summary>
public sealed class HopperTests(EmulatorFixture emulator) : IClassFixture<EmulatorFixture>
{
    private static readonly KernelCompileOptions Hopper = new() { Target = PtxTarget.Sm90a, MaxThreads = 384 };

    private static void EarlyRead(ArrayView<Bf16> input, ArrayView<float> output)
    {
        ArrayView<Bf16> tile = SharedMemory.GetDynamic<Bf16>();
        for (int i = Group.IdxX; i < 64 * 64; i += 128) tile[i] = input[0];
        float[] sums = new float[4];
        TransactionBarrier.FenceInit();
        Group.Barrier();
        WarpGroup.Fence();
        WarpGroup.MultiplyAddBf16(sums, WarpGroup.Describe(tile, 0), WarpGroup.Describe(tile, 0), false);
        WarpGroup.Commit();
        output[Group.IdxX] = sums[0];
        WarpGroup.Wait(0);
        output[128 + Group.IdxX] = sums[3];
    }

    [Fact]
    public void WarpGroup_SumsReadBeforeTheWait_AreOld()
    {
        using var input = emulator.Buffer(Bf16.FromFloat(0.5f));
        using var output = emulator.Zeros<float>(256);
        emulator.Accelerator.LoadStreamKernel<ArrayView<Bf16>, ArrayView<float>>(EarlyRead)(
            new KernelConfig(new Index3D(1, 1, 1), new Index3D(128, 1, 1), SharedMemoryConfig.RequestDynamic<byte>(8192)), input.View, output.View);
        float[] emulated = output.GetAsArray1D(), interpreted = new float[256];
        PtxRun.Launch(KernelCompiler.Compile(((Delegate)EarlyRead).Method, Hopper), new(1), new(128), 8192, [new[] { Bf16.FromFloat(0.5f) }, interpreted]);
        Assert.All(emulated[..128], sum => Assert.Equal(0, sum));
        Assert.All(emulated[128..], sum => Assert.Equal(4, sum));
        Assert.All(interpreted[128..], sum => Assert.Equal(4, sum));
    }

    private static void CopyBox(TensorMap map, ArrayView<float> output, int x, int y, int expected)
    {
        ArrayView<float> tile = SharedMemory.Allocate<float>(64);
        ArrayView<long> barrier = SharedMemory.Allocate<long>(1);
        if (Group.IdxX == 0)
        {
            TransactionBarrier.Init(barrier, 0, 1);
            TransactionBarrier.FenceInit();
        }
        Group.Barrier();
        if (Group.IdxX == 0)
        {
            TransactionBarrier.ArriveExpect(barrier, 0, expected);
            TensorCopy.Load(map, tile, 0, x, y, barrier, 0);
        }
        TransactionBarrier.Wait(barrier, 0, 0);
        output[Group.IdxX] = tile[Group.IdxX];
        output[32 + Group.IdxX] = tile[32 + Group.IdxX];
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(3, 2)]
    [InlineData(-5, 6)]
    public void TensorCopy_BoxPartlyOutside_HasZerosThere(int x, int y)
    {
        const int width = 12, height = 9;
        float[] matrix = PtxRun.Random(5, width * height), interpreted = new float[64];
        float[] expected = [.. Enumerable.Range(0, 64).Select(i =>
            x + i % 8 is >= 0 and < width && y + i / 8 is >= 0 and < height ? matrix[(y + i / 8) * width + x + i % 8] : 0)];
        using var input = emulator.Buffer(matrix);
        using var output = emulator.Zeros<float>(64);
        emulator.Accelerator.LoadStreamKernel<TensorMap, ArrayView<float>, int, int, int>(CopyBox)(
            (1, 32), TensorMap.Create(input.View.BaseView, width, height, 8, 8, TensorSwizzle.None), output.View, x, y, 256);
        Assert.Equal(expected, output.GetAsArray1D());
        PtxRun.Launch(KernelCompiler.Compile(((Delegate)CopyBox).Method, Hopper), new(1), new(32), new PtxRun.TensorMapOf(matrix, width, height, 8, 8, 4, 0), interpreted, x, y, 256);
        Assert.Equal(expected, interpreted);
    }

    [Fact]
    public void TransactionBarrier_BytesThatNeverCome_AreAnError()
    {
        float[] matrix = new float[96];
        using var input = emulator.Buffer(matrix);
        using var output = emulator.Zeros<float>(64);
        var error = Assert.Throws<KernelException>(() => emulator.Accelerator.LoadStreamKernel<TensorMap, ArrayView<float>, int, int, int>(CopyBox)(
            (1, 32), TensorMap.Create(input.View.BaseView, 12, 8, 8, 8, TensorSwizzle.None), output.View, 0, 0, 512));
        Assert.Contains("never come", error.Message, StringComparison.Ordinal);
        Assert.Throws<PtxException>(() => PtxRun.Launch(
            KernelCompiler.Compile(((Delegate)CopyBox).Method, Hopper), new(1), new(32), new PtxRun.TensorMapOf(matrix, 12, 8, 8, 8, 4, 0), new float[64], 0, 0, 512));
    }

    private static void Streams(ArrayView<int> input, ArrayView<int> output)
    {
        GridDependency.Wait();
        Word4 words = Vector16.LoadWordsOnce(input, 4 * Group.IdxX);
        Vector16.StoreWords(output, 4 * Group.IdxX, words);
        GridDependency.LaunchDependents();
    }

    [Fact]
    public void StreamingLoadsAndDependentLaunches_AreWrittenAsSuch()
    {
        CompiledKernel kernel = KernelCompiler.Compile(((Delegate)Streams).Method, Hopper);
        foreach (string instruction in new[] { "griddepcontrol.wait;", "griddepcontrol.launch_dependents;", "ld.global.nc.L1::no_allocate.v4.b32 {" })
            Assert.Contains(instruction, kernel.Ptx, StringComparison.Ordinal);
        int[] input = [.. Enumerable.Range(0, 32)], output = new int[32];
        PtxRun.Launch(kernel, new(1), new(8), input, output);
        Assert.Equal(input, output);
        using var source = emulator.Buffer(input);
        using var target = emulator.Zeros<int>(32);
        emulator.Accelerator.LoadStreamKernel<ArrayView<int>, ArrayView<int>>(Streams)((1, 8), source.View, target.View);
        Assert.Equal(input, target.GetAsArray1D());
    }

    [Fact]
    public void Compile_ProductsForAnOlderTarget_AreRefused()
    {
        var error = Assert.Throws<KernelCompileException>(() => KernelCompiler.Compile(((Delegate)EarlyRead).Method, new KernelCompileOptions { Target = PtxTarget.Sm90 }));
        Assert.Contains("sm_90a", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TensorMap_BoxThatHardwareCannotCopy_IsRefused()
    {
        using var buffer = emulator.Zeros<float>(1000);
        Assert.Throws<ArgumentException>(() => TensorMap.Create(buffer.View.BaseView, 10, 10, 8, 8, TensorSwizzle.None));
        Assert.Throws<ArgumentException>(() => TensorMap.Create(buffer.View.BaseView, 12, 10, 3, 8, TensorSwizzle.None));
        Assert.Throws<ArgumentException>(() => TensorMap.Create(buffer.View.BaseView, 64, 10, 64, 8, TensorSwizzle.Bytes128));
        Assert.Throws<ArgumentException>(() => TensorMap.Create(buffer.View.BaseView, 64, 64, 8, 8, TensorSwizzle.None));
    }
}
