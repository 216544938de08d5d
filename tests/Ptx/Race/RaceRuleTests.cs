using OllmNative.Runtime.Cuda;
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;
using OllmNative.Tests.Cuda;

namespace OllmNative.Tests.Ptx;

/// <summary>Small kernels in which each rule of the memory model counts: as they are nothing is found, without any one of their orders something is.</summary>
public sealed class RaceRuleTests
{
    private const int Boxes = 7;

    /// <summary>Boxes through a ring of two stages: one thread copies, the others read and give back.</summary>
    private static void Ring(TensorMap map, ArrayView<float> output, int boxes)
    {
        ArrayView<float> tiles = SharedMemory.GetDynamic<float>();
        ArrayView<long> full = SharedMemory.Allocate<long>(2), empty = SharedMemory.Allocate<long>(2);
        if (Group.IdxX == 0)
        {
            for (int stage = 0; stage < 2; stage++)
            {
                TransactionBarrier.Init(full, stage, 1);
                TransactionBarrier.Init(empty, stage, 64);
            }
            TransactionBarrier.FenceInit();
        }
        Group.Barrier();
        if (Group.IdxX < 32)
        {
            for (int turn = 0; turn < boxes && Group.IdxX == 0; turn++)
            {
                TransactionBarrier.Wait(empty, turn & 1, turn >> 1 & 1 ^ 1);
                TransactionBarrier.ArriveExpect(full, turn & 1, 256);
                TensorCopy.Load(map, tiles, (turn & 1) * 64, 0, turn * 8, full, turn & 1);
            }
            return;
        }
        for (int turn = 0; turn < boxes; turn++)
        {
            TransactionBarrier.Wait(full, turn & 1, turn >> 1 & 1);
            output[turn * 64 + Group.IdxX - 32] = tiles[(turn & 1) * 64 + Group.IdxX - 32];
            TransactionBarrier.Arrive(empty, turn & 1);
        }
    }

    /// <summary>A warp group's product of what its threads have written themselves, twice.</summary>
    private static void Product(ArrayView<Bf16> input, ArrayView<float> output)
    {
        ArrayView<Bf16> tile = SharedMemory.GetDynamic<Bf16>();
        for (int i = Group.IdxX; i < 64 * 64; i += 128) tile[i] = input[i % 64];
        float[] sums = new float[4];
        TransactionBarrier.FenceInit();
        Group.Barrier();
        WarpGroup.Fence();
        WarpGroup.MultiplyAddBf16(sums, WarpGroup.Describe(tile, 0), WarpGroup.Describe(tile, 0), false);
        WarpGroup.Commit();
        WarpGroup.Wait(0);
        for (int i = 0; i < 4; i++) output[4 * Group.IdxX + i] = sums[i];
        for (int i = 0; i < 4; i++) sums[i] *= 0.5f;
        WarpGroup.Fence();
        WarpGroup.MultiplyAddBf16(sums, WarpGroup.Describe(tile, 0), WarpGroup.Describe(tile, 0), true);
        WarpGroup.Commit();
        WarpGroup.Wait(0);
        for (int i = 0; i < 4; i++) output[512 + 4 * Group.IdxX + i] = sums[i];
    }

    /// <summary>Copies of 16 bytes in two groups, read by other threads.</summary>
    private static void Copies(ArrayView<float> input, ArrayView<float> output)
    {
        ArrayView<float> tile = SharedMemory.Allocate<float>(512);
        int own = Group.IdxX * 4, other = (Group.IdxX ^ 33) * 4;
        AsyncCopy.Copy16(tile, own, input, own);
        AsyncCopy.Commit();
        AsyncCopy.Copy16(tile, 256 + own, input, 256 + own);
        AsyncCopy.Commit();
        AsyncCopy.Wait(1);
        Group.Barrier();
        output[own] = tile[other];
        AsyncCopy.Wait(0);
        Group.Barrier();
        output[own + 1] = tile[256 + other];
    }

    /// <summary>Lanes of a warp exchange through shared memory.</summary>
    private static void Exchange(ArrayView<float> input, ArrayView<float> output)
    {
        ArrayView<float> tile = SharedMemory.Allocate<float>(64);
        tile[Group.IdxX] = input[Group.IdxX];
        Warp.Barrier();
        float other = tile[Group.IdxX ^ 5];
        Warp.Barrier();
        tile[Group.IdxX] = other + 1f;
        Warp.Barrier();
        output[Group.IdxX] = tile[Group.IdxX ^ 9];
    }

    /// <summary>A shuffle makes lanes wait for each other, but not for memory.</summary>
    private static void ExchangeByShuffle(ArrayView<float> input, ArrayView<float> output)
    {
        ArrayView<float> tile = SharedMemory.Allocate<float>(64);
        tile[Group.IdxX] = input[Group.IdxX];
        float value = Warp.Shuffle(input[Group.IdxX], 0);
        output[Group.IdxX] = tile[Group.IdxX ^ 5] + value;
    }

    private static void Unwritten(ArrayView<float> input, ArrayView<float> output)
    {
        ArrayView<float> tile = SharedMemory.Allocate<float>(64);
        if (Group.IdxX < 63) tile[Group.IdxX] = input[Group.IdxX];
        Group.Barrier();
        output[Group.IdxX] = tile[63 - Group.IdxX];
    }

