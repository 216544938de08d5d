using System.Text;
using OllmNative.Kernels;
using OllmNative.Runtime.Cuda;
using OllmNative.Runtime.Language;

namespace OllmNative.Tests.Cuda;

/// <summary>One of several processes that use the same cache folder at the same time.</summary>
internal static class KernelCacheProcess
{
    /// <summary>Room for a few entries only, so that each process also deletes what the other one reads.</summary>
    public const long MaxBytes = 40_000;

    /// <summary>0 when every entry that was read was right and every kernel computed what it should.</summary>
    public static int Run(string folder, int rounds)
    {
        for (int round = 0; round < rounds; round++)
        {
            var cache = new KernelCache(folder, MaxBytes);
            for (int i = 0; i < 20; i++)
            {
                string key = $"{i:x64}";
                byte[] contents = Contents(i);
                if (cache.Read(key, KernelCache.Image) is { } found && !found.AsSpan().SequenceEqual(contents)) return 3;
                cache.Write(key, KernelCache.Image, contents);
            }
            if (!ComputesOnGpu(cache)) return 4;
        }
        return 0;
    }

    /// <summary>The same bytes in every process.</summary>
    public static byte[] Contents(int i) => Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat($"entry {i} ", 400)));

    private static bool ComputesOnGpu(KernelCache cache)
    {
        using var gpu = new PtxGpu(cache: cache);
        using var a = gpu.Accelerator.Allocate1D([1f, 2f, 3f]);
        using var b = gpu.Accelerator.Allocate1D([10f, 20f, 30f]);
        gpu.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, ArrayView<float>, int>(ResidualAdd.Forward)((1, 32), a.View, b.View, a.View, 3);
        return a.GetAsArray1D() is [11f, 22f, 33f];
    }
}
