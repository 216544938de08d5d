using System.Text;
using OllmNative.Runtime.Cuda;

namespace OllmNative.Tests.Cuda;

/// <summary>The driver without a GPU refuses what a driver refuses, with the driver's code.</summary>
public sealed unsafe class DriverRuleTests : IDisposable
{
    private const string Nothing = """
        .version 8.0
        .target sm_90
        .address_size 64
        .visible .entry nothing(
        .param .u64 nothing_0
        )
        .maxntid 128, 1, 1
        {
        ret;
        }
        """;

    private readonly PtxDriver _driver = new();
    private readonly nint _stream, _function, _module;

    public DriverRuleTests()
    {
        Done(_driver.Init(0));
        Done(_driver.DevicePrimaryCtxRetain(out nint context, 0));
        Done(_driver.CtxSetCurrent(context));
        Done(_driver.StreamCreate(out _stream, 1));
        fixed (byte* image = Encoding.ASCII.GetBytes(Nothing.ReplaceLineEndings("\n") + "\n\0")) Done(_driver.ModuleLoadDataEx(out _module, image, 0, null, null));
        fixed (byte* name = "nothing\0"u8) Done(_driver.ModuleGetFunction(out _function, _module, name));
    }

    public void Dispose() => _driver.Dispose();

    private static void Done(CuResult result) => Assert.Equal(CuResult.Success, result);

    private CuResult Launch(uint grid = 1, uint block = 1, uint shared = 0, uint gridY = 1, uint blockZ = 1, nint? function = null, bool withExtra = false)
    {
        ulong word = 0;
        void* parameter = &word;
        return _driver.LaunchKernel(function ?? _function, grid, gridY, 1, block, 1, blockZ, shared, _stream, &parameter, withExtra ? &parameter : null);
    }

    [Fact]
    public void Launch_OutsideOfTheLimits_IsRefused()
    {
        Done(Launch());
        Done(Launch(block: 128));
        foreach (CuResult refused in new[]
        {
            Launch(grid: 0), Launch(grid: 1u << 31), Launch(gridY: 65536), Launch(block: 0), Launch(block: 1025), Launch(blockZ: 65),
            Launch(block: 129), Launch(shared: 49_153), Launch(withExtra: true),
        })
            Assert.Equal(CuResult.InvalidValue, refused);
        Assert.Equal(CuResult.InvalidHandle, Launch(function: 1));
        Done(_driver.FuncSetAttribute(_function, FunctionAttribute.MaxDynamicSharedSizeBytes, 232_448));
        Assert.Equal(CuResult.InvalidValue, _driver.FuncSetAttribute(_function, FunctionAttribute.MaxDynamicSharedSizeBytes, 232_449));
        Done(Launch(shared: 232_448));
        Done(_driver.ModuleUnload(_module));
        Assert.Equal(CuResult.InvalidHandle, Launch());
    }

    [Fact]
    public void LaunchEx_AttributesThatDoNotFit_AreRefused()
    {
        CuResult With(params LaunchAttribute[] attributes)
        {
            ulong word = 0;
            void* parameter = &word;
            fixed (LaunchAttribute* first = attributes)
            {
                var config = new LaunchConfig { GridX = 32, GridY = 1, GridZ = 1, BlockX = 1, BlockY = 1, BlockZ = 1, Stream = _stream, Attributes = first, AttributeCount = (uint)attributes.Length };
                return _driver.LaunchKernelEx(&config, _function, &parameter, null);
            }
        }

        static LaunchAttribute Cluster(uint x) => new() { Id = LaunchAttribute.ClusterDimension, X = x, Y = 1, Z = 1 };
        Done(With());
        Done(With(Cluster(8), new LaunchAttribute { Id = LaunchAttribute.ProgrammaticStreamSerialization, X = 1 }));
        Assert.Equal(CuResult.InvalidClusterSize, With(Cluster(3)));
        Assert.Equal(CuResult.InvalidClusterSize, With(Cluster(0)));
        Assert.Equal(CuResult.InvalidValue, With(Cluster(16)));
        Assert.Equal(CuResult.InvalidValue, With(new LaunchAttribute { Id = 77, X = 1 }));
        Done(_driver.FuncSetAttribute(_function, FunctionAttribute.NonPortableClusterSizeAllowed, 1));
        Done(With(Cluster(16)));
    }

