using System.Reflection;
using System.Runtime.InteropServices;

namespace OllmNative.Runtime.Cuda;

internal sealed unsafe partial class CudaLibrary
{
    /// <summary>The functions by their exported names: _v2 where the driver has changed one since its first version.</summary>
    private static partial class Native
    {
        // No file has this name: the resolver gives the driver's.
        private const string Name = "cuda-driver";

        private static readonly Lazy<nint> Library = new(Open);

#pragma warning disable CA1810 // The resolver must be there before the first function is called, and only a static constructor is sure to be.
        static Native() => NativeLibrary.SetDllImportResolver(typeof(Native).Assembly, Resolve);
#pragma warning restore CA1810

        public static nint Handle => Library.Value;

        private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path) => name == Name ? Library.Value : 0;

        // Where containers and WSL mount the host's driver; the loader's own paths, asked first, do not always name them.
        private static readonly string[] Mounts = ["/usr/local/nvidia/lib64", "/usr/lib/wsl/lib"];

        private static nint Open()
        {
            string[] files = OperatingSystem.IsLinux() ? [FileName, .. Mounts.Select(folder => $"{folder}/{FileName}")] : [FileName];
            foreach (string file in files)
                if (NativeLibrary.TryLoad(file, out nint library) && NativeLibrary.TryGetExport(library, "cuInit", out _)) return library;
            return 0;
        }

