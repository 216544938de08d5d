using System.Text.Json;
using OllmNative.Kernels;

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

    [Theory]
    [InlineData("kernels", "NoSuchKernel")]
    [InlineData("kernels", "Softmax", "--arch", "sm_12")]
    [InlineData("kernels", "--ptx")]
    public void Kernels_BadInput_ExitsWithTwo(params string[] args)
    {
        var run = CliRun.Of(args);
        Assert.Equal(2, run.Code);
        Assert.StartsWith("error: ", run.Error, StringComparison.Ordinal);
    }
}
