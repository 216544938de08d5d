namespace OllmNative.Runtime.Language;

/// <summary>Copies from and to page-locked memory of the host.</summary>
public static unsafe partial class ArrayViewExtensions
{
    /// <summary>Copies to page-locked memory without waiting.</summary>
    public static void CopyToPageLockedAsync<T, TView>(this TView source, AcceleratorStream stream, PageLockedArray<T> pageLockedArray)
        where T : unmanaged where TView : IContiguousArrayView<T>
    {
        ArgumentNullException.ThrowIfNull(pageLockedArray);
        CheckFits(source.Length, pageLockedArray.Length);
        if (source.Length > 0) source.Buffer.CopyToHost(stream, pageLockedArray.Address, source.IndexInBytes, source.LengthInBytes);
    }

    public static void CopyToPageLockedAsync<T, TView>(this TView source, PageLockedArray<T> pageLockedArray)
        where T : unmanaged where TView : IContiguousArrayView<T> =>
        source.CopyToPageLockedAsync(source.Buffer.Accelerator.DefaultStream, pageLockedArray);

    /// <summary>Copies from page-locked memory without waiting.</summary>
    public static void CopyFromPageLockedAsync<T, TView>(this TView target, AcceleratorStream stream, PageLockedArray<T> pageLockedArray)
        where T : unmanaged where TView : IContiguousArrayView<T>
    {
        ArgumentNullException.ThrowIfNull(pageLockedArray);
        CheckFits(pageLockedArray.Length, target.Length);
        if (pageLockedArray.Length > 0)
            target.Buffer.CopyFromHost(stream, pageLockedArray.Address, target.IndexInBytes, pageLockedArray.Length * sizeof(T));
    }

    public static void CopyFromPageLockedAsync<T, TView>(this TView target, PageLockedArray<T> pageLockedArray)
        where T : unmanaged where TView : IContiguousArrayView<T> =>
        target.CopyFromPageLockedAsync(target.Buffer.Accelerator.DefaultStream, pageLockedArray);

    public static void CopyToPageLockedAsync<T, TView>(this TView source, AcceleratorStream stream, PageLockScope<T> pageLockScope)
        where T : unmanaged where TView : IContiguousArrayView<T>
    {
        ArgumentNullException.ThrowIfNull(pageLockScope);
        source.BaseView.CopyTo(stream, pageLockScope.ArrayView);
    }

    public static void CopyFromPageLockedAsync<T, TView>(this TView target, AcceleratorStream stream, PageLockScope<T> pageLockScope)
        where T : unmanaged where TView : IContiguousArrayView<T>
    {
        ArgumentNullException.ThrowIfNull(pageLockScope);
        target.BaseView.CopyFrom(stream, pageLockScope.ArrayView);
    }

    /// <summary>A page-locked copy of a view's elements, complete when it returns.</summary>
    public static PageLockedArray1D<T> GetAsPageLocked1D<T>(this ArrayView1D<T, Stride1D.Dense> view) where T : unmanaged => view.GetAsPageLocked1D(Stream(view.BaseView));

    public static PageLockedArray1D<T> GetAsPageLocked1D<T>(this ArrayView1D<T, Stride1D.Dense> view, AcceleratorStream stream) where T : unmanaged
    {
        PageLockedArray1D<T> array = view.BaseView.GetAccelerator().AllocatePageLocked1D<T>(view.Length, uninitialized: true);
        view.BaseView.CopyToPageLockedAsync(stream, array);
        stream.Synchronize();
        return array;
    }
}
