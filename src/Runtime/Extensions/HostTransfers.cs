using OllmNative.Runtime.Language;

namespace OllmNative.Runtime.Extensions;

/// <summary>Copies between parts of page-locked memory and the device, in a stream's order; none waits.</summary>
public static unsafe class HostTransfers
{
    /// <summary>target = host[offset..]; the host memory must stay as it is until the stream has come to the copy.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The part does not lie inside the host memory.</exception>
    public static void CopyFromHost<T>(this ArrayView<T> target, AcceleratorStream stream, PageLockedArray<byte> host, long offsetInBytes) where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(host);
        if (target.Length == 0) return;
        IContiguousArrayView view = target;
        view.Buffer.CopyFromHost(stream, Place(host, offsetInBytes, view.LengthInBytes), view.IndexInBytes, view.LengthInBytes);
    }

    /// <summary>host[offset..] = source; there once the stream has come to the copy.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The part does not lie inside the host memory.</exception>
    public static void CopyToHost<T>(this ArrayView<T> source, AcceleratorStream stream, PageLockedArray<byte> host, long offsetInBytes) where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(host);
        if (source.Length == 0) return;
        IContiguousArrayView view = source;
        view.Buffer.CopyToHost(stream, Place(host, offsetInBytes, view.LengthInBytes), view.IndexInBytes, view.LengthInBytes);
    }

    private static nint Place(PageLockedArray<byte> host, long offset, long bytes)
    {
        if (offset < 0 || offset + bytes > host.Length) throw new ArgumentOutOfRangeException(nameof(offset), $"bytes {offset} to {offset + bytes} of {host.Length}");
        return host.Address + (nint)offset;
    }
}
