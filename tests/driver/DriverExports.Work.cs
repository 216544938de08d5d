using System.Runtime.InteropServices;
using OllmNative.Runtime.Cuda;

namespace OllmNative.Tests.Driver;

/// <summary>Modules, kernels, graphs, tensor maps.</summary>
internal static unsafe partial class DriverExports
{
    [UnmanagedCallersOnly(EntryPoint = "cuLinkCreate_v2")]
    private static CuResult LinkCreate(uint optionCount, JitOption* options, nint* values, nint* state)
    {
        try { return Driver.LinkCreate(optionCount, options, values, out *state); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuLinkAddData_v2")]
    private static CuResult LinkAddData(
        nint state, JitInput type, void* data, nuint bytes,
        byte* name, uint optionCount, JitOption* options, nint* values)
    {
        try { return Driver.LinkAddData(state, type, data, bytes, name, optionCount, options, values); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuLinkComplete")]
    private static CuResult LinkComplete(nint state, nint* cubin, nuint* bytes)
    {
        try { return Driver.LinkComplete(state, out *cubin, out *bytes); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuLinkDestroy")]
    private static CuResult LinkDestroy(nint state)
    {
        try { return Driver.LinkDestroy(state); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuModuleLoadDataEx")]
    private static CuResult ModuleLoadDataEx(nint* module, void* image, uint optionCount, JitOption* options, nint* values)
    {
        try { return Driver.ModuleLoadDataEx(out *module, image, optionCount, options, values); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuModuleUnload")]
    private static CuResult ModuleUnload(nint module)
    {
        try { return Driver.ModuleUnload(module); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuModuleGetFunction")]
    private static CuResult ModuleGetFunction(nint* function, nint module, byte* name)
    {
        try { return Driver.ModuleGetFunction(out *function, module, name); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuFuncGetAttribute")]
    private static CuResult FuncGetAttribute(int* value, FunctionAttribute attribute, nint function)
    {
        try { return Driver.FuncGetAttribute(out *value, attribute, function); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuFuncSetAttribute")]
    private static CuResult FuncSetAttribute(nint function, FunctionAttribute attribute, int value)
    {
        try { return Driver.FuncSetAttribute(function, attribute, value); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuOccupancyMaxPotentialBlockSize")]
    private static CuResult OccupancyMaxPotentialBlockSize(
        int* minGrid, int* block, nint function,
        nint sharedOfBlock, nuint sharedBytes, int blockLimit)
    {
        try { return Driver.OccupancyMaxPotentialBlockSize(out *minGrid, out *block, function, sharedOfBlock, sharedBytes, blockLimit); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuOccupancyMaxActiveBlocksPerMultiprocessor")]
    private static CuResult OccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, nint function, int block, nuint sharedBytes)
    {
        try { return Driver.OccupancyMaxActiveBlocksPerMultiprocessor(out *blocks, function, block, sharedBytes); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuLaunchKernel")]
    private static CuResult LaunchKernel(
        nint function, uint gridX, uint gridY, uint gridZ, uint blockX, uint blockY,
        uint blockZ, uint sharedBytes, nint stream, void** parameters, void** extra)
    {
        try { return Driver.LaunchKernel(function, gridX, gridY, gridZ, blockX, blockY, blockZ, sharedBytes, stream, parameters, extra); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuLaunchKernelEx")]
    private static CuResult LaunchKernelEx(LaunchConfig* config, nint function, void** parameters, void** extra)
    {
        try { return Driver.LaunchKernelEx(config, function, parameters, extra); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuGraphInstantiateWithFlags")]
    private static CuResult GraphInstantiateWithFlags(nint* executable, nint graph, ulong flags)
    {
        try { return Driver.GraphInstantiateWithFlags(out *executable, graph, flags); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuGraphExecUpdate_v2")]
    private static CuResult GraphExecUpdate(nint executable, nint graph, GraphUpdateInfo* info)
    {
        try { return Driver.GraphExecUpdate(executable, graph, info); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuGraphGetNodes")]
    private static CuResult GraphGetNodes(nint graph, nint* nodes, nuint* count)
    {
        try { return Driver.GraphGetNodes(graph, nodes, count); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuGraphLaunch")]
    private static CuResult GraphLaunch(nint executable, nint stream)
    {
        try { return Driver.GraphLaunch(executable, stream); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuGraphExecDestroy")]
    private static CuResult GraphExecDestroy(nint executable)
    {
        try { return Driver.GraphExecDestroy(executable); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuGraphDestroy")]
    private static CuResult GraphDestroy(nint graph)
    {
        try { return Driver.GraphDestroy(graph); }
        catch (Exception failure) { return Failed(failure); }
    }

    [UnmanagedCallersOnly(EntryPoint = "cuTensorMapEncodeTiled")]
    private static CuResult TensorMapEncodeTiled(
        TensorMapBits* map, int dataType, uint rank, nint address, ulong* dimensions, ulong* strides,
        uint* box, uint* elementStrides, int interleave, int swizzle, int promotion, int fill)
    {
        try { return Driver.TensorMapEncodeTiled(map, dataType, rank, address, dimensions, strides, box, elementStrides, interleave, swizzle, promotion, fill); }
        catch (Exception failure) { return Failed(failure); }
    }
}