    /// <summary>The last group to come adds up what all have left.</summary>
    private static void LastGroup(ArrayView<float> parts, ArrayView<int> counter, ArrayView<float> output)
    {
        ArrayView<int> last = SharedMemory.Allocate<int>(1);
        parts[Grid.IdxX * 32 + Group.IdxX] = Grid.IdxX + Group.IdxX;
        MemoryFence.DeviceLevel();
        Group.Barrier();
        if (Group.IdxX == 0) last[0] = Atomic.Add(ref counter[0], 1) == Grid.DimX - 1 ? 1 : 0;
        Group.Barrier();
        if (last[0] == 0) return;
        MemoryFence.DeviceLevel();
        float sum = 0f;
        for (int i = 0; i < Grid.DimX; i++) sum += parts[i * 32 + 31 - Group.IdxX];
        output[Group.IdxX] = sum;
    }

    private static string[] Run(PtxGpu gpu, Action launch, PtxMoment moment)
    {
        gpu.Driver.Findings.Clear();
        gpu.Driver.Adversary = new PtxAdversary(5, moment);
        launch();
        gpu.Accelerator.Synchronize();
        return [.. gpu.Driver.Findings];
    }

    /// <summary>Nothing is found in the kernel; in each of so many mutants something, by one of the three ways to run it.</summary>
    private static void Hold(PtxGpu gpu, Action launch, int mutants)
    {
        Action restore = gpu.Driver.Memory.Snapshot();
        foreach (PtxMoment moment in Enum.GetValues<PtxMoment>())
        {
            restore();
            Assert.Empty(Run(gpu, launch, moment));
        }
        PtxMutant[] all = [.. gpu.Driver.Ran.Keys.SelectMany(PtxMutant.Of)];
        Assert.Equal(mutants, all.Length);
        foreach (PtxMutant mutant in all)
        {
            gpu.Driver.Changes = module => module.With(mutant.Place, mutant.Instead);
            bool found = Enum.GetValues<PtxMoment>().Any(moment =>
            {
                restore();
                return Run(gpu, launch, moment).Length > 0;
            });
            Assert.True(found, mutant.Name);
        }
    }

    [Fact]
    public void TensorCopies_EachOrderOfTheRing_Counts()
    {
        using var gpu = new PtxGpu();
        using var input = gpu.Accelerator.Allocate1D(Enumerable.Range(0, Boxes * 64).Select(i => (float)i).ToArray());
        using var output = gpu.Accelerator.Allocate1D(new float[Boxes * 64]);
        TensorMap map = TensorMap.Create(input.View.BaseView, 8, Boxes * 8, 8, 8, TensorSwizzle.None);
        var config = new KernelConfig(new Index3D(1, 1, 1), new Index3D(96, 1, 1), SharedMemoryConfig.RequestDynamic<float>(128));
        var kernel = gpu.Accelerator.LoadStreamKernel<TensorMap, ArrayView<float>, int>(Ring);
        kernel(config, map, output.View, Boxes);
        Assert.Equal(input.GetAsArray1D(), output.GetAsArray1D());
        Hold(gpu, () => kernel(config, map, output.View, Boxes), mutants: 6);
    }

    [Fact]
    public void Products_EachOrder_Counts()
    {
        using var gpu = new PtxGpu();
        using var input = gpu.Accelerator.Allocate1D(Enumerable.Range(0, 64).Select(i => Bf16.FromFloat(i)).ToArray());
        using var output = gpu.Accelerator.Allocate1D(new float[1024]);
        var kernel = gpu.Accelerator.LoadStreamKernel<ArrayView<Bf16>, ArrayView<float>>(Product);
        var config = new KernelConfig(new Index3D(1, 1, 1), new Index3D(128, 1, 1), SharedMemoryConfig.RequestDynamic<byte>(8192));
        // The fence between the proxies, the barrier; and twice the fence, the commit, the wait and the wait for one less.
        Hold(gpu, () => kernel(config, input.View, output.View), mutants: 10);
    }

    [Fact]
    public void AsyncCopies_EachOrder_Counts()
    {
        using var gpu = new PtxGpu();
        using var input = gpu.Accelerator.Allocate1D(new float[512]);
        using var output = gpu.Accelerator.Allocate1D(new float[512]);
        var kernel = gpu.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>>(Copies);
        Hold(gpu, () => kernel((1, 64), input.View, output.View), mutants: 8);
    }

    [Fact]
    public void SharedMemory_EachWarpBarrier_Counts()
    {
        using var gpu = new PtxGpu();
        using var input = gpu.Accelerator.Allocate1D(new float[64]);
        using var output = gpu.Accelerator.Allocate1D(new float[64]);
        var kernel = gpu.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>>(Exchange);
        Hold(gpu, () => kernel((1, 64), input.View, output.View), mutants: 3);
    }

    [Fact]
    public void Counter_EachFenceAndBarrier_Counts()
    {
        using var gpu = new PtxGpu();
        using var parts = gpu.Accelerator.Allocate1D(new float[6 * 32]);
        using var counter = gpu.Accelerator.Allocate1D(new int[1]);
        using var output = gpu.Accelerator.Allocate1D(new float[32]);
        var kernel = gpu.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<int>, ArrayView<float>>(LastGroup);
        Hold(gpu, () => kernel((6, 32), parts.View, counter.View, output.View), mutants: 6);
    }

    [Theory]
    [InlineData(true, "a write and a read")]
    [InlineData(false, "nobody has written")]
    public void SharedMemory_NoOrderOrNoValue_IsFound(bool shuffle, string expected)
    {
        using var gpu = new PtxGpu();
        using var input = gpu.Accelerator.Allocate1D(new float[64]);
        using var output = gpu.Accelerator.Allocate1D(new float[64]);
        var kernel = gpu.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>>(shuffle ? ExchangeByShuffle : Unwritten);
        Assert.Contains(expected, Assert.Single(Run(gpu, () => kernel((1, 64), input.View, output.View), PtxMoment.Late)), StringComparison.Ordinal);
    }
}
