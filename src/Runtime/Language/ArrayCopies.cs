namespace OllmNative.Runtime.Language;

/// <summary>
/// Arrays of several dimensions to and from views: element [x, y] of the array is element (x, y) of the view, whatever its stride. The bytes of a
/// view are moved in one copy and sorted on the host.
/// </summary>
internal static class ArrayCopies
{
    public static void ToHost<T, TStride>(ArrayView1D<T, TStride> view, AcceleratorStream stream, T[] data) where T : unmanaged where TStride : struct, IStride1D
    {
        Check(view.Length, data.LongLength, "X");
        T[] raw = view.BaseView.GetAsArray(stream);
        for (long x = 0; x < view.Extent.X; x++) data[x] = raw[view.Stride.ComputeElementIndex(new LongIndex1D(x))];
    }

    public static void FromHost<T, TStride>(ArrayView1D<T, TStride> view, AcceleratorStream stream, T[] data) where T : unmanaged where TStride : struct, IStride1D
    {
        Check(view.Length, data.LongLength, "X");
        // What lies between the view's elements stays.
        T[] raw = view.BaseView.GetAsArray(stream);
        for (long x = 0; x < view.Extent.X; x++) raw[view.Stride.ComputeElementIndex(new LongIndex1D(x))] = data[x];
        view.BaseView.CopyFromCPU(stream, raw);
    }

    public static void ToHost<T, TStride>(ArrayView2D<T, TStride> view, AcceleratorStream stream, T[,] data) where T : unmanaged where TStride : struct, IStride2D
    {
        Check(view.Extent.X, data.GetLongLength(0), "X");
        Check(view.Extent.Y, data.GetLongLength(1), "Y");
        T[] raw = view.BaseView.GetAsArray(stream);
        for (long x = 0; x < view.Extent.X; x++)
            for (long y = 0; y < view.Extent.Y; y++) data[x, y] = raw[view.Stride.ComputeElementIndex(new LongIndex2D(x, y))];
    }

    public static void FromHost<T, TStride>(ArrayView2D<T, TStride> view, AcceleratorStream stream, T[,] data) where T : unmanaged where TStride : struct, IStride2D
    {
        Check(view.Extent.X, data.GetLongLength(0), "X");
        Check(view.Extent.Y, data.GetLongLength(1), "Y");
        T[] raw = view.BaseView.GetAsArray(stream);
        for (long x = 0; x < view.Extent.X; x++)
            for (long y = 0; y < view.Extent.Y; y++) raw[view.Stride.ComputeElementIndex(new LongIndex2D(x, y))] = data[x, y];
        view.BaseView.CopyFromCPU(stream, raw);
    }

    public static void ToHost<T, TStride>(ArrayView3D<T, TStride> view, AcceleratorStream stream, T[,,] data) where T : unmanaged where TStride : struct, IStride3D
    {
        CheckAxes(view.Extent, data);
        T[] raw = view.BaseView.GetAsArray(stream);
        for (long x = 0; x < view.Extent.X; x++)
            for (long y = 0; y < view.Extent.Y; y++)
                for (long z = 0; z < view.Extent.Z; z++) data[x, y, z] = raw[view.Stride.ComputeElementIndex(new LongIndex3D(x, y, z))];
    }

    public static void FromHost<T, TStride>(ArrayView3D<T, TStride> view, AcceleratorStream stream, T[,,] data) where T : unmanaged where TStride : struct, IStride3D
    {
        CheckAxes(view.Extent, data);
        T[] raw = view.BaseView.GetAsArray(stream);
        for (long x = 0; x < view.Extent.X; x++)
            for (long y = 0; y < view.Extent.Y; y++)
                for (long z = 0; z < view.Extent.Z; z++) raw[view.Stride.ComputeElementIndex(new LongIndex3D(x, y, z))] = data[x, y, z];
        view.BaseView.CopyFromCPU(stream, raw);
    }

    private static void CheckAxes(LongIndex3D extent, Array data)
    {
        Check(extent.X, data.GetLongLength(0), "X");
        Check(extent.Y, data.GetLongLength(1), "Y");
        Check(extent.Z, data.GetLongLength(2), "Z");
    }

    private static void Check(long extent, long length, string axis)
    {
        if (extent != length) throw new ArgumentException($"an array of {length} elements along {axis} for a view of {extent}");
    }
}
