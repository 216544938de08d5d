using OllmNative.Runtime.Language;

namespace OllmNative.Tests.Samples;

/// <summary>Indices, views and buffers.</summary>
internal static class ViewSamples
{
    private static void Add(Index1D i, ArrayView<int> data, int c) => data[i] = i + c;

    public static void Index1D_AutoGrouped(Accelerator accelerator)
    {
        var kernel = accelerator.LoadAutoGroupedStreamKernel<Index1D, ArrayView<int>, int>(Add);
        using var buffer = accelerator.Allocate1D<int>(300);
        kernel((int)buffer.Length, buffer.View, 42);
        accelerator.Synchronize();
        Assert.Equal(Enumerable.Range(42, 300), buffer.GetAsArray1D());
    }

    private static void AddLong(LongIndex1D i, ArrayView1D<long, Stride1D.Dense> data) => data[i] = i * 3 - data.Length;

    public static void LongIndex1D_AutoGrouped(Accelerator accelerator)
    {
        using var buffer = accelerator.Allocate1D<long>(70);
        accelerator.LoadAutoGroupedStreamKernel<LongIndex1D, ArrayView1D<long, Stride1D.Dense>>(AddLong)(buffer.Extent, buffer.View);
        Assert.Equal(Enumerable.Range(0, 70).Select(i => i * 3L - 70), buffer.GetAsArray1D());
    }

    private static void Table(Index2D index, ArrayView2D<int, Stride2D.DenseX> view) => view[index] = index.X * 100 + index.Y;

    public static void Index2D_DenseX(Accelerator accelerator)
    {
        using var buffer = accelerator.Allocate2DDenseX<int>(new Index2D(7, 5));
        accelerator.LoadAutoGroupedStreamKernel<Index2D, ArrayView2D<int, Stride2D.DenseX>>(Table)(buffer.IntExtent, buffer.View);
        int[,] all = buffer.GetAsArray2D();
        Assert.Equal((7, 5), (all.GetLength(0), all.GetLength(1)));
        for (int x = 0; x < 7; x++)
            for (int y = 0; y < 5; y++) Assert.Equal(x * 100 + y, all[x, y]);
        Assert.Equal(6 * 100, buffer.AsContiguous().GetAsArray()[6]);
    }

    private static void Transpose(Index2D index, ArrayView2D<float, Stride2D.DenseY> source, ArrayView2D<float, Stride2D.DenseY> target) =>
        target[index.Y, index.X] = source[index];

    public static void Index2D_DenseY(Accelerator accelerator)
    {
        float[,] data = { { 1, 2, 3 }, { 4, 5, 6 } };
        using var source = accelerator.Allocate2DDenseY(data);
        using var target = accelerator.Allocate2DDenseY<float>(new LongIndex2D(3, 2));
        accelerator.LoadAutoGroupedStreamKernel<Index2D, ArrayView2D<float, Stride2D.DenseY>, ArrayView2D<float, Stride2D.DenseY>>(Transpose)(source.IntExtent, source.View, target.View);
        Assert.Equal(new float[,] { { 1, 4 }, { 2, 5 }, { 3, 6 } }, target.GetAsArray2D());
        float[,] back = new float[2, 3];
        source.CopyToCPU(back);
        Assert.Equal(data, back);
    }

    private static void Box(Index3D index, ArrayView3D<int, Stride3D.DenseXY> view) => view[index] += index.X + 10 * index.Y + 100 * index.Z;

    public static void Index3D_DenseXY(Accelerator accelerator)
    {
        int[,,] data = new int[4, 3, 2];
        data[1, 2, 1] = 5000;
        using var buffer = accelerator.Allocate3DDenseXY<int>(new LongIndex3D(4, 3, 2));
        buffer.CopyFromCPU(data);
        accelerator.LoadAutoGroupedStreamKernel<Index3D, ArrayView3D<int, Stride3D.DenseXY>>(Box)(buffer.IntExtent, buffer.View);
        int[,,] all = buffer.GetAsArray3D();
        for (int x = 0; x < 4; x++)
            for (int y = 0; y < 3; y++)
                for (int z = 0; z < 2; z++) Assert.Equal(data[x, y, z] + x + 10 * y + 100 * z, all[x, y, z]);
    }

    private static void Corner(Index3D index, ArrayView3D<int, Stride3D.DenseZY> view)
    {
        ArrayView3D<int, Stride3D.DenseZY> inner = view.SubView(new Index3D(1, 1, 1), view.IntExtent - Index3D.One);
        if (index.InBounds(inner.IntExtent)) inner[index.X, index.Y, index.Z] = view.ComputeLinearIndex(index);
    }

