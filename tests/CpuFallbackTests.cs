using System.Diagnostics;
using System.Reflection;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using OllmNative.Model.Cpu;

namespace OllmNative.Tests;

/// <summary>
/// The CPU tests once more with instruction sets switched off. Which ones the processor has is fixed when a process starts,
/// so each combination has a process of its own: this assembly, entered through <see cref="StartupHook"/>.
/// </summary>
public sealed class CpuFallbackTests
{
    internal const string Wanted = "OLLM_RUN_CPU_TESTS";

    [Theory]
    [InlineData("256-bit", "DOTNET_EnableAVX512", "DOTNET_EnableAVX512F")]
    [InlineData("no matrix unit", "OLLM_AMX")]
    [InlineData("scalar", "DOTNET_EnableHWIntrinsic")]
    public async Task CpuTests_WithoutInstructionSets_Pass(string path, params string[] switches)
    {
        string tests = typeof(CpuFallbackTests).Assembly.Location;
        // The host that runs this test need not be on the search path.
        string host = Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet" ? Environment.ProcessPath! : "dotnet";
        var start = new ProcessStartInfo(host, ["exec", tests]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["DOTNET_STARTUP_HOOKS"] = tests;
        start.Environment[Wanted] = path;
        foreach (string name in switches) start.Environment[name] = "0";
        using Process child = Process.Start(start)!;
        Task<string> output = child.StandardOutput.ReadToEndAsync(), errors = child.StandardError.ReadToEndAsync();
        await child.WaitForExitAsync();
        Assert.True(child.ExitCode == 0, await output + await errors);
        Assert.StartsWith("passed", await output, StringComparison.Ordinal);
    }

    /// <summary>Runs every test of the classes named Cpu...Tests in this process; returns its exit code.</summary>
    internal static int RunHere(string path)
    {
        bool asWanted = path switch
        {
            "scalar" => !Vector256.IsHardwareAccelerated && !Avx2.IsSupported,
            "256-bit" => !Avx512F.IsSupported,
            _ => !Amx.IsSupported,
        };
        if (!asWanted)
        {
            using var device = new CpuDevice(1);
            return Failed($"the switches did not take: {device.Description}");
        }
        int count = 0;
        foreach (Type type in typeof(CpuFallbackTests).Assembly.GetTypes())
        {
            if (!type.Name.StartsWith("Cpu", StringComparison.Ordinal) || !type.Name.EndsWith("Tests", StringComparison.Ordinal) || type == typeof(CpuFallbackTests)) continue;
            foreach (MethodInfo test in type.GetMethods().Where(m => m.GetCustomAttribute<FactAttribute>() is not null))
            {
                object[][] cases = [.. test.GetCustomAttributes<Xunit.Sdk.DataAttribute>().SelectMany(data => data.GetData(test))];
                foreach (object[] arguments in cases.Length > 0 ? cases : [[]])
                {
                    try
                    {
                        test.Invoke(Activator.CreateInstance(type), arguments);
                        count++;
                    }
                    catch (TargetInvocationException e)
                    {
                        return Failed($"{type.Name}.{test.Name}({string.Join(", ", arguments)}): {e.InnerException}");
                    }
                }
            }
        }
        Console.WriteLine($"passed {count}");
        return count > 40 ? 0 : Failed($"only {count} tests were found");
    }

    private static int Failed(string why)
    {
        Console.WriteLine(why);
        return 1;
    }
}
