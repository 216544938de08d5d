namespace OllmNative.Runtime.Cuda;

/// <summary>
/// The installed CUDA driver. Its functions are looked up when they are first called, so a driver that is older than one of them is only a
/// problem to who calls that one; the runtime asks for the version first.
/// </summary>
internal sealed unsafe partial class CudaLibrary : ICudaApi
{
    private CudaLibrary() { }

    /// <summary>The only one: the driver has one state in a process.</summary>
    public static CudaLibrary Instance { get; } = new();

    /// <summary>Its file: <c>libcuda.so.1</c>, on Windows <c>nvcuda.dll</c>.</summary>
    public static string FileName => OperatingSystem.IsWindows() ? "nvcuda.dll" : "libcuda.so.1";

    /// <summary>Whether the file is there and has the functions of a driver.</summary>
    public static bool IsInstalled => Native.Handle != 0;

    public CuResult Init(uint flags) => Native.Init(flags);
    public CuResult DriverGetVersion(out int version) => Native.DriverGetVersion(out version);
    public CuResult GetErrorName(CuResult error, out nint text) => Native.GetErrorName(error, out text);
    public CuResult GetErrorString(CuResult error, out nint text) => Native.GetErrorString(error, out text);

    public CuResult DeviceGetCount(out int count) => Native.DeviceGetCount(out count);
    public CuResult DeviceGet(out int device, int ordinal) => Native.DeviceGet(out device, ordinal);
    public CuResult DeviceGetName(byte* name, int length, int device) => Native.DeviceGetName(name, length, device);
    public CuResult DeviceTotalMem(out nuint bytes, int device) => Native.DeviceTotalMem(out bytes, device);
    public CuResult DeviceGetAttribute(out int value, DeviceAttribute attribute, int device) => Native.DeviceGetAttribute(out value, attribute, device);

    public CuResult DevicePrimaryCtxRetain(out nint context, int device) => Native.DevicePrimaryCtxRetain(out context, device);
    public CuResult DevicePrimaryCtxRelease(int device) => Native.DevicePrimaryCtxRelease(device);
    public CuResult CtxSetCurrent(nint context) => Native.CtxSetCurrent(context);
    public CuResult CtxSynchronize() => Native.CtxSynchronize();

    public CuResult MemGetInfo(out nuint free, out nuint total) => Native.MemGetInfo(out free, out total);
    public CuResult MemAlloc(out nint address, nuint bytes) => Native.MemAlloc(out address, bytes);
    public CuResult MemFree(nint address) => Native.MemFree(address);
    public CuResult MemHostAlloc(out nint address, nuint bytes, uint flags) => Native.MemHostAlloc(out address, bytes, flags);
    public CuResult MemFreeHost(nint address) => Native.MemFreeHost(address);
    public CuResult MemcpyHtoDAsync(nint target, nint source, nuint bytes, nint stream) => Native.MemcpyHtoDAsync(target, source, bytes, stream);
    public CuResult MemcpyDtoHAsync(nint target, nint source, nuint bytes, nint stream) => Native.MemcpyDtoHAsync(target, source, bytes, stream);
    public CuResult MemcpyDtoDAsync(nint target, nint source, nuint bytes, nint stream) => Native.MemcpyDtoDAsync(target, source, bytes, stream);
    public CuResult MemsetD8Async(nint target, byte value, nuint bytes, nint stream) => Native.MemsetD8Async(target, value, bytes, stream);

    public CuResult StreamCreate(out nint stream, uint flags) => Native.StreamCreate(out stream, flags);
    public CuResult StreamDestroy(nint stream) => Native.StreamDestroy(stream);
    public CuResult StreamSynchronize(nint stream) => Native.StreamSynchronize(stream);
    public CuResult StreamWaitEvent(nint stream, nint @event, uint flags) => Native.StreamWaitEvent(stream, @event, flags);
    public CuResult StreamBeginCapture(nint stream, int mode) => Native.StreamBeginCapture(stream, mode);
    public CuResult StreamEndCapture(nint stream, out nint graph) => Native.StreamEndCapture(stream, out graph);

