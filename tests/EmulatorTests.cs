using OllmNative.Runtime.Emulator;
using OllmNative.Runtime.Language;

namespace OllmNative.Tests;

/// <summary>Groups, warps, barriers, shuffles and atomics as the kernel language defines them.</summary>
public sealed class EmulatorTests(EmulatorFixture emulator) : IClassFixture<EmulatorFixture>
{
    private static void Reverse(ArrayView<int> values)
    {
        ArrayView<int> shared = SharedMemory.Allocate<int>(300);
        int thread = Group.IdxX;
        shared[thread] = values[Grid.GlobalIndex.X];
        Group.Barrier();
        values[Grid.GlobalIndex.X] = shared[Group.DimX - 1 - thread];
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(3, 33)]
    [InlineData(5, 256)]
    [InlineData(2, 300)]
    public void Barrier_ReverseThroughSharedMemory_SeesEveryThreadsValue(int groups, int threads)
    {
        using var values = emulator.Buffer(Enumerable.Range(0, groups * threads).ToArray());
        emulator.Accelerator.LoadStreamKernel<ArrayView<int>>(Reverse)((groups, threads), values.View);
        int[] expected = [.. Enumerable.Range(0, groups).SelectMany(g => Enumerable.Range(g * threads, threads).Reverse())];
        Assert.Equal(expected, values.GetAsArray1D());
    }

    private static void Votes(ArrayView<int> results)
    {
        int i = Group.LinearIndex;
        int counted = Group.BarrierPopCount(i % 3 == 0);
        bool all = Group.BarrierAnd(i < 40), some = Group.BarrierOr(i == 39), none = Group.BarrierOr(i > 100);
        int broadcast = Group.Broadcast(i * 7, 5);
        int again = Group.BarrierPopCount(i % 2 == 0);
        results[i] = counted + 100 * (all ? 1 : 0) + 200 * (some ? 1 : 0) + 400 * (none ? 1 : 0) + 1000 * broadcast + 100_000 * again;
    }

    [Fact]
    public void Votes_FortyThreads_CountAndAgree()
    {
        using var results = emulator.Zeros<int>(40);
        emulator.Accelerator.LoadStreamKernel<ArrayView<int>>(Votes)((1, 40), results.View);
        Assert.All(results.GetAsArray1D(), value => Assert.Equal(14 + 100 + 200 + 35_000 + 2_000_000, value));
    }

    private static void Shuffles(ArrayView<int> results, int width)
    {
        int i = Group.IdxX;
        results[i * 5] = Warp.Shuffle(i, i + 3, width);
        results[i * 5 + 1] = Warp.ShuffleDown(i, 3, width);
        results[i * 5 + 2] = Warp.ShuffleUp(i, 3, width);
        results[i * 5 + 3] = Warp.ShuffleXor(i, 5, width);
        results[i * 5 + 4] = Warp.Broadcast(i, 31);
    }

    [Theory]
    [InlineData(32)]
    [InlineData(8)]
    public void Shuffle_TwoWarps_FollowsTheSegments(int width)
    {
        using var results = emulator.Zeros<int>(64 * 5);
        emulator.Accelerator.LoadStreamKernel<ArrayView<int>, int>(Shuffles)((1, 64), results.View, width);
        int[] actual = results.GetAsArray1D();
        for (int i = 0; i < 64; i++)
        {
            int start = i / width * width, at = i % width;
            Assert.Equal(start + (at + 3) % width, actual[i * 5]);
            Assert.Equal(at + 3 < width ? i + 3 : i, actual[i * 5 + 1]);
            Assert.Equal(at >= 3 ? i - 3 : i, actual[i * 5 + 2]);
            Assert.Equal((at ^ 5) < width ? start + (at ^ 5) : i, actual[i * 5 + 3]);
            Assert.Equal(i / 32 * 32 + 31, actual[i * 5 + 4]);
        }
    }

    private static void Atomics(ArrayView<int> ints, ArrayView<float> floats)
    {
        int i = Grid.GlobalLinearIndex;
        Atomic.Add(ref ints[0], i);
        Atomic.Max(ref ints[1], i);
        Atomic.Min(ref ints[2], i);
        Atomic.Or(ref ints[3], 1 << i % 31);
        Atomic.Xor(ref ints[4], i);
        Atomic.And(ref ints[5], ~(1 << i % 7));
        Atomic.Add(ref floats[0], 0.5f);
        Atomic.Max(ref floats[1], i);
        if (Atomic.CompareExchange(ref ints[6], 0, i + 1) == 0) Atomic.Add(ref ints[7], 1);
    }

    [Fact]
    public void Atomics_ManyGroups_LoseNothing()
    {
        const int Groups = 8, Threads = 48, Count = Groups * Threads;
        using var ints = emulator.Buffer(0, -1, int.MaxValue, 0, 0, -1, 0, 0);
        using var floats = emulator.Buffer(0f, -1f);
        emulator.Accelerator.LoadStreamKernel<ArrayView<int>, ArrayView<float>>(Atomics)((Groups, Threads), ints.View, floats.View);
        int[] actual = ints.GetAsArray1D();
        Assert.Equal([Count * (Count - 1) / 2, Count - 1, 0, 0x7fffffff, Enumerable.Range(0, Count).Aggregate((a, b) => a ^ b), -1 << 7], actual[..6]);
        Assert.InRange(actual[6], 1, Count);
        Assert.Equal(1, actual[7]);
        Assert.Equal([Count / 2f, Count - 1], floats.GetAsArray1D());
    }

