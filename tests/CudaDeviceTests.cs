using System.Diagnostics;
using OllmNative.Model;
using OllmNative.Model.Cpu;
using OllmNative.Model.Cuda;
using OllmNative.Runtime.Emulator;
using OllmNative.Runtime.Language;
using OllmNative.Tests.Cuda;
using Xunit.Abstractions;

namespace OllmNative.Tests;

/// <summary>Every operation of the device over kernels, in the emulator, against the CPU device.</summary>
public sealed class CudaDeviceTests(ITestOutputHelper output)
{
    /// <summary>The plain kernels that the emulator takes by itself, the portable ones, and those for tensor cores.</summary>
    public static TheoryData<string, bool, bool> Kinds => new() { { "plain", true, false }, { "portable", false, false }, { "tensor cores", false, true } };

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Selftest_OnTheEmulator_AgreesWithTheCpu(string kind, bool plain, bool tensor)
    {
        using CudaDevice device = NewDevice(new CudaDeviceOptions { Plain = plain, TensorCores = tensor, Bf16Parameters = tensor, HeadWorkspace = 1024 });
        using var cpu = new CpuDevice(2);
        Check(device, cpu, tensor, kind);
    }

    [Fact]
    public void Selftest_ThroughPtx_AgreesWithTheCpu()
    {
        using var gpu = new PtxGpu();
        using var device = new CudaDevice(gpu.Accelerator, new CudaDeviceOptions { TensorCores = true, Bf16Parameters = true, HeadWorkspace = 1024 });
        using var cpu = new CpuDevice(2);
        Check(device, cpu, tensor: true, "PTX");
    }

    /// <summary>What is made otherwise on sm_90a.</summary>
    [Fact]
    public void Selftest_ProductsAndHeadOfHopper_AgreeWithTheCpu()
    {
        using var gpu = new PtxGpu();
        using var device = new CudaDevice(gpu.Accelerator, new CudaDeviceOptions { TensorCores = true, Bf16Parameters = true, Hopper = true, HeadWorkspace = 1024 });
        using var cpu = new CpuDevice(2);
        SelftestCase[] cases = [.. DeviceSelftest.Cases.Where(test => test.Operation.StartsWith("MatMulBackward", StringComparison.Ordinal) || test.Operation.StartsWith("Head", StringComparison.Ordinal))];
        Assert.True(cases.Length >= 6);
        Assert.All(cases, test =>
        {
            SelftestResult result = DeviceSelftest.Run(test, device, cpu, 11);
            Assert.True(result.Passed, $"{result.Operation} ({result.Shape}): {result.MaxError:E1} > {result.Tolerance:E1} {result.Failure}");
        });
    }

    /// <summary>Activations lie side by side in one buffer: a product that writes there leaves the bf16 copies of others as they are, but not that of what it writes.</summary>
    [Fact]
    public void MatMul_ResultBesideTheInput_RoundsTheInputOnceAndWhatItWrote()
    {
        using var gpu = new PtxGpu();
        using var device = new CudaDevice(gpu.Accelerator, new CudaDeviceOptions { TensorCores = true, Bf16Parameters = true });
        const int n = 24, d = 16;
        using DeviceBuffer<float> memory = device.Allocate<float>(2 * n * d), weights = device.Allocate<float>(d * d);
        memory.Upload(0, [.. Enumerable.Range(0, 2 * n * d).Select(i => (float)(i % 7))]);
        weights.Upload(0, [.. Enumerable.Range(0, d * d).Select(i => i % (d + 1) == 0 ? 2f : 0f)]);
        DeviceMatrix twice = device.Matrix(weights.View, d, d);
        DeviceView<float> x = memory.View.Slice(0, n * d), y = memory.View.Slice(n * d, n * d);
        device.MatMul(x, twice, default, y);
        gpu.Driver.Launched.Clear();
        device.MatMul(x, twice, default, y);
        Assert.DoesNotContain(gpu.Driver.Launched, entry => entry.StartsWith("ToBf16", StringComparison.Ordinal));
        device.MatMul(y, twice, default, x);
        device.MatMul(x, twice, default, y);
        Assert.Equal(Enumerable.Range(0, n * d).Select(i => 8f * (i % 7)), y.ToArray());
    }

    private void Check(CudaDevice device, CpuDevice cpu, bool tensor, string kind)
    {
        var watch = Stopwatch.StartNew();
        List<SelftestResult> results = [];
        foreach (SelftestResult result in DeviceSelftest.Run(device, cpu, 3, most: tensor ? 1 : 2e-5))
        {
            results.Add(result);
            output.WriteLine($"{watch.Elapsed.TotalSeconds,6:F2} s  {result.MaxError:E1}  {result.Operation}  ({result.Shape})");
        }
        string[] failed = [.. results.Where(result => !result.Passed).Select(r => $"{r.Operation} ({r.Shape}): {r.MaxError:E1} > {r.Tolerance:E1} {r.Failure}")];
        Assert.True(failed.Length == 0, $"{kind}, {watch.Elapsed.TotalSeconds:F1} s:\n{string.Join('\n', failed)}");
    }

    internal static CudaDevice NewDevice(CudaDeviceOptions? options = null)
    {
        Context context = Context.Create(builder => builder.CPU());
        return new CudaDevice(context.CreateCPUAccelerator(0), options, context);
    }
}
