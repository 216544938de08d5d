using OllmNative.Tests.Cuda;

namespace OllmNative.Tests;

/// <summary>What the test program does when a test starts it as a process of its own; the test runner never comes here.</summary>
public static class Program
{
    /// <summary>Runs the part that the first argument names.</summary>
    public static int Main(string[] args) => args switch
    {
        ["kernel-cache", var folder, var rounds] => KernelCacheProcess.Run(folder, int.Parse(rounds, System.Globalization.CultureInfo.InvariantCulture)),
        _ => 2,
    };
}
