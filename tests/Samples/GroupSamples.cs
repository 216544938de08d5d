using System.Runtime.CompilerServices;
using OllmNative.Runtime.Language;

namespace OllmNative.Tests.Samples;

/// <summary>Groups, warps and shared memory.</summary>
internal static class GroupSamples
{
    private static void Global(ArrayView<int> view, int constant)
    {
        int index = Grid.GlobalIndex.X;
        if (index < view.Length) view[index] = index + constant;
        if (Grid.GlobalLinearIndex != Group.DimX * Grid.IdxX + Group.IdxX) view[0] = -1;
    }

    public static void Explicit_GlobalIndex(Accelerator accelerator)
    {
        KernelConfig config = (3, 64);
        using var buffer = accelerator.Allocate1D<int>(150);
        accelerator.LoadStreamKernel<ArrayView<int>, int>(Global)(config, buffer.View, 64);
        Assert.Equal(192, config.Size);
        Assert.Equal(Enumerable.Range(64, 150), buffer.GetAsArray1D());
    }

    private static void Axes(ArrayView2D<int, Stride2D.DenseX> view)
    {
        Index2D at = Grid.GlobalIndex.XY;
        if (at.InBounds(view.IntExtent)) view[at] = Group.Index.Size + 10 * Grid.Index.Y + 100 * Group.Dimension.Y + Group.LinearIndex * 1000;
    }

    public static void Explicit_TwoAxes(Accelerator accelerator)
    {
        using var buffer = accelerator.Allocate2DDenseX<int>(new Index2D(10, 6));
        accelerator.LoadStreamKernel<ArrayView2D<int, Stride2D.DenseX>>(Axes)((new Index2D(2, 2), new Index2D(8, 4)), buffer.View);
        int[,] all = buffer.GetAsArray2D();
        for (int x = 0; x < 10; x++)
            for (int y = 0; y < 6; y++) Assert.Equal(10 * (y / 4) + 400 + (y % 4 * 8 + x % 8) * 1000, all[x, y]);
    }

    private static void Largest(ArrayView<int> data, ArrayView<int> output)
    {
        int index = Grid.GlobalIndex.X;
        ref int largest = ref SharedMemory.Allocate<int>();
        if (Group.IsFirstThread) largest = 0;
        Group.Barrier();
        if (index < data.Length) Atomic.Max(ref largest, data[index]);
        Group.Barrier();
        if (index < output.Length) output[index] = largest;
    }

    public static void Shared_Variable(Accelerator accelerator)
    {
        using var data = accelerator.Allocate1D(Enumerable.Range(0, 100).Select(i => i * 37 % 101).ToArray());
        using var output = accelerator.Allocate1D<int>(100);
        accelerator.LoadStreamKernel<ArrayView<int>, ArrayView<int>>(Largest)((2, 64), data.View, output.View);
        int Best(int group) => Enumerable.Range(0, 100).Where(i => i / 64 == group).Max(i => i * 37 % 101);
        Assert.Equal(Enumerable.Range(0, 100).Select(i => Best(i / 64)), output.GetAsArray1D());
    }

    private static void Tiles(ArrayView2D<float, Stride2D.DenseX> a, ArrayView2D<float, Stride2D.DenseX> b, ArrayView2D<float, Stride2D.DenseX> c)
    {
        const int size = 4;
        Index2D global = Grid.GlobalIndex.XY;
        int x = Group.IdxX, y = Group.IdxY;
        var aTile = SharedMemory.Allocate2D<float, Stride2D.DenseX>(new Index2D(size, size), new Stride2D.DenseX(size));
        var bTile = SharedMemory.Allocate2DDenseX<float>(new Index2D(size, size));
        float sum = 0;
        for (int i = 0; i < a.IntExtent.Y; i += size)
        {
            aTile[x, y] = global.X < a.IntExtent.X && y + i < a.IntExtent.Y ? a[global.X, y + i] : 0;
            bTile[x, y] = global.Y < b.IntExtent.Y && x + i < b.IntExtent.X ? b[x + i, global.Y] : 0;
            Group.Barrier();
            for (int k = 0; k < size; k++) sum += aTile[new Index2D(x, k)] * bTile[new Index2D(k, y)];
            Group.Barrier();
        }
        if (global.X < c.IntExtent.X && global.Y < c.IntExtent.Y) c[global] = sum;
    }