    public CuResult EventCreate(out nint @event, uint flags) => Native.EventCreate(out @event, flags);
    public CuResult EventRecord(nint @event, nint stream) => Native.EventRecord(@event, stream);
    public CuResult EventSynchronize(nint @event) => Native.EventSynchronize(@event);
    public CuResult EventElapsedTime(out float milliseconds, nint start, nint end) => Native.EventElapsedTime(out milliseconds, start, end);
    public CuResult EventDestroy(nint @event) => Native.EventDestroy(@event);

    public CuResult LinkCreate(
        uint optionCount, JitOption* options, nint* values, out nint state) =>
        Native.LinkCreate(optionCount, options, values, out state);
    public CuResult LinkAddData(
        nint state, JitInput type, void* data, nuint bytes, byte* name, uint optionCount, JitOption* options, nint* values) =>
        Native.LinkAddData(state, type, data, bytes, name, optionCount, options, values);
    public CuResult LinkComplete(nint state, out nint cubin, out nuint bytes) => Native.LinkComplete(state, out cubin, out bytes);
    public CuResult LinkDestroy(nint state) => Native.LinkDestroy(state);
    public CuResult ModuleLoadDataEx(
        out nint module, void* image, uint optionCount, JitOption* options, nint* values) =>
        Native.ModuleLoadDataEx(out module, image, optionCount, options, values);
    public CuResult ModuleUnload(nint module) => Native.ModuleUnload(module);
    public CuResult ModuleGetFunction(out nint function, nint module, byte* name) => Native.ModuleGetFunction(out function, module, name);
    public CuResult FuncGetAttribute(out int value, FunctionAttribute attribute, nint function) => Native.FuncGetAttribute(out value, attribute, function);
    public CuResult FuncSetAttribute(nint function, FunctionAttribute attribute, int value) => Native.FuncSetAttribute(function, attribute, value);
    public CuResult OccupancyMaxPotentialBlockSize(
        out int minGrid, out int block, nint function, nint sharedOfBlock, nuint sharedBytes, int blockLimit) =>
        Native.OccupancyMaxPotentialBlockSize(out minGrid, out block, function, sharedOfBlock, sharedBytes, blockLimit);
    public CuResult OccupancyMaxActiveBlocksPerMultiprocessor(
        out int blocks, nint function, int block, nuint sharedBytes) =>
        Native.OccupancyMaxActiveBlocksPerMultiprocessor(out blocks, function, block, sharedBytes);

    public CuResult LaunchKernel(
        nint function, uint gridX, uint gridY, uint gridZ, uint blockX, uint blockY, uint blockZ,
        uint sharedBytes, nint stream, void** parameters, void** extra) =>
        Native.LaunchKernel(function, gridX, gridY, gridZ, blockX, blockY, blockZ, sharedBytes, stream, parameters, extra);
    public CuResult LaunchKernelEx(
        LaunchConfig* config, nint function, void** parameters, void** extra) =>
        Native.LaunchKernelEx(config, function, parameters, extra);

    public CuResult GraphInstantiateWithFlags(out nint executable, nint graph, ulong flags) => Native.GraphInstantiateWithFlags(out executable, graph, flags);
    public CuResult GraphExecUpdate(nint executable, nint graph, GraphUpdateInfo* info) => Native.GraphExecUpdate(executable, graph, info);
    public CuResult GraphGetNodes(nint graph, nint* nodes, nuint* count) => Native.GraphGetNodes(graph, nodes, count);
    public CuResult GraphLaunch(nint executable, nint stream) => Native.GraphLaunch(executable, stream);
    public CuResult GraphExecDestroy(nint executable) => Native.GraphExecDestroy(executable);
    public CuResult GraphDestroy(nint graph) => Native.GraphDestroy(graph);

    public CuResult TensorMapEncodeTiled(
        TensorMapBits* map, int dataType, uint rank, nint address, ulong* dimensions, ulong* strides, uint* box, uint* elementStrides,
        int interleave, int swizzle, int promotion, int fill) =>
        Native.TensorMapEncodeTiled(map, dataType, rank, address, dimensions, strides, box, elementStrides, interleave, swizzle, promotion, fill);
}
