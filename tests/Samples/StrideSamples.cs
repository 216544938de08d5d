using OllmNative.Runtime.Language;

namespace OllmNative.Tests.Samples;

/// <summary>Views with gaps, and one memory seen in several shapes.</summary>
internal static class StrideSamples
{
    private static void Every(Index1D i, ArrayView1D<int, Stride1D.General> view) => view[i] = view.Stride.XStride * 1000 + i;

    public static void General_EveryFourth(Accelerator accelerator)
    {
        using var buffer = accelerator.Allocate1D(Enumerable.Range(0, 16).ToArray());
        accelerator.LoadAutoGroupedStreamKernel<Index1D, ArrayView1D<int, Stride1D.General>>(Every)(4, buffer.View.AsGeneral(new Stride1D.General(4)));
        Assert.Equal([4000, 1, 2, 3, 4001, 5, 6, 7, 4002, 9, 10, 11, 4003, 13, 14, 15], buffer.GetAsArray1D());
    }

    private static void Same(Index1D i, ArrayView1D<int, Stride1D.Dense> dense, ArrayView1D<int, Stride1D.Infinite> one) => dense[i] = one[i] + i;

    public static void Infinite_OneValueForAll(Accelerator accelerator)
    {
        int[] value = [42];
        using var one = accelerator.Allocate1D<int, Stride1D.Infinite>(1, new Stride1D.Infinite());
        one.View.AsContiguous().CopyFromCPU(value);
        using var dense = accelerator.Allocate1D<int>(9);
        accelerator.LoadAutoGroupedStreamKernel<Index1D, ArrayView1D<int, Stride1D.Dense>, ArrayView1D<int, Stride1D.Infinite>>(Same)(9, dense.View, one.View);
        Assert.Equal(Enumerable.Range(42, 9), dense.GetAsArray1D());
    }

    private static void Shapes(Index2D index, ArrayView2D<int, Stride2D.DenseX> x, ArrayView2D<int, Stride2D.DenseY> y, ArrayView2D<int, Stride2D.DenseX> sums) =>
        sums[index] = x[index.X, index.Y] * 100 + y[index.Y, index.X];

    public static void OneMemory_AsDenseXAndDenseY(Accelerator accelerator)
    {
        using var flat = accelerator.Allocate1D(Enumerable.Range(0, 15).ToArray());
        using var sums = accelerator.Allocate2DDenseX<int>(new Index2D(5, 3));
        accelerator.LoadAutoGroupedStreamKernel<Index2D, ArrayView2D<int, Stride2D.DenseX>, ArrayView2D<int, Stride2D.DenseY>, ArrayView2D<int, Stride2D.DenseX>>(Shapes)(
            new Index2D(5, 3), flat.View.As2DDenseXView(new LongIndex2D(5, 3)), flat.View.As2DDenseYView(new LongIndex2D(3, 5)), sums.View);
        int[,] all = sums.GetAsArray2D();
        for (int x = 0; x < 5; x++)
            for (int y = 0; y < 3; y++) Assert.Equal((y * 5 + x) * 101, all[x, y]);
    }

    private static void Brighten(Index2D index, ArrayView2D<byte, Stride2D.DenseX> image) => image[index] = (byte)(255 - image[index]);

    public static void Bitmap_WithPaddedLines(Accelerator accelerator)
    {
        using var image = accelerator.Allocate2D<byte, Stride2D.DenseX>(new Index2D(9, 4), extent => extent.X, (_, _) => new Stride2D.DenseX(12));
        image.View.AsContiguous().CopyFromCPU(Enumerable.Range(1, 48).Select(i => (byte)i).ToArray());
        accelerator.LoadAutoGroupedStreamKernel<Index2D, ArrayView2D<byte, Stride2D.DenseX>>(Brighten)(image.IntExtent, image.View);
        Assert.Equal(Enumerable.Range(0, 48).Select(i => (byte)(i % 12 < 9 ? 254 - i : i + 1)), image.AsContiguous().GetAsArray());
    }

    private static void Ones(Index2D index, ArrayView2D<double, Stride2D.DenseX> view) => view[index] = 1;

    public static void Pitched_Lines(Accelerator accelerator)
    {
        using var buffer = accelerator.Allocate2DPitchedX<double>(new LongIndex2D(5, 3), 64);
        buffer.AsContiguous().MemSetToZero();
        accelerator.LoadAutoGroupedStreamKernel<Index2D, ArrayView2D<double, Stride2D.DenseX>>(Ones)(buffer.IntExtent, buffer.View);
        Assert.Equal(8, buffer.View.Stride.YStride);
        Assert.Equal(Enumerable.Range(0, 24).Select(i => i % 8 < 5 ? 1.0 : 0), buffer.AsContiguous().GetAsArray());
    }

    private static void Sum<TStride>(Index2D index, ArrayView2D<int, TStride> view, ArrayView<int> sum) where TStride : struct, IStride2D =>
        Atomic.Add(ref sum[index.X], view[index] * (index.Y + 1));

    public static void General2D_AnyStride(Accelerator accelerator)
    {
        using var buffer = accelerator.Allocate2DDenseY(new[,] { { 1, 2, 3 }, { 4, 5, 6 } });
        using var sum = accelerator.Allocate1D(new int[3]);
        ArrayView2D<int, Stride2D.General> columns = buffer.View.AsGeneral().AsTransposed();
        accelerator.LoadAutoGroupedStreamKernel<Index2D, ArrayView2D<int, Stride2D.General>, ArrayView<int>>(Sum)(columns.IntExtent, columns, sum.View);
        Assert.Equal([9, 12, 15], sum.GetAsArray1D());
        Assert.Equal(new[,] { { 1, 4 }, { 2, 5 }, { 3, 6 } }, columns.GetAsArray2D());
    }

    private static void Slices(Index1D z, ArrayView3D<int, Stride3D.General> view, ArrayView<int> sums)
    {
        int sum = 0;
        for (int x = 0; x < view.IntExtent.X; x++)
            for (int y = 0; y < view.IntExtent.Y; y++) sum += view[x, y, z];
        sums[z] = sum;
    }

    public static void General3D_OfAFlatMemory(Accelerator accelerator)
    {
        using var flat = accelerator.Allocate1D(Enumerable.Range(0, 24).ToArray());
        using var sums = accelerator.Allocate1D<int>(4);
        accelerator.LoadAutoGroupedStreamKernel<Index1D, ArrayView3D<int, Stride3D.General>, ArrayView<int>>(Slices)(
            4, flat.View.As3DView(new LongIndex3D(2, 3, 4), new Stride3D.General(new Index3D(1, 2, 6))), sums.View);
        Assert.Equal([15, 51, 87, 123], sums.GetAsArray1D());
        int[,,] xy = flat.View.As3DDenseXYView(new LongIndex3D(2, 3, 4)).GetAsArray3D();
        Assert.Equal(1 + 2 * 2 + 6 * 3, xy[1, 2, 3]);
    }
}
