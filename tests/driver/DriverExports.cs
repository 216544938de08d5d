using System.Runtime.InteropServices;
using OllmNative.Runtime.Cuda;

namespace OllmNative.Tests.Driver;

/// <summary>
/// The functions of the driver by their exported names, each handed to the interpreter. Here: devices, contexts, memory, streams and events.
/// No exception leaves the library: it becomes the code that a driver would return.
/// </summary>
internal static unsafe partial class DriverExports
{
    [UnmanagedCallersOnly(EntryPoint = "cuInit")]
    private static CuResult Init(uint flags)
    {
        try { return Driver.Init(flags); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuDriverGetVersion")]
    private static CuResult DriverGetVersion(int* version)
    {
        try { return Driver.DriverGetVersion(out *version); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuGetErrorName")]
    private static CuResult GetErrorName(CuResult error, nint* text)
    {
        try { return Driver.GetErrorName(error, out *text); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuGetErrorString")]
    private static CuResult GetErrorString(CuResult error, nint* text)
    {
        try { return Driver.GetErrorString(error, out *text); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuDeviceGetCount")]
    private static CuResult DeviceGetCount(int* count)
    {
        try { return Driver.DeviceGetCount(out *count); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuDeviceGet")]
    private static CuResult DeviceGet(int* device, int ordinal)
    {
        try { return Driver.DeviceGet(out *device, ordinal); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuDeviceGetName")]
    private static CuResult DeviceGetName(byte* name, int length, int device)
    {
        try { return Driver.DeviceGetName(name, length, device); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuDeviceTotalMem_v2")]
    private static CuResult DeviceTotalMem(nuint* bytes, int device)
    {
        try { return Driver.DeviceTotalMem(out *bytes, device); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuDeviceGetAttribute")]
    private static CuResult DeviceGetAttribute(int* value, DeviceAttribute attribute, int device)
    {
        try { return Driver.DeviceGetAttribute(out *value, attribute, device); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuDevicePrimaryCtxRetain")]
    private static CuResult DevicePrimaryCtxRetain(nint* context, int device)
    {
        try { return Driver.DevicePrimaryCtxRetain(out *context, device); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuDevicePrimaryCtxRelease_v2")]
    private static CuResult DevicePrimaryCtxRelease(int device)
    {
        try { return Driver.DevicePrimaryCtxRelease(device); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuCtxSetCurrent")]
    private static CuResult CtxSetCurrent(nint context)
    {
        try { return Driver.CtxSetCurrent(context); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuCtxSynchronize")]
    private static CuResult CtxSynchronize()
    {
        try { return Driver.CtxSynchronize(); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuMemGetInfo_v2")]
    private static CuResult MemGetInfo(nuint* free, nuint* total)
    {
        try { return Driver.MemGetInfo(out *free, out *total); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuMemAlloc_v2")]
    private static CuResult MemAlloc(nint* address, nuint bytes)
    {
        try { return Driver.MemAlloc(out *address, bytes); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuMemFree_v2")]
    private static CuResult MemFree(nint address)
    {
        try { return Driver.MemFree(address); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuMemHostAlloc")]
    private static CuResult MemHostAlloc(nint* address, nuint bytes, uint flags)
    {
        try { return Driver.MemHostAlloc(out *address, bytes, flags); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuMemFreeHost")]
    private static CuResult MemFreeHost(nint address)
    {
        try { return Driver.MemFreeHost(address); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuMemcpyHtoDAsync_v2")]
    private static CuResult MemcpyHtoDAsync(nint target, nint source, nuint bytes, nint stream)
    {
        try { return Driver.MemcpyHtoDAsync(target, source, bytes, stream); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuMemcpyDtoHAsync_v2")]
    private static CuResult MemcpyDtoHAsync(nint target, nint source, nuint bytes, nint stream)
    {
        try { return Driver.MemcpyDtoHAsync(target, source, bytes, stream); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuMemcpyDtoDAsync_v2")]
    private static CuResult MemcpyDtoDAsync(nint target, nint source, nuint bytes, nint stream)
    {
        try { return Driver.MemcpyDtoDAsync(target, source, bytes, stream); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuMemsetD8Async")]
    private static CuResult MemsetD8Async(nint target, byte value, nuint bytes, nint stream)
    {
        try { return Driver.MemsetD8Async(target, value, bytes, stream); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuStreamCreate")]
    private static CuResult StreamCreate(nint* stream, uint flags)
    {
        try { return Driver.StreamCreate(out *stream, flags); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuStreamDestroy_v2")]
    private static CuResult StreamDestroy(nint stream)
    {
        try { return Driver.StreamDestroy(stream); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuStreamSynchronize")]
    private static CuResult StreamSynchronize(nint stream)
    {
        try { return Driver.StreamSynchronize(stream); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuStreamWaitEvent")]
    private static CuResult StreamWaitEvent(nint stream, nint @event, uint flags)
    {
        try { return Driver.StreamWaitEvent(stream, @event, flags); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuStreamBeginCapture_v2")]
    private static CuResult StreamBeginCapture(nint stream, int mode)
    {
        try { return Driver.StreamBeginCapture(stream, mode); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuStreamEndCapture")]
    private static CuResult StreamEndCapture(nint stream, nint* graph)
    {
        try { return Driver.StreamEndCapture(stream, out *graph); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuEventCreate")]
    private static CuResult EventCreate(nint* @event, uint flags)
    {
        try { return Driver.EventCreate(out *@event, flags); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuEventRecord")]
    private static CuResult EventRecord(nint @event, nint stream)
    {
        try { return Driver.EventRecord(@event, stream); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuEventSynchronize")]
    private static CuResult EventSynchronize(nint @event)
    {
        try { return Driver.EventSynchronize(@event); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuEventElapsedTime")]
    private static CuResult EventElapsedTime(float* milliseconds, nint start, nint end)
    {
        try { return Driver.EventElapsedTime(out *milliseconds, start, end); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuEventDestroy_v2")]
    private static CuResult EventDestroy(nint @event)
    {
        try { return Driver.EventDestroy(@event); }
        catch (Exception failure) { return Failed(failure); }
    }
}
