using System.Diagnostics;

namespace OllmNative.Tests.Cuda;

/// <summary>What the runtime says about the driver, held against NVIDIA's cuda.h by the C compiler.</summary>
public sealed class DriverHeaderTests
{
    [SkippableFact]
    public void Imports_AgainstTheHeader_AreItsFunctionsStructsAndNumbers()
    {
        (int code, string said) = Compile(DriverHeader.Claims());
        Assert.True(code == 0, said);
        Assert.Equal(typeof(Runtime.Cuda.ICudaApi).GetMethods().Length, DriverHeader.Imports.Length);
    }

    [SkippableTheory]
    [InlineData("CUresult (*)(CUdeviceptr *, size_t)", "CUresult (*)(void **, size_t)")]
    [InlineData("CUresult (*)(CUevent, CUstream)", "CUresult (*)(CUstream, CUevent)")]
    [InlineData("\"cuMemAlloc_v2\"", "\"cuMemAlloc\"")]
    [InlineData("FIELD(CUlaunchConfig, hStream, 32", "FIELD(CUlaunchConfig, hStream, 28")]
    [InlineData("NUMBER(CUDA_ERROR_ILLEGAL_ADDRESS, 700)", "NUMBER(CUDA_ERROR_ILLEGAL_ADDRESS, 701)")]
    public void Claims_ThatAreWrong_AreRefusedByTheCompiler(string right, string wrong)
    {
        string claims = DriverHeader.Claims();
        Assert.Contains(right, claims, StringComparison.Ordinal);
        (int code, string said) = Compile(claims.Replace(right, wrong, StringComparison.Ordinal));
        Assert.NotEqual(0, code);
        Assert.Contains("static assertion failed", said, StringComparison.Ordinal);
    }

    private static (int Code, string Said) Compile(string claims)
    {
        string? folder = IncludeFolder();
        Skip.If(folder is null, "no cuda.h beside ptxas, in /usr/local/cuda/include, /usr/include or OLLM_CUDA_INCLUDE");
        Skip.IfNot(File.Exists("/usr/bin/gcc"), "no gcc");
        string file = Path.Combine(TestData.NewFolder(), "claims.c");
        File.WriteAllText(file, claims);
        using Process process = Process.Start(new ProcessStartInfo("/usr/bin/gcc", ["-std=c11", "-fsyntax-only", "-I", folder!, file]) { RedirectStandardError = true })!;
        string said = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, said);
    }

    private static string? IncludeFolder()
    {
        IEnumerable<string> besidePtxas = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
            .Where(folder => File.Exists(Path.Combine(folder, "ptxas"))).Select(folder => Path.Combine(folder, "..", "include"));
        string? named = Environment.GetEnvironmentVariable("OLLM_CUDA_INCLUDE");
        return (named is null ? [] : new[] { named }).Concat(besidePtxas).Concat(["/usr/local/cuda/include", "/usr/include"])
            .FirstOrDefault(folder => File.Exists(Path.Combine(folder, "cuda.h")));
    }
}
