// Written by make_loaders.py; change that instead.
namespace OllmNative.Runtime.Language;

/// <summary>Copies of arrays of several dimensions.</summary>
public static unsafe partial class ArrayViewExtensions
{
    public static void CopyFromCPU<T>(this ArrayView1D<T, Stride1D.General> view, T[] data) where T : unmanaged => ArrayCopies.FromHost(view, Stream(view.BaseView), data);
    public static void CopyFromCPU<T>(this ArrayView1D<T, Stride1D.General> view, AcceleratorStream stream, T[] data) where T : unmanaged => ArrayCopies.FromHost(view, stream, data);
    public static void CopyToCPU<T>(this ArrayView1D<T, Stride1D.General> view, T[] data) where T : unmanaged => ArrayCopies.ToHost(view, Stream(view.BaseView), data);
    public static void CopyToCPU<T>(this ArrayView1D<T, Stride1D.General> view, AcceleratorStream stream, T[] data) where T : unmanaged => ArrayCopies.ToHost(view, stream, data);
    public static T[] GetAsArray1D<T>(this ArrayView1D<T, Stride1D.General> view) where T : unmanaged => view.GetAsArray1D(Stream(view.BaseView));
    public static T[] GetAsArray1D<T>(this ArrayView1D<T, Stride1D.General> view, AcceleratorStream stream) where T : unmanaged
    {
        var data = new T[view.Extent.X];
        ArrayCopies.ToHost(view, stream, data);
        return data;
    }

    public static void CopyFromCPU<T>(this MemoryBuffer<ArrayView1D<T, Stride1D.General>> buffer, T[] data) where T : unmanaged => ArrayCopies.FromHost(buffer.View, Stream(buffer.View.BaseView), data);
    public static void CopyFromCPU<T>(this MemoryBuffer<ArrayView1D<T, Stride1D.General>> buffer, AcceleratorStream stream, T[] data) where T : unmanaged => ArrayCopies.FromHost(buffer.View, stream, data);
    public static void CopyToCPU<T>(this MemoryBuffer<ArrayView1D<T, Stride1D.General>> buffer, T[] data) where T : unmanaged => ArrayCopies.ToHost(buffer.View, Stream(buffer.View.BaseView), data);
    public static void CopyToCPU<T>(this MemoryBuffer<ArrayView1D<T, Stride1D.General>> buffer, AcceleratorStream stream, T[] data) where T : unmanaged => ArrayCopies.ToHost(buffer.View, stream, data);
    public static T[] GetAsArray1D<T>(this MemoryBuffer<ArrayView1D<T, Stride1D.General>> buffer) where T : unmanaged => buffer.GetAsArray1D(Stream(buffer.View.BaseView));
    public static T[] GetAsArray1D<T>(this MemoryBuffer<ArrayView1D<T, Stride1D.General>> buffer, AcceleratorStream stream) where T : unmanaged
    {
        var data = new T[buffer.View.Extent.X];
        ArrayCopies.ToHost(buffer.View, stream, data);
        return data;
    }

    public static void CopyFromCPU<T>(this ArrayView2D<T, Stride2D.DenseX> view, T[,] data) where T : unmanaged => ArrayCopies.FromHost(view, Stream(view.BaseView), data);
    public static void CopyFromCPU<T>(this ArrayView2D<T, Stride2D.DenseX> view, AcceleratorStream stream, T[,] data) where T : unmanaged => ArrayCopies.FromHost(view, stream, data);
    public static void CopyToCPU<T>(this ArrayView2D<T, Stride2D.DenseX> view, T[,] data) where T : unmanaged => ArrayCopies.ToHost(view, Stream(view.BaseView), data);
    public static void CopyToCPU<T>(this ArrayView2D<T, Stride2D.DenseX> view, AcceleratorStream stream, T[,] data) where T : unmanaged => ArrayCopies.ToHost(view, stream, data);
    public static T[,] GetAsArray2D<T>(this ArrayView2D<T, Stride2D.DenseX> view) where T : unmanaged => view.GetAsArray2D(Stream(view.BaseView));
    public static T[,] GetAsArray2D<T>(this ArrayView2D<T, Stride2D.DenseX> view, AcceleratorStream stream) where T : unmanaged
    {
        var data = new T[view.Extent.X, view.Extent.Y];
        ArrayCopies.ToHost(view, stream, data);
        return data;
    }

