namespace OllmNative.Runtime.Cuda;

/// <summary>
/// The functions of the CUDA driver that the runtime uses, one method each, in the driver's order of parameters. The name of a method is the
/// driver's without "cu" and version suffix. <see cref="CudaLibrary"/> is the driver itself; tests put another one in its place.
/// </summary>
internal unsafe interface ICudaApi
{
    CuResult Init(uint flags);
    CuResult DriverGetVersion(out int version);
    CuResult GetErrorName(CuResult error, out nint text);
    CuResult GetErrorString(CuResult error, out nint text);

    CuResult DeviceGetCount(out int count);
    CuResult DeviceGet(out int device, int ordinal);
    CuResult DeviceGetName(byte* name, int length, int device);
    CuResult DeviceTotalMem(out nuint bytes, int device);
    CuResult DeviceGetAttribute(out int value, DeviceAttribute attribute, int device);

    CuResult DevicePrimaryCtxRetain(out nint context, int device);
    CuResult DevicePrimaryCtxRelease(int device);
    CuResult CtxSetCurrent(nint context);
    CuResult CtxSynchronize();

    CuResult MemGetInfo(out nuint free, out nuint total);
    CuResult MemAlloc(out nint address, nuint bytes);
    CuResult MemFree(nint address);
    CuResult MemHostAlloc(out nint address, nuint bytes, uint flags);
    CuResult MemFreeHost(nint address);
    CuResult MemcpyHtoDAsync(nint target, nint source, nuint bytes, nint stream);
    CuResult MemcpyDtoHAsync(nint target, nint source, nuint bytes, nint stream);
    CuResult MemcpyDtoDAsync(nint target, nint source, nuint bytes, nint stream);
    CuResult MemsetD8Async(nint target, byte value, nuint bytes, nint stream);

    CuResult StreamCreate(out nint stream, uint flags);
    CuResult StreamDestroy(nint stream);
    CuResult StreamSynchronize(nint stream);
    CuResult StreamWaitEvent(nint stream, nint @event, uint flags);
    CuResult StreamBeginCapture(nint stream, int mode);
    CuResult StreamEndCapture(nint stream, out nint graph);

    CuResult EventCreate(out nint @event, uint flags);
    CuResult EventRecord(nint @event, nint stream);
    CuResult EventSynchronize(nint @event);
    CuResult EventElapsedTime(out float milliseconds, nint start, nint end);
    CuResult EventDestroy(nint @event);

    CuResult LinkCreate(uint optionCount, JitOption* options, nint* values, out nint state);
    CuResult LinkAddData(nint state, JitInput type, void* data, nuint bytes, byte* name, uint optionCount, JitOption* options, nint* values);
    CuResult LinkComplete(nint state, out nint cubin, out nuint bytes);
    CuResult LinkDestroy(nint state);
    CuResult ModuleLoadDataEx(out nint module, void* image, uint optionCount, JitOption* options, nint* values);
    CuResult ModuleUnload(nint module);
    CuResult ModuleGetFunction(out nint function, nint module, byte* name);
    CuResult FuncGetAttribute(out int value, FunctionAttribute attribute, nint function);
    CuResult FuncSetAttribute(nint function, FunctionAttribute attribute, int value);
    CuResult OccupancyMaxPotentialBlockSize(out int minGrid, out int block, nint function, nint sharedOfBlock, nuint sharedBytes, int blockLimit);
    CuResult OccupancyMaxActiveBlocksPerMultiprocessor(out int blocks, nint function, int block, nuint sharedBytes);

    CuResult LaunchKernel(
        nint function, uint gridX, uint gridY, uint gridZ, uint blockX, uint blockY, uint blockZ, uint sharedBytes, nint stream, void** parameters, void** extra);
    CuResult LaunchKernelEx(LaunchConfig* config, nint function, void** parameters, void** extra);

    CuResult GraphInstantiateWithFlags(out nint executable, nint graph, ulong flags);
    CuResult GraphExecUpdate(nint executable, nint graph, GraphUpdateInfo* info);
    CuResult GraphGetNodes(nint graph, nint* nodes, nuint* count);
    CuResult GraphLaunch(nint executable, nint stream);
    CuResult GraphExecDestroy(nint executable);
    CuResult GraphDestroy(nint graph);

    CuResult TensorMapEncodeTiled(
        TensorMapBits* map, int dataType, uint rank, nint address, ulong* dimensions, ulong* strides, uint* box, uint* elementStrides,
        int interleave, int swizzle, int promotion, int fill);
}