    [Fact]
    public void Capture_WhatWaitsForTheStream_SpoilsIt()
    {
        byte* pageable = stackalloc byte[16];
        Done(_driver.MemAlloc(out nint memory, 16));
        Done(_driver.EventCreate(out nint mark, 0));
        Done(_driver.EventRecord(mark, _stream));
        foreach ((CuResult code, Func<CuResult> call) in new (CuResult, Func<CuResult>)[]
        {
            (CuResult.StreamCaptureUnsupported, _driver.CtxSynchronize),
            (CuResult.StreamCaptureUnsupported, () => _driver.StreamSynchronize(_stream)),
            (CuResult.StreamCaptureUnsupported, () => _driver.MemcpyHtoDAsync(memory, (nint)pageable, 16, _stream)),
            (CuResult.StreamCaptureIsolation, () => _driver.StreamWaitEvent(_stream, mark, 0)),
        })
        {
            Done(_driver.StreamBeginCapture(_stream, 2));
            Assert.Equal(code, call());
            Assert.Equal(CuResult.StreamCaptureInvalidated, _driver.StreamEndCapture(_stream, out nint spoilt));
            Assert.Equal(0, spoilt);
        }
    }

    [Fact]
    public void Capture_Modes_DifferInWhatTheyAllow()
    {
        foreach (int mode in new[] { 0, 1 })
        {
            Done(_driver.StreamBeginCapture(_stream, mode));
            Assert.Equal(CuResult.StreamCaptureUnsupported, _driver.MemAlloc(out _, 16));
            Assert.Equal(CuResult.StreamCaptureInvalidated, _driver.StreamEndCapture(_stream, out _));
        }
        Done(_driver.StreamBeginCapture(_stream, 2));
        Done(_driver.MemAlloc(out _, 16));
        Done(Launch());
        Done(_driver.StreamEndCapture(_stream, out nint graph));
        Done(_driver.GraphInstantiateWithFlags(out nint executable, graph, 0));
        Done(_driver.GraphLaunch(executable, _stream));
        Done(_driver.StreamSynchronize(_stream));
        // A graph whose kernels are gone.
        Done(_driver.ModuleUnload(_module));
        Done(_driver.GraphLaunch(executable, _stream));
        Assert.Equal(CuResult.LaunchFailed, _driver.StreamSynchronize(_stream));
    }

    [Fact]
    public void Graph_WhoseMemoryIsGone_LosesTheContext()
    {
        Done(_driver.MemAlloc(out nint memory, 16));
        Done(_driver.StreamBeginCapture(_stream, 2));
        Done(_driver.MemsetD8Async(memory, 1, 16, _stream));
        Done(_driver.StreamEndCapture(_stream, out nint graph));
        Done(_driver.GraphInstantiateWithFlags(out nint executable, graph, 0));
        Done(_driver.MemFree(memory));
        Done(_driver.GraphLaunch(executable, _stream));
        Assert.Equal(CuResult.IllegalAddress, _driver.StreamSynchronize(_stream));
        Assert.Equal(CuResult.IllegalAddress, _driver.MemAlloc(out _, 16));
    }

    [Fact]
    public void Events_WithoutATime_HaveNoneBetweenThem()
    {
        Done(_driver.EventCreate(out nint timed, 0));
        Done(_driver.EventCreate(out nint other, 0));
        Done(_driver.EventCreate(out nint untimed, 2));
        Done(_driver.EventRecord(timed, _stream));
        Assert.Equal(CuResult.InvalidHandle, _driver.EventElapsedTime(out _, timed, other));
        Done(_driver.EventRecord(other, _stream));
        Assert.Equal(CuResult.NotReady, _driver.EventElapsedTime(out _, timed, other));
        Done(_driver.EventSynchronize(other));
        Done(_driver.EventElapsedTime(out _, timed, other));
        Done(_driver.EventRecord(untimed, _stream));
        Done(_driver.EventSynchronize(untimed));
        Assert.Equal(CuResult.InvalidHandle, _driver.EventElapsedTime(out _, timed, untimed));
        Done(_driver.StreamBeginCapture(_stream, 2));
        Done(_driver.EventRecord(other, _stream));
        Assert.Equal(CuResult.CapturedEvent, _driver.EventSynchronize(other));
        Done(_driver.StreamEndCapture(_stream, out _));
        Done(_driver.EventDestroy(other));
        Assert.Equal(CuResult.InvalidHandle, _driver.EventDestroy(other));
    }

