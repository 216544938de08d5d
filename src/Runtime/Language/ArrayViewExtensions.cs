using System.Runtime.InteropServices;
using OllmNative.Runtime.Emulator;

namespace OllmNative.Runtime.Language;

/// <summary>Copies between host and device, and conversions of views.</summary>
public static unsafe partial class ArrayViewExtensions
{
    public static nint LoadEffectiveAddressAsPtr<T>(this ArrayView<T> view) where T : unmanaged => view.Address;
    public static VariableView<T> VariableView<T>(this ArrayView<T> view, Index1D element) where T : unmanaged => new(view.SubView((long)element.X, 1));
    public static VariableView<T> VariableView<T>(this ArrayView<T> view, LongIndex1D element) where T : unmanaged => new(view.SubView(element.X, 1));
    public static ArrayView1D<T, Stride1D.General> AsGeneral<T>(this ArrayView<T> view, Stride1D.General stride) where T : unmanaged => new(view, view.Extent, stride);
    public static ArrayView1D<T, Stride1D.General> AsGeneral<T>(this ArrayView<T> view) where T : unmanaged => view.AsGeneral(view.Stride.AsGeneral());
    public static Accelerator GetAccelerator<TView>(this TView view) where TView : IArrayView => view.Buffer.Accelerator;
    public static ArrayView1D<T, Stride1D.Dense> AsDense<T>(this ArrayView<T> view) where T : unmanaged => view;
    public static bool HasData<TView>(this TView view) where TView : IArrayView => view.IsValid && view.Length > 0;
    public static bool HasNoData<TView>(this TView view) where TView : IArrayView => !view.HasData();

    public static ArrayView2D<T, Stride2D.DenseY> AsTransposed<T>(this ArrayView2D<T, Stride2D.DenseX> view) where T : unmanaged =>
        new(view.BaseView, new(view.Extent.Y, view.Extent.X), new(view.Stride.YStride));
    public static ArrayView2D<T, Stride2D.DenseX> AsTransposed<T>(this ArrayView2D<T, Stride2D.DenseY> view) where T : unmanaged =>
        new(view.BaseView, new(view.Extent.Y, view.Extent.X), new(view.Stride.XStride));

    public static ArrayView2D<T, Stride2D.General> AsTransposed<T>(this ArrayView2D<T, Stride2D.General> view) where T : unmanaged =>
        new(view.BaseView, new(view.Extent.Y, view.Extent.X), new(new Index2D(view.Stride.YStride, view.Stride.XStride)));
    public static ArrayView3D<T, Stride3D.DenseZY> AsTransposed<T>(this ArrayView3D<T, Stride3D.DenseXY> view) where T : unmanaged =>
        new(view.BaseView, new(view.Extent.Z, view.Extent.Y, view.Extent.X), new(view.Stride.ZStride, view.Stride.YStride));
    public static ArrayView3D<T, Stride3D.DenseXY> AsTransposed<T>(this ArrayView3D<T, Stride3D.DenseZY> view) where T : unmanaged =>
        new(view.BaseView, new(view.Extent.Z, view.Extent.Y, view.Extent.X), new(view.Stride.YStride, view.Stride.XStride));

    public static ArrayView1D<TOther, Stride1D.Dense> Cast<T, TOther>(this ArrayView1D<T, Stride1D.Dense> view) where T : unmanaged where TOther : unmanaged =>
        view.BaseView.Cast<TOther>();

    public static void MemSetToZero<TView>(this TView view) where TView : IContiguousArrayView => view.MemSet(0);
    public static void MemSetToZero<TView>(this TView view, AcceleratorStream stream) where TView : IContiguousArrayView => view.MemSet(stream, 0);
    public static void MemSet<TView>(this TView view, byte value) where TView : IContiguousArrayView =>
        view.MemSet(view.Buffer.Accelerator.DefaultStream, value);
    public static void MemSet<TView>(this TView view, AcceleratorStream stream, byte value) where TView : IContiguousArrayView =>
        view.Buffer.MemSet(stream, value, view.IndexInBytes, view.LengthInBytes);

    public static void CopyTo<TView>(this TView source, in TView target) where TView : IContiguousArrayView => target.CopyFrom(source);
    public static void CopyTo<TView>(this TView source, AcceleratorStream stream, in TView target) where TView : IContiguousArrayView =>
        target.CopyFrom(stream, source);
    public static void CopyFrom<TView>(this TView target, in TView source) where TView : IContiguousArrayView =>
        target.CopyFrom(target.Buffer.Accelerator.DefaultStream, source);
    public static void CopyFrom<TView>(this TView target, AcceleratorStream stream, in TView source) where TView : IContiguousArrayView
    {
        CheckFits(source.Length, target.Length);
        if (source.Length == 0) return;
        if (source.Buffer.Raw is PageLockedBuffer)
            target.Buffer.CopyFromHost(stream, source.Buffer.NativePtr + (nint)source.IndexInBytes, target.IndexInBytes, source.LengthInBytes);
        else if (target.Buffer.Raw is PageLockedBuffer)
            source.Buffer.CopyToHost(stream, target.Buffer.NativePtr + (nint)target.IndexInBytes, source.IndexInBytes, source.LengthInBytes);
        else
            target.Buffer.CopyFromDevice(stream, source.Buffer.NativePtr + (nint)source.IndexInBytes, target.IndexInBytes, source.LengthInBytes);
    }

