using System.Runtime.InteropServices;
using OllmNative.Kernels;
using OllmNative.Runtime.Compiler;
using OllmNative.Runtime.Compiler.Ptx;

namespace OllmNative.Tests.Ptx;

/// <summary>Tests of what the whole process does or how long it takes: they run when no other test does.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class AloneTests
{
    public const string Name = "alone";
}

/// <summary>How long the compiler takes for each kernel of the catalog, once it is warm.</summary>
[Collection(AloneTests.Name)]
public sealed partial class CompileTimeTests
{
    private const double Most = 50;

    [Fact]
    public void Compile_WarmedUp_TakesUnder50Milliseconds()
    {
        foreach (KernelDescription kernel in KernelCatalog.All)
        {
            // Again where another program of the machine was in the way, or the JIT was not yet through with the compiler.
            double fastest = double.MaxValue;
            for (int round = 0; round < 20 && fastest >= Most; round++) fastest = Math.Min(fastest, FastestOfFive(kernel));
            Assert.True(fastest < Most, $"{kernel.Name}: {fastest:F1} ms");
        }
    }

    /// <summary>What a launch must ask for is part of a kernel's entry, so that the table of resources can show it.</summary>
    [Fact]
    public void Compile_DynamicSharedMemory_IsInTheCatalogOfEachKernelThatHasIt() => Assert.All(
        KernelCatalog.All, kernel => Assert.Equal(kernel.DynamicShared > 0, KernelCompiler.Compile(kernel.Method, new KernelCompileOptions { Target = PtxTarget.Sm90a }).UsesDynamicShared));

    private static double FastestOfFive(KernelDescription kernel)
    {
        var options = new KernelCompileOptions { Target = PtxTarget.Sm90a };
        KernelCompiler.Compile(kernel.Method, options);
        double[] times = new double[5];
        for (int i = 0; i < times.Length; i++)
        {
            double before = ProcessorMilliseconds();
            KernelCompiler.Compile(kernel.Method, options);
            times[i] = ProcessorMilliseconds() - before;
        }
        return times.Min();
    }

    /// <summary>This thread's time on a processor, or where that is not to be had the process's: other programs of the machine count less.</summary>
    private static double ProcessorMilliseconds()
    {
        const int threadClock = 3;
        return OperatingSystem.IsLinux() && GetTime(threadClock, out Time time) == 0
            ? time.Seconds * 1e3 + time.Nanoseconds * 1e-6
            : Environment.CpuUsage.TotalTime.TotalMilliseconds;
    }

    private struct Time
    {
        public nint Seconds;
        public nint Nanoseconds;
    }

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int GetTime(int clock, out Time time);
}