    public static void MatrixMultiply_WithTiles(Accelerator accelerator)
    {
        float[,] a = new float[5, 7], b = new float[7, 6], expected = new float[5, 6];
        for (int i = 0; i < 7; i++)
        {
            for (int x = 0; x < 5; x++) a[x, i] = x - i;
            for (int y = 0; y < 6; y++) b[i, y] = i * y - 3;
        }
        for (int x = 0; x < 5; x++)
            for (int y = 0; y < 6; y++)
                for (int i = 0; i < 7; i++) expected[x, y] += a[x, i] * b[i, y];
        using var aBuffer = accelerator.Allocate2DDenseX(a);
        using var bBuffer = accelerator.Allocate2DDenseX(b);
        using var cBuffer = accelerator.Allocate2DDenseX<float>(new Index2D(5, 6));
        var kernel = accelerator.LoadStreamKernel<ArrayView2D<float, Stride2D.DenseX>, ArrayView2D<float, Stride2D.DenseX>, ArrayView2D<float, Stride2D.DenseX>>(Tiles);
        kernel((new Index2D(2, 2), new Index2D(4, 4)), aBuffer.View, bBuffer.View, cBuffer.View);
        Assert.Equal(expected, cBuffer.GetAsArray2D());
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Shorts(int index, ArrayView<short> view)
    {
        var dynamic = SharedMemory.GetDynamic<short>();
        dynamic[Group.IdxX] = (short)(Group.IdxX * 2);
        Group.Barrier();
        view[index] = dynamic[Group.DimX - 1 - Group.IdxX];
    }

    private static void Dynamic(ArrayView<int> first, ArrayView<short> second)
    {
        int index = Grid.GlobalIndex.X;
        var dynamic = SharedMemory.GetDynamic<int>();
        dynamic[Group.IdxX] = Group.IdxX;
        Group.Barrier();
        first[index] = dynamic[Group.DimX - 1 - Group.IdxX];
        Group.Barrier();
        Shorts(index, second);
    }

    public static void Shared_DynamicAsTwoTypes(Accelerator accelerator)
    {
        using var first = accelerator.Allocate1D<int>(64);
        using var second = accelerator.Allocate1D<short>(64);
        var kernel = accelerator.LoadStreamKernel<ArrayView<int>, ArrayView<short>>(Dynamic);
        kernel((1, 64, SharedMemoryConfig.RequestDynamic<byte>(64 * sizeof(int))), first.View, second.View);
        Assert.Equal(Enumerable.Range(0, 64).Reverse(), first.GetAsArray1D());
        Assert.Equal(Enumerable.Range(0, 64).Reverse().Select(i => (short)(2 * i)), second.GetAsArray1D());
    }

    private static void Cube(ArrayView<int> view)
    {
        var cube = SharedMemory.Allocate3DDenseXY<int>(new Index3D(4, 3, 2));
        var row = LocalMemory.Allocate1D<int>(2);
        if (Group.IdxX < 24) cube[Group.IdxX % 4, Group.IdxX / 4 % 3, Group.IdxX / 12] = Group.IdxX;
        Group.Barrier();
        for (int z = 0; z < 2; z++) row[z] = cube[3 - Group.IdxX % 4, 1, z];
        view[Group.IdxX] = row[0] * 100 + row[1];
    }

    public static void Shared_ThreeAxes(Accelerator accelerator)
    {
        using var view = accelerator.Allocate1D<int>(32);
        accelerator.LoadStreamKernel<ArrayView<int>>(Cube)((1, 32), view.View);
        Assert.Equal(Enumerable.Range(0, 32).Select(i => (7 - i % 4) * 100 + 19 - i % 4), view.GetAsArray1D());
    }

    private static void Votes(ArrayView<int> data, ArrayView<int> output, int limit)
    {
        int index = Grid.GlobalIndex.X;
        bool above = index < data.Length && data[index] > limit;
        bool all = Group.BarrierAnd(above), any = Group.BarrierOr(above);
        int count = Group.BarrierPopCount(above), first = Group.Broadcast(index, 5);
        if (index < output.Length) output[index] = (all ? 1000 : 0) + (any ? 500 : 0) + count + first * 10000;
    }

    public static void Group_VotesAndBroadcast(Accelerator accelerator)
    {
        using var data = accelerator.Allocate1D(Enumerable.Range(0, 96).ToArray());
        using var output = accelerator.Allocate1D<int>(96);
        accelerator.LoadStreamKernel<ArrayView<int>, ArrayView<int>, int>(Votes)((3, 32), data.View, output.View, 40);
        Assert.Equal(Enumerable.Range(0, 96).Select(i => (i / 32) switch { 0 => 0, 1 => 523, _ => 1532 } + (i / 32 * 32 + 5) * 10000), output.GetAsArray1D());
    }

    private readonly struct Mixed(int x, float y, double z)
    {
        public int X { get; } = x;
        public float Y { get; } = y;
        public double Z { get; } = z;
    }

    private static void ShuffleAny<T>(ArrayView<T> view, T value) where T : unmanaged => view[Grid.GlobalIndex.X] = Warp.Shuffle(value, 0);

    private static void ShuffleSums(ArrayView<int> view)
    {
        int lane = Warp.LaneIdx, sum = lane + 1;
        for (int offset = Warp.WarpSize / 2; offset > 0; offset /= 2) sum += Warp.ShuffleXor(sum, offset);
        int scan = lane;
        for (int offset = 1; offset < Warp.WarpSize; offset <<= 1)
        {
            int below = Warp.ShuffleUp(scan, offset);
            if (lane >= offset) scan += below;
        }
        view[Group.IdxX] = sum * 1000 + scan + Warp.WarpIdx * 1_000_000 + Warp.ShuffleDown(lane, 2) * 10_000_000;
    }

    public static void Warp_ShufflesOfIntsAndStructs(Accelerator accelerator)
    {
        KernelConfig dimension = (1, accelerator.WarpSize * 2);
        using var sums = accelerator.Allocate1D<int>(64);
        accelerator.LoadStreamKernel<ArrayView<int>>(ShuffleSums)(dimension, sums.View);
        Assert.Equal(Enumerable.Range(0, 64).Select(i => 528_000 + i % 32 * (i % 32 + 1) / 2 + i / 32 * 1_000_000 + (i % 32 < 30 ? i % 32 + 2 : i % 32) * 10_000_000), sums.GetAsArray1D());
        using var structs = accelerator.Allocate1D<Mixed>(32);
        accelerator.LoadStreamKernel<ArrayView<Mixed>, Mixed>(ShuffleAny)((1, 32), structs.View, new Mixed(2, 40, 16));
        Assert.All(structs.GetAsArray1D(), value => Assert.Equal((2, 40f, 16.0), (value.X, value.Y, value.Z)));
    }
}
