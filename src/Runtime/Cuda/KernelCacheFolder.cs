namespace OllmNative.Runtime.Cuda;

/// <summary>Where compiled kernels are kept on disk.</summary>
public static class KernelCacheFolder
{
    /// <summary>The folder that the environment names (<c>OLLM_KERNEL_CACHE</c>, else the user's cache folder); null when the cache is off.</summary>
    public static string? Current => KernelCache.DefaultFolder(Environment.GetEnvironmentVariable);
}