    public static void CopyFromCPU<T>(this MemoryBuffer<ArrayView2D<T, Stride2D.DenseX>> buffer, T[,] data) where T : unmanaged => ArrayCopies.FromHost(buffer.View, Stream(buffer.View.BaseView), data);
    public static void CopyFromCPU<T>(this MemoryBuffer<ArrayView2D<T, Stride2D.DenseX>> buffer, AcceleratorStream stream, T[,] data) where T : unmanaged => ArrayCopies.FromHost(buffer.View, stream, data);
    public static void CopyToCPU<T>(this MemoryBuffer<ArrayView2D<T, Stride2D.DenseX>> buffer, T[,] data) where T : unmanaged => ArrayCopies.ToHost(buffer.View, Stream(buffer.View.BaseView), data);
    public static void CopyToCPU<T>(this MemoryBuffer<ArrayView2D<T, Stride2D.DenseX>> buffer, AcceleratorStream stream, T[,] data) where T : unmanaged => ArrayCopies.ToHost(buffer.View, stream, data);
    public static T[,] GetAsArray2D<T>(this MemoryBuffer<ArrayView2D<T, Stride2D.DenseX>> buffer) where T : unmanaged => buffer.GetAsArray2D(Stream(buffer.View.BaseView));
    public static T[,] GetAsArray2D<T>(this MemoryBuffer<ArrayView2D<T, Stride2D.DenseX>> buffer, AcceleratorStream stream) where T : unmanaged
    {
        var data = new T[buffer.View.Extent.X, buffer.View.Extent.Y];
        ArrayCopies.ToHost(buffer.View, stream, data);
        return data;
    }

    public static void CopyFromCPU<T>(this ArrayView2D<T, Stride2D.DenseY> view, T[,] data) where T : unmanaged => ArrayCopies.FromHost(view, Stream(view.BaseView), data);
    public static void CopyFromCPU<T>(this ArrayView2D<T, Stride2D.DenseY> view, AcceleratorStream stream, T[,] data) where T : unmanaged => ArrayCopies.FromHost(view, stream, data);
    public static void CopyToCPU<T>(this ArrayView2D<T, Stride2D.DenseY> view, T[,] data) where T : unmanaged => ArrayCopies.ToHost(view, Stream(view.BaseView), data);
    public static void CopyToCPU<T>(this ArrayView2D<T, Stride2D.DenseY> view, AcceleratorStream stream, T[,] data) where T : unmanaged => ArrayCopies.ToHost(view, stream, data);
    public static T[,] GetAsArray2D<T>(this ArrayView2D<T, Stride2D.DenseY> view) where T : unmanaged => view.GetAsArray2D(Stream(view.BaseView));
    public static T[,] GetAsArray2D<T>(this ArrayView2D<T, Stride2D.DenseY> view, AcceleratorStream stream) where T : unmanaged
    {
        var data = new T[view.Extent.X, view.Extent.Y];
        ArrayCopies.ToHost(view, stream, data);
        return data;
    }