    private static void Places(ArrayView<int> results)
    {
        int at = Grid.LinearIndex * Group.Dimension.Size + Group.LinearIndex;
        results[at] = Group.IdxX + 10 * Group.IdxY + 100 * Group.IdxZ + 1000 * Grid.IdxX + 10_000 * Grid.IdxY + 100_000 * Grid.IdxZ
            + 1_000_000 * Warp.WarpIdx + 10_000_000 * (Warp.LaneIdx % 10);
        LocalMemory.Allocate<int>(4)[3] = at;
    }

    [Fact]
    public void Places_ThreeDimensions_AreXFastest()
    {
        var grid = new Index3D(2, 3, 2);
        var group = new Index3D(4, 5, 2);
        using var results = emulator.Zeros<int>(grid.Size * group.Size);
        emulator.Accelerator.LoadStreamKernel<ArrayView<int>>(Places)(new KernelConfig(grid, group), results.View);
        int[] actual = results.GetAsArray1D();
        for (int g = 0; g < grid.Size; g++)
        {
            for (int t = 0; t < group.Size; t++)
            {
                int expected = t % 4 + 10 * (t / 4 % 5) + 100 * (t / 20) + 1000 * (g % 2) + 10_000 * (g / 2 % 3) + 100_000 * (g / 6)
                    + 1_000_000 * (t / 32) + 10_000_000 * (t % 32 % 10);
                Assert.Equal(expected, actual[g * group.Size + t]);
            }
        }
    }

    private static void Indexed(Index2D index, ArrayView2D<int, Stride2D.DenseX> results, int width) => results[index] += index.Y * width + index.X + 1;

    [Fact]
    public void AutoGrouped_OddExtent_RunsEachIndexOnce()
    {
        var extent = new Index2D(37, 19);
        using var results = emulator.Accelerator.Allocate2DDenseX<int>(extent);
        results.View.BaseView.MemSetToZero();
        emulator.Accelerator.LoadAutoGroupedStreamKernel<Index2D, ArrayView2D<int, Stride2D.DenseX>, int>(Indexed)(extent, results.View, 37);
        Assert.Equal(Enumerable.Range(1, extent.Size), results.AsContiguous().GetAsArray());
    }

    private static void Dynamic(ArrayView<float> results)
    {
        ArrayView<float> shared = SharedMemory.GetDynamic<float>();
        for (int i = Group.IdxX; i < shared.IntLength; i += Group.DimX) shared[i] = i;
        Group.Barrier();
        results[Group.IdxX] = shared[shared.IntLength - 1 - Group.IdxX];
    }

    [Fact]
    public void DynamicSharedMemory_TwoHundredKilobytes_IsThere()
    {
        const int Length = 50_000;
        using var results = emulator.Zeros<float>(64);
        emulator.Accelerator.LoadStreamKernel<ArrayView<float>>(Dynamic)((1, 64, SharedMemoryConfig.RequestDynamic<float>(Length)), results.View);
        Assert.Equal(Enumerable.Range(0, 64).Select(i => (float)(Length - 1 - i)), results.GetAsArray1D());
    }

    private static void FourteenArguments(
        ArrayView<long> result, int a, long b, short c, byte d, uint e, float f, double g, SpecializedValue<int> h, int i, int j, int k, int l, Index3D m) =>
        result[0] = a + b + c + d + e + (long)f + (long)g + h + i + j + k + l + m.Size;

    [Fact]
    public void Launch_FourteenArguments_PassesEach()
    {
        using var result = emulator.Zeros<long>(1);
        var kernel = emulator.Accelerator.LoadStreamKernel<ArrayView<long>, int, long, short, byte, uint, float, double, SpecializedValue<int>, int, int, int, int, Index3D>(FourteenArguments);
        kernel((1, 1), result.View, 1, 1L << 40, 2, 3, 4, 5, 6, SpecializedValue.New(7), 8, 9, 10, 11, (1, 2, 3));
        Assert.Equal((1L << 40) + 1 + 2 + 3 + 4 + 5 + 6 + 7 + 8 + 9 + 10 + 11 + 6, result.GetAsArray1D()[0]);
    }

    private static void Trace(ArrayView<int> trace)
    {
        for (int step = 0; step < 3; step++)
        {
            int at = Atomic.Add(ref trace[0], 1) + 1;
            trace[at] = Group.IdxX;
            if (Group.IdxX >= 32) Warp.ShuffleXor(step, 1);
            Group.Barrier();
        }
    }

    [Fact]
    public void Schedule_SameKernelTwice_IsTheSame()
    {
        int[] first = TraceOnce(), second = TraceOnce();
        Assert.Equal(first, second);
        Assert.Equal(3 * 96, first[0]);
    }

    private int[] TraceOnce()
    {
        using var trace = emulator.Zeros<int>(3 * 96 + 1);
        emulator.Accelerator.LoadStreamKernel<ArrayView<int>>(Trace)((1, 96), trace.View);
        return trace.GetAsArray1D();
    }

    [Fact]
    public void Copies_PageLockedAndSubViews_MoveTheirElements()
    {
        using var buffer = emulator.Buffer(1, 2, 3, 4, 5, 6);
        using var locked = emulator.Accelerator.AllocatePageLocked1D<int>(3L);
        buffer.View.SubView(2, 3).CopyToPageLockedAsync(locked);
        Assert.Equal([3, 4, 5], locked.GetArray());
        locked[0] = 30;
        buffer.View.SubView(3, 3).CopyFromPageLockedAsync(emulator.Accelerator.DefaultStream, locked);
        buffer.View.SubView(0, 2).MemSetToZero();
        Assert.Equal([0, 0, 3, 30, 4, 5], buffer.GetAsArray1D());
    }
}