    public static void CopyTo<T>(this ArrayView1D<T, Stride1D.Dense> source, ArrayView1D<T, Stride1D.Dense> target) where T : unmanaged =>
        target.BaseView.CopyFrom(source.BaseView);
    public static void CopyTo<T>(this ArrayView1D<T, Stride1D.Dense> source, AcceleratorStream stream, in ArrayView1D<T, Stride1D.Dense> target) where T : unmanaged =>
        target.BaseView.CopyFrom(stream, source.BaseView);
    public static void CopyFrom<T>(this ArrayView1D<T, Stride1D.Dense> target, in ArrayView1D<T, Stride1D.Dense> source) where T : unmanaged =>
        target.BaseView.CopyFrom(source.BaseView);
    public static void CopyFrom<T>(this ArrayView1D<T, Stride1D.Dense> target, AcceleratorStream stream, in ArrayView1D<T, Stride1D.Dense> source) where T : unmanaged =>
        target.BaseView.CopyFrom(stream, source.BaseView);

    /// <summary>Copies an array to the device and waits for it.</summary>
    public static void CopyFromCPU<T>(this ArrayView<T> view, T[] data) where T : unmanaged => view.CopyFromCPU(Stream(view), data);
    public static void CopyFromCPU<T>(this ArrayView<T> view, AcceleratorStream stream, T[] data) where T : unmanaged =>
        view.CopyFromCPU(stream, new ReadOnlySpan<T>(data));
    public static void CopyFromCPU<T>(this ArrayView1D<T, Stride1D.Dense> view, T[] data) where T : unmanaged => view.BaseView.CopyFromCPU(data);
    public static void CopyFromCPU<T>(this ArrayView1D<T, Stride1D.Dense> view, AcceleratorStream stream, T[] data) where T : unmanaged =>
        view.BaseView.CopyFromCPU(stream, data);
    public static void CopyFromCPU<T>(this MemoryBuffer<ArrayView1D<T, Stride1D.Dense>> buffer, T[] data) where T : unmanaged =>
        buffer.View.BaseView.CopyFromCPU(data);
    public static void CopyFromCPU<T>(this MemoryBuffer<ArrayView1D<T, Stride1D.Dense>> buffer, AcceleratorStream stream, T[] data) where T : unmanaged =>
        buffer.View.BaseView.CopyFromCPU(stream, data);
    public static void CopyFromCPU<T>(this ArrayView1D<T, Stride1D.Dense> target, AcceleratorStream stream, in ReadOnlySpan<T> span) where T : unmanaged =>
        target.BaseView.CopyFromCPU(stream, span);

    /// <summary>Copies from the device to an array and waits for it.</summary>
    public static void CopyToCPU<T>(this ArrayView<T> view, T[] data) where T : unmanaged => view.CopyToCPU(Stream(view), data);
    public static void CopyToCPU<T>(this ArrayView<T> view, AcceleratorStream stream, T[] data) where T : unmanaged =>
        view.CopyToCPU(stream, new Span<T>(data));
    public static void CopyToCPU<T>(this ArrayView1D<T, Stride1D.Dense> view, T[] data) where T : unmanaged => view.BaseView.CopyToCPU(data);
    public static void CopyToCPU<T>(this ArrayView1D<T, Stride1D.Dense> view, AcceleratorStream stream, T[] data) where T : unmanaged =>
        view.BaseView.CopyToCPU(stream, data);
    public static void CopyToCPU<T>(this MemoryBuffer<ArrayView1D<T, Stride1D.Dense>> buffer, T[] data) where T : unmanaged =>
        buffer.View.BaseView.CopyToCPU(data);
    public static void CopyToCPU<T>(this MemoryBuffer<ArrayView1D<T, Stride1D.Dense>> buffer, AcceleratorStream stream, T[] data) where T : unmanaged =>
        buffer.View.BaseView.CopyToCPU(stream, data);
    public static void CopyToCPU<T>(this ArrayView1D<T, Stride1D.Dense> source, AcceleratorStream stream, in Span<T> span) where T : unmanaged =>
        source.BaseView.CopyToCPU(stream, span);

