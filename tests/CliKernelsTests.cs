using System.Text.Json;
using OllmNative.Kernels;
using OllmNative.Runtime.Cuda;

namespace OllmNative.Tests;

/// <summary><c>ollm kernels</c>.</summary>
public sealed class CliKernelsTests
{
    [Fact]
    public void Kernels_WithoutName_ListsEveryContract()
    {
        var run = CliRun.Of("kernels", "--json");
        Assert.Equal(0, run.Code);
        using JsonDocument json = JsonDocument.Parse(run.Out.TrimEnd().Split('\n')[^1]);
        Assert.Equal(KernelCatalog.All.Count, json.RootElement.GetProperty("kernels").GetArrayLength());
    }

    [Fact]
    public void Kernels_Ptx_PrintsTheModuleForTheTarget()
    {
        var run = CliRun.Of("kernels", "softmax", "--ptx", "--ir", "--arch", "sm_90");
        Assert.Equal(0, run.Code);
        Assert.Contains(".target sm_90", run.Out, StringComparison.Ordinal);
        Assert.Contains("kernel Softmax_Forward(", run.Out, StringComparison.Ordinal);
    }

    [SkippableFact]
    public void Kernels_Sass_PrintsMachineCode()
    {
        Skip.If(Ptxas.Find() is null, "ptxas and nvdisasm are not on PATH: build/ptxas.sh fetches them");
        var run = CliRun.Of("kernels", "softmax", "--sass", "--arch", "sm_90", "--json");
        Assert.Equal(0, run.Code);
        Assert.Contains("MUFU.EX2", run.Json.GetProperty("sass").GetString(), StringComparison.Ordinal);
    }

    [SkippableFact]
    public void Kernels_Resources_SayWhatAKernelTakes()
    {
        Skip.If(Ptxas.Find() is null, "ptxas and nvdisasm are not on PATH: build/ptxas.sh fetches them");
        var run = CliRun.Of("kernels", "softmax", "--resources", "--arch", "sm_80", "--json");
        Assert.Equal(0, run.Code);
        JsonElement kernel = Assert.Single(run.Json.GetProperty("kernels").EnumerateArray());
        Assert.InRange(kernel.GetProperty("registers").GetInt32(), 8, 64);
        Assert.Equal(256, kernel.GetProperty("threads").GetInt32());
        Assert.Equal(0, kernel.GetProperty("spill_store_bytes").GetInt32());
        Assert.Equal(512, kernel.GetProperty("shared_bytes").GetInt32());
    }

    [Theory]
    [InlineData("kernels", "NoSuchKernel")]
    [InlineData("kernels", "Softmax", "--arch", "sm_12")]
    [InlineData("kernels", "--ptx")]
    [InlineData("kernels", "--sass")]
    [InlineData("kernels", "Softmax", "--resources", "--ptx")]
    public void Kernels_BadInput_ExitsWithTwo(params string[] args)
    {
        var run = CliRun.Of(args);
        Assert.Equal(2, run.Code);
        Assert.StartsWith("error: ", run.Error, StringComparison.Ordinal);
    }
}
