using OllmNative.Runtime.Language;

namespace OllmNative.Runtime.Cuda;

/// <summary>
/// Memory of a GPU. It is taken with cuMemAlloc and given back with cuMemFree, which waits for the work that uses it; programs allocate at
/// the start, not in a loop.
/// </summary>
internal sealed class CudaBuffer : MemoryBuffer
{
    private readonly CudaAccelerator _gpu;

    public CudaBuffer(CudaAccelerator accelerator, long length, int elementSize) : base(accelerator, length, elementSize)
    {
        _gpu = accelerator;
        _gpu.Bind();
        // A buffer of nothing has an address too.
        CuResult status = _gpu.Api.MemAlloc(out nint address, (nuint)Math.Max(1, LengthInBytes));
        if (status != CuResult.Success) throw _gpu.Failure("cuMemAlloc", status, $"{CudaText.Bytes(LengthInBytes)} asked for");
        NativePtr = address;
        _gpu.CountMemory(Math.Max(1, LengthInBytes));
        _gpu.Adopt(this);
    }

    public override void MemSet(AcceleratorStream stream, byte value, long targetOffsetInBytes, long length)
    {
        CudaStream own = Start(stream, targetOffsetInBytes, length);
        if (length == 0) return;
        _gpu.Check("cuMemsetD8Async", _gpu.Api.MemsetD8Async(NativePtr + (nint)targetOffsetInBytes, value, (nuint)length, own.StreamPtr));
    }

    protected internal override void CopyFromHost(AcceleratorStream stream, nint source, long targetOffsetInBytes, long lengthInBytes)
    {
        CudaStream own = Start(stream, targetOffsetInBytes, lengthInBytes);
        _gpu.Check("cuMemcpyHtoDAsync", _gpu.Api.MemcpyHtoDAsync(NativePtr + (nint)targetOffsetInBytes, source, (nuint)lengthInBytes, own.StreamPtr));
    }

    protected internal override void CopyToHost(AcceleratorStream stream, nint target, long sourceOffsetInBytes, long lengthInBytes)
    {
        CudaStream own = Start(stream, sourceOffsetInBytes, lengthInBytes);
        _gpu.Check("cuMemcpyDtoHAsync", _gpu.Api.MemcpyDtoHAsync(target, NativePtr + (nint)sourceOffsetInBytes, (nuint)lengthInBytes, own.StreamPtr));
    }

    protected internal override void CopyFromDevice(AcceleratorStream stream, nint source, long targetOffsetInBytes, long lengthInBytes)
    {
        CudaStream own = Start(stream, targetOffsetInBytes, lengthInBytes);
        _gpu.Check("cuMemcpyDtoDAsync", _gpu.Api.MemcpyDtoDAsync(NativePtr + (nint)targetOffsetInBytes, source, (nuint)lengthInBytes, own.StreamPtr));
    }

    private CudaStream Start(AcceleratorStream stream, long offset, long length)
    {
        ObjectDisposedException.ThrowIf(NativePtr == 0, this);
        if (offset < 0 || length < 0 || offset + length > LengthInBytes)
            throw new ArgumentOutOfRangeException(nameof(length), $"bytes {offset} to {offset + length} of a buffer of {LengthInBytes}");
        CudaStream own = _gpu.Own(stream);
        own.EndsInOverlap = false;
        _gpu.Bind();
        return own;
    }

    protected override void Dispose(bool disposing)
    {
        if (NativePtr != 0)
        {
            _gpu.Release(this, () => _gpu.Api.MemFree(NativePtr));
            _gpu.CountMemory(-Math.Max(1, LengthInBytes));
        }
        NativePtr = 0;
        base.Dispose(disposing);
    }
}