    public static T[] GetAsArray<T>(this ArrayView<T> view) where T : unmanaged => view.GetAsArray(Stream(view));
    public static T[] GetAsArray<T>(this ArrayView<T> view, AcceleratorStream stream) where T : unmanaged
    {
        var data = new T[view.Length];
        view.CopyToCPU(stream, data);
        return data;
    }

    public static T[] GetAsArray1D<T>(this ArrayView1D<T, Stride1D.Dense> view) where T : unmanaged => view.BaseView.GetAsArray();
    public static T[] GetAsArray1D<T>(this ArrayView1D<T, Stride1D.Dense> view, AcceleratorStream stream) where T : unmanaged => view.BaseView.GetAsArray(stream);
    public static T[] GetAsArray1D<T>(this MemoryBuffer<ArrayView1D<T, Stride1D.Dense>> buffer) where T : unmanaged => buffer.View.BaseView.GetAsArray();
    public static T[] GetAsArray1D<T>(this MemoryBuffer<ArrayView1D<T, Stride1D.Dense>> buffer, AcceleratorStream stream) where T : unmanaged =>
        buffer.View.BaseView.GetAsArray(stream);

    /// <summary>A device buffer with an array's contents.</summary>
    public static MemoryBuffer1D<T, Stride1D.Dense> Allocate1D<T>(this Accelerator accelerator, T[] data) where T : unmanaged =>
        accelerator.Allocate1D(accelerator.DefaultStream, data);
    public static MemoryBuffer1D<T, Stride1D.Dense> Allocate1D<T>(this Accelerator accelerator, AcceleratorStream stream, T[] data) where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(accelerator);
        ArgumentNullException.ThrowIfNull(data);
        MemoryBuffer1D<T, Stride1D.Dense> buffer = accelerator.Allocate1D<T>(data.Length);
        buffer.CopyFromCPU(stream, data);
        return buffer;
    }

    /// <summary>Copies values from the host, from one on, and waits for it.</summary>
    public static void CopyFromCPU<T, TView>(this TView target, ref T cpuData, long length) where T : unmanaged where TView : IContiguousArrayView<T> =>
        target.CopyFromCPU(target.Buffer.Accelerator.DefaultStream, ref cpuData, length);
    public static void CopyFromCPU<T, TView>(this TView target, AcceleratorStream stream, ref T cpuData, long length) where T : unmanaged where TView : IContiguousArrayView<T> =>
        target.BaseView.CopyFromCPU(stream, MemoryMarshal.CreateReadOnlySpan(ref cpuData, checked((int)length)));

    /// <summary>Copies to values of the host, from one on, and waits for it.</summary>
    public static void CopyToCPU<T, TView>(this TView source, ref T cpuData, long length) where T : unmanaged where TView : IContiguousArrayView<T> =>
        source.CopyToCPU(source.Buffer.Accelerator.DefaultStream, ref cpuData, length);
    public static void CopyToCPU<T, TView>(this TView source, AcceleratorStream stream, ref T cpuData, long length) where T : unmanaged where TView : IContiguousArrayView<T> =>
        source.BaseView.SubView(0, length).CopyToCPU(stream, MemoryMarshal.CreateSpan(ref cpuData, checked((int)length)));

    private static void CopyFromCPU<T>(this ArrayView<T> view, AcceleratorStream stream, ReadOnlySpan<T> data) where T : unmanaged
    {
        CheckFits(data.Length, view.Length);
        if (data.IsEmpty) return;
        RefuseRecording(stream);
        IContiguousArrayView target = view;
        fixed (T* source = data)
        {
            target.Buffer.CopyFromHost(stream, (nint)source, target.IndexInBytes, (long)data.Length * sizeof(T));
            stream.Synchronize();
        }
    }

    private static void CopyToCPU<T>(this ArrayView<T> view, AcceleratorStream stream, Span<T> data) where T : unmanaged
    {
        CheckFits(view.Length, data.Length);
        if (view.Length == 0) return;
        RefuseRecording(stream);
        IContiguousArrayView source = view;
        fixed (T* target = data)
        {
            source.Buffer.CopyToHost(stream, (nint)target, source.IndexInBytes, view.LengthInBytes);
            stream.Synchronize();
        }
    }

    /// <summary>Before the copy is asked for: a driver gives up the whole recording for one of ordinary memory.</summary>
    private static void RefuseRecording(AcceleratorStream stream)
    {
        if (stream.IsRecordingNow) throw new InvalidOperationException(EmulatorStream.CapturedWait);
    }

    private static void CheckFits(long length, long room)
    {
        if (length > room) throw new ArgumentException($"{length} elements do not fit into {room}");
    }

    private static AcceleratorStream Stream<T>(ArrayView<T> view) where T : unmanaged => ((IContiguousArrayView)view).Buffer.Accelerator.DefaultStream;
}