    public static void CopyFromCPU<T>(this MemoryBuffer<ArrayView2D<T, Stride2D.DenseY>> buffer, T[,] data) where T : unmanaged => ArrayCopies.FromHost(buffer.View, Stream(buffer.View.BaseView), data);
    public static void CopyFromCPU<T>(this MemoryBuffer<ArrayView2D<T, Stride2D.DenseY>> buffer, AcceleratorStream stream, T[,] data) where T : unmanaged => ArrayCopies.FromHost(buffer.View, stream, data);
    public static void CopyToCPU<T>(this MemoryBuffer<ArrayView2D<T, Stride2D.DenseY>> buffer, T[,] data) where T : unmanaged => ArrayCopies.ToHost(buffer.View, Stream(buffer.View.BaseView), data);
    public static void CopyToCPU<T>(this MemoryBuffer<ArrayView2D<T, Stride2D.DenseY>> buffer, AcceleratorStream stream, T[,] data) where T : unmanaged => ArrayCopies.ToHost(buffer.View, stream, data);
    public static T[,] GetAsArray2D<T>(this MemoryBuffer<ArrayView2D<T, Stride2D.DenseY>> buffer) where T : unmanaged => buffer.GetAsArray2D(Stream(buffer.View.BaseView));
    public static T[,] GetAsArray2D<T>(this MemoryBuffer<ArrayView2D<T, Stride2D.DenseY>> buffer, AcceleratorStream stream) where T : unmanaged
    {
        var data = new T[buffer.View.Extent.X, buffer.View.Extent.Y];
        ArrayCopies.ToHost(buffer.View, stream, data);
        return data;
    }

    public static void CopyFromCPU<T>(this ArrayView2D<T, Stride2D.General> view, T[,] data) where T : unmanaged => ArrayCopies.FromHost(view, Stream(view.BaseView), data);
    public static void CopyFromCPU<T>(this ArrayView2D<T, Stride2D.General> view, AcceleratorStream stream, T[,] data) where T : unmanaged => ArrayCopies.FromHost(view, stream, data);
    public static void CopyToCPU<T>(this ArrayView2D<T, Stride2D.General> view, T[,] data) where T : unmanaged => ArrayCopies.ToHost(view, Stream(view.BaseView), data);
    public static void CopyToCPU<T>(this ArrayView2D<T, Stride2D.General> view, AcceleratorStream stream, T[,] data) where T : unmanaged => ArrayCopies.ToHost(view, stream, data);
    public static T[,] GetAsArray2D<T>(this ArrayView2D<T, Stride2D.General> view) where T : unmanaged => view.GetAsArray2D(Stream(view.BaseView));
    public static T[,] GetAsArray2D<T>(this ArrayView2D<T, Stride2D.General> view, AcceleratorStream stream) where T : unmanaged
    {
        var data = new T[view.Extent.X, view.Extent.Y];
        ArrayCopies.ToHost(view, stream, data);
        return data;
    }

    public static void CopyFromCPU<T>(this MemoryBuffer<ArrayView2D<T, Stride2D.General>> buffer, T[,] data) where T : unmanaged => ArrayCopies.FromHost(buffer.View, Stream(buffer.View.BaseView), data);
    public static void CopyFromCPU<T>(this MemoryBuffer<ArrayView2D<T, Stride2D.General>> buffer, AcceleratorStream stream, T[,] data) where T : unmanaged => ArrayCopies.FromHost(buffer.View, stream, data);
    public static void CopyToCPU<T>(this MemoryBuffer<ArrayView2D<T, Stride2D.General>> buffer, T[,] data) where T : unmanaged => ArrayCopies.ToHost(buffer.View, Stream(buffer.View.BaseView), data);
    public static void CopyToCPU<T>(this MemoryBuffer<ArrayView2D<T, Stride2D.General>> buffer, AcceleratorStream stream, T[,] data) where T : unmanaged => ArrayCopies.ToHost(buffer.View, stream, data);
    public static T[,] GetAsArray2D<T>(this MemoryBuffer<ArrayView2D<T, Stride2D.General>> buffer) where T : unmanaged => buffer.GetAsArray2D(Stream(buffer.View.BaseView));
    public static T[,] GetAsArray2D<T>(this MemoryBuffer<ArrayView2D<T, Stride2D.General>> buffer, AcceleratorStream stream) where T : unmanaged
    {
        var data = new T[buffer.View.Extent.X, buffer.View.Extent.Y];
        ArrayCopies.ToHost(buffer.View, stream, data);
        return data;
    }

