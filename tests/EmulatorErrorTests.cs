using OllmNative.Runtime.Language;

namespace OllmNative.Tests;

/// <summary>What the emulator says of kernels that are wrong.</summary>
public sealed class EmulatorErrorTests(EmulatorFixture emulator) : IClassFixture<EmulatorFixture>
{
    private static void LeavesEarly(ArrayView<int> values)
    {
        if (Group.IdxX == 7 && Grid.IdxX == 1) return;
        Group.Barrier();
        values[Group.IdxX] = 1;
    }

    private static void WaitsElsewhere(ArrayView<int> values)
    {
        if (Group.IdxX < 32) Group.Barrier();
        else values[Group.IdxX] = Warp.ShuffleXor(1, 1);
        if (Group.IdxX >= 32) Group.BarrierOr(true);
    }

    private static void HalfAWarp(ArrayView<int> values)
    {
        if (Group.IdxX < 16) values[Group.IdxX] = Warp.ShuffleXor(1, 1);
    }

    private static void TooFar(ArrayView<int> values)
    {
        Group.Barrier();
        values[Group.IdxX + Grid.IdxX] = 1;
    }

    private static void DividesByZero(ArrayView<int> values)
    {
        Group.Barrier();
        values[Group.IdxX] = 1 / (Group.IdxX - 3);
    }

    private static void TooMuchShared(ArrayView<int> values) => values[0] = SharedMemory.Allocate<int>(13_000).IntLength;

    private KernelException Run(Action<ArrayView<int>> kernel, KernelConfig config)
    {
        using var values = emulator.Zeros<int>(64);
        return Assert.Throws<KernelException>(() => emulator.Accelerator.LoadStreamKernel(kernel)(config, values.View));
    }

    [Fact]
    public void Barrier_ThreadHasFinished_NamesKernelGroupAndThread()
    {
        string message = Run(LeavesEarly, (3, 40)).Message;
        Assert.StartsWith("kernel EmulatorErrorTests.LeavesEarly, group (1, 0, 0), thread (0, 0, 0): it waits at Group.Barrier", message, StringComparison.Ordinal);
        Assert.Contains("thread (7, 0, 0) has finished", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Barrier_OtherThreadsAtAnother_NamesBoth()
    {
        string message = Run(WaitsElsewhere, (1, 64)).Message;
        Assert.Contains("a Group barrier with a vote", message, StringComparison.Ordinal);
        Assert.Contains("Group.Barrier", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Shuffle_HalfTheWarp_IsAnError() =>
        Assert.Contains("thread (0, 0, 0): it waits at a Warp shuffle, but thread (16, 0, 0) has finished", Run(HalfAWarp, (1, 32)).Message, StringComparison.Ordinal);

    [Fact]
    public void View_IndexOutside_NamesIndexLengthAndThread() =>
        Assert.Equal("kernel EmulatorErrorTests.TooFar, group (1, 0, 0), thread (63, 0, 0): index 64 is outside of a view of 64 Int32 elements", Run(TooFar, (2, 64)).Message);

    [Fact]
    public void Kernel_ThrowsItself_IsWrappedWithItsPlace()
    {
        KernelException error = Run(DividesByZero, (1, 8));
        Assert.Contains("thread (3, 0, 0)", error.Message, StringComparison.Ordinal);
        Assert.IsType<DivideByZeroException>(error.InnerException);
    }

    [Fact]
    public void SharedMemory_StaticOverLimit_IsAnError() => Assert.Contains("49152", Run(TooMuchShared, (1, 1)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData(0, 1, "0, 1, 1")]
    [InlineData(1, 2048, "2048 threads")]
    public void Launch_LayoutOutsideLimits_IsAnError(int groups, int threads, string expected) =>
        Assert.Contains(expected, Run(LeavesEarly, (groups, threads)).Message, StringComparison.Ordinal);

    [Fact]
    public void Launch_AfterAFailure_Works()
    {
        Run(LeavesEarly, (3, 40));
        using var values = emulator.Zeros<int>(64);
        emulator.Accelerator.LoadStreamKernel<ArrayView<int>>(LeavesEarly)((1, 40), values.View);
        Assert.Equal(40, values.GetAsArray1D().Sum());
    }

    [Fact]
    public void Kernel_CapturesAVariable_IsRefused()
    {
        int captured = 3;
        Assert.Throws<ArgumentException>(() => emulator.Accelerator.LoadStreamKernel<ArrayView<int>>(values => values[0] = captured));
    }

    private static void MissingBarrier(ArrayView<int> values)
    {
        ArrayView<int> shared = SharedMemory.Allocate<int>(64);
        shared[Group.IdxX] = Group.IdxX;
        values[Group.IdxX] = shared[(Group.IdxX + 63) % 64];
    }

    private static void MissingSecondBarrier(ArrayView<int> values)
    {
        ArrayView<int> shared = SharedMemory.Allocate<int>(64);
        for (int i = 0; i < 2; i++)
        {
            shared[Group.IdxX] = Group.IdxX + i;
            Group.Barrier();
            values[Group.IdxX] = shared[63 - Group.IdxX];
        }
    }

    private static void WarpOnly(ArrayView<int> values)
    {
        ArrayView<int> shared = SharedMemory.Allocate<int>(64);
        shared[Group.IdxX] = Group.IdxX;
        Warp.Barrier();
        values[Group.IdxX] = shared[Group.IdxX ^ 1] + shared[Group.IdxX];
    }

    private static void Neighbours(ArrayView<int> values)
    {
        ArrayView<ushort> shared = SharedMemory.Allocate<ushort>(64);
        ArrayView<int> sum = SharedMemory.Allocate<int>(1);
        if (Group.IdxX == 0) sum[0] = 0;
        shared[Group.IdxX] = (ushort)Group.IdxX;
        Group.Barrier();
        Atomic.Add(ref sum[0], shared[Group.IdxX ^ 1]);
        Group.Barrier();
        values[Group.IdxX] = sum[0];
    }

    [Fact]
    public void RaceCheck_MissingBarrier_NamesBothThreads()
    {
        string message = Run(MissingBarrier, (1, 64)).Message;
        Assert.Contains("a race in shared memory", message, StringComparison.Ordinal);
        Assert.Contains("thread (1, 0, 0): ", message, StringComparison.Ordinal);
        Assert.Contains("which thread (0, 0, 0) wrote", message, StringComparison.Ordinal);
    }

    [Fact]
    public void RaceCheck_MissingBarrierInALoop_IsFound() =>
        Assert.Contains("a race in shared memory", Run(MissingSecondBarrier, (1, 64)).Message, StringComparison.Ordinal);

    [Fact]
    public void RaceCheck_OrderedAccesses_AreNoRaces()
    {
        using var values = emulator.Zeros<int>(64);
        emulator.Accelerator.LoadStreamKernel<ArrayView<int>>(WarpOnly)((1, 64), values.View);
        Assert.Equal(Enumerable.Range(0, 64).Select(i => i + (i ^ 1)), values.GetAsArray1D());
        emulator.Accelerator.LoadStreamKernel<ArrayView<int>>(Neighbours)((1, 64), values.View);
        Assert.All(values.GetAsArray1D(), value => Assert.Equal(63 * 32, value));
    }
}