        [LibraryImport(Name, EntryPoint = "cuInit")]
        public static partial CuResult Init(uint flags);
        [LibraryImport(Name, EntryPoint = "cuDriverGetVersion")]
        public static partial CuResult DriverGetVersion(out int version);
        [LibraryImport(Name, EntryPoint = "cuGetErrorName")]
        public static partial CuResult GetErrorName(CuResult error, out nint text);
        [LibraryImport(Name, EntryPoint = "cuGetErrorString")]
        public static partial CuResult GetErrorString(CuResult error, out nint text);
        [LibraryImport(Name, EntryPoint = "cuDeviceGetCount")]
        public static partial CuResult DeviceGetCount(out int count);
        [LibraryImport(Name, EntryPoint = "cuDeviceGet")]
        public static partial CuResult DeviceGet(out int device, int ordinal);
        [LibraryImport(Name, EntryPoint = "cuDeviceGetName")]
        public static partial CuResult DeviceGetName(byte* name, int length, int device);
        [LibraryImport(Name, EntryPoint = "cuDeviceTotalMem_v2")]
        public static partial CuResult DeviceTotalMem(out nuint bytes, int device);
        [LibraryImport(Name, EntryPoint = "cuDeviceGetAttribute")]
        public static partial CuResult DeviceGetAttribute(out int value, DeviceAttribute attribute, int device);
        [LibraryImport(Name, EntryPoint = "cuDevicePrimaryCtxRetain")]
        public static partial CuResult DevicePrimaryCtxRetain(out nint context, int device);
        [LibraryImport(Name, EntryPoint = "cuDevicePrimaryCtxRelease_v2")]
        public static partial CuResult DevicePrimaryCtxRelease(int device);
        [LibraryImport(Name, EntryPoint = "cuCtxSetCurrent")]
        public static partial CuResult CtxSetCurrent(nint context);
        [LibraryImport(Name, EntryPoint = "cuCtxSynchronize")]
        public static partial CuResult CtxSynchronize();
        [LibraryImport(Name, EntryPoint = "cuMemGetInfo_v2")]
        public static partial CuResult MemGetInfo(out nuint free, out nuint total);
        [LibraryImport(Name, EntryPoint = "cuMemAlloc_v2")]
        public static partial CuResult MemAlloc(out nint address, nuint bytes);
        [LibraryImport(Name, EntryPoint = "cuMemFree_v2")]
        public static partial CuResult MemFree(nint address);
        [LibraryImport(Name, EntryPoint = "cuMemHostAlloc")]
        public static partial CuResult MemHostAlloc(out nint address, nuint bytes, uint flags);
        [LibraryImport(Name, EntryPoint = "cuMemFreeHost")]
        public static partial CuResult MemFreeHost(nint address);
        [LibraryImport(Name, EntryPoint = "cuMemcpyHtoDAsync_v2")]
        public static partial CuResult MemcpyHtoDAsync(nint target, nint source, nuint bytes, nint stream);
        [LibraryImport(Name, EntryPoint = "cuMemcpyDtoHAsync_v2")]
        public static partial CuResult MemcpyDtoHAsync(nint target, nint source, nuint bytes, nint stream);
        [LibraryImport(Name, EntryPoint = "cuMemcpyDtoDAsync_v2")]
        public static partial CuResult MemcpyDtoDAsync(nint target, nint source, nuint bytes, nint stream);
        [LibraryImport(Name, EntryPoint = "cuMemsetD8Async")]
        public static partial CuResult MemsetD8Async(nint target, byte value, nuint bytes, nint stream);
        [LibraryImport(Name, EntryPoint = "cuStreamCreate")]
        public static partial CuResult StreamCreate(out nint stream, uint flags);
        [LibraryImport(Name, EntryPoint = "cuStreamDestroy_v2")]
        public static partial CuResult StreamDestroy(nint stream);
        [LibraryImport(Name, EntryPoint = "cuStreamSynchronize")]
        public static partial CuResult StreamSynchronize(nint stream);
        [LibraryImport(Name, EntryPoint = "cuStreamWaitEvent")]
        public static partial CuResult StreamWaitEvent(nint stream, nint @event, uint flags);
        [LibraryImport(Name, EntryPoint = "cuStreamBeginCapture_v2")]
        public static partial CuResult StreamBeginCapture(nint stream, int mode);
        [LibraryImport(Name, EntryPoint = "cuStreamEndCapture")]
        public static partial CuResult StreamEndCapture(nint stream, out nint graph);
        [LibraryImport(Name, EntryPoint = "cuEventCreate")]
        public static partial CuResult EventCreate(out nint @event, uint flags);
        [LibraryImport(Name, EntryPoint = "cuEventRecord")]
        public static partial CuResult EventRecord(nint @event, nint stream);
        [LibraryImport(Name, EntryPoint = "cuEventSynchronize")]
        public static partial CuResult EventSynchronize(nint @event);
        [LibraryImport(Name, EntryPoint = "cuEventElapsedTime")]
        public static partial CuResult EventElapsedTime(out float milliseconds, nint start, nint end);
        [LibraryImport(Name, EntryPoint = "cuEventDestroy_v2")]
        public static partial CuResult EventDestroy(nint @event);
        [LibraryImport(Name, EntryPoint = "cuLinkCreate_v2")]
        public static partial CuResult LinkCreate(uint optionCount, JitOption* options, nint* values, out nint state);
        [LibraryImport(Name, EntryPoint = "cuLinkAddData_v2")]
        public static partial CuResult LinkAddData(
            nint state, JitInput type, void* data, nuint bytes, byte* name, uint optionCount, JitOption* options, nint* values);
        [LibraryImport(Name, EntryPoint = "cuLinkComplete")]
        public static partial CuResult LinkComplete(nint state, out nint cubin, out nuint bytes);
        [LibraryImport(Name, EntryPoint = "cuLinkDestroy")]
        public static partial CuResult LinkDestroy(nint state);
        [LibraryImport(Name, EntryPoint = "cuModuleLoadDataEx")]
        public static partial CuResult ModuleLoadDataEx(out nint module, void* image, uint optionCount, JitOption* options, nint* values);
        [LibraryImport(Name, EntryPoint = "cuModuleUnload")]
        public static partial CuResult ModuleUnload(nint module);
        [LibraryImport(Name, EntryPoint = "cuModuleGetFunction")]
        public static partial CuResult ModuleGetFunction(out nint function, nint module, byte* name);
        [LibraryImport(Name, EntryPoint = "cuFuncGetAttribute")]
        public static partial CuResult FuncGetAttribute(out int value, FunctionAttribute attribute, nint function);
        [LibraryImport(Name, EntryPoint = "cuFuncSetAttribute")]
        public static partial CuResult FuncSetAttribute(nint function, FunctionAttribute attribute, int value);
        [LibraryImport(Name, EntryPoint = "cuOccupancyMaxPotentialBlockSize")]
        public static partial CuResult OccupancyMaxPotentialBlockSize(
            out int minGrid, out int block, nint function, nint sharedOfBlock, nuint sharedBytes, int blockLimit);
        [LibraryImport(Name, EntryPoint = "cuOccupancyMaxActiveBlocksPerMultiprocessor")]
        public static partial CuResult OccupancyMaxActiveBlocksPerMultiprocessor(out int blocks, nint function, int block, nuint sharedBytes);
        [LibraryImport(Name, EntryPoint = "cuLaunchKernel")]
        public static partial CuResult LaunchKernel(
            nint function, uint gridX, uint gridY, uint gridZ, uint blockX, uint blockY, uint blockZ,
            uint sharedBytes, nint stream, void** parameters, void** extra);
        [LibraryImport(Name, EntryPoint = "cuLaunchKernelEx")]
        public static partial CuResult LaunchKernelEx(LaunchConfig* config, nint function, void** parameters, void** extra);
        [LibraryImport(Name, EntryPoint = "cuGraphInstantiateWithFlags")]
        public static partial CuResult GraphInstantiateWithFlags(out nint executable, nint graph, ulong flags);
        [LibraryImport(Name, EntryPoint = "cuGraphExecUpdate_v2")]
        public static partial CuResult GraphExecUpdate(nint executable, nint graph, GraphUpdateInfo* info);
        [LibraryImport(Name, EntryPoint = "cuGraphGetNodes")]
        public static partial CuResult GraphGetNodes(nint graph, nint* nodes, nuint* count);
        [LibraryImport(Name, EntryPoint = "cuGraphLaunch")]
        public static partial CuResult GraphLaunch(nint executable, nint stream);
        [LibraryImport(Name, EntryPoint = "cuGraphExecDestroy")]
        public static partial CuResult GraphExecDestroy(nint executable);
        [LibraryImport(Name, EntryPoint = "cuGraphDestroy")]
        public static partial CuResult GraphDestroy(nint graph);
        [LibraryImport(Name, EntryPoint = "cuTensorMapEncodeTiled")]
        public static partial CuResult TensorMapEncodeTiled(
            TensorMapBits* map, int dataType, uint rank, nint address, ulong* dimensions, ulong* strides, uint* box, uint* elementStrides,
            int interleave, int swizzle, int promotion, int fill);
    }
}