    public static void CopyFromCPU<T>(this ArrayView3D<T, Stride3D.DenseXY> view, T[,,] data) where T : unmanaged => ArrayCopies.FromHost(view, Stream(view.BaseView), data);
    public static void CopyFromCPU<T>(this ArrayView3D<T, Stride3D.DenseXY> view, AcceleratorStream stream, T[,,] data) where T : unmanaged => ArrayCopies.FromHost(view, stream, data);
    public static void CopyToCPU<T>(this ArrayView3D<T, Stride3D.DenseXY> view, T[,,] data) where T : unmanaged => ArrayCopies.ToHost(view, Stream(view.BaseView), data);
    public static void CopyToCPU<T>(this ArrayView3D<T, Stride3D.DenseXY> view, AcceleratorStream stream, T[,,] data) where T : unmanaged => ArrayCopies.ToHost(view, stream, data);
    public static T[,,] GetAsArray3D<T>(this ArrayView3D<T, Stride3D.DenseXY> view) where T : unmanaged => view.GetAsArray3D(Stream(view.BaseView));
    public static T[,,] GetAsArray3D<T>(this ArrayView3D<T, Stride3D.DenseXY> view, AcceleratorStream stream) where T : unmanaged
    {
        var data = new T[view.Extent.X, view.Extent.Y, view.Extent.Z];
        ArrayCopies.ToHost(view, stream, data);
        return data;
    }

    public static void CopyFromCPU<T>(this MemoryBuffer<ArrayView3D<T, Stride3D.DenseXY>> buffer, T[,,] data) where T : unmanaged => ArrayCopies.FromHost(buffer.View, Stream(buffer.View.BaseView), data);
    public static void CopyFromCPU<T>(this MemoryBuffer<ArrayView3D<T, Stride3D.DenseXY>> buffer, AcceleratorStream stream, T[,,] data) where T : unmanaged => ArrayCopies.FromHost(buffer.View, stream, data);
    public static void CopyToCPU<T>(this MemoryBuffer<ArrayView3D<T, Stride3D.DenseXY>> buffer, T[,,] data) where T : unmanaged => ArrayCopies.ToHost(buffer.View, Stream(buffer.View.BaseView), data);
    public static void CopyToCPU<T>(this MemoryBuffer<ArrayView3D<T, Stride3D.DenseXY>> buffer, AcceleratorStream stream, T[,,] data) where T : unmanaged => ArrayCopies.ToHost(buffer.View, stream, data);
    public static T[,,] GetAsArray3D<T>(this MemoryBuffer<ArrayView3D<T, Stride3D.DenseXY>> buffer) where T : unmanaged => buffer.GetAsArray3D(Stream(buffer.View.BaseView));
    public static T[,,] GetAsArray3D<T>(this MemoryBuffer<ArrayView3D<T, Stride3D.DenseXY>> buffer, AcceleratorStream stream) where T : unmanaged
    {
        var data = new T[buffer.View.Extent.X, buffer.View.Extent.Y, buffer.View.Extent.Z];
        ArrayCopies.ToHost(buffer.View, stream, data);
        return data;
    }

    public static void CopyFromCPU<T>(this ArrayView3D<T, Stride3D.DenseZY> view, T[,,] data) where T : unmanaged => ArrayCopies.FromHost(view, Stream(view.BaseView), data);
    public static void CopyFromCPU<T>(this ArrayView3D<T, Stride3D.DenseZY> view, AcceleratorStream stream, T[,,] data) where T : unmanaged => ArrayCopies.FromHost(view, stream, data);
    public static void CopyToCPU<T>(this ArrayView3D<T, Stride3D.DenseZY> view, T[,,] data) where T : unmanaged => ArrayCopies.ToHost(view, Stream(view.BaseView), data);
    public static void CopyToCPU<T>(this ArrayView3D<T, Stride3D.DenseZY> view, AcceleratorStream stream, T[,,] data) where T : unmanaged => ArrayCopies.ToHost(view, stream, data);
    public static T[,,] GetAsArray3D<T>(this ArrayView3D<T, Stride3D.DenseZY> view) where T : unmanaged => view.GetAsArray3D(Stream(view.BaseView));
    public static T[,,] GetAsArray3D<T>(this ArrayView3D<T, Stride3D.DenseZY> view, AcceleratorStream stream) where T : unmanaged
    {
        var data = new T[view.Extent.X, view.Extent.Y, view.Extent.Z];
        ArrayCopies.ToHost(view, stream, data);
        return data;
    }

