using System.Text.Json;
using OllmNative.Cli.Commands;
using OllmNative.Cli.Trials;
using OllmNative.Model;
using OllmNative.Model.Cuda;
using OllmNative.Runtime.Cuda;

namespace OllmNative.Tests;

/// <summary>devices, selftest and bench kernels.</summary>
public sealed class CliDeviceTests
{
    private static bool HasGpu => CudaDriver.Probe().Gpus.Any(gpu => gpu.Refusal is null);

    [Fact]
    public void Devices_AnyMachine_NamesProcessorCudaAndEmulator()
    {
        CliRun people = CliRun.Of("devices");
        Assert.Equal(0, people.Code);
        Assert.Contains($"cuda: {CudaDriver.Probe().Message}", people.Out, StringComparison.Ordinal);
        Assert.Contains("emulator: ", people.Out, StringComparison.Ordinal);
        JsonElement json = CliRun.Of("devices", "--json").Json;
        Assert.Equal(HasGpu, json.GetProperty("cuda").GetProperty("gpus").EnumerateArray().Any(gpu => gpu.GetProperty("usable").GetBoolean()));
        Assert.Equal(Environment.ProcessorCount, json.GetProperty("emulator").GetProperty("threads").GetInt32());
    }

    [Fact]
    public void Devices_VersionsOfAGpu_AreToldByWhatIsKnownOfThem()
    {
        static VersionReport Of(string name, string state, string? why = null) => new(name, "a title", state, why, "something plainer");
        Assert.Equal(
            ["in use: tensor, graphs", "not tried yet (the first command on it does): steps", "left out: wgmma (a title): it was off; in its place: something plainer"],
            DevicesCommand.Told([Of("tensor", "in use"), Of("wgmma", "left out", "it was off"), Of("split", "not here"), Of("steps", "not tried"), Of("graphs", "in use")]));
        Assert.Empty(DevicesCommand.Told([]));
    }

    [SkippableFact]
    public void Selftest_ForgetWithoutGpu_IsRefusedWithTheReason()
    {
        Skip.If(HasGpu, "this machine has a GPU");
        CliRun.Of("selftest", "--forget").AssertRefused("--forget", CudaDriver.Probe().Message);
    }

    [SkippableTheory]
    [InlineData("selftest")]
    [InlineData("bench", "kernels")]
    public void Cuda_WithoutGpu_IsRefusedWithTheReason(params string[] command)
    {
        Skip.If(HasGpu, "this machine has a GPU");
        CliRun.Of([.. command, "--device", "cuda"]).AssertRefused("--device cuda", CudaDriver.Probe().Message);
    }

    [Fact]
    public void Selftest_Emulator_FindsEveryKernelRight()
    {
        CliRun run = CliRun.Of("selftest", "--device", "emulator", "--rounds", "1", "--json");
        Assert.True(run.Code == 0, run.Out + run.Error);
        JsonElement json = run.Json;
        Assert.True(json.GetProperty("passed").GetBoolean());
        Assert.Equal(KernelTrials.All.Select(plan => plan.Kernel), json.GetProperty("kernels").EnumerateArray().Select(kernel => kernel.GetProperty("name").GetString()));
        Assert.Equal(DeviceSelftest.Cases.Count, json.GetProperty("operations").GetArrayLength());
    }

    [Theory]
    [InlineData("selftest", "--device", "emulator", "--only", "NoSuchKernel")]
    [InlineData("selftest", "--device", "cpu", "--only", "NoSuchKernel")]
    [InlineData("bench", "kernels", "--device", "emulator", "--only", "NoSuchKernel")]
    public void Only_NameOfNoKernel_IsRefused(params string[] args) => CliRun.Of(args).AssertRefused("NoSuchKernel");

    [Fact]
    public void BenchKernels_Emulator_TimesEachAndSaysWhatItIs()
    {
        CliRun run = CliRun.Of("bench", "kernels", "--device", "emulator", "--only", "add");
        Assert.Equal(0, run.Code);
        Assert.Contains("say nothing about a GPU", run.Out, StringComparison.Ordinal);
        JsonElement json = CliRun.Of("bench", "kernels", "--device", "emulator", "--only", "matmul", "--json").Json;
        Assert.True(json.GetProperty("emulated").GetBoolean());
        JsonElement[] kernels = [.. json.GetProperty("kernels").EnumerateArray()];
        Assert.Equal(
            KernelTrials.All.Select(plan => plan.Kernel).Where(name => name.Contains("MatMul", StringComparison.Ordinal)),
            kernels.Select(kernel => kernel.GetProperty("kernel").GetString()));
        Assert.Contains(kernels, kernel => kernel.GetProperty("kernel").GetString() == "MatMulTensor4");
        Assert.All(kernels, kernel => Assert.True(kernel.GetProperty("milliseconds").GetDouble() > 0));
    }

    [Fact]
    public void ProfiledDevice_OperationsWithABodyInTheBaseClass_ArePassedOnToo()
    {
        // One that is not would run the base class's composition instead of the device's own kernel.
        string[] missing = [.. typeof(ComputeDevice).GetMethods().Where(method => method is { IsVirtual: true, IsAbstract: false, IsFinal: false } && method.DeclaringType == typeof(ComputeDevice))
            .Where(method => typeof(ProfiledDevice).GetMethod(method.Name, [.. method.GetParameters().Select(parameter => parameter.ParameterType)])?.DeclaringType != typeof(ProfiledDevice))
            .Select(method => method.Name)];
        Assert.True(missing.Length == 0, $"ProfiledDevice must override {string.Join(", ", missing)}");
    }
}