    [Fact]
    public void Thread_WithoutTheContext_CannotCall()
    {
        CuResult alone = CuResult.Success;
        var thread = new Thread(() => alone = _driver.MemAlloc(out _, 16));
        thread.Start();
        thread.Join();
        Assert.Equal(CuResult.InvalidContext, alone);
        using var fresh = new PtxDriver();
        Assert.Equal(CuResult.NotInitialized, fresh.DeviceGetCount(out _));
    }

    [Fact]
    public void Module_OptionsOrParametersThatDoNotFit_AreRefused()
    {
        byte* log = stackalloc byte[32];
        JitOption* options = stackalloc JitOption[] { JitOption.ErrorLogBuffer, JitOption.ErrorLogBufferSizeBytes };
        nint* values = stackalloc nint[] { (nint)log, 32 };
        fixed (byte* broken = Encoding.ASCII.GetBytes(Nothing.Replace("ret;", "no.such.instruction %r1", StringComparison.Ordinal).ReplaceLineEndings("\n") + "\n\0"))
        {
            Assert.Equal(CuResult.InvalidPtx, _driver.ModuleLoadDataEx(out _, broken, 2, options, values));
            string said = Encoding.ASCII.GetString(log, 31);
            Assert.StartsWith("ptxas error", said, StringComparison.Ordinal);
            Assert.Equal((32, (byte)0), ((int)values[1], log[31]));
            Assert.Equal(CuResult.InvalidValue, _driver.ModuleLoadDataEx(out _, broken, 1, options, values));
            Assert.Equal(CuResult.InvalidValue, _driver.ModuleLoadDataEx(out _, broken, 2, options, null));
        }
        string many = string.Join(",\n", Enumerable.Range(0, 513).Select(i => $".param .u64 nothing_{i}"));
        fixed (byte* wide = Encoding.ASCII.GetBytes(Nothing.Replace(".param .u64 nothing_0", many, StringComparison.Ordinal).ReplaceLineEndings("\n") + "\n\0"))
            Assert.Equal(CuResult.InvalidPtx, _driver.ModuleLoadDataEx(out _, wide, 0, null, null));
    }

    [Theory]
    [InlineData(0, 256, 64, 64, 3, true)]
    [InlineData(8, 256, 64, 64, 3, false)] // the address on 16 bytes
    [InlineData(0, 248, 64, 64, 3, false)] // rows on multiples of 16 bytes
    [InlineData(0, 240, 64, 64, 3, false)] // rows that overlap
    [InlineData(0, 256, 72, 64, 3, false)] // more than the swizzle's 128 bytes
    [InlineData(0, 256, 72, 64, 0, true)]
    [InlineData(0, 256, 4, 64, 0, false)] // 8 bytes
    [InlineData(0, 256, 64, 257, 3, false)]
    [InlineData(0, 256, 64, 64, 4, false)]
    public void TensorMap_ByTheManualsRules_IsTakenOrRefused(int offset, long pitch, int width, int height, int swizzle, bool taken)
    {
        byte* room = stackalloc byte[192];
        var map = (TensorMapBits*)(((nint)room + 63) / 64 * 64);
        ulong* dimensions = stackalloc ulong[] { 128, 64 };
        ulong* strides = stackalloc ulong[] { (ulong)pitch };
        uint* box = stackalloc uint[] { (uint)width, (uint)height }, elements = stackalloc uint[] { 1, 1 };
        CuResult Encode(TensorMapBits* at) => _driver.TensorMapEncodeTiled(at, 1, 2, 0x10000 + offset, dimensions, strides, box, elements, 0, swizzle, 2, 0);
        Assert.Equal(taken ? CuResult.Success : CuResult.InvalidValue, Encode(map));
        Assert.Equal(CuResult.InvalidValue, Encode((TensorMapBits*)((nint)map + 16)));
    }
}