    public static void CopyFromCPU<T>(this MemoryBuffer<ArrayView3D<T, Stride3D.DenseZY>> buffer, T[,,] data) where T : unmanaged => ArrayCopies.FromHost(buffer.View, Stream(buffer.View.BaseView), data);
    public static void CopyFromCPU<T>(this MemoryBuffer<ArrayView3D<T, Stride3D.DenseZY>> buffer, AcceleratorStream stream, T[,,] data) where T : unmanaged => ArrayCopies.FromHost(buffer.View, stream, data);
    public static void CopyToCPU<T>(this MemoryBuffer<ArrayView3D<T, Stride3D.DenseZY>> buffer, T[,,] data) where T : unmanaged => ArrayCopies.ToHost(buffer.View, Stream(buffer.View.BaseView), data);
    public static void CopyToCPU<T>(this MemoryBuffer<ArrayView3D<T, Stride3D.DenseZY>> buffer, AcceleratorStream stream, T[,,] data) where T : unmanaged => ArrayCopies.ToHost(buffer.View, stream, data);
    public static T[,,] GetAsArray3D<T>(this MemoryBuffer<ArrayView3D<T, Stride3D.DenseZY>> buffer) where T : unmanaged => buffer.GetAsArray3D(Stream(buffer.View.BaseView));
    public static T[,,] GetAsArray3D<T>(this MemoryBuffer<ArrayView3D<T, Stride3D.DenseZY>> buffer, AcceleratorStream stream) where T : unmanaged
    {
        var data = new T[buffer.View.Extent.X, buffer.View.Extent.Y, buffer.View.Extent.Z];
        ArrayCopies.ToHost(buffer.View, stream, data);
        return data;
    }

    public static void CopyFromCPU<T>(this ArrayView3D<T, Stride3D.General> view, T[,,] data) where T : unmanaged => ArrayCopies.FromHost(view, Stream(view.BaseView), data);
    public static void CopyFromCPU<T>(this ArrayView3D<T, Stride3D.General> view, AcceleratorStream stream, T[,,] data) where T : unmanaged => ArrayCopies.FromHost(view, stream, data);
    public static void CopyToCPU<T>(this ArrayView3D<T, Stride3D.General> view, T[,,] data) where T : unmanaged => ArrayCopies.ToHost(view, Stream(view.BaseView), data);
    public static void CopyToCPU<T>(this ArrayView3D<T, Stride3D.General> view, AcceleratorStream stream, T[,,] data) where T : unmanaged => ArrayCopies.ToHost(view, stream, data);
    public static T[,,] GetAsArray3D<T>(this ArrayView3D<T, Stride3D.General> view) where T : unmanaged => view.GetAsArray3D(Stream(view.BaseView));
    public static T[,,] GetAsArray3D<T>(this ArrayView3D<T, Stride3D.General> view, AcceleratorStream stream) where T : unmanaged
    {
        var data = new T[view.Extent.X, view.Extent.Y, view.Extent.Z];
        ArrayCopies.ToHost(view, stream, data);
        return data;
    }

