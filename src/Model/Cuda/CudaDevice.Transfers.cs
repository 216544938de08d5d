#if !ILGPU
using OllmNative.Runtime.Language;

namespace OllmNative.Model.Cuda;

/// <summary>Copies beside the work: a ring of page-locked memory for uploads on the queue, and a second stream.</summary>
public sealed partial class CudaDevice
{
    private UploadRing? _uploads;
    private AcceleratorStream? _copyQueue;

    /// <inheritdoc/>
    public override HostPlaces<T> NewHostPlaces<T>(long capacity, int places, bool beside) => _copyQueue is { } second
        ? new PageLockedPlaces<T>(_accelerator, _queue, beside ? second : _queue, capacity, places)
        : base.NewHostPlaces<T>(capacity, places, beside);

    /// <inheritdoc/>
    public override Feed<T> NewFeed<T>(long capacity) => _copyQueue is { } second
        ? new CudaFeed<T>(this, _accelerator, _queue, second, capacity)
        : base.NewFeed<T>(capacity);

    private void OpenTransfers()
    {
        if (!_options.RunsAhead) return;
        (_uploads, _copyQueue) = (new UploadRing(_accelerator, _queue), _accelerator.CreateStream());
    }

    private void CloseTransfers()
    {
        _uploads?.Dispose();
        _copyQueue?.Dispose();
    }
}
#endif
