using OllmNative.Kernels;
using OllmNative.Runtime.Compiler;
using OllmNative.Runtime.Compiler.Ptx;

namespace OllmNative.Tests.Ptx;

/// <summary>Tests that measure time: they run when no other test does.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class TimingTests
{
    public const string Name = "timing";
}

/// <summary>How long the compiler takes for each kernel of the catalog, once it is warm.</summary>
[Collection(TimingTests.Name)]
public sealed class CompileTimeTests
{
    private const double Most = 50;

    [Fact]
    public void Compile_WarmedUp_TakesUnder50Milliseconds()
    {
        foreach (KernelDescription kernel in KernelCatalog.All)
        {
            // The median of five, and again where another program of the machine was in the way.
            double median = double.MaxValue;
            for (int round = 0; round < 20 && median >= Most; round++) median = Math.Min(median, MedianOfFive(kernel));
            Assert.True(median < Most, $"{kernel.Name}: {median:F1} ms");
        }
    }

    private static double MedianOfFive(KernelDescription kernel)
    {
        var options = new KernelCompileOptions { Target = PtxTarget.Sm90a };
        KernelCompiler.Compile(kernel.Method, options);
        double[] times = new double[5];
        for (int i = 0; i < times.Length; i++)
        {
            // Time on a processor: other programs of the machine count less.
            TimeSpan before = Environment.CpuUsage.TotalTime;
            KernelCompiler.Compile(kernel.Method, options);
            times[i] = (Environment.CpuUsage.TotalTime - before).TotalMilliseconds;
        }
        Array.Sort(times);
        return times[2];
    }
}