    public static void CopyFromCPU<T>(this MemoryBuffer<ArrayView3D<T, Stride3D.General>> buffer, T[,,] data) where T : unmanaged => ArrayCopies.FromHost(buffer.View, Stream(buffer.View.BaseView), data);
    public static void CopyFromCPU<T>(this MemoryBuffer<ArrayView3D<T, Stride3D.General>> buffer, AcceleratorStream stream, T[,,] data) where T : unmanaged => ArrayCopies.FromHost(buffer.View, stream, data);
    public static void CopyToCPU<T>(this MemoryBuffer<ArrayView3D<T, Stride3D.General>> buffer, T[,,] data) where T : unmanaged => ArrayCopies.ToHost(buffer.View, Stream(buffer.View.BaseView), data);
    public static void CopyToCPU<T>(this MemoryBuffer<ArrayView3D<T, Stride3D.General>> buffer, AcceleratorStream stream, T[,,] data) where T : unmanaged => ArrayCopies.ToHost(buffer.View, stream, data);
    public static T[,,] GetAsArray3D<T>(this MemoryBuffer<ArrayView3D<T, Stride3D.General>> buffer) where T : unmanaged => buffer.GetAsArray3D(Stream(buffer.View.BaseView));
    public static T[,,] GetAsArray3D<T>(this MemoryBuffer<ArrayView3D<T, Stride3D.General>> buffer, AcceleratorStream stream) where T : unmanaged
    {
        var data = new T[buffer.View.Extent.X, buffer.View.Extent.Y, buffer.View.Extent.Z];
        ArrayCopies.ToHost(buffer.View, stream, data);
        return data;
    }

    public static MemoryBuffer2D<T, Stride2D.DenseX> Allocate2DDenseX<T>(this Accelerator accelerator, T[,] data) where T : unmanaged =>
        accelerator.Allocate2DDenseX(accelerator.DefaultStream, data);
    public static MemoryBuffer2D<T, Stride2D.DenseX> Allocate2DDenseX<T>(this Accelerator accelerator, AcceleratorStream stream, T[,] data) where T : unmanaged
    {
        MemoryBuffer2D<T, Stride2D.DenseX> buffer = accelerator.Allocate2DDenseX<T>(new LongIndex2D(data.GetLength(0), data.GetLength(1)));
        ArrayCopies.FromHost(buffer.View, stream, data);
        return buffer;
    }

    public static MemoryBuffer2D<T, Stride2D.DenseY> Allocate2DDenseY<T>(this Accelerator accelerator, T[,] data) where T : unmanaged =>
        accelerator.Allocate2DDenseY(accelerator.DefaultStream, data);
    public static MemoryBuffer2D<T, Stride2D.DenseY> Allocate2DDenseY<T>(this Accelerator accelerator, AcceleratorStream stream, T[,] data) where T : unmanaged
    {
        MemoryBuffer2D<T, Stride2D.DenseY> buffer = accelerator.Allocate2DDenseY<T>(new LongIndex2D(data.GetLength(0), data.GetLength(1)));
        ArrayCopies.FromHost(buffer.View, stream, data);
        return buffer;
    }

    public static MemoryBuffer3D<T, Stride3D.DenseXY> Allocate3DDenseXY<T>(this Accelerator accelerator, T[,,] data) where T : unmanaged =>
        accelerator.Allocate3DDenseXY(accelerator.DefaultStream, data);
    public static MemoryBuffer3D<T, Stride3D.DenseXY> Allocate3DDenseXY<T>(this Accelerator accelerator, AcceleratorStream stream, T[,,] data) where T : unmanaged
    {
        MemoryBuffer3D<T, Stride3D.DenseXY> buffer = accelerator.Allocate3DDenseXY<T>(new LongIndex3D(data.GetLength(0), data.GetLength(1), data.GetLength(2)));
        ArrayCopies.FromHost(buffer.View, stream, data);
        return buffer;
    }

    public static MemoryBuffer3D<T, Stride3D.DenseZY> Allocate3DDenseZY<T>(this Accelerator accelerator, T[,,] data) where T : unmanaged =>
        accelerator.Allocate3DDenseZY(accelerator.DefaultStream, data);
    public static MemoryBuffer3D<T, Stride3D.DenseZY> Allocate3DDenseZY<T>(this Accelerator accelerator, AcceleratorStream stream, T[,,] data) where T : unmanaged
    {
        MemoryBuffer3D<T, Stride3D.DenseZY> buffer = accelerator.Allocate3DDenseZY<T>(new LongIndex3D(data.GetLength(0), data.GetLength(1), data.GetLength(2)));
        ArrayCopies.FromHost(buffer.View, stream, data);
        return buffer;
    }
}