    public static void Index3D_DenseZY_SubView(Accelerator accelerator)
    {
        using var buffer = accelerator.Allocate3DDenseZY(new int[3, 4, 5]);
        accelerator.LoadAutoGroupedStreamKernel<Index3D, ArrayView3D<int, Stride3D.DenseZY>>(Corner)(new Index3D(3, 4, 5), buffer);
        int[,,] all = buffer.GetAsArray3D();
        for (int x = 0; x < 3; x++)
            for (int y = 0; y < 4; y++)
                for (int z = 0; z < 5; z++) Assert.Equal(x * y * z == 0 ? 0 : ((x - 1) * 4 + y - 1) * 5 + z - 1, all[x, y, z]);
    }

    private static void Halves(Index1D i, ArrayView<int> view)
    {
        ArrayView<int> low = view.SubView(0, view.IntLength / 2), high = view.SubView(view.Length / 2);
        if (i < low.Length) low[i] = -high[i];
    }

    public static void SubViews_OfAView(Accelerator accelerator)
    {
        using var buffer = accelerator.Allocate1D(Enumerable.Range(0, 20).ToArray());
        accelerator.LoadAutoGroupedStreamKernel<Index1D, ArrayView<int>>(Halves)(10, buffer.View.SubView(5, 10));
        Assert.Equal([0, 1, 2, 3, 4, -10, -11, -12, -13, -14, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19], buffer.GetAsArray1D());
    }

    private static void Bytes(Index1D i, ArrayView<uint> words, ArrayView<int> sums)
    {
        ArrayView<byte> bytes = words.Cast<byte>();
        int at = i * 4;
        sums[i] = bytes[at] + bytes[at + 1] + bytes[at + 2] + bytes[at + 3] + (int)(bytes.Length - words.LengthInBytes);
    }

    public static void Cast_ToBytes(Accelerator accelerator)
    {
        uint[] words = [0x01020304, 0xff000001, uint.MaxValue, 0];
        using var input = accelerator.Allocate1D(words);
        using var sums = accelerator.Allocate1D<int>(words.Length);
        accelerator.LoadAutoGroupedStreamKernel<Index1D, ArrayView<uint>, ArrayView<int>>(Bytes)(words.Length, input.View, sums.View);
        Assert.Equal([10, 256, 1020, 0], sums.GetAsArray1D());
    }

    private struct Composed
    {
        public static readonly int CounterOffset = Interop.OffsetOf<Composed>(nameof(Counter));

        public short First;
        public byte Second;
        public int Counter;
    }

    private static void Count(Index1D i, ArrayView<int> elements, ArrayView<Composed> view, int wanted)
    {
        if (elements[i] != wanted) return;
        VariableView<int> counter = view.VariableView(0).SubView<int>(Composed.CounterOffset);
        Atomic.Add(ref counter.Value, 1);
    }

    public static void VariableView_OfAField(Accelerator accelerator)
    {
        using var elements = accelerator.Allocate1D(Enumerable.Range(0, 100).Select(i => i % 7).ToArray());
        using var result = accelerator.Allocate1D([new Composed { First = 3, Second = 4, Counter = 0 }]);
        accelerator.LoadAutoGroupedStreamKernel<Index1D, ArrayView<int>, ArrayView<Composed>, int>(Count)(100, elements.View, result.View, 2);
        Composed composed = result.GetAsArray1D()[0];
        Assert.Equal((3, 4, 14), (composed.First, composed.Second, composed.Counter));
    }

    private static void Lengths(Index1D i, ArrayView<int> a, ArrayView1D<double, Stride1D.Dense> b, ArrayView<long> results)
    {
        results[0] = a.Length;
        results[1] = a.IntLength + b.IntExtent.X;
        results[2] = b.LengthInBytes;
        results[3] = a.Extent.X + b.Extent.X;
        results[4] = a.IsValid && b.IsValid ? 1 : 0;
        results[5] = ArrayView<int>.ElementSize + Interop.SizeOf<double>();
    }

    public static void View_Properties(Accelerator accelerator)
    {
        using var a = accelerator.Allocate1D<int>(11);
        using var b = accelerator.Allocate1D<double>(5);
        using var results = accelerator.Allocate1D<long>(6);
        accelerator.LoadAutoGroupedStreamKernel<Index1D, ArrayView<int>, ArrayView1D<double, Stride1D.Dense>, ArrayView<long>>(Lengths)(1, a.View, b.View, results.View);
        Assert.Equal([11L, 16, 40, 16, 1, 12], results.GetAsArray1D());
    }
}
